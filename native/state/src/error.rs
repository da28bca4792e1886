//! What can be wrong with a diff or a checkpoint.

use std::io;
use std::path::PathBuf;

use alloy_primitives::B256;

/// Why bytes are not a state diff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiffError {
    /// More bytes than a diff may have.
    #[error("a state diff of {size} bytes exceeds the limit of {max}")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// An encoding that this release does not know.
    #[error("state diff version {0} is unknown")]
    Version(u8),
    /// The bytes end within a value.
    #[error("the state diff ends at byte {0}, within a value")]
    Truncated(usize),
    /// The bytes go on after the diff.
    #[error("{0} bytes follow the state diff")]
    TrailingBytes(usize),
    /// A value that has another, shorter or ordered encoding.
    #[error("the state diff is not canonical at byte {offset}: {what}")]
    NotCanonical {
        /// Where the value stands.
        offset: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl DiffError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "STATE-DIFF-SIZE",
            Self::Version(_) => "STATE-DIFF-VERSION",
            Self::Truncated(_) | Self::TrailingBytes(_) => "STATE-DIFF-LENGTH",
            Self::NotCanonical { .. } => "STATE-DIFF-CANONICAL",
        }
    }
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A byte that is not what was written.
    #[error("{path}: corrupt at byte {offset}: {what}", path = path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// First byte of the part that does not hold.
        offset: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// Every byte holds, but the state is not the one that the header names.
    #[error("{path}: the state has root {found}, the header says {expected}", path = path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// Root named by the header.
        expected: B256,
        /// Root of the leaves.
        found: B256,
    },
    /// The state refers to code that is not in memory.
    #[error("the code {0} is missing from the state")]
    MissingCode(B256),
}

impl CheckpointError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "CHECKPOINT-IO",
            Self::Corrupt { .. } => "CHECKPOINT-CORRUPT",
            Self::Root { .. } => "CHECKPOINT-ROOT",
            Self::MissingCode(_) => "CHECKPOINT-CODE",
        }
    }
}

/// What the panic carries that ends a read of a page that does not hold. Nothing that unwinds from there is of use:
/// the owner of the process sees to it, by a panic hook, that it ends.
#[derive(Debug, thiserror::Error)]
#[error("{0}; set aside, the next start takes another checkpoint")]
pub struct DamagedState(pub CheckpointError);
