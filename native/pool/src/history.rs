//! What the pool remembers of the past: why transactions left, and which became executable.

use std::collections::VecDeque;

use alloy_primitives::B256;
use schnellru::{ByLength, LruMap};

use crate::DropReason;

/// Reasons of departed transactions, bounded; the oldest is forgotten.
pub(crate) struct Reasons {
    by_hash: LruMap<B256, DropReason, ByLength>,
}

impl Reasons {
    pub(crate) fn new(capacity: u32) -> Self {
        Self { by_hash: LruMap::new(ByLength::new(capacity)) }
    }

    pub(crate) fn note(&mut self, hash: B256, reason: DropReason) {
        self.by_hash.insert(hash, reason);
    }

    pub(crate) fn forget(&mut self, hash: &B256) {
        if !self.by_hash.is_empty() {
            self.by_hash.remove(hash);
        }
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<&DropReason> {
        self.by_hash.peek(hash)
    }
}

/// Hashes in the order in which they became executable; readers keep a cursor.
pub(crate) struct Feed {
    hashes: VecDeque<B256>,
    first: u64,
    capacity: usize,
}

impl Feed {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { hashes: VecDeque::new(), first: 0, capacity: capacity.max(1) }
    }

    pub(crate) fn push(&mut self, hash: B256) {
        if self.hashes.len() >= self.capacity {
            self.hashes.pop_front();
            self.first += 1;
        }
        self.hashes.push_back(hash);
    }

    /// The cursor after the newest hash.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.hashes.len() as u64
    }

    /// Hashes from `cursor` on, at most `max`, and the next cursor. A cursor too old misses what
    /// was forgotten; one too new gets nothing.
    pub(crate) fn since(&self, cursor: u64, max: usize) -> (u64, Vec<B256>) {
        let from = cursor.clamp(self.first, self.end());
        let skip = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let hashes: Vec<B256> = self.hashes.iter().skip(skip).take(max).copied().collect();
        (from + hashes.len() as u64, hashes)
    }
}
