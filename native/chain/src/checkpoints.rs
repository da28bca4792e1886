//! When checkpoints are written, which are kept, and which one a start uses.
//!
//! A checkpoint is written of the *oldest* state kept, so that a start which applies the logged diffs behind it
//! holds the history that clients may ask for. The one of block 0 is written at creation.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use hansa_log::LogError;
use hansa_state::{Checkpoint, CheckpointError, Pace, WorldState, open_checkpoint, write_checkpoint};
use parking_lot::Mutex;

use crate::ChainError;
use crate::chain::Chain;
use crate::history::STATES_KEPT;
use crate::index::BlockIndex;

/// Ending of a checkpoint's file name.
pub const CHECKPOINT_SUFFIX: &str = ".ckpt";
/// Ending of a checkpoint being written.
pub const UNFINISHED_SUFFIX: &str = ".tmp";
/// Checkpoints kept.
const CHECKPOINTS_KEPT: usize = 2;
/// Bytes of diffs that are never worth a checkpoint of their own while running: a start applies them in about two
/// seconds.
const DIFF_BYTES_MIN: u64 = 64 << 20;
/// Bytes of diffs that are always worth one, whatever the state's size.
const DIFF_BYTES_MAX: u64 = 160 << 20;
/// A checkpoint is due when the diffs since the last exceed its size divided by this (rules.md 4.4).
const STATE_SHARE: u64 = 4;
/// How fast a checkpoint is written beside everything else.
const BESIDE: Pace = Pace::BytesPerSecond(48 << 20);
/// Blocks since the last checkpoint that make a clean stop write one.
const CLOSE_BLOCKS_MIN: u64 = 1_024;

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

/// Opens the checkpoint at `height` and holds it against the sealed header there.
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

#[derive(Default)]
struct Progress {
    /// Height of the newest checkpoint, written or under way.
    newest: u64,
    bytes: u64,
    diff_bytes: u64,
    writing: Option<JoinHandle<Result<u64, ChainError>>>,
}

