//! The writing side of the files: positioned writes, fdatasync, new segments, the spare one.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread::JoinHandle;

use crate::error::LogError;
use crate::segment::{self, SPARE_NAME, SegmentHeader, segment_name};

use std::sync::Arc;

/// Bytes that belong at one place of one segment.
pub(crate) struct Chunk {
    pub segment: u32,
    /// Set on the first chunk of a segment that does not exist yet.
    pub begins: Option<SegmentHeader>,
    pub offset: usize,
    pub bytes: Vec<u8>,
}

/// The file being written, and the next one in preparation.
pub(crate) struct Disk {
    segment: u32,
    file: File,
    bytes: u64,
    written_to: u64,
    spare: Option<JoinHandle<Result<File, LogError>>>,
}

impl Disk {
    /// Makes the first segment.
    pub fn create(dir: &Path, header: &SegmentHeader) -> Result<Self, LogError> {
        let file = segment::write_spare(&dir.join(SPARE_NAME), header.bytes)?;
        segment::adopt_spare(dir, &file, header)?;
        Ok(Self { segment: header.index, file, bytes: header.bytes, written_to: 0, spare: None })
    }

    /// Opens the last segment for writing; clears what a crash tore behind `end`; syncs what was read, since
    /// a killed process may have left valid records that only the page cache holds.
    pub fn reopen(dir: &Path, segment: u32, bytes: &[u8], end: usize, torn: bool) -> Result<Self, LogError> {
        let path = dir.join(segment_name(segment));
        let fatal = |source| LogError::Fatal { file: path.clone(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| LogError::io(&path, error))?;
        if torn {
            file.write_all_at(&vec![0; bytes.len() - end], end as u64).map_err(fatal)?;
        }
        file.sync_data().map_err(fatal)?;
        Ok(Self { segment, file, bytes: bytes.len() as u64, written_to: end as u64, spare: None })
    }

    /// Writes `chunks` in order and syncs. A segment is synced before the next one is made, so that an attempt after
    /// a full disk begins with the segment that the last one reached.
    pub fn write(&mut self, dir: &Path, chunks: &[Arc<Chunk>]) -> Result<(), LogError> {
        for chunk in chunks {
            if chunk.segment < self.segment {
                continue;
            }
            if let Some(header) = chunk.begins.as_ref().filter(|header| header.index != self.segment) {
                self.sync(dir)?;
                self.begin_segment(dir, header)?;
            }
            let at = chunk.offset as u64;
            self.file.write_all_at(&chunk.bytes, at).map_err(|source| self.fatal(dir, source))?;
            self.written_to = at + chunk.bytes.len() as u64;
        }
        self.sync(dir)
    }

    fn sync(&self, dir: &Path) -> Result<(), LogError> {
        self.file.sync_data().map_err(|source| self.fatal(dir, source))
    }

    fn fatal(&self, dir: &Path, source: std::io::Error) -> LogError {
        LogError::Fatal { file: dir.join(segment_name(self.segment)), source }
    }

    fn begin_segment(&mut self, dir: &Path, header: &SegmentHeader) -> Result<(), LogError> {
        let file = match self.take_spare(header.bytes)? {
            Some(file) => file,
            None => segment::write_spare(&dir.join(SPARE_NAME), header.bytes)?,
        };
        segment::adopt_spare(dir, &file, header)?;
        (self.segment, self.file, self.bytes, self.written_to) = (header.index, file, header.bytes, 0);
        Ok(())
    }

    /// The prepared spare, if there is one of the right length.
    fn take_spare(&mut self, bytes: u64) -> Result<Option<File>, LogError> {
        let Some(handle) = self.spare.take() else { return Ok(None) };
        match handle.join() {
            Ok(Ok(file)) => {
                let length =
                    file.metadata().map_err(|error| LogError::io(Path::new(SPARE_NAME), error))?.len();
                Ok((length == bytes).then_some(file))
            }
            // The caller tries again in its own thread and reports what happens then.
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// Starts preparing the next segment in a thread once this one is half full.
    pub fn prepare_spare(&mut self, dir: &Path, bytes: u64) {
        if self.spare.is_some() || self.written_to < self.bytes / 2 {
            return;
        }
        let path = dir.join(SPARE_NAME);
        let builder = std::thread::Builder::new().name("log-spare".into());
        self.spare = builder.spawn(move || segment::write_spare(&path, bytes)).ok();
    }

    /// Removes the spare, so that a stopped log consists of segments alone.
    pub fn drop_spare(&mut self, dir: &Path) -> Result<(), LogError> {
        if let Some(handle) = self.spare.take() {
            // Its outcome no longer matters; only its end does.
            drop(handle.join());
        }
        segment::remove_spare(dir)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::segment::BLOCK_BYTES;
    use crate::walk::Cursor;

    #[test]
    fn a_second_attempt_leaves_the_segments_before_the_last_alone() {
        let dir = std::env::temp_dir().join(format!("hansa-log-disk-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let header = |index| Cursor::START.header(index, 4 * BLOCK_BYTES as u64, [0; 32]);
        let chunk = |segment, begins, offset, byte| {
            Arc::new(Chunk { segment, begins, offset, bytes: vec![byte; 64] })
        };
        let mut disk = Disk::create(&dir, &header(0)).unwrap();
        // The first attempt got as far as segment 1, then the disk was full; the second begins with the same chunks.
        let chunks = [chunk(0, None, 2 * BLOCK_BYTES, 7), chunk(1, Some(header(1)), BLOCK_BYTES, 8)];
        disk.write(&dir, &chunks).unwrap();
        disk.write(&dir, &chunks).unwrap();
        let written = std::fs::read(dir.join(segment_name(1))).unwrap();
        assert_eq!(written[BLOCK_BYTES..BLOCK_BYTES + 64], [8; 64]);
        assert!(written[BLOCK_BYTES + 64..].iter().all(|byte| *byte == 0));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
