//! Writing a checkpoint beside everything else: one thread at a time, and word of what became of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use hansa_state::{Checkpoint, Pace, WorldState, open_checkpoint_checked};
use parking_lot::Mutex;

use super::schedule::{Since, Turn, after_full};
use super::{Holders, WARM_CHUNKS, checkpoint_name, is_full, list, open_checked, remove_old, write};
use crate::ChainError;
use crate::chain::Chain;

/// Bytes a second at which a checkpoint is written beside everything else.
const RATE: u64 = 48 << 20;
/// Blocks since the last checkpoint that make a clean stop write one.
const CLOSE_BLOCKS_MIN: u64 = 1_024;

/// What is known of this folder's checkpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckpointStatus {
    /// Height of the newest one.
    pub height: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether one is being written.
    pub writing: bool,
    /// How many this process wrote beside everything else.
    pub written: u64,
    /// How long the last of these took, until the states had moved onto it.
    pub took: Duration,
    /// For how long blocks were held up by the states' moving, at most.
    pub held: Duration,
}

#[derive(Default)]
struct Progress {
    status: CheckpointStatus,
    since: Since,
    /// Blocks behind the last checkpoint before which no attempt is made.
    not_before: u64,
    writing: Option<JoinHandle<()>>,
    failed: Option<ChainError>,
    /// Set once the chain is being closed: none is begun any more.
    closing: bool,
}

impl Progress {
    /// Whether one is being written.
    fn is_writing(&mut self) -> bool {
        if let Some(ended) = self.writing.take_if(|running| running.is_finished())
            && ended.join().is_err()
        {
            self.failed = Some(abnormal());
        }
        self.writing.is_some()
    }
}

/// The checkpoints of one data folder; none in memory.
pub struct Checkpoints {
    dir: Option<PathBuf>,
    turn: AtomicU64,
    /// Set when somebody waits for the one being written.
    hurry: Arc<AtomicBool>,
    progress: Arc<Mutex<Progress>>,
}

impl Checkpoints {
    /// The checkpoints in `dir`; `since` is what the log holds behind the newest.
    pub fn new(dir: Option<PathBuf>, since: Since) -> Self {
        let mut progress = Progress { since, ..Progress::default() };
        if let Some(dir) = &dir
            && let Ok((heights, _)) = list(dir)
            && let Some(newest) = heights.last()
        {
            let facts = std::fs::metadata(dir.join(checkpoint_name(*newest)));
            progress.status.height = *newest;
            progress.status.bytes = facts.map_or(0, |facts| facts.len());
        }
        let progress = Arc::new(Mutex::new(progress));
        Self { dir, turn: AtomicU64::new(0), hurry: Arc::default(), progress }
    }