/// The checkpoints of one data folder; none in memory.
pub struct Checkpoints {
    dir: Option<PathBuf>,
    /// Sets this node's times apart from those of others, which may share its disk: 0 to 255.
    stagger: u64,
    progress: Arc<Mutex<Progress>>,
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

impl Checkpoints {
    /// The checkpoints in `dir`.
    pub fn new(dir: Option<PathBuf>) -> Self {
        let progress = Progress::default();
        let stagger =
            dir.as_deref().map_or(0, |dir| hansa_crypto::keccak256(dir.as_os_str().as_encoded_bytes())[0]);
        let checkpoints = Self { dir, stagger: stagger.into(), progress: Arc::new(Mutex::new(progress)) };
        if let Some(dir) = &checkpoints.dir
            && let Ok((heights, _)) = list(dir)
            && let Some(newest) = heights.last()
        {
            let bytes = fs::metadata(dir.join(checkpoint_name(*newest))).map_or(0, |facts| facts.len());
            let mut progress = checkpoints.progress.lock();
            (progress.newest, progress.bytes) = (*newest, bytes);
        }
        checkpoints
    }
}

/// Bytes of diffs that make a checkpoint due behind one of `size` bytes: all nodes of an alliance have the same
/// diffs, so each adds up to half of that for itself.
fn diff_bytes_due(size: u64, stagger: u64) -> u64 {
    let share = (size / STATE_SHARE).clamp(DIFF_BYTES_MIN, DIFF_BYTES_MAX);
    share + share * stagger / 512
}

/// Writes one checkpoint and removes those that are no longer kept; its size.
fn write(
    dir: &Path,
    height: u64,
    hash: &alloy_primitives::B256,
    state: &WorldState,
    pace: Pace,
) -> Result<u64, ChainError> {
    fs::create_dir_all(dir).map_err(|error| ChainError::io(dir, error))?;
    let path = dir.join(checkpoint_name(height));
    write_checkpoint(&path, height, hash, state, pace).map_err(explain)?;
    let (heights, _) = list(dir)?;
    for old in heights.iter().rev().skip(CHECKPOINTS_KEPT) {
        let path = dir.join(checkpoint_name(*old));
        fs::remove_file(&path).map_err(|error| ChainError::io(&path, error))?;
    }
    Ok(fs::metadata(&path).map_err(|error| ChainError::io(&path, error))?.len())
}

/// A full disk is told apart: it leaves the older checkpoints as they are and may heal.
fn explain(error: CheckpointError) -> ChainError {
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

/// Writes the first checkpoint; the state as it lies there. What it took in memory goes back to the system.
///
/// # Errors
/// `Checkpoint`, `Io`.
pub fn write_first(
    dir: &Path,
    hash: &alloy_primitives::B256,
    state: WorldState,
) -> Result<WorldState, ChainError> {
    write(dir, 0, hash, &state, Pace::Full)?;
    drop(state);
    hansa_state::trie::give_back();
    let opened = open_checkpoint(&dir.join(checkpoint_name(0)));
    Ok(opened.map_err(|error| ChainError::Checkpoint(error.to_string()))?.state)
}

impl Chain {
    /// Writes a checkpoint in this thread, of the oldest state kept unless that stands already; its height. Nothing
    /// happens on a chain in memory.
    ///
    /// # Errors
    /// `Checkpoint`, `Io`.
    pub fn checkpoint(&self) -> Result<u64, ChainError> {
        let Some(dir) = &self.checkpoints.dir else { return Ok(0) };
        self.wait_checkpoint()?;
        let (height, hash, state) = self.checkpoint_source()?;
        if !dir.join(checkpoint_name(height)).exists() {
            let bytes = write(dir, height, &hash, &state, Pace::Full)?;
            let mut progress = self.checkpoints.progress.lock();
            (progress.newest, progress.bytes, progress.diff_bytes) = (height, bytes, 0);
        }
        Ok(height)
    }

    fn checkpoint_source(&self) -> Result<(u64, alloy_primitives::B256, WorldState), ChainError> {
        let height = self.history.oldest();
        let state = self.history.get(height)?;
        let hash =
            self.hash_at(height).ok_or_else(|| ChainError::corrupt(height, "the block is not indexed"))?;
        Ok((height, hash, state))
    }

    /// Counts a sealed block's diff and starts a checkpoint in a thread of its own when one is due.
    pub(crate) fn count_diff(&self, bytes: u64) {
        let Some(dir) = self.checkpoints.dir.clone() else { return };
        let mut progress = self.checkpoints.progress.lock();
        progress.diff_bytes += bytes;
        if progress.diff_bytes < diff_bytes_due(progress.bytes, self.checkpoints.stagger) {
            return;
        }
        if progress.writing.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        let Ok((height, hash, state)) = self.checkpoint_source() else { return };
        if height <= progress.newest {
            return;
        }
        progress.diff_bytes = 0;
        let shared = self.checkpoints.progress.clone();
        let work = move || {
            hansa_crypto::workers::rank_background();
            let bytes = write(&dir, height, &hash, &state, BESIDE)?;
            let mut progress = shared.lock();
            (progress.newest, progress.bytes) = (height, bytes);
            Ok(height)
        };
        // Without a thread the next block tries again.
        progress.writing = std::thread::Builder::new().name("checkpoint".into()).spawn(work).ok();
    }

    fn wait_checkpoint(&self) -> Result<(), ChainError> {
        let running = self.checkpoints.progress.lock().writing.take();
        match running.map(JoinHandle::join) {
            None | Some(Ok(Ok(_))) => Ok(()),
            Some(Ok(Err(error))) if is_full(&error) => Ok(()),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) => Err(ChainError::Checkpoint("the writing thread ended abnormally".into())),
        }
    }

    /// Stops cleanly: everything durable, a checkpoint where it saves the next start much, the log's closing marks.
    ///
    /// # Errors
    /// `Log`, `Checkpoint`, `Io`.
    pub fn close(&self) -> Result<(), ChainError> {
        let _work = self.work.lock();
        self.sync()?;
        self.wait_checkpoint()?;
        let newest = self.checkpoints.progress.lock().newest;
        if self.oldest_state() >= newest + CLOSE_BLOCKS_MIN
            && let Err(error) = self.checkpoint()
            && !is_full(&error)
        {
            return Err(error);
        }
        Ok(self.log.close()?)
    }
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
    fn checkpoints_are_due_by_size_and_at_different_times() {
        assert_eq!(diff_bytes_due(0, 0), DIFF_BYTES_MIN);
        assert_eq!(diff_bytes_due(400 << 20, 0), 100 << 20);
        assert_eq!(diff_bytes_due(u64::MAX, 0), DIFF_BYTES_MAX);
        let due: Vec<u64> = (0..256).map(|stagger| diff_bytes_due(400 << 20, stagger)).collect();
        assert!(due.windows(2).all(|pair| pair[0] < pair[1]) && due[255] < 150 << 20);
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
