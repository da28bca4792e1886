//! The data folder: its parts and the lock against a second process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
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
/// File that proves who signed in the epochs that ended.
pub const EPOCHS_NAME: &str = "epochs";
/// Folder of a snapshot that is being taken over.
pub const SNAPSHOT_NAME: &str = "snapshot";
/// Folder of what was set aside, by a repair or for a snapshot.
pub const QUARANTINE_NAME: &str = "quarantine";
/// Ending of a file that is being written; after a crash one may be left over.
pub const UNFINISHED_SUFFIX: &str = ".tmp";
/// Files of the data folder itself that are written as a whole.
const WRITTEN: [&str; 2] = [BASE_NAME, EPOCHS_NAME];

/// Writes a file of the data folder `directory`; when this returns it is durable, at no moment is it half written.
///
/// # Errors
/// `Io`.
pub fn write_durably(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), ChainError> {
    let path = directory.join(name);
    let temporary = directory.join(format!("{name}{UNFINISHED_SUFFIX}"));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|error| ChainError::io(&path, error))
}

/// Whether a name in the data folder is of a file that a crash left half written.
pub fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(UNFINISHED_SUFFIX).is_some_and(|name| WRITTEN.contains(&name))
}

/// Removes what a crash left half written in the data folder `directory`.
///
/// # Errors
/// `Io`.
pub fn remove_unfinished(directory: &Path) -> Result<(), ChainError> {
    for name in WRITTEN {
        let path = directory.join(format!("{name}{UNFINISHED_SUFFIX}"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ChainError::io(&path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

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
