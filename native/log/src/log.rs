//! The log: appending into memory, making whole batches durable, reading by position.

use std::convert::Infallible;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Chunk, Disk};
use crate::error::LogError;
use crate::frame::{self, FRAME_HEADER_BYTES, KIND_CLOSE, KIND_COMMIT, aligned};
use crate::opening;
use crate::segment::{self, BLOCK_BYTES, SegmentHeader, segment_name};
use crate::walk::{self, Cursor};

/// Largest payload of a record, unless the options say otherwise.
pub const RECORD_BYTES_MAX: usize = 256 << 20;

/// Open segment files kept for reading.
const READ_FILES_MAX: usize = 64;

/// Settings of a log.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Bytes allocated at once; a multiple of 4096. A larger record gets a larger segment of its own.
    pub segment_bytes: u64,
    /// Largest payload accepted.
    pub record_bytes_max: usize,
    /// Appended bytes held in memory before an append syncs by itself.
    pub pending_bytes_max: usize,
    /// Binds the files to one owner, for example the genesis hash.
    pub tag: [u8; 32],
    /// The segment with which the log begins: those before it were dropped.
    pub first_segment: u32,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            record_bytes_max: RECORD_BYTES_MAX,
            pending_bytes_max: 64 << 20,
            tag: [0; 32],
            first_segment: 0,
        }
    }
}

/// Where a record begins: segment index in the upper half, byte offset in the lower.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    pub(crate) fn new(segment: u32, offset: u32) -> Self {
        Self(u64::from(segment) << 32 | u64::from(offset))
    }

    /// Segment index.
    pub fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Byte offset in the segment file.
    pub fn offset(self) -> u32 {
        self.0 as u32
    }
}

/// A record as opening, scanning and checking show it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where it begins.
    pub position: Position,
    /// Its number in the log, frames of the log itself counted too.
    pub seq: u64,
    /// The owner's kind, at least [`crate::KIND_FIRST`].
    pub kind: u8,
    /// The owner's bytes.
    pub payload: &'a [u8],
}

/// What opening found at the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// True when the last run closed the log.
    pub clean: bool,
    /// Offset in the last segment where a torn write was cleared.
    pub torn_at: Option<u64>,
}

/// What appends change; guarded by one short lock.
pub(crate) struct Writer {
    cursor: Cursor,
    segment: u32,
    segment_bytes: u64,
    offset: usize,
    /// Chunks of finished batches, in order, not yet durable.
    sealed: Vec<Arc<Chunk>>,
    /// Chunks of the batch being filled.
    open: Vec<Chunk>,
    pending_bytes: usize,
}

struct Files {
    dir: PathBuf,
    options: LogOptions,
    writer: Mutex<Writer>,
    disk: Mutex<Disk>,
    readers: Mutex<Vec<(u32, Arc<File>)>>,
    stopped: AtomicBool,
}

enum Backend {
    Files(Box<Files>),
    Memory(Mutex<Vec<Arc<[u8]>>>),
}

/// An append-only record log. Appends and reads are cheap and may come from any thread while another syncs.
pub struct Log {
    backend: Backend,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// A log without files: nothing survives the process.
    pub fn memory() -> Self {
        Self { backend: Backend::Memory(Mutex::new(Vec::new())) }
    }

    /// Opens the log in `dir` (made when absent), checks every byte, hands each record to `visit`, clears a
    /// torn tail.
    ///
    /// # Errors
    /// `Corrupt`, `Foreign`, `Version`, `Io`, `Full`; nothing is changed on disk then.
    pub fn open(
        dir: &Path,
        options: LogOptions,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Self, Tail), LogError> {
        fs::create_dir_all(dir).map_err(|error| LogError::growing(dir, error))?;
        segment::remove_spare(dir)?;
        segment::remove_before(dir, options.first_segment)?;
        let (indexes, _) = segment::list(dir)?;
        let (disk, writer, tail) = match indexes.first() {
            None if options.first_segment == 0 => opening::create_first(dir, &options)?,
            _ => opening::recover(dir, &options, &indexes, visit)?,
        };
        let files = Files {
            dir: dir.to_owned(),
            options,
            writer: Mutex::new(writer),
            disk: Mutex::new(disk),
            readers: Mutex::new(Vec::new()),
            stopped: AtomicBool::new(false),
        };
        Ok((Self { backend: Backend::Files(Box::new(files)) }, tail))
    }

