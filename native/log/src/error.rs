//! What can go wrong with a log.

use std::io;
use std::path::{Path, PathBuf};

/// Every failure of a log. `Corrupt` and `Fatal` must stop the node; `Full` may heal.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Bytes that were once durable no longer hold what was written.
    #[error("{}: offset {offset}: {what}", file.display())]
    Corrupt {
        /// The segment file.
        file: PathBuf,
        /// Byte offset in the file.
        offset: u64,
        /// What does not hold.
        what: String,
    },
    /// The disk is full: nothing new was made durable, what was durable still is. May be tried again.
    #[error("{}: no space left on the device", file.display())]
    Full {
        /// The file that could not grow.
        file: PathBuf,
    },
    /// Writing or syncing failed. The kernel may have dropped the pages: never try again, stop the node.
    #[error("{}: {source}: the log can no longer promise that data is durable", file.display())]
    Fatal {
        /// The file.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An earlier write or sync failed; this log accepts nothing more.
    #[error("the log stopped after an earlier write or sync failure")]
    Stopped,
    /// The folder belongs to another chain or another kind of log.
    #[error("{}: written for another chain", file.display())]
    Foreign {
        /// The segment file.
        file: PathBuf,
    },
    /// The file was written by a version of the program that this one does not know.
    #[error("{}: log format version {version} is not supported", file.display())]
    Version {
        /// The segment file.
        file: PathBuf,
        /// The version found.
        version: u32,
    },
    /// A record larger than the log accepts.
    #[error("a record of {bytes} bytes exceeds the maximum of {max}")]
    TooLarge {
        /// Length of the record.
        bytes: usize,
        /// The maximum.
        max: usize,
    },
    /// No record begins at this position.
    #[error("no record at segment {segment}, offset {offset}")]
    NotFound {
        /// Segment index.
        segment: u32,
        /// Byte offset.
        offset: u32,
    },
    /// Reading or listing failed.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl LogError {
    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        Self::Io { file: file.to_owned(), source }
    }

    pub(crate) fn corrupt(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), offset, what: what.into() }
    }

    pub(crate) fn missing_segment(dir: &Path, index: u32) -> Self {
        Self::corrupt(&dir.join(crate::segment::segment_name(index)), 0, "a segment file is missing")
    }

    /// A failed creation or preallocation: `Full` when the device has no room, else `Io`.
    pub(crate) fn growing(file: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { file: file.to_owned() },
            _ => Self::io(file, source),
        }
    }
}
