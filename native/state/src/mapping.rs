//! A file of pages with checksums, mapped into memory. A small file is checked when it is opened, of
//! a large one each page when it is first read.
//!
//! The file's own system may bring a page to memory again long after that, and a byte may rot in
//! between; so whoever reads all of a file anyway (writing the next one, verifying) checks each page
//! again. A page that does not hold is never served: the file is set aside under another name, so
//! that the next start takes another one, and the reader panics.
//!
//! A page is first read by a system call, and through the map only then: where the disk gives it back
//! no more, a call tells so, while a read through the map would end the process without a word.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::panic::panic_any;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;

use crate::trie::node::NodeRef;
use crate::{CheckpointError, DamagedState};

/// Bytes under one checksum.
pub(crate) const PAGE: usize = 4_096;

/// Bytes of a page's checksum (CRC-32C, little-endian).
pub(crate) const CRC_BYTES: usize = 4;

/// Files up to this size are read in a moment, and so checked as a whole when they are opened.
pub(crate) const CHECKED_AT_ONCE_MAX: usize = 64 << 20;

/// Ending of the name of a file in which a page did not hold.
const DAMAGED: &str = "damaged";

const MALFORMED: &str = "a node is malformed";

/// Pages, and behind them a table of their checksums.
pub(crate) struct Mapping {
    map: Mmap,
    file: File,
    path: PathBuf,
    pages: usize,
    /// The checksum of each page behind the first.
    sums: Box<[u8]>,
    /// A bit for each page that was checked.
    checked: Box<[AtomicU64]>,
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Mapping").field(&self.path).finish()
    }
}

