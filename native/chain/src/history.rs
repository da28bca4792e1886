//! States of recent sealed blocks. A state shares its unchanged parts with its neighbours, so keeping one costs
//! what its block changed.

use std::collections::VecDeque;

use hansa_state::WorldState;

use crate::ChainError;

/// Sealed states kept at least (rules.md 3.2).
pub const STATES_KEPT: u64 = 128;

/// States of consecutive blocks, oldest first.
pub struct History {
    oldest: u64,
    states: VecDeque<WorldState>,
    keep_all: bool,
}

impl History {
    /// Begins with the state of block `height`.
    pub fn new(height: u64, state: WorldState, keep_all: bool) -> Self {
        Self { oldest: height, states: VecDeque::from([state]), keep_all }
    }

    /// Adds the state of the next block.
    pub fn push(&mut self, state: WorldState) {
        self.states.push_back(state);
        if !self.keep_all && self.states.len() as u64 > STATES_KEPT + 1 {
            self.states.pop_front();
            self.oldest += 1;
        }
    }

    /// Height of the oldest state kept.
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The state after block `height`.
    ///
    /// # Errors
    /// `StatePruned` when it is older than all kept ones or not sealed yet.
    pub fn get(&self, height: u64) -> Result<WorldState, ChainError> {
        let found = height.checked_sub(self.oldest).and_then(|nth| self.states.get(nth as usize));
        found.cloned().ok_or(ChainError::StatePruned { asked: height, oldest: self.oldest })
    }

    /// Replaces the newest state (development chains only).
    pub fn replace_newest(&mut self, state: WorldState) {
        if let Some(newest) = self.states.back_mut() {
            *newest = state;
        }
    }

    /// Forgets states above `height` (development chains only).
    pub fn truncate(&mut self, height: u64) {
        self.states.truncate((height + 1).saturating_sub(self.oldest) as usize);
    }
}
