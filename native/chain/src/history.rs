//! States of recent sealed blocks.
//!
//! A state that is held keeps every node that a later block replaced, about seven hundred bytes for each changed
//! account. The newest states are held like this; of older ones only the values that the block behind them replaced,
//! above the next state that is held. A thread of its own works these out and lets go of the states, so that sealing
//! waits for neither.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use hansa_state::{StateDiff, WorldState};
use parking_lot::Mutex;

use crate::ChainError;

/// Sealed states kept at least (rules.md 3.2).
pub const STATES_KEPT: u64 = 128;
/// Newest states that are held as a whole: what follows the head closely asks for them.
const WHOLE_KEPT: usize = 4;

/// A state after a block.
enum Version {
    /// The state, and what the next block changed.
    Whole(WorldState, Option<Arc<StateDiff>>),
    /// A state that cannot be told by values: the next block wiped storage.
    Anchor(WorldState),
    /// What the next block replaced.
    Replaced(Arc<StateDiff>),
}

struct Versions {
    oldest: u64,
    list: VecDeque<Version>,
}

/// States of consecutive blocks, oldest first.
pub struct History {
    versions: Arc<Mutex<Versions>>,
    /// Wakes the thread that thins; none where all states are held.
    thin: Option<Sender<()>>,
}

impl History {
    /// Begins with the state of block `height`.
    pub fn new(height: u64, state: WorldState, keep_all: bool) -> Self {
        let list = VecDeque::from([Version::Whole(state, None)]);
        let versions = Arc::new(Mutex::new(Versions { oldest: height, list }));
        let thin = (!keep_all).then(|| start_thinning(versions.clone())).flatten();
        Self { versions, thin }
    }

    /// Adds the state of the next block, and what that changed.
    pub fn push(&self, state: WorldState, diff: Arc<StateDiff>) {
        let mut versions = self.versions.lock();
        if let Some(Version::Whole(_, next)) = versions.list.back_mut() {
            *next = Some(diff);
        }
        versions.list.push_back(Version::Whole(state, None));
        let Some(thin) = &self.thin else { return };
        let pruned = (versions.list.len() as u64 > STATES_KEPT + 1).then(|| {
            versions.oldest += 1;
            versions.list.pop_front()
        });
        drop(versions);
        drop(pruned);
        // Without the thread states stay whole until they are pruned.
        let _ = thin.send(());
    }

    /// Height of the oldest state kept.
    pub fn oldest(&self) -> u64 {
        self.versions.lock().oldest
    }

    /// The state after block `height`.
    ///
    /// # Errors
    /// `StatePruned` when it is older than all kept ones or not sealed yet.
    pub fn get(&self, height: u64) -> Result<WorldState, ChainError> {
        let versions = self.versions.lock();
        let pruned = || ChainError::StatePruned { asked: height, oldest: versions.oldest };
        let nth = height.checked_sub(versions.oldest).ok_or_else(pruned)?;
        let mut replaced = Vec::new();
        for version in versions.list.iter().skip(nth as usize) {
            match version {
                Version::Replaced(values) => replaced.push(values.clone()),
                Version::Whole(state, _) | Version::Anchor(state) => {
                    return Ok(state.clone().before(replaced));
                }
            }
        }
        Err(pruned())
    }

    /// Replaces the newest state (development chains only).
    pub fn replace_newest(&self, state: WorldState) {
        if let Some(newest) = self.versions.lock().list.back_mut() {
            *newest = Version::Whole(state, None);
        }
    }

    /// Forgets states above `height` (development chains only).
    pub fn truncate(&self, height: u64) {
        let mut versions = self.versions.lock();
        let kept = (height + 1).saturating_sub(versions.oldest) as usize;
        versions.list.truncate(kept);
    }
}

/// Starts the thread; it ends with the history. None where the system starts no thread.
fn start_thinning(versions: Arc<Mutex<Versions>>) -> Option<Sender<()>> {
    let (wake, woken) = channel();
    let work = move || thin_when_woken(&versions, &woken);
    std::thread::Builder::new().name("history".into()).spawn(work).ok().map(|_| wake)
}

fn thin_when_woken(versions: &Mutex<Versions>, woken: &Receiver<()>) {
    hansa_crypto::workers::rank_background();
    while woken.recv().is_ok() {
        while thin_one(versions) {}
    }
}

/// Thins the oldest whole version that is not among the newest; whether there was one.
fn thin_one(versions: &Mutex<Versions>) -> bool {
    let locked = versions.lock();
    let end = locked.list.len().saturating_sub(WHOLE_KEPT);
    let found = locked.list.iter().take(end).enumerate().find_map(|(nth, version)| match version {
        Version::Whole(state, Some(diff)) => Some((nth, state.clone(), diff.clone())),
        _ => None,
    });
    let Some((nth, state, diff)) = found else { return false };
    let height = locked.oldest + nth as u64;
    drop(locked);
    let thinned = match state.replaced_by(&diff) {
        Some(values) => Version::Replaced(Arc::new(values)),
        None => Version::Anchor(state.clone()),
    };
    let mut locked = versions.lock();
    // The version may have been pruned meanwhile.
    let nth = height.checked_sub(locked.oldest).map(|nth| nth as usize);
    let place = nth.and_then(|nth| locked.list.get_mut(nth));
    let old = place.map(|place| std::mem::replace(place, thinned));
    drop(locked);
    // The nodes that only this state held go here, while nobody waits.
    drop((old, state));
    true
}
