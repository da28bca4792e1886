//! What the leader offers next.

use alloy_primitives::Address;
use alloy_primitives::map::{AddressMap, HashSet};
use hansa_codec::bundle::{BUNDLE_BYTES_MAX, BUNDLE_ENTRY_BYTES};
use hansa_codec::order::BLOCK_TRANSACTIONS_MAX;
use hansa_codec::{Recovered, ReplayKey};

use crate::pool::Pool;
use crate::queue::SenderQueue;
use crate::rules::FeeMode;

/// Senders in a row that may be passed over because their next transaction does not fit; then the
/// block counts as full.
const MISFITS_MAX: usize = 64;

/// What one block may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectLimits {
    /// Sum of declared gas.
    pub gas_max: u64,
    /// Transactions.
    pub count_max: usize,
    /// Sum of raw bytes, four more for each transaction as in a bundle.
    pub bytes_max: usize,
}

/// The transactions of unsealed ancestors, as far as selection must know them: the next nonce of
/// each of their senders, and the numbers that those of our own type use.
#[derive(Debug, Clone, Default)]
pub struct Ancestors {
    next_nonce: AddressMap<u64>,
    /// What those of our own type use.
    used: HashSet<ReplayKey>,
    /// Height of the highest; 0 for none.
    height: u64,
}

impl Ancestors {
    /// No unsealed ancestor.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the transactions of one ancestor; blocks may come in any order.
    pub fn add<'a>(&mut self, body: impl IntoIterator<Item = &'a Recovered>) {
        for recovered in body {
            if let Some(key) = recovered.replay_key() {
                self.used.insert(key);
                continue;
            }
            let next = recovered.tx.nonce().saturating_add(1);
            let known = self.next_nonce.entry(recovered.sender).or_insert(next);
            *known = next.max(*known);
        }
    }

    /// Notes the height of an ancestor.
    pub fn reach(&mut self, height: u64) {
        self.height = self.height.max(height);
    }

    /// Whether a transaction of our own type cannot stand in a block on top of them: its number is used there, or they
    /// reach its block limit.
    fn exclude(&self, recovered: &Recovered) -> bool {
        recovered.tx.own().is_some_and(|own| own.block_limit <= self.height)
            || recovered.replay_key().is_some_and(|key| self.used.contains(&key))
    }

    /// The nonce after the ancestors, for a sender whose account stands at `sealed`.
    pub fn next_nonce(&self, sender: &Address, sealed: u64) -> u64 {
        if self.next_nonce.is_empty() {
            return sealed;
        }
        self.next_nonce.get(sender).map_or(sealed, |next| sealed.max(*next))
    }
}

impl<'a> FromIterator<&'a Recovered> for Ancestors {
    fn from_iter<I: IntoIterator<Item = &'a Recovered>>(bodies: I) -> Self {
        let mut ancestors = Self::none();
        ancestors.add(bodies);
        ancestors
    }
}

/// What is still free in the block being filled.
struct Room {
    gas: u64,
    count: usize,
    bytes: usize,
}

impl Room {
    /// The caller's limits, kept within what a block body can ever be decoded with.
    fn new(limits: SelectLimits) -> Self {
        Self {
            gas: limits.gas_max,
            count: limits.count_max.min(BLOCK_TRANSACTIONS_MAX),
            bytes: limits.bytes_max.min(BUNDLE_BYTES_MAX - BUNDLE_ENTRY_BYTES),
        }
    }

    fn bytes_of(candidate: &Recovered) -> usize {
        candidate.tx.raw.len() + BUNDLE_ENTRY_BYTES
    }

    fn fits(&self, candidate: &Recovered) -> bool {
        candidate.tx.gas_limit() <= self.gas && Self::bytes_of(candidate) <= self.bytes
    }

    fn take(&mut self, candidate: &Recovered) {
        self.gas -= candidate.tx.gas_limit();
        self.bytes -= Self::bytes_of(candidate);
        self.count -= 1;
    }
}

impl Pool {
    /// Executable transactions for a block on top of `ancestors`: one of each sender in the order
    /// of their turns, then a second one of each, and so on, nonces ascending. Nothing is removed.
    ///
    /// A sender is passed over once its next transaction does not fit.
    ///
    /// Complexity: linear in what is selected and in the ancestors' senders.
    pub fn select(&self, ancestors: &Ancestors, limits: SelectLimits) -> Vec<Recovered> {
        let mut room = Room::new(limits);
        let mut chosen = Vec::with_capacity(room.count.min(self.executable));
        let mut active: Vec<(&SenderQueue, usize)> = Vec::new();
        let mut misfits = 0;
        for turn in self.ring.iter() {
            if room.count == 0 || misfits >= MISFITS_MAX {
                return chosen;
            }
            let Some(queue) = self.queue(Some(turn.slot)).filter(|queue| queue.ticket == Some(turn.ticket))
            else {
                continue;
            };
            let at = match queue.is_own() {
                true => 0,
                false => {
                    let next = ancestors.next_nonce(&queue.address, queue.facts.nonce) - queue.facts.nonce;
                    usize::try_from(next).unwrap_or(usize::MAX)
                }
            };
            let at = self.passed_over(queue, at, ancestors);
            self.offer(queue, at, &mut room, &mut chosen, &mut active, &mut misfits);
        }
        while !active.is_empty() {
            for (queue, at) in std::mem::take(&mut active) {
                if room.count == 0 || misfits >= MISFITS_MAX {
                    return chosen;
                }
                let at = self.passed_over(queue, at, ancestors);
                self.offer(queue, at, &mut room, &mut chosen, &mut active, &mut misfits);
            }
        }
        chosen
    }

    /// The place from `at` on that may be offered: of our own type none waits for the one before it.
    fn passed_over(&self, queue: &SenderQueue, at: usize, ancestors: &Ancestors) -> usize {
        if !queue.is_own() {
            return at;
        }
        let left = queue.entries.iter().take(queue.ready).skip(at);
        at + left
            .take_while(|entry| ancestors.exclude(&entry.recovered) || !self.pays(&entry.recovered))
            .count()
    }

    /// Whether its fee cap reaches the base fee, where fees are paid.
    fn pays(&self, candidate: &Recovered) -> bool {
        self.rules.fees == FeeMode::None || candidate.tx.max_fee_per_gas() >= u128::from(self.rules.base_fee)
    }

    /// Whether a leader would have anything to offer on top of `ancestors`.
    pub fn has_executable(&self, ancestors: &Ancestors, limits: SelectLimits) -> bool {
        !self.select(ancestors, SelectLimits { count_max: 1, ..limits }).is_empty()
    }

    /// Chooses the queue's entry at `at` if it is executable and fits.
    fn offer<'a>(
        &self,
        queue: &'a SenderQueue,
        at: usize,
        room: &mut Room,
        chosen: &mut Vec<Recovered>,
        active: &mut Vec<(&'a SenderQueue, usize)>,
        misfits: &mut usize,
    ) {
        if at >= queue.ready {
            return;
        }
        let candidate = &queue.entries[at].recovered;
        if !self.pays(candidate) {
            return;
        }
        if !room.fits(candidate) {
            *misfits += 1;
            return;
        }
        *misfits = 0;
        room.take(candidate);
        chosen.push(candidate.clone());
        if at + 1 < queue.ready {
            active.push((queue, at + 1));
        }
    }
}
