//! The data folder: its parts and the lock against a second process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::ChainError;

/// Name of the lock file; always empty.
pub const LOCK_NAME: &str = "LOCK";
/// Folder of the block log.
pub const BLOCKS_NAME: &str = "blocks";
/// Folder of the checkpoints.
pub const CHECKPOINTS_NAME: &str = "checkpoints";
/// Folder of the vote log, which the consensus driver owns.
pub const VOTES_NAME: &str = "votes";
/// Folder of what a running process says of itself; nothing in it outlives the process.
pub const RUN_NAME: &str = "run";
/// File that says where a ledger begins that does not begin at genesis.
pub const BASE_NAME: &str = "base";
/// Folder of a snapshot that is being taken over.
pub const SNAPSHOT_NAME: &str = "snapshot";
/// Folder of what a repair set aside.
pub const QUARANTINE_NAME: &str = "quarantine";

/// The opened data folder; the lock ends with the value.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    _lock: File,
}

impl Folder {
    /// Locks `root`, which is made when absent.
    ///
    /// # Errors
    /// `Locked`, `Io`.
    pub fn lock(root: &Path) -> Result<Self, ChainError> {
        fs::create_dir_all(root).map_err(|error| ChainError::io(root, error))?;
        let path = root.join(LOCK_NAME);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| ChainError::io(&path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(ChainError::Locked(root.display().to_string())),
            Err(TryLockError::Error(error)) => Err(ChainError::io(&path, error)),
        }
    }

    /// The data folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the block log stands.
    pub fn blocks(&self) -> PathBuf {
        self.root.join(BLOCKS_NAME)
    }

    /// Where checkpoints stand.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join(CHECKPOINTS_NAME)
    }

    /// Where a repair puts what it sets aside.
    pub fn quarantine(&self) -> PathBuf {
        self.root.join(QUARANTINE_NAME)
    }

    /// Whether a block log stands here.
    pub fn has_chain(&self) -> bool {
        fs::read_dir(self.blocks()).is_ok_and(|mut entries| entries.next().is_some())
    }
}
