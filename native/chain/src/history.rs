//! States of recent sealed blocks.
//!
//! A state that is held keeps every node that a later block replaced, about seven hundred bytes for each changed
//! account. The newest states are held like this; of older ones only the values that the block behind them replaced,
//! above the next state that is held. A thread of its own works these out and lets go of the states, so that sealing
//! waits for neither. It ranks no lower than others: a busy machine would leave it behind, and each block that it is
//! behind takes fresh memory.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use hansa_state::{StateDiff, WorldState};
use parking_lot::Mutex;

use crate::ChainError;
use crate::rebuilt::Rebuilt;

/// Sealed states kept at least (rules.md 3.2).
pub const STATES_KEPT: u64 = 128;
/// Newest states that are held as a whole: what follows the head closely asks for them.
const WHOLE_KEPT: usize = 2;

/// A state after a block.
enum Version {
    /// The state, and what is known of the next block.
    Whole(WorldState, Option<Next>),
    /// A state that cannot be told by values: the next block wiped storage.
    Anchor(WorldState),
    /// What the next block replaced.
    Replaced(Arc<StateDiff>),
}

/// What the next block did to a state.
#[derive(Clone)]
enum Next {
    Changed(Arc<StateDiff>),
    Replaced(Arc<StateDiff>),
}

struct Versions {
    oldest: u64,
    list: VecDeque<Version>,
}

impl Version {
    /// The state, where it is held as such.
    fn state(&self) -> Option<&WorldState> {
        match self {
            Self::Whole(state, _) | Self::Anchor(state) => Some(state),
            Self::Replaced(_) => None,
        }
    }

    fn state_mut(&mut self) -> Option<&mut WorldState> {
        match self {
            Self::Whole(state, _) | Self::Anchor(state) => Some(state),
            Self::Replaced(_) => None,
        }
    }
}

impl Versions {
    fn get(&self, height: u64) -> Result<WorldState, ChainError> {
        let pruned = || ChainError::StatePruned { asked: height, oldest: self.oldest };
        let nth = height.checked_sub(self.oldest).ok_or_else(pruned)?;
        let mut replaced = Vec::new();
        for version in self.list.iter().skip(nth as usize) {
            match version {
                Version::Replaced(values) => replaced.push(values.clone()),
                Version::Whole(state, _) | Version::Anchor(state) => {
                    return Ok(state.clone().before(replaced));
                }
            }
        }
        Err(pruned())
    }
}

/// States of consecutive blocks, oldest first.
pub struct History {
    versions: Arc<Mutex<Versions>>,
    rebuilt: Arc<Rebuilt>,
    /// Wakes the thread that thins; none where all states are held.
    thin: Option<Sender<()>>,
}

impl History {
    /// Begins with the state of block `height`.
    pub fn new(height: u64, state: WorldState, keep_all: bool) -> Self {
        let list = VecDeque::from([Version::Whole(state, None)]);
        let versions = Arc::new(Mutex::new(Versions { oldest: height, list }));
        let rebuilt = Arc::new(Rebuilt::default());
        let thin = (!keep_all).then(|| start_thinning(versions.clone(), rebuilt.clone())).flatten();
        Self { versions, rebuilt, thin }
    }

    /// Adds the state of the next block, what that changed, and what it replaced where that is known.
    pub fn push(&self, state: WorldState, diff: &Arc<StateDiff>, replaced: Option<Arc<StateDiff>>) {
        let mut versions = self.versions.lock();
        if let Some(Version::Whole(_, next)) = versions.list.back_mut() {
            *next = Some(replaced.map_or_else(|| Next::Changed(diff.clone()), Next::Replaced));
        }
        versions.list.push_back(Version::Whole(state, None));
        let Some(thin) = &self.thin else { return };
        let pruned = (versions.list.len() as u64 > STATES_KEPT + 1).then(|| {
            versions.oldest += 1;
            versions.list.pop_front()
        });
        drop(versions);
        drop(pruned);
        // Where the thread has ended it has said so, and states stay whole until they are pruned.
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
        self.versions.lock().get(height)
    }

    /// The oldest state kept, and its height.
    ///
    /// # Errors
    /// `StatePruned`: there is none, which cannot be.
    pub fn first(&self) -> Result<(u64, WorldState), ChainError> {
        let versions = self.versions.lock();
        Ok((versions.oldest, versions.get(versions.oldest)?))
    }

    /// The states that are held as such, oldest first.
    pub fn held(&self) -> Vec<WorldState> {
        self.versions.lock().list.iter().filter_map(Version::state).cloned().collect()
    }

    /// Lets go of a state that was rebuilt for proofs: the next one who asks rebuilds it.
    pub fn forget_rebuilt(&self) {
        self.rebuilt.forget_below(u64::MAX);
    }

    /// Puts other forms of the same states in their places; those that were there are the answer.
    pub fn replace(&self, form: impl Fn(&WorldState) -> Option<WorldState>) -> Vec<WorldState> {
        let mut versions = self.versions.lock();
        let held = versions.list.iter_mut().filter_map(Version::state_mut);
        held.filter_map(|state| form(state).map(|other| std::mem::replace(state, other))).collect()
    }

