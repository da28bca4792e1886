//! The files that hold states: which stand in a folder, how one is written, and which one a start uses.
//!
//! A checkpoint is written of the *oldest* state kept, so that a start which applies the logged diffs behind it
//! holds the history that clients may ask for. The one of block 0 is written at creation.
//!
//! * [`schedule`]: when one is due.
//! * [`writing`]: writing one beside everything else, and what became of it.
//! * [`moving`]: the states in memory move onto the newest file.

mod moving;
mod schedule;
mod writing;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use alloy_primitives::B256;
use hansa_log::LogError;
use hansa_state::{
    Checkpoint, CheckpointError, Pace, WorldState, open_checkpoint, open_checkpoint_checked, write_checkpoint,
};

use crate::ChainError;
use crate::history::STATES_KEPT;
use crate::index::BlockIndex;

pub(crate) use moving::Holders;
pub(crate) use schedule::Since;
pub use writing::CheckpointStatus;
pub(crate) use writing::Checkpoints;

/// Ending of a checkpoint's file name.
pub const CHECKPOINT_SUFFIX: &str = ".ckpt";
/// Ending of a checkpoint being written.
pub const UNFINISHED_SUFFIX: &str = ".tmp";
/// Checkpoints kept.
const CHECKPOINTS_KEPT: usize = 2;
/// Chunks of memory that stay here when states move onto a file, 512 MiB: what changes until the next one fills them.
const WARM_CHUNKS: usize = 16;

/// File name of the checkpoint at `height`.
pub fn checkpoint_name(height: u64) -> String {
    format!("{height:012}{CHECKPOINT_SUFFIX}")
}

/// The height that a file name stands for.
fn checkpoint_height(name: &str) -> Option<u64> {
    let height = name.strip_suffix(CHECKPOINT_SUFFIX)?.parse().ok()?;
    (checkpoint_name(height) == name).then_some(height)
}

/// Heights of the checkpoints in `dir`, ascending, and the names of other files.
///
/// # Errors
/// `Io`.
pub fn list(dir: &Path) -> Result<(Vec<u64>, Vec<String>), ChainError> {
    let (mut heights, mut others) = (Vec::new(), Vec::new());
    if !dir.exists() {
        return Ok((heights, others));
    }
    for entry in fs::read_dir(dir).map_err(|error| ChainError::io(dir, error))? {
        let entry = entry.map_err(|error| ChainError::io(dir, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match checkpoint_height(&name) {
            Some(height) => heights.push(height),
            None => others.push(name),
        }
    }
    heights.sort_unstable();
    others.sort_unstable();
    Ok((heights, others))
}

/// Opens the checkpoint at `height` and holds it against the sealed header there. It stays readable for as long as
/// the answer, or a copy of its state, lives: also when the file is removed meanwhile.
///
/// # Errors
/// `Checkpoint`.
pub fn open_checked(dir: &Path, height: u64, index: &BlockIndex) -> Result<Checkpoint, ChainError> {
    let name = checkpoint_name(height);
    let found =
        open_checkpoint(&dir.join(&name)).map_err(|error| ChainError::Checkpoint(error.to_string()))?;
    let sealed = index.get(height).map(|entry| entry.hash);
    if found.height != height || sealed != Some(found.block_hash) {
        return Err(ChainError::Checkpoint(format!("{name} is not of the block that is sealed at {height}")));
    }
    Ok(found)
}

/// The order in which a start at `head` tries the checkpoints: those that leave the whole history to be applied
/// first, newest first, then the later ones, oldest first.
pub fn preference(mut heights: Vec<u64>, head: u64) -> Vec<u64> {
    heights.retain(|height| *height <= head);
    let wanted = head.saturating_sub(STATES_KEPT);
    let (mut before, after): (Vec<u64>, Vec<u64>) = heights.into_iter().partition(|height| *height <= wanted);
    before.reverse();
    before.into_iter().chain(after).collect()
}

/// Removes what an interrupted write left.
///
/// # Errors
/// `Io`.
pub fn remove_unfinished(dir: &Path) -> Result<(), ChainError> {
    for name in list(dir)?.1.iter().filter(|name| name.ends_with(UNFINISHED_SUFFIX)) {
        let path = dir.join(name);
        fs::remove_file(&path).map_err(|error| ChainError::io(&path, error))?;
    }
    Ok(())
}

/// Writes one checkpoint; its size.
fn write(
    dir: &Path,
    height: u64,
    hash: &B256,
    state: &WorldState,
    pace: Pace<'_>,
) -> Result<u64, ChainError> {
    fs::create_dir_all(dir).map_err(|error| ChainError::io(dir, error))?;
    let path = dir.join(checkpoint_name(height));
    write_checkpoint(&path, height, hash, state, pace).map_err(explain)?;
    Ok(fs::metadata(&path).map_err(|error| ChainError::io(&path, error))?.len())
}

/// Removes all but the newest, once the newest is known to hold. Whoever reads a removed one reads on.
fn remove_old(dir: &Path) -> Result<(), ChainError> {
    let (heights, _) = list(dir)?;
    for old in heights.iter().rev().skip(CHECKPOINTS_KEPT) {
        let path = dir.join(checkpoint_name(*old));
        fs::remove_file(&path).map_err(|error| ChainError::io(&path, error))?;
    }
    Ok(())
}

/// A full disk is told apart: it leaves the older checkpoints as they are and may heal.
pub(crate) fn explain(error: CheckpointError) -> ChainError {
    match error {
        CheckpointError::Io { path, error }
            if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
        {
            ChainError::Log(LogError::Full { file: path })
        }
        other => ChainError::Checkpoint(other.to_string()),
    }
}

/// Whether a checkpoint only found no room: the log rebuilds what it would have held.
fn is_full(error: &ChainError) -> bool {
    matches!(error, ChainError::Log(LogError::Full { .. }))
}

/// Writes the first checkpoint, and checks it; the state as it lies there. Most of what it took in memory goes back to
/// the system.
///
/// # Errors
/// `Checkpoint`, `Io`.
pub fn write_first(dir: &Path, hash: &B256, state: WorldState) -> Result<WorldState, ChainError> {
    write(dir, 0, hash, &state, Pace::Full)?;
    hansa_state::trie::retire(WARM_CHUNKS);
    drop(state);
    let opened = open_checkpoint_checked(&dir.join(checkpoint_name(0)));
    Ok(opened.map_err(|error| ChainError::Checkpoint(error.to_string()))?.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_prefers_the_newest_checkpoint_that_leaves_the_history_whole() {
        assert_eq!(preference(vec![0, 100, 900, 1_000], 1_000), [100, 0, 900, 1_000]);
        assert_eq!(preference(vec![0, 50, 60], 55), [0, 50]);
        assert_eq!(preference(vec![], 5), [] as [u64; 0]);
    }

    #[test]
    fn names_are_canonical() {
        assert_eq!(checkpoint_name(7), "000000000007.ckpt");
        assert_eq!(checkpoint_height("000000000007.ckpt"), Some(7));
        assert_eq!(
            (checkpoint_height("7.ckpt"), checkpoint_height("x.ckpt"), checkpoint_height("7")),
            (None, None, None)
        );
    }
}