    /// Appends one record made of `parts` in order; durable after the next [`Log::sync`].
    ///
    /// # Errors
    /// `TooLarge`; `Stopped` after a fatal error; when too much is pending, what `sync` returns.
    pub fn append(&self, kind: u8, parts: &[&[u8]]) -> Result<Position, LogError> {
        debug_assert!(kind >= frame::KIND_FIRST);
        match &self.backend {
            Backend::Files(files) => files.append(kind, parts),
            Backend::Memory(records) => {
                let mut records = locked(records);
                records.push(parts.concat().into());
                let index = records.len() as u64 - 1;
                Ok(Position(index))
            }
        }
    }

    /// Makes everything appended so far durable: one write and one fdatasync, more only across segments.
    ///
    /// # Errors
    /// `Full` (may be tried again), `Fatal` (stop the node), `Stopped`.
    pub fn sync(&self) -> Result<(), LogError> {
        match &self.backend {
            Backend::Files(files) => files.sync(),
            Backend::Memory(_) => Ok(()),
        }
    }

    /// Reads a record's payload, durable or not.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`, `Io`.
    pub fn read(&self, position: Position) -> Result<Vec<u8>, LogError> {
        match &self.backend {
            Backend::Files(files) => files.read(position),
            Backend::Memory(records) => {
                let missing = LogError::NotFound { segment: position.segment(), offset: position.offset() };
                locked(records).get(position.0 as usize).map(|record| record.to_vec()).ok_or(missing)
            }
        }
    }

    /// Hands every durable record at or behind `from` to `visit`, in order.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn scan(&self, from: Position, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), LogError> {
        match &self.backend {
            Backend::Files(files) => files.scan(from, visit),
            Backend::Memory(_) => Ok(()),
        }
    }

    /// Removes the segments before `segment`, which the owner no longer reads. What it names as
    /// [`LogOptions::first_segment`] from now on must be durable by then.
    ///
    /// # Errors
    /// `Io`, `Fatal`.
    pub fn drop_before(&self, segment: u32) -> Result<(), LogError> {
        match &self.backend {
            Backend::Files(files) => {
                locked(&files.readers).retain(|(index, _)| *index >= segment);
                segment::remove_before(&files.dir, segment)
            }
            Backend::Memory(_) => Ok(()),
        }
    }

    /// Syncs and leaves the marks of a clean stop. Appending afterwards is allowed.
    ///
    /// # Errors
    /// As `sync`.
    pub fn close(&self) -> Result<(), LogError> {
        match &self.backend {
            Backend::Files(files) => files.close(),
            Backend::Memory(_) => Ok(()),
        }
    }
}

/// Reads one whole segment file.
pub(crate) fn read_segment(path: &Path) -> Result<Vec<u8>, LogError> {
    fs::read(path).map_err(|error| LogError::io(path, error))
}

impl Writer {
    pub(crate) fn at(cursor: Cursor, segment: u32, segment_bytes: u64, offset: usize) -> Self {
        Self {
            cursor,
            segment,
            segment_bytes,
            offset,
            sealed: Vec::new(),
            open: Vec::new(),
            pending_bytes: 0,
        }
    }