impl Mapping {
    /// Maps a file; nothing is checked yet but that there is a first page.
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let named = |error: io::Error| CheckpointError::Io { path: path.to_path_buf(), error };
        let file = File::open(path).map_err(named)?;
        if file.metadata().map_err(named)?.len() < PAGE as u64 {
            let what = "the file ends within its first page";
            return Err(CheckpointError::Corrupt { path: path.to_path_buf(), offset: 0, what });
        }
        // SAFETY: a finished file is never written to by us: it is replaced as a whole. Changes made
        // by others behind our back are what checksums are for; bytes are valid whatever they are.
        let map = unsafe { Mmap::map(&file) }.map_err(named)?;
        let (pages, sums, checked) = (0, Box::default(), Box::default());
        Ok(Self { map, file, path: path.to_path_buf(), pages, sums, checked })
    }

    /// The first page, which names the number of pages behind it and vouches for itself.
    pub(crate) fn first_page(&self) -> Result<[u8; PAGE], CheckpointError> {
        let mut page = [0; PAGE];
        self.read_at(0, &mut page)?;
        Ok(page)
    }

    /// Says that `pages` pages follow the first, then their checksums, whose own checksum is `crc`. A
    /// file of up to `at_once` bytes is checked as a whole.
    pub(crate) fn set_pages(&mut self, pages: u64, crc: u32, at_once: usize) -> Result<(), CheckpointError> {
        let whole =
            pages.checked_mul((PAGE + CRC_BYTES) as u64).and_then(|bytes| bytes.checked_add(PAGE as u64));
        if whole != Some(self.map.len() as u64) {
            return Err(self.corrupt(0, "the file is shorter or longer than its header says"));
        }
        // The file is in memory's reach, so its pages can be counted there.
        self.pages = pages as usize;
        let mut sums = vec![0; self.pages * CRC_BYTES];
        self.read_at(self.table(), &mut sums)?;
        if crc32c::crc32c(&sums) != crc {
            return Err(self.corrupt(self.table() as u64, "the table of checksums does not hold"));
        }
        self.sums = sums.into();
        self.checked = (0..(self.pages + 1).div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        if self.map.len() <= at_once { self.check_all() } else { Ok(()) }
    }

    /// The node at an offset.
    ///
    /// # Panics
    /// Where its bytes are not those that were written.
    pub(crate) fn node(&self, offset: u64) -> NodeRef<'_> {
        let header = self.bytes(offset, NodeRef::HEADER);
        if !NodeRef::is_of_file(header) {
            self.fail(self.corrupt(offset, MALFORMED));
        }
        NodeRef::new(self.bytes(offset, NodeRef::size_of(header)))
    }

    /// As [`Mapping::node`], looked at as a whole, and with an error in place of the panic.
    pub(crate) fn try_node(&self, offset: u64) -> Result<NodeRef<'_>, CheckpointError> {
        let header = self.try_bytes(offset, NodeRef::HEADER)?;
        let node = NodeRef::new(self.try_bytes(offset, NodeRef::size_of(header))?);
        if node.is_sound() { Ok(node) } else { Err(self.corrupt(offset, MALFORMED)) }
    }

    /// Where a node lies, without touching it.
    pub(crate) fn place(&self, offset: u64) -> *const u8 {
        self.map.as_ptr().wrapping_add(offset as usize)
    }

    /// Bytes from an offset on.
    ///
    /// # Panics
    /// Where they are not those that were written.
    fn bytes(&self, offset: u64, size: usize) -> &[u8] {
        match self.checked_range(offset, size) {
            Ok(range) => &self.map[range],
            Err(error) => self.fail(error),
        }
    }

    /// Bytes from an offset on, or what does not hold.
    pub(crate) fn try_bytes(&self, offset: u64, size: usize) -> Result<&[u8], CheckpointError> {
        Ok(&self.map[self.checked_range(offset, size)?])
    }

    fn checked_range(&self, offset: u64, size: usize) -> Result<Range<usize>, CheckpointError> {
        let from = offset as usize;
        let to = from.saturating_add(size);
        if size == 0 || from < PAGE || to > self.table() {
            return Err(self.corrupt(offset, "a link leads out of the pages"));
        }
        for page in from / PAGE..=(to - 1) / PAGE {
            let bit = 1 << (page % 64);
            // Relaxed: the bytes are the same for everybody, checked or not.
            if self.checked[page / 64].load(Ordering::Relaxed) & bit == 0 {
                self.check(page)?;
                self.checked[page / 64].fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(from..to)
    }

    /// Checks every page, whatever was checked before. Afterwards all of them are within reach: who
    /// reads them waits neither for the disk nor for a checksum.
    pub(crate) fn check_all(&self) -> Result<(), CheckpointError> {
        (1..=self.pages).try_for_each(|page| self.check(page))?;
        self.checked.iter().for_each(|pages| pages.store(u64::MAX, Ordering::Relaxed));
        Ok(())
    }

    /// Forgets which pages were checked, so that each is checked again when it is read next: by
    /// whoever is about to read them all.
    pub(crate) fn check_again(&self) {
        self.checked.iter().for_each(|pages| pages.store(0, Ordering::Relaxed));
    }

    pub(crate) fn corrupt(&self, offset: u64, what: &'static str) -> CheckpointError {
        CheckpointError::Corrupt { path: self.path.clone(), offset, what }
    }

    /// Checks that a page behind the first can be read, and has its checksum.
    #[cold]
    fn check(&self, page: usize) -> Result<(), CheckpointError> {
        let mut bytes = [0; PAGE];
        self.read_at(page * PAGE, &mut bytes)?;
        let at = (page - 1) * CRC_BYTES;
        match crc32c::crc32c(&bytes).to_le_bytes() == self.sums[at..at + CRC_BYTES] {
            true => Ok(()),
            false => Err(self.corrupt((page * PAGE) as u64, "a page's checksum does not hold")),
        }
    }

    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> Result<(), CheckpointError> {
        let read = self.file.read_exact_at(bytes, offset as u64);
        read.map_err(|error| CheckpointError::Io { path: self.path.clone(), error })
    }

    /// Where the table of checksums begins.
    fn table(&self) -> usize {
        (self.pages + 1) * PAGE
    }

    /// Sets the file aside and gives up: wrong values must not reach anybody, and what asked has no
    /// way on without the right ones. Whoever owns the process must end it ([`DamagedState`]).
    fn fail(&self, error: CheckpointError) -> ! {
        // Where even this fails the next start meets the same page and says the same.
        let _ = fs::rename(&self.path, self.path.with_extension(DAMAGED));
        panic_any(DamagedState(error));
    }
}
