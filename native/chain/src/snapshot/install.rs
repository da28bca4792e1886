//! The data folder of a snapshot: drafted beside the one in use, moved into its place when nothing is open. What was
//! there is set aside.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use alloy_primitives::B256;
use hansa_log::Log;

use super::parts::{SnapshotHead, WindowBlock};
use super::window_first;
use crate::base::Base;
use crate::chain::log_options;
use crate::epochs::EpochEnds;
use crate::folder::{BASE_NAME, BLOCKS_NAME, CHECKPOINTS_NAME, EPOCHS_NAME, QUARANTINE_NAME, SNAPSHOT_NAME};
use crate::records::{BirthRecord, KIND_BODY, KIND_RESULT, ResultRecord};
use crate::{ChainError, Genesis};

const DRAFT_NAME: &str = "draft";
const READY_NAME: &str = "ready";
/// What was there, while it gives place to a snapshot.
const OLD_NAME: &str = "old";
/// Folder in the quarantine of the ledger that was there before the latest snapshot; one before that is removed.
pub const REPLACED_NAME: &str = "before-snapshot";
/// What a ledger consists of; a draft has all of it.
const LEDGER: [&str; 4] = [EPOCHS_NAME, BASE_NAME, CHECKPOINTS_NAME, BLOCKS_NAME];

/// A data folder that is being put together.
pub(super) struct Draft {
    draft: PathBuf,
    ready: PathBuf,
}

impl Draft {
    /// An empty draft below the data folder `directory`.
    pub fn begin(directory: &Path) -> Result<Self, ChainError> {
        let folder = directory.join(SNAPSHOT_NAME);
        let (draft, ready) = (folder.join(DRAFT_NAME), folder.join(READY_NAME));
        remove(&draft)?;
        fs::create_dir_all(&draft).map_err(|error| ChainError::io(&draft, error))?;
        Ok(Self { draft, ready })
    }

    /// A folder of the draft.
    pub fn folder(&self, name: &str) -> Result<PathBuf, ChainError> {
        let path = self.draft.join(name);
        fs::create_dir_all(&path).map_err(|error| ChainError::io(&path, error))?;
        Ok(path)
    }

    /// Writes the block log and the file that says where it begins.
    pub fn write_blocks(
        &self,
        genesis: &Genesis,
        birth: &BirthRecord,
        head: &SnapshotHead,
        parts: impl Iterator<Item = Result<Vec<WindowBlock>, ChainError>>,
    ) -> Result<(), ChainError> {
        let (log, _) = Log::open(&self.draft.join(BLOCKS_NAME), log_options(genesis), &mut |_| {})?;
        let height = head.header.number;
        let mut last: Option<(u64, B256)> = None;
        for part in parts {
            for block in part? {
                let (number, parent_hash) = (block.block.header.number, block.block.header.parent_hash);
                let follows = match last {
                    None => number == window_first(height),
                    Some((before, hash)) => number == before + 1 && parent_hash == hash,
                };
                if !follows {
                    return Err(ChainError::snapshot(
                        "SNAPSHOT-CHAIN",
                        "the blocks of the window form no chain",
                    ));
                }
                if last.is_none() {
                    base_of(&block, height, birth).write(&self.draft)?;
                }
                last = Some((number, block.hash));
                append(&log, block)?;
            }
        }
        if last != Some((height, head.hash)) {
            let what = "the window does not end with the block of the snapshot";
            return Err(ChainError::snapshot("SNAPSHOT-CHAIN", what));
        }
        Ok(log.close()?)
    }

    /// Writes how the epochs up to block `height` ended.
    pub fn write_epochs(&self, ends: &EpochEnds, height: u64) -> Result<(), ChainError> {
        let mut ends = ends.clone();
        ends.truncate(height);
        ends.write(&self.draft)
    }

    /// From now on the next start takes the draft for the data folder.
    pub fn complete(self) -> Result<(), ChainError> {
        remove(&self.ready)?;
        sync(&self.draft)?;
        fs::rename(&self.draft, &self.ready).map_err(|error| ChainError::io(&self.ready, error))?;
        self.ready.parent().map_or(Ok(()), sync)
    }
}

/// Where a ledger begins whose first block is that one.
fn base_of(first: &WindowBlock, height: u64, birth: &BirthRecord) -> Base {
    Base {
        first: first.block.header.number,
        first_executed: height + 1,
        first_segment: 0,
        parent_hash: first.block.header.parent_hash,
        parent_order_hash: first.block.body.order.parent_order_hash,
        birth: birth.clone(),
    }
}

fn append(log: &Log, WindowBlock { block, used, .. }: WindowBlock) -> Result<(), ChainError> {
    let result = ResultRecord {
        header: block.header,
        certificate: block.certificate_bytes,
        order_hash: block.body.order.hash(),
        prefixes: Vec::new(),
        skipped: Vec::new(),
        used,
        next_set: block.next_set,
        receipts: Vec::new(),
    };
    log.append(KIND_BODY, &[&block.body.encode()])?;
    log.append(KIND_RESULT, &[&result.encode()])?;
    Ok(())
}

/// Moves a complete snapshot into its place in the data folder, which nobody has open; whether there was one. The ledger
/// there goes to the quarantine, from which the one of an earlier time goes. May be interrupted at any moment and done
/// again.
///
/// # Errors
/// `Io`.
pub fn adopt(directory: &Path) -> Result<bool, ChainError> {
    let folder = directory.join(SNAPSHOT_NAME);
    let ready = folder.join(READY_NAME);
    if !ready.is_dir() {
        return Ok(false);
    }
    let old = folder.join(OLD_NAME);
    for name in LEDGER {
        let (from, to) = (ready.join(name), directory.join(name));
        if from.exists() {
            if to.exists() {
                fs::create_dir_all(&old).map_err(|error| ChainError::io(&old, error))?;
                rename(&to, &old.join(name))?;
                sync(&old)?;
            }
            rename(&from, &to)?;
            sync(directory)?;
        }
    }
    if old.is_dir() {
        let aside = directory.join(QUARANTINE_NAME);
        fs::create_dir_all(&aside).map_err(|error| ChainError::io(&aside, error))?;
        remove(&aside.join(REPLACED_NAME))?;
        rename(&old, &aside.join(REPLACED_NAME))?;
        sync(&aside)?;
    }
    remove(&folder)?;
    Ok(true)
}

fn rename(from: &Path, to: &Path) -> Result<(), ChainError> {
    fs::rename(from, to).map_err(|error| ChainError::io(to, error))
}

fn remove(path: &Path) -> Result<(), ChainError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ChainError::io(path, error)),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<(), ChainError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| ChainError::io(folder, error))
}
