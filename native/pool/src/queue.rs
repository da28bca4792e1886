//! One sender's transactions: by nonce, or of our own type by arrival.

use std::collections::{HashMap, VecDeque};

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

/// Where each number of a sender stands among its arrivals.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    by_nonce: HashMap<u64, u64>,
    next: u64,
}

impl Arrivals {
    /// Notes the newest arrival.
    pub(crate) fn push(&mut self, nonce: u64) {
        self.by_nonce.insert(nonce, self.next);
        self.next += 1;
    }

    pub(crate) fn remove(&mut self, nonce: u64) {
        self.by_nonce.remove(&nonce);
    }

    /// The turn of a number that is here.
    pub(crate) fn turn(&self, nonce: u64) -> Option<u64> {
        self.by_nonce.get(&nonce).copied()
    }
}

/// A sender's transactions in ascending order of nonce, without repetition; or those of our own type
/// in order of arrival.
///
/// The first `ready` entries are executable: their nonces run from the account's without a gap (of our
/// own type any do) and the balance covers their sum.
pub(crate) struct SenderQueue {
    pub(crate) address: Address,
    pub(crate) facts: AccountFacts,
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) ready: usize,
    /// The sender's current turn in the ring; none while nothing is executable.
    pub(crate) ticket: Option<u64>,
    /// Sum of the costs of all entries, saturating.
    pub(crate) pooled_cost: U256,
    /// The order of our own type; none for a sequence of nonces.
    pub(crate) arrivals: Option<Box<Arrivals>>,
}

impl SenderQueue {
    pub(crate) fn new(address: Address, facts: AccountFacts, own: bool) -> Self {
        // Most senders have one transaction here; the deque's own first step would be four.
        let (entries, pooled_cost) = (VecDeque::with_capacity(1), U256::ZERO);
        let arrivals = own.then(Box::default);
        Self { address, facts, entries, ready: 0, ticket: None, pooled_cost, arrivals }
    }

    /// Whether it holds transactions of our own type.
    pub(crate) fn is_own(&self) -> bool {
        self.arrivals.is_some()
    }

    /// Where a nonce stands, or where it would have to be put.
    pub(crate) fn find(&self, nonce: u64) -> Result<usize, usize> {
        if let Some(arrivals) = &self.arrivals {
            let Some(turn) = arrivals.turn(nonce) else { return Err(self.entries.len()) };
            // They leave in the order in which they came, mostly.
            return match self.entries.front() {
                Some(first) if first.nonce() == nonce => Ok(0),
                _ => self.entries.binary_search_by_key(&Some(turn), |entry| arrivals.turn(entry.nonce())),
            };
        }
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
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.push(entry.nonce());
            self.entries.push_back(entry);
            return self.refresh();
        }
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
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.remove(entry.nonce());
        }
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
        let own = self.is_own();
        if own && self.pooled_cost <= self.facts.balance {
            self.ready = self.entries.len();
            return;
        }
        let mut sum = U256::ZERO;
        self.ready = self
            .entries
            .iter()
            .zip(self.facts.nonce..)
            .take_while(|(entry, nonce)| {
                sum = sum.saturating_add(entry.cost);
                (own || entry.nonce() == *nonce) && sum <= self.facts.balance
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
