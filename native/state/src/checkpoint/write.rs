//! Writing: to a temporary file, synced, renamed, the folder synced.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alloy_primitives::B256;

use super::{CHECKPOINT_VERSION, Counts, HEADER_BYTES, Header, MAGIC};
use crate::account::AccountLeaf;
use crate::mapping::{CRC_BYTES, PAGE};
use crate::trie::node::{Child, Link};
use crate::trie::{View, linked_copy};
use crate::{CheckpointError, WorldState};

/// Bytes after which what was written is synced, so that no sync finds much: one long sync would hold
/// up those that votes wait for.
const SYNC_BYTES: u64 = 8 << 20;

/// Bytes written at a time, each piece at a multiple of its size. A system that keeps such a piece on one
/// large page of its cache maps it as one, and reads through the map are a quarter faster.
const PIECE: usize = 512 * PAGE;

/// Bytes of the disk that a checkpoint written beside everything else leaves free: votes and blocks need
/// them more.
const ROOM_LEFT: u64 = 256 << 20;

/// How fast a checkpoint may be written.
#[derive(Debug, Clone, Copy)]
pub enum Pace<'a> {
    /// As fast as it goes: somebody waits for it.
    Full,
    /// At most so many bytes a second, on average, for as long as the flag is not set: it must not get
    /// in the way.
    Beside(u64, &'a AtomicBool),
}

/// Writes a state. When this returns the file stands complete and durable under its name; at no
/// moment does an incomplete one. Holding the clone of a state is all the pause it needs.
///
/// # Errors
/// [`CheckpointError::Io`], [`CheckpointError::MissingCode`].
///
/// # Panics
/// Where the file below the state does not hold.
pub fn write_checkpoint(
    path: &Path,
    height: u64,
    block_hash: &B256,
    state: &WorldState,
    pace: Pace<'_>,
) -> Result<(), CheckpointError> {
    let temporary = path.with_extension("tmp");
    let written = write_all(&temporary, height, block_hash, state, pace);
    if let Err(error) = written {
        // A half-written file helps nobody; that it cannot be removed changes nothing for the caller.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    let named = |error| CheckpointError::Io { path: path.to_path_buf(), error };
    fs::rename(&temporary, path).map_err(named)?;
    sync_folder(path).map_err(named)
}

fn write_all(
    path: &Path,
    height: u64,
    block_hash: &B256,
    state: &WorldState,
    pace: Pace<'_>,
) -> Result<(), CheckpointError> {
    let named = |error| CheckpointError::Io { path: path.to_path_buf(), error };
    let mut sink = Sink::create(path, pace).map_err(named)?;
    let mut counts = Counts::default();
    let mut codes = BTreeSet::new();
    let state = &state.clone().whole();
    let accounts = state.trie();
    accounts.distrust_file();
    let mut on_account = |leaf: &AccountLeaf| {
        counts.accounts += 1;
        if leaf.info.has_code() {
            codes.insert(leaf.info.code_hash);
        }
    };
    let mut slots = 0;
    let mut nodes = Nodes { view: accounts, sink: &mut sink, on_account: &mut on_account, slots: &mut slots };
    let top = nodes.trie(accounts.top(), true).map_err(named)?;
    (counts.slots, counts.codes) = (slots, codes.len() as u64);
    let codes_at = sink.offset;
    for hash in codes {
        let code = state.code(&hash).ok_or(CheckpointError::MissingCode(hash))?;
        // Code is bounded by the block's bytes, far below 2^32.
        sink.put(&(code.len() as u32).to_le_bytes()).map_err(named)?;
        sink.put(&code).map_err(named)?;
    }
    let header = Header {
        height,
        block_hash: *block_hash,
        state_root: state.root(),
        top: top.offset().unwrap_or(0),
        counts,
        codes_at,
        pages: 0,
        table_crc: 0,
    };
    sink.finish(header).map_err(named)
}

/// Writes the nodes of a state, children first.
struct Nodes<'a, 'b, 'p> {
    view: View<'a>,
    sink: &'b mut Sink<'p>,
    on_account: &'b mut dyn FnMut(&AccountLeaf),
    slots: &'b mut u64,
}

