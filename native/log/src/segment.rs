//! Segment files: header, names, creation with all space allocated.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::LogError;
use crate::frame::{u32_at, u64_at};

/// Size of the header and of the unit that a disk writes as one.
pub const BLOCK_BYTES: usize = 4096;
/// Ending of a segment's file name.
pub const SEGMENT_SUFFIX: &str = ".seg";
/// A segment being prepared; never holds records.
pub(crate) const SPARE_NAME: &str = "next.tmp";

const MAGIC: &[u8; 8] = b"HANSALOG";
const VERSION: u32 = 1;
const HEADER_USED: usize = 80;

/// What the first block of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub index: u32,
    pub bytes: u64,
    pub first_seq: u64,
    pub previous: u32,
    /// Batch of the last frame before this segment, shifted left by one; bit 0 set when it was still open.
    pub batch: u64,
    pub tag: [u8; 32],
}

/// File name of a segment.
pub fn segment_name(index: u32) -> String {
    format!("{index:08}{SEGMENT_SUFFIX}")
}

/// The index that a file name stands for, if it is the name of a segment.
pub(crate) fn segment_index(name: &str) -> Option<u32> {
    let index = name.strip_suffix(SEGMENT_SUFFIX)?.parse().ok()?;
    (segment_name(index) == name).then_some(index)
}

impl SegmentHeader {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        out.extend_from_slice(&self.batch.to_le_bytes());
        out.extend_from_slice(&self.tag);
        out.extend_from_slice(&self.previous.to_le_bytes());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.resize(BLOCK_BYTES, 0);
        out
    }

    /// Decodes and checks the first block of `file` (named in errors only).
    pub fn decode(file: &Path, block: &[u8], tag: &[u8; 32]) -> Result<Self, LogError> {
        if block.len() < BLOCK_BYTES {
            return Err(LogError::corrupt(
                file,
                block.len() as u64,
                "the file is shorter than a segment header",
            ));
        }
        if &block[..8] != MAGIC {
            return Err(LogError::corrupt(file, 0, "not a segment of a log: the magic number is wrong"));
        }
        if crc32c::crc32c(&block[..HEADER_USED - 4]) != u32_at(block, HEADER_USED - 4) {
            return Err(LogError::corrupt(file, 0, "the segment header's checksum does not match"));
        }
        if let Some(at) = block[HEADER_USED..BLOCK_BYTES].iter().position(|byte| *byte != 0) {
            return Err(LogError::corrupt(file, (HEADER_USED + at) as u64, "header padding is not zero"));
        }
        let version = u32_at(block, 8);
        if version != VERSION {
            return Err(LogError::Version { file: file.to_owned(), version });
        }
        let mut found_tag = [0; 32];
        found_tag.copy_from_slice(&block[40..72]);
        if found_tag != *tag {
            return Err(LogError::Foreign { file: file.to_owned() });
        }
        Ok(Self {
            index: u32_at(block, 12),
            bytes: u64_at(block, 16),
            first_seq: u64_at(block, 24),
            batch: u64_at(block, 32),
            tag: found_tag,
            previous: u32_at(block, 72),
        })
    }
}

/// Segment indexes in `dir`, ascending, and the names of other files found there.
pub(crate) fn list(dir: &Path) -> Result<(Vec<u32>, Vec<String>), LogError> {
    let mut indexes = Vec::new();
    let mut others = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| LogError::io(dir, error))? {
        let entry = entry.map_err(|error| LogError::io(dir, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match segment_index(&name) {
            Some(index) => indexes.push(index),
            None => others.push(name),
        }
    }
    indexes.sort_unstable();
    others.sort_unstable();
    Ok((indexes, others))
}

/// Makes a file of `bytes` zeros, written and synced, so that later writes only replace blocks
/// (an fdatasync then needs no journal commit, and the disk cannot be full in mid-record).
pub(crate) fn write_spare(path: &Path, bytes: u64) -> Result<File, LogError> {
    const CHUNK: usize = 1 << 20;
    let growing = |error| LogError::growing(path, error);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).map_err(growing)?;
    let zeros = vec![0_u8; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(CHUNK as u64) as usize;
        file.write_all(&zeros[..now]).map_err(growing)?;
        left -= now as u64;
    }
    file.sync_all().map_err(growing)?;
    Ok(file)
}

/// Turns a spare into the segment of `header`: header synced before the name appears.
pub(crate) fn adopt_spare(dir: &Path, spare: &File, header: &SegmentHeader) -> Result<PathBuf, LogError> {
    let from = dir.join(SPARE_NAME);
    let path = dir.join(segment_name(header.index));
    let fatal = |source| LogError::Fatal { file: path.clone(), source };
    spare.write_all_at(&header.encode(), 0).map_err(fatal)?;
    spare.sync_data().map_err(fatal)?;
    fs::rename(&from, &path).map_err(fatal)?;
    sync_dir(dir)?;
    Ok(path)
}

/// Makes renames and removals in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), LogError> {
    let fatal = |source| LogError::Fatal { file: dir.to_owned(), source };
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(fatal)
}

/// Removes the segments before `first`.
pub(crate) fn remove_before(dir: &Path, first: u32) -> Result<(), LogError> {
    let (indexes, _) = list(dir)?;
    let old: Vec<u32> = indexes.into_iter().filter(|index| *index < first).collect();
    for index in &old {
        let path = dir.join(segment_name(*index));
        fs::remove_file(&path).map_err(|error| LogError::io(&path, error))?;
    }
    if old.is_empty() { Ok(()) } else { sync_dir(dir) }
}

/// Removes a spare left by an earlier run.
pub(crate) fn remove_spare(dir: &Path) -> Result<(), LogError> {
    let path = dir.join(SPARE_NAME);
    match fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LogError::io(&path, error)),
    }
}