    /// What `look` finds in the state after block `height` with all nodes of its trie, which proofs need.
    ///
    /// # Errors
    /// As [`History::get`].
    pub fn look<T>(&self, height: u64, look: impl FnOnce(&WorldState) -> T) -> Result<T, ChainError> {
        Ok(self.rebuilt.look(height, self.get(height)?, look))
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
fn start_thinning(versions: Arc<Mutex<Versions>>, rebuilt: Arc<Rebuilt>) -> Option<Sender<()>> {
    let (wake, woken) = channel();
    let work = move || {
        let work = AssertUnwindSafe(|| thin_when_woken(&versions, &rebuilt, &woken));
        if catch_unwind(work).is_err() {
            // No reason to stop the chain, which it would do on every node at the same block.
            eprintln!(
                "history: ended by the panic above; old states take more memory until the node restarts"
            );
        }
    };
    std::thread::Builder::new().name("history".into()).spawn(work).ok().map(|_| wake)
}

fn thin_when_woken(versions: &Mutex<Versions>, rebuilt: &Rebuilt, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        while thin_one(versions) {}
        let oldest = versions.lock().oldest;
        rebuilt.forget_below(oldest);
    }
}

/// Thins the oldest whole version that is not among the newest; whether there was one.
fn thin_one(versions: &Mutex<Versions>) -> bool {
    let locked = versions.lock();
    let end = locked.list.len().saturating_sub(WHOLE_KEPT);
    let found = locked.list.iter().take(end).enumerate().find_map(|(nth, version)| match version {
        Version::Whole(state, Some(next)) => Some((nth, state.clone(), next.clone())),
        _ => None,
    });
    let Some((nth, state, next)) = found else { return false };
    let height = locked.oldest + nth as u64;
    drop(locked);
    let values = match next {
        Next::Replaced(values) => Some(values),
        Next::Changed(diff) => state.replaced_by(&diff).map(Arc::new),
    };
    let mut locked = versions.lock();
    // The version may have been pruned meanwhile, and its state may have moved onto another file.
    let nth = height.checked_sub(locked.oldest).map(|nth| nth as usize);
    let old = nth.and_then(|nth| locked.list.get_mut(nth)).and_then(|place| {
        let anchor = || place.state().cloned().map(Version::Anchor);
        let thinned = values.map(Version::Replaced).or_else(anchor)?;
        Some(std::mem::replace(place, thinned))
    });
    drop(locked);
    // The nodes that only this state held go here, while nobody waits.
    drop((old, state));
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
    use hansa_state::{AccountDiff, AccountInfo};

    use super::*;

    fn diff(height: u64) -> StateDiff {
        let account = |of: u64| {
            let info = AccountInfo { nonce: height, balance: U256::from(of), code_hash: KECCAK256_EMPTY };
            (
                Address::with_last_byte(of as u8),
                AccountDiff { info: Some(info), storage_wiped: false, storage: Vec::new() },
            )
        };
        StateDiff::new((0..8).map(|step| account((height + step) % 40)).collect(), Vec::new())
    }

    /// A history of `blocks` blocks, thinned, and the root after each.
    fn grown(blocks: u64) -> (History, Vec<B256>) {
        let mut state = WorldState::new();
        let history = History::new(0, state.clone(), true);
        let mut roots = vec![state.root()];
        for height in 1..=blocks {
            let diff = diff(height);
            state.apply(&diff);
            roots.push(state.root());
            history.push(state.clone(), &Arc::new(diff), None);
        }
        while thin_one(&history.versions) {}
        (history, roots)
    }

    #[test]
    fn old_states_are_rebuilt_one_at_a_time_and_the_last_one_is_kept() {
        const OLD: u64 = 40 - WHOLE_KEPT as u64;
        let (history, roots) = grown(40);
        let seen = |height: u64| {
            let look = |state: &WorldState| {
                (state.is_whole(), state.root(), std::ptr::from_ref(state), history.rebuilt.is_busy())
            };
            history.look(height, look).unwrap()
        };
        assert!(!history.get(7).unwrap().is_whole());
        let first = seen(7);
        assert_eq!((first.0, first.1, first.3), (true, roots[7], true));
        assert_eq!((seen(7), history.rebuilt.height()), (first, Some(7)));
        for height in 0..=40 {
            let (whole, root, _, busy) = seen(height);
            assert_eq!((whole, root, busy), (true, roots[height as usize], height <= OLD), "block {height}");
        }
        assert_eq!(history.rebuilt.height(), Some(OLD), "the newest states need no rebuilding");
        history.rebuilt.forget_below(OLD);
        assert_eq!(history.rebuilt.height(), Some(OLD));
        history.rebuilt.forget_below(OLD + 1);
        assert_eq!(history.rebuilt.height(), None);
    }
}