impl Nodes<'_, '_, '_> {
    /// One trie; where its top went.
    fn trie(&mut self, top: Link, of_accounts: bool) -> io::Result<Link> {
        let Some(node) = self.view.node(top) else { return Ok(Link::NONE) };
        // Branches first, then nested tries, as a node lists them.
        let mut links = Vec::with_capacity(16);
        for (_, child) in node.children() {
            if let Child::Branch(lower) = child {
                links.push(self.trie(lower, of_accounts)?);
            }
        }
        for (_, child) in node.children() {
            let Child::Leaf(leaf) = child else { continue };
            if !of_accounts {
                *self.slots += 1;
                continue;
            }
            (self.on_account)(&AccountLeaf::of(leaf));
            if !leaf.nested.is_none() {
                links.push(self.trie(leaf.nested, false)?);
            }
        }
        let at = self.sink.offset;
        self.sink.put(&linked_copy(node, &links))?;
        Ok(Link::at(at))
    }
}

struct Sink<'p> {
    file: File,
    /// What the next piece consists of so far.
    piece: Vec<u8>,
    offset: u64,
    page_crc: u32,
    table: Vec<u8>,
    pace: Pace<'p>,
    begun: Instant,
    synced: u64,
}

impl<'p> Sink<'p> {
    /// A file whose first page is left free.
    fn create(path: &Path, pace: Pace<'p>) -> io::Result<Self> {
        let file = File::create(path)?;
        let mut piece = Vec::with_capacity(PIECE);
        piece.resize(PAGE, 0);
        let offset = PAGE as u64;
        let begun = Instant::now();
        Ok(Self { file, piece, offset, page_crc: 0, table: Vec::new(), pace, begun, synced: offset })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = PAGE - (self.offset % PAGE as u64) as usize;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.piece.extend_from_slice(now);
            self.page_crc = crc32c::crc32c_append(self.page_crc, now);
            self.offset += now.len() as u64;
            if now.len() == room {
                self.table.extend_from_slice(&self.page_crc.to_le_bytes());
                self.page_crc = 0;
            }
            // A piece ends with a page.
            if self.piece.len() == PIECE {
                self.flush()?;
            }
            bytes = later;
        }
        self.keep_pace()
    }

    /// Waits as long as it takes for the bytes so far not to have been too many.
    fn keep_pace(&mut self) -> io::Result<()> {
        if self.offset - self.synced < SYNC_BYTES {
            return Ok(());
        }
        self.synced = self.offset;
        let Pace::Beside(rate, hurry) = self.pace else { return Ok(()) };
        if free_bytes(&self.file)? < ROOM_LEFT {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if !hurry.load(Ordering::Relaxed) {
            self.file.sync_data()?;
            let due = Duration::from_secs_f64(self.offset as f64 / rate.max(1) as f64);
            std::thread::sleep(due.saturating_sub(self.begun.elapsed()));
        }
        Ok(())
    }

    /// Fills the last page, writes the table and the first page, and syncs.
    fn finish(mut self, mut header: Header) -> io::Result<()> {
        let rest = (PAGE - (self.offset % PAGE as u64) as usize) % PAGE;
        self.put(&[0; PAGE][..rest])?;
        header.pages = (self.table.len() / CRC_BYTES) as u64;
        header.table_crc = crc32c::crc32c(&self.table);
        self.flush()?;
        self.file.write_all(&self.table)?;
        self.file.write_all_at(&first_page(&header), 0)?;
        self.file.sync_all()
    }
}

fn first_page(header: &Header) -> Vec<u8> {
    let mut page = Vec::with_capacity(PAGE);
    page.extend_from_slice(MAGIC);
    page.extend_from_slice(&CHECKPOINT_VERSION.to_le_bytes());
    page.extend_from_slice(&header.height.to_le_bytes());
    page.extend_from_slice(header.block_hash.as_slice());
    page.extend_from_slice(header.state_root.as_slice());
    let Counts { accounts, slots, codes } = header.counts;
    for number in [header.top, accounts, slots, codes, header.codes_at, header.pages] {
        page.extend_from_slice(&number.to_le_bytes());
    }
    page.extend_from_slice(&header.table_crc.to_le_bytes());
    debug_assert_eq!(page.len(), HEADER_BYTES);
    page.resize(PAGE - CRC_BYTES, 0);
    page.extend_from_slice(&crc32c::crc32c(&page).to_le_bytes());
    page
}

/// Bytes that are free on the disk of a file.
fn free_bytes(file: &File) -> io::Result<u64> {
    let mut facts = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the descriptor is open for as long as `file` lives, and the place has room for the answer.
    if unsafe { libc::fstatvfs(file.as_raw_fd(), facts.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above filled it.
    let facts = unsafe { facts.assume_init() };
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