    /// Begins a new segment when `span` bytes do not fit in this one.
    fn make_room(&mut self, span: usize, options: &LogOptions) {
        if self.offset + span <= self.segment_bytes as usize {
            return;
        }
        let needed = (BLOCK_BYTES + span + 2 * BLOCK_BYTES).next_multiple_of(BLOCK_BYTES) as u64;
        self.segment += 1;
        self.segment_bytes = options.segment_bytes.max(needed);
        self.offset = BLOCK_BYTES;
        let header = self.cursor.header(self.segment, self.segment_bytes, options.tag);
        self.open.push(Chunk {
            segment: self.segment,
            begins: Some(header),
            offset: BLOCK_BYTES,
            bytes: Vec::new(),
        });
    }

    fn put(&mut self, kind: u8, parts: &[&[u8]], options: &LogOptions) -> Position {
        let payload: usize = parts.iter().map(|part| part.len()).sum();
        let span = aligned(FRAME_HEADER_BYTES + payload);
        self.make_room(span, options);
        if self.open.is_empty() {
            let chunk = Chunk { segment: self.segment, begins: None, offset: self.offset, bytes: Vec::new() };
            self.open.push(chunk);
        }
        let position = Position::new(self.segment, self.offset as u32);
        let (seq, batch) = (self.cursor.next_seq, self.cursor.next_batch());
        if let Some(chunk) = self.open.last_mut() {
            let previous = frame::encode(&mut chunk.bytes, seq, batch, self.cursor.previous, kind, parts);
            let second_close = kind == KIND_CLOSE && parts == [&[1_u8]];
            let open = kind != KIND_COMMIT && !second_close;
            self.cursor = Cursor { next_seq: seq + 1, previous, batch, open, closed: second_close };
        }
        self.offset += span;
        self.pending_bytes += span;
        position
    }

    /// Zero bytes up to the next 4 KiB block, so that the second close frame shares no block with the first.
    fn skip_to_block(&mut self) {
        let next = self.offset.next_multiple_of(BLOCK_BYTES);
        let gap = next - self.offset;
        if let Some(chunk) = self.open.last_mut() {
            chunk.bytes.resize(chunk.bytes.len() + gap, 0);
        }
        self.offset = next;
        self.pending_bytes += gap;
    }

    fn seal_open(&mut self) {
        self.sealed.extend(self.open.drain(..).map(Arc::new));
    }

    fn find(&self, position: Position) -> Option<Vec<u8>> {
        let (segment, offset) = (position.segment(), position.offset() as usize);
        let chunks = self.sealed.iter().map(|chunk| &**chunk).chain(&self.open);
        for chunk in chunks.filter(|chunk| chunk.segment == segment) {
            let end = chunk.offset + chunk.bytes.len();
            if (chunk.offset..end).contains(&offset) {
                let found = frame::decode(&chunk.bytes[offset - chunk.offset..]).ok()?;
                return Some(found.payload.to_vec());
            }
        }
        None
    }
}

impl Files {
    fn check_running(&self) -> Result<(), LogError> {
        if self.stopped.load(Ordering::Acquire) { Err(LogError::Stopped) } else { Ok(()) }
    }

    fn append(&self, kind: u8, parts: &[&[u8]]) -> Result<Position, LogError> {
        self.check_running()?;
        let bytes = parts.iter().map(|part| part.len()).sum();
        if bytes > self.options.record_bytes_max {
            return Err(LogError::TooLarge { bytes, max: self.options.record_bytes_max });
        }
        if locked(&self.writer).pending_bytes > self.options.pending_bytes_max {
            self.sync()?;
        }
        Ok(locked(&self.writer).put(kind, parts, &self.options))
    }

    fn sync(&self) -> Result<(), LogError> {
        self.sync_with(|writer, options| {
            if writer.cursor.open {
                writer.put(KIND_COMMIT, &[], options);
            }
        })
    }

