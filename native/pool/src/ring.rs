//! Senders with executable transactions, in the order of their turn.
//!
//! A sender enters at the tail when its first transaction becomes executable, and again after each
//! block that served it: a newcomer waits for one round of the others, however much they have
//! queued. Removal is lazy: an entry counts only while its ticket is the sender's current one.

use std::collections::VecDeque;

/// Stale entries tolerated beyond the number of live ones.
const SLACK: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) ticket: u64,
    pub(crate) slot: u32,
}

#[derive(Default)]
pub(crate) struct Ring {
    turns: VecDeque<Turn>,
    next_ticket: u64,
    live: usize,
}

impl Ring {
    /// Puts a sender at the tail; the ticket makes every earlier entry of it stale.
    pub(crate) fn enter(&mut self, slot: u32) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.live += 1;
        self.turns.push_back(Turn { ticket, slot });
        ticket
    }

    /// The ticket that the next entry gets.
    pub(crate) fn next_ticket(&self) -> u64 {
        self.next_ticket
    }

    /// Notes that one entry became stale.
    pub(crate) fn leave(&mut self) {
        self.live -= 1;
    }

    /// Removes stale entries when they outnumber the live ones.
    pub(crate) fn compact(&mut self, is_current: impl Fn(&Turn) -> bool) {
        while self.turns.front().is_some_and(|turn| !is_current(turn)) {
            self.turns.pop_front();
        }
        if self.turns.len() > 2 * self.live + SLACK {
            self.turns.retain(is_current);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Turn> {
        self.turns.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.turns.clear();
        self.live = 0;
    }
}
