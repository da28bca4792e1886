//! The states in memory move onto the newest file, while blocks go on.
//!
//! What changed since the file's block stays in memory above it; everything else is read from the file, and the older
//! one is let go. The states are moved one after the other without a lock, those that blocks added meanwhile after
//! them; in the end, between two blocks, all are replaced at once. A reader that holds a state over the older file
//! reads on; that file's mapping goes with the last of these.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hansa_state::WorldState;
use parking_lot::Mutex;

use crate::dev::DevState;
use crate::executed::Executed;
use crate::head::Head;
use crate::history::History;
use crate::ordering::Ordering;

/// Rounds of moving what blocks added meanwhile, before the rest is moved while the next block waits.
const ROUNDS_MAX: usize = 4;

/// All that hold states for longer than a call.
#[derive(Clone)]
pub struct Holders {
    pub head: Arc<ArcSwap<Head>>,
    pub history: Arc<History>,
    pub ordering: Arc<Mutex<Ordering>>,
    /// Held while a block is executed, sealed or imported: while it is ours the others do not change.
    pub work: Arc<Mutex<DevState>>,
}

impl Holders {
    /// Moves all states onto a file: `filed` is the state in it, `frozen` the same one over the file before. For how
    /// long blocks were held up.
    pub fn move_onto(&self, frozen: WorldState, filed: WorldState) -> Duration {
        let held = self.move_all(frozen, filed);
        self.history.forget_rebuilt();
        held
    }

    fn move_all(&self, frozen: WorldState, filed: WorldState) -> Duration {
        let mut moved = Moved { states: vec![(frozen, filed)], executed: Vec::new() };
        for _ in 0..ROUNDS_MAX {
            moved.add_all(self);
            let work = self.work.lock();
            let begun = Instant::now();
            if moved.has_all(self) {
                let old = self.replace(&moved);
                let held = begun.elapsed();
                drop(work);
                drop(old);
                return held;
            }
        }
        let work = self.work.lock();
        let begun = Instant::now();
        moved.add_all(self);
        let old = self.replace(&moved);
        let held = begun.elapsed();
        drop(work);
        drop(old);
        held
    }

    /// Puts the moved states in place of the others, which are the answer: letting go of them takes its time.
    fn replace(&self, moved: &Moved) -> Replaced {
        let states = self.history.replace(|state| moved.like(state).cloned());
        let head = self.head.load_full();
        if let Some(state) = moved.like(&head.state) {
            self.head.store(Arc::new(head.with_state(state.clone())));
        }
        let mut ordering = self.ordering.lock();
        for (old, new) in &moved.executed {
            ordering.candidates.replace_executed(old, new);
        }
        Replaced { _states: states, _head: head }
    }
}

/// What is dropped when no lock is held any more.
struct Replaced {
    _states: Vec<WorldState>,
    _head: Arc<Head>,
}

/// States with their like over the newer file.
struct Moved {
    /// By height.
    states: Vec<(WorldState, WorldState)>,
    executed: Vec<(Arc<Executed>, Arc<Executed>)>,
}

impl Moved {
    /// The like of a state.
    fn like(&self, state: &WorldState) -> Option<&WorldState> {
        self.states.iter().rev().find(|(old, _)| old.is_same(state)).map(|(_, new)| new)
    }

    fn has_executed(&self, block: &Arc<Executed>) -> bool {
        self.executed.iter().any(|(old, _)| Arc::ptr_eq(old, block))
    }

    fn has_all(&self, holders: &Holders) -> bool {
        let executed = holders.ordering.lock().candidates.all_executed();
        executed.iter().all(|block| self.has_executed(block))
            && holders.history.held().iter().all(|state| self.like(state).is_some())
    }

    /// Moves what is not moved yet, each state from the one before it.
    fn add_all(&mut self, holders: &Holders) {
        for state in holders.history.held() {
            self.add(&state);
        }
        let executed = holders.ordering.lock().candidates.all_executed();
        for block in executed {
            if !self.has_executed(&block) {
                let state = self.add(&block.outcome.state);
                self.executed.push((block.clone(), Arc::new(block.with_state(state))));
            }
        }
    }

    fn add(&mut self, state: &WorldState) -> WorldState {
        if let Some(known) = self.like(state) {
            return known.clone();
        }
        let (old, new) = &self.states[self.states.len() - 1];
        let moved = state.moved_onto(old, new);
        self.states.push((state.clone(), moved.clone()));
        moved
    }
}