    /// Writes and syncs what an earlier attempt left, then the batch that `finish` completes.
    fn sync_with(&self, finish: impl FnOnce(&mut Writer, &LogOptions)) -> Result<(), LogError> {
        self.check_running()?;
        let mut disk = locked(&self.disk);
        self.flush(&mut disk)?;
        {
            let mut writer = locked(&self.writer);
            finish(&mut writer, &self.options);
            writer.seal_open();
        }
        self.flush(&mut disk)?;
        disk.prepare_spare(&self.dir, self.options.segment_bytes);
        Ok(())
    }

    fn flush(&self, disk: &mut Disk) -> Result<(), LogError> {
        let chunks = locked(&self.writer).sealed.clone();
        if chunks.is_empty() {
            return Ok(());
        }
        if let Err(error) = disk.write(&self.dir, &chunks) {
            if !matches!(error, LogError::Full { .. }) {
                self.stopped.store(true, Ordering::Release);
            }
            return Err(error);
        }
        let mut writer = locked(&self.writer);
        let written: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        writer.sealed.drain(..chunks.len());
        writer.pending_bytes = writer.pending_bytes.saturating_sub(written);
        Ok(())
    }

    fn close(&self) -> Result<(), LogError> {
        self.sync()?;
        let options = &self.options;
        self.sync_with(|writer, _| {
            if writer.cursor.closed && !writer.cursor.open {
                return;
            }
            writer.make_room(3 * BLOCK_BYTES, options);
            writer.put(KIND_CLOSE, &[&[0]], options);
            writer.skip_to_block();
            writer.put(KIND_CLOSE, &[&[1]], options);
        })?;
        locked(&self.disk).drop_spare(&self.dir)
    }

    fn reader(&self, segment: u32) -> Result<Arc<File>, LogError> {
        let mut readers = locked(&self.readers);
        if let Some((_, file)) = readers.iter().find(|(index, _)| *index == segment) {
            return Ok(file.clone());
        }
        let path = self.dir.join(segment_name(segment));
        let file = Arc::new(File::open(&path).map_err(|error| LogError::io(&path, error))?);
        if readers.len() >= READ_FILES_MAX {
            readers.remove(0);
        }
        readers.push((segment, file.clone()));
        Ok(file)
    }

    fn read(&self, position: Position) -> Result<Vec<u8>, LogError> {
        if let Some(found) = locked(&self.writer).find(position) {
            return Ok(found);
        }
        let (segment, offset) = (position.segment(), u64::from(position.offset()));
        let path = self.dir.join(segment_name(segment));
        let missing = || LogError::NotFound { segment, offset: position.offset() };
        let file = self.reader(segment)?;
        let mut head = [0; FRAME_HEADER_BYTES];
        file.read_exact_at(&mut head, offset).map_err(|_| missing())?;
        let len = frame::u32_at(&head, 0) as usize;
        if !(FRAME_HEADER_BYTES..=FRAME_HEADER_BYTES + self.options.record_bytes_max).contains(&len) {
            return Err(missing());
        }
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, offset).map_err(|error| LogError::io(&path, error))?;
        frame::decode(&bytes).map_err(|what| LogError::corrupt(&path, offset, what))?;
        bytes.drain(..FRAME_HEADER_BYTES);
        Ok(bytes)
    }

    fn scan(&self, from: Position, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), LogError> {
        let (indexes, _) = segment::list(&self.dir)?;
        for index in indexes.into_iter().filter(|index| *index >= from.segment()) {
            let path = self.dir.join(segment_name(index));
            let bytes = read_segment(&path)?;
            let header = SegmentHeader::decode(&path, &bytes, &self.options.tag)?;
            let mut cursor = Cursor::from_header(&header);
            let walked =
                walk::walk_frames::<Infallible>(&bytes, index, BLOCK_BYTES, &mut cursor, &mut |record| {
                    if record.position >= from {
                        visit(record);
                    }
                    Ok(())
                });
            let Ok(walked) = walked;
            if let Some(bad) = walked.bad {
                return Err(LogError::corrupt(&path, bad.offset as u64, bad.what));
            }
        }
        Ok(())
    }
}