    /// Waits for the one being written, which nothing holds back any more.
    fn finish(&self) {
        let running = self.progress.lock().writing.take();
        let Some(running) = running else { return };
        self.hurry.store(true, Ordering::Relaxed);
        let ended = running.join();
        self.hurry.store(false, Ordering::Relaxed);
        if ended.is_err() {
            self.progress.lock().failed = Some(abnormal());
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A page of the file below did not hold, or the program is wrong.
fn abnormal() -> ChainError {
    ChainError::Checkpoint("the thread that wrote one ended abnormally".into())
}

/// One checkpoint to be written.
struct Job {
    dir: PathBuf,
    height: u64,
    hash: B256,
    state: WorldState,
    holders: Holders,
    hurry: Arc<AtomicBool>,
}

impl Job {
    /// Writes the file and moves the states onto it; its size, and for how long blocks were held up.
    fn run(self) -> Result<(u64, Duration), ChainError> {
        let Self { dir, height, hash, state, holders, hurry } = self;
        let frozen = state.whole();
        let bytes = write(&dir, height, &hash, &frozen, Pace::Beside(RATE, &hurry))?;
        if hurry.load(Ordering::Relaxed) {
            // Whoever waits is about to stop.
            return Ok((bytes, Duration::ZERO));
        }
        let path = dir.join(checkpoint_name(height));
        let filed = open_checkpoint_checked(&path).map_err(|error| {
            // Not what was written: no start must take it.
            let _ = std::fs::rename(&path, path.with_extension("damaged"));
            ChainError::Checkpoint(error.to_string())
        })?;
        if (filed.height, filed.block_hash, filed.state_root) != (height, hash, frozen.root()) {
            return Err(ChainError::Checkpoint(format!(
                "{} is not what was written",
                checkpoint_name(height)
            )));
        }
        remove_old(&dir)?;
        hansa_state::trie::retire(WARM_CHUNKS);
        Ok((bytes, holders.move_onto(frozen, filed.state)))
    }
}

impl Chain {
    /// Sets this node's turn, its index among the validators: nodes that share a disk do not write together.
    pub fn set_checkpoint_turn(&self, index: u64) {
        self.checkpoints.turn.store(index, Ordering::Relaxed);
    }

    /// Where the checkpoints stand.
    pub fn checkpoint_status(&self) -> CheckpointStatus {
        let mut progress = self.checkpoints.progress.lock();
        CheckpointStatus { writing: progress.is_writing(), ..progress.status }
    }

    /// Tells once what went wrong with a checkpoint that was written beside everything else.
    ///
    /// # Errors
    /// `Log` (`LOG-FULL`): there was no room; the next attempt is made later. Anything else must end the process.
    pub fn check_checkpoint(&self) -> Result<(), ChainError> {
        let mut progress = self.checkpoints.progress.lock();
        progress.is_writing();
        progress.failed.take().map_or(Ok(()), Err)
    }

    /// The newest checkpoint, for reading. It stays readable for as long as the answer, or a copy of its state, lives:
    /// also when a newer one takes its place.
    ///
    /// # Errors
    /// `Checkpoint` where there is none that can be read, `Io`.
    pub fn newest_checkpoint(&self) -> Result<Checkpoint, ChainError> {
        let none = || ChainError::Checkpoint("the chain is in memory alone".into());
        let dir = self.checkpoints.dir.as_ref().ok_or_else(none)?;
        let (heights, _) = list(dir)?;
        let mut found = Err(ChainError::Checkpoint("there is none".into()));
        // The newest is never removed before a newer one stands.
        for height in heights.into_iter().rev() {
            found = open_checked(dir, height, &self.index.read());
            if found.is_ok() {
                break;
            }
        }
        found
    }

    /// Writes a checkpoint in this thread, of the oldest state kept unless that stands already; its height. Nothing
    /// happens on a chain in memory.
    ///
    /// # Errors
    /// `Checkpoint`, `Io`, `Log` (`LOG-FULL`).
    pub fn checkpoint(&self) -> Result<u64, ChainError> {
        let Some(dir) = &self.checkpoints.dir else { return Ok(0) };
        self.checkpoints.finish();
        self.check_checkpoint()?;
        let (height, hash, state) = self.checkpoint_source()?;
        if !dir.join(checkpoint_name(height)).exists() {
            let bytes = write(dir, height, &hash, &state, Pace::Full)?;
            open_checked(dir, height, &self.index.read())?;
            remove_old(dir)?;
            let mut progress = self.checkpoints.progress.lock();
            (progress.status.height, progress.status.bytes) = (height, bytes);
            (progress.since, progress.not_before) = (Since::default(), 0);
        }
        Ok(height)
    }

    /// Begins to write a checkpoint of the oldest state kept, beside everything else. Whether one is being written
    /// now: none is when that state stands in one already.
    ///
    /// # Errors
    /// `StatePruned`, `Corrupt`.
    pub fn begin_checkpoint(&self) -> Result<bool, ChainError> {
        let Some(dir) = self.checkpoints.dir.clone() else { return Ok(false) };
        let mut progress = self.checkpoints.progress.lock();
        if progress.is_writing() {
            return Ok(true);
        }
        let (height, hash, state) = self.checkpoint_source()?;
        if height <= progress.status.height || progress.closing {
            return Ok(false);
        }
        let hurry = self.checkpoints.hurry.clone();
        let job = Job { dir, height, hash, state, holders: self.holders(), hurry };
        let shared = self.checkpoints.progress.clone();
        let before = progress.since;
        let work = move || {
            hansa_crypto::workers::rank_background();
            let begun = Instant::now();
            let done = job.run();
            note(&mut shared.lock(), height, before, begun.elapsed(), done);
        };
        // Without a thread the next block tries again.
        progress.writing = std::thread::Builder::new().name("checkpoint".into()).spawn(work).ok();
        Ok(progress.writing.is_some())
    }

    fn checkpoint_source(&self) -> Result<(u64, B256, WorldState), ChainError> {
        let (height, state) = self.history.first()?;
        let hash =
            self.hash_at(height).ok_or_else(|| ChainError::corrupt(height, "the block is not indexed"))?;
        Ok((height, hash, state))
    }

    fn holders(&self) -> Holders {
        Holders {
            head: self.head.clone(),
            history: self.history.clone(),
            ordering: self.ordering.clone(),
            work: self.work.clone(),
        }
    }

    /// Counts a sealed block's diff and begins a checkpoint when one is due.
    ///
    /// # Errors
    /// As [`Chain::begin_checkpoint`].
    pub(crate) fn count_diff(&self, bytes: u64) -> Result<(), ChainError> {
        let of = self.genesis.validators.len().max(1) as u64;
        let turn = Turn { nth: self.checkpoints.turn.load(Ordering::Relaxed), of };
        let mut progress = self.checkpoints.progress.lock();
        progress.since += Since::block(bytes);
        let is_due = turn.is_due(progress.since, progress.status.bytes)
            && progress.since.blocks >= progress.not_before;
        drop(progress);
        if is_due {
            self.begin_checkpoint()?;
        }
        Ok(())
    }

    /// Stops cleanly: everything durable, a checkpoint where it saves the next start much, the log's closing marks.
    ///
    /// # Errors
    /// `Log`, `Checkpoint`, `Io`.
    pub fn close(&self) -> Result<(), ChainError> {
        self.checkpoints.progress.lock().closing = true;
        // Before the lock, for which the states' moving may wait.
        self.checkpoints.finish();
        let _work = self.work.lock();
        self.sync()?;
        let unfull = |result: Result<(), ChainError>| {
            result.or_else(|error| if is_full(&error) { Ok(()) } else { Err(error) })
        };
        unfull(self.check_checkpoint())?;
        let newest = self.checkpoints.progress.lock().status.height;
        if self.oldest_state() >= newest + CLOSE_BLOCKS_MIN {
            unfull(self.checkpoint().map(drop))?;
        }
        Ok(self.log.close()?)
    }
}

/// Notes what became of a checkpoint at `height` that was begun when `before` lay behind the last one.
fn note(
    progress: &mut Progress,
    height: u64,
    before: Since,
    took: Duration,
    done: Result<(u64, Duration), ChainError>,
) {
    match done {
        Ok((bytes, held)) => {
            let status = &mut progress.status;
            (status.height, status.bytes, status.took) = (height, bytes, took);
            status.written += 1;
            status.held = status.held.max(held);
            progress.since.blocks -= before.blocks;
            progress.since.bytes -= before.bytes;
            progress.not_before = 0;
        }
        Err(error) => {
            progress.not_before = after_full(progress.since);
            progress.failed = Some(error);
        }
    }
}
