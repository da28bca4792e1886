//! One sender's transactions by nonce.

use std::collections::VecDeque;

use alloy_primitives::{Address, U256};
use hansa_codec::Recovered;

use crate::AccountFacts;

/// A transaction as the pool keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) recovered: Recovered,
    pub(crate) cost: U256,
    pub(crate) authorities: Box<[Address]>,
}

impl Entry {
    pub(crate) fn nonce(&self) -> u64 {
        self.recovered.tx.nonce()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.recovered.tx.raw.len()
    }
}

/// A sender's transactions in ascending order of nonce, without repetition.
///
/// The first `ready` entries are executable: their nonces run from the account's without a gap and
/// the balance covers their sum.
pub(crate) struct SenderQueue {
    pub(crate) address: Address,
    pub(crate) facts: AccountFacts,
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) ready: usize,
    /// The sender's current turn in the ring; none while nothing is executable.
    pub(crate) ticket: Option<u64>,
    /// Sum of the costs of all entries, saturating.
    pub(crate) pooled_cost: U256,
}

impl SenderQueue {
    pub(crate) fn new(address: Address, facts: AccountFacts) -> Self {
        // Most senders have one transaction here; the deque's own first step would be four.
        let (entries, pooled_cost) = (VecDeque::with_capacity(1), U256::ZERO);
        Self { address, facts, entries, ready: 0, ticket: None, pooled_cost }
    }

    /// Where a nonce stands, or where it would have to be put.
    pub(crate) fn find(&self, nonce: u64) -> Result<usize, usize> {
        match self.entries.back() {
            // Appending is the common case.
            Some(last) if last.nonce() < nonce => Err(self.entries.len()),
            None => Err(0),
            _ => self.entries.binary_search_by_key(&nonce, Entry::nonce),
        }
    }

    /// Puts an entry at a place that [`Self::find`] gave, and updates what is executable.
    pub(crate) fn insert(&mut self, at: usize, entry: Entry) {
        self.pooled_cost = self.pooled_cost.saturating_add(entry.cost);
        let expected = self.facts.nonce.saturating_add(at as u64);
        let extends = at == self.entries.len() && self.ready == at && entry.nonce() == expected;
        self.entries.insert(at, entry);
        if extends && self.pooled_cost <= self.facts.balance {
            self.ready += 1;
        } else if !extends && at <= self.ready {
            // Only an entry within or right after the run can change it.
            self.refresh();
        }
    }

    /// Takes out the entry at `at`; the caller calls [`Self::refresh`] once it is done.
    pub(crate) fn take(&mut self, at: usize) -> Option<Entry> {
        let entry = self.entries.remove(at)?;
        self.pooled_cost = self.entries.iter().fold(U256::ZERO, |sum, other| sum.saturating_add(other.cost));
        Some(entry)
    }

    /// Takes out the first entry, in constant time.
    pub(crate) fn take_first(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        if self.pooled_cost == U256::MAX {
            self.pooled_cost =
                self.entries.iter().fold(U256::ZERO, |sum, other| sum.saturating_add(other.cost));
        } else {
            self.pooled_cost -= entry.cost;
        }
        Some(entry)
    }

    /// Counts again how many entries are executable.
    pub(crate) fn refresh(&mut self) {
        let mut sum = U256::ZERO;
        self.ready = self
            .entries
            .iter()
            .zip(self.facts.nonce..)
            .take_while(|(entry, nonce)| {
                sum = sum.saturating_add(entry.cost);
                entry.nonce() == *nonce && sum <= self.facts.balance
            })
            .count();
    }

    /// The nonce after the run without a gap: what a wallet uses next.
    pub(crate) fn pending_nonce(&self) -> u64 {
        let run =
            self.entries.iter().zip(self.facts.nonce..).take_while(|(entry, nonce)| entry.nonce() == *nonce);
        self.facts.nonce + run.count() as u64
    }
}
