//! An old state whose trie was rebuilt, for proofs.
//!
//! Of old states only values are kept. A proof needs the nodes, and rebuilding those of a hundred full blocks takes
//! seconds and hundreds of megabytes: so it is done for one state at a time, and the last one stays while its block is
//! among the recent ones.

use hansa_state::WorldState;
use parking_lot::Mutex;

/// At most one rebuilt state, with its block's height.
#[derive(Default)]
pub struct Rebuilt(Mutex<Option<(u64, WorldState)>>);

impl Rebuilt {
    /// What `look` finds in the state after block `height`, whose trie is rebuilt where it has none of its own.
    /// Whoever looks at another such state waits meanwhile.
    pub fn look<T>(&self, height: u64, state: WorldState, look: impl FnOnce(&WorldState) -> T) -> T {
        if state.is_whole() {
            return look(&state);
        }
        let mut rebuilt = self.0.lock();
        // The one before goes first: there is never more than one.
        rebuilt.take_if(|(other, _)| *other != height);
        let (_, whole) = rebuilt.get_or_insert_with(|| (height, state.whole()));
        look(whole)
    }

    /// Lets go of a state that is no longer among the recent ones.
    pub fn forget_below(&self, oldest: u64) {
        // Whoever holds the lock looks at it; the next block asks again.
        let old = self.0.try_lock().and_then(|mut rebuilt| rebuilt.take_if(|(height, _)| *height < oldest));
        drop(old);
    }

    #[cfg(test)]
    pub fn height(&self) -> Option<u64> {
        self.0.lock().as_ref().map(|(height, _)| *height)
    }

    #[cfg(test)]
    pub fn is_busy(&self) -> bool {
        self.0.is_locked()
    }
}
