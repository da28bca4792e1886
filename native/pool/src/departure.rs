//! The ways out: sealed, skipped, overtaken, expired, removed.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};
use hansa_codec::{OwnTransaction, ReplayKey};

use crate::pool::{Arrival, Pool};
use crate::{AccountFacts, AccountView, DropReason};

/// How many arrivals one call of [`Pool::expire`] examines.
const EXPIRE_PER_CALL_MAX: usize = 16_384;

/// When pooled transactions of our own type end, soonest first.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_block: BTreeSet<(u64, B256)>,
    by_time: BTreeSet<(u64, B256)>,
}

impl Deadlines {
    pub(crate) fn add(&mut self, own: &OwnTransaction, hash: B256) {
        self.by_block.insert((own.block_limit, hash));
        self.by_time.insert((own.expires_at, hash));
    }

    pub(crate) fn remove(&mut self, own: &OwnTransaction, hash: B256) {
        self.by_block.remove(&(own.block_limit, hash));
        self.by_time.remove(&(own.expires_at, hash));
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// One whose last block is `height` or before it.
    fn pop_block(&mut self, height: u64) -> Option<B256> {
        pop_until(&mut self.by_block, height)
    }

    /// One whose last second is over.
    fn pop_time(&mut self, now_ms: u64) -> Option<B256> {
        pop_until(&mut self.by_time, (now_ms / 1_000).checked_sub(1)?)
    }
}

fn pop_until(ends: &mut BTreeSet<(u64, B256)>, last: u64) -> Option<B256> {
    let first = *ends.first().filter(|(end, _)| *end <= last)?;
    ends.remove(&first);
    Some(first.1)
}

impl Pool {
    /// Removes transactions that a sealed block includes. Their senders' next turn comes after
    /// everyone else's. [`Self::update_accounts`] follows with the block's account changes.
    pub fn remove_included(&mut self, hashes: &[B256]) {
        let first_new_ticket = self.ring.next_ticket();
        for hash in hashes {
            let Some(located) = self.by_hash.get(hash) else { continue };
            let (slot, nonce) = (located.slot, located.recovered.tx.nonce());
            let Some(queue) = self.slots[slot as usize].as_mut() else { continue };
            let Ok(at) = queue.find(nonce) else { continue };
            let mut before = queue.ready;
            let taken = queue.take(at);
            let Some(entry) = taken else { continue };
            before -= usize::from(at < before);
            self.executable -= queue.ready - before;
            if !queue.is_own() {
                queue.facts.nonce = queue.facts.nonce.max(nonce + 1);
            }
            if at == 0 && before + 1 == queue.ready {
                queue.ready = before;
            } else {
                queue.refresh();
            }
            let served_before = queue.ticket.is_some_and(|ticket| ticket < first_new_ticket);
            if served_before && queue.ready > 0 {
                self.ring.leave();
                queue.ticket = Some(self.ring.enter(slot));
            }
            self.forget_entry(&entry);
            self.statistics.sealed += 1;
            self.settle(slot, before);
        }
        self.compact();
    }

    /// Takes over the accounts that a sealed block changed: drops what they have moved beyond,
    /// promotes and demotes the rest. Accounts without transactions here cost one look-up.
    pub fn update_accounts(&mut self, changes: impl IntoIterator<Item = (Address, AccountFacts)>) {
        for (address, facts) in changes {
            if let Some(slot) = self.by_sender.get(&address).copied() {
                self.update_slot(slot, facts);
            }
            if let Some(slot) = self.by_own_sender.get(&address).copied() {
                self.update_slot(slot, facts);
            }
        }
        self.compact();
    }

    /// Reads every sender's account again, after the head moved back (`evm_revert`).
    pub fn reset_accounts(&mut self, view: &impl AccountView) {
        for slot in 0..self.slots.len() {
            let Some(queue) = self.slots[slot].as_ref() else { continue };
            let facts = view.account(&queue.address);
            self.update_slot(slot as u32, facts);
        }
        self.compact();
    }

    /// Handles transactions that a sealed block lists but the executor skipped: each is dropped
    /// with its reason, unless it may still execute later (nonce too high), when it stays.
    pub fn on_skipped(&mut self, skipped: impl IntoIterator<Item = (B256, String, bool)>) {
        for (hash, reason, stays) in skipped {
            if stays {
                continue;
            }
            if self.by_hash.contains_key(&hash) {
                self.drop_hash(&hash, DropReason::Skipped(reason));
            } else {
                self.reasons.note(hash, DropReason::Skipped(reason));
            }
        }
        self.compact();
    }

    /// Drops what is too old, queues again what was sent long ago; how many were dropped.
    pub fn expire(&mut self, now_ms: u64) -> usize {
        self.now_ms = self.now_ms.max(now_ms);
        let dropped = self.expire_own() + self.expire_waiting() + self.expire_all();
        let by_hash = &self.by_hash;
        self.outgoing.resend(self.now_ms, |hash| by_hash.contains_key(hash));
        self.compact();
        dropped
    }

    /// Removes one transaction on request; whether it was here.
    pub fn remove(&mut self, hash: &B256) -> bool {
        let found = self.drop_hash(hash, DropReason::Removed);
        self.compact();
        found
    }

    /// Empties the pool, remembering a reason for each transaction.
    pub fn clear(&mut self) {
        for slot in 0..self.slots.len() {
            while let Some(queue) = self.slots[slot].as_ref() {
                let Some(entry) = queue.entries.back() else { break };
                let hash = entry.recovered.tx.hash;
                self.drop_hash(&hash, DropReason::Removed);
            }
        }
        self.young.clear();
        self.aged.clear();
        self.parked.clear();
        self.deadlines.clear();
        self.outgoing.clear();
        self.ring.clear();
    }

    /// Drops one transaction with its reason; whether it was here.
    pub(crate) fn drop_hash(&mut self, hash: &B256, reason: DropReason) -> bool {
        let Some(located) = self.by_hash.get(hash) else { return false };
        let (slot, nonce) = (located.slot, located.recovered.tx.nonce());
        let Some(queue) = self.slots[slot as usize].as_mut() else { return false };
        let Ok(at) = queue.find(nonce) else { return false };
        let mut before = queue.ready;
        let Some(entry) = queue.take(at) else { return false };
        before -= usize::from(at < before);
        self.executable -= queue.ready - before;
        queue.refresh();
        self.forget_entry(&entry);
        self.statistics.dropped += 1;
        self.reasons.note(*hash, reason);
        self.settle(slot, before);
        true
    }

    fn update_slot(&mut self, slot: u32, facts: AccountFacts) {
        let Some(queue) = self.slots[slot as usize].as_mut() else { return };
        let mut before = queue.ready;
        queue.facts = facts;
        let mut overtaken = Vec::new();
        while !queue.is_own() && queue.entries.front().is_some_and(|entry| entry.nonce() < facts.nonce) {
            let Some(entry) = queue.take(0) else { break };
            before -= usize::from(before > 0);
            overtaken.push(entry);
        }
        self.executable -= queue.ready - before;
        queue.refresh();
        for entry in overtaken {
            self.forget_entry(&entry);
            self.statistics.dropped += 1;
            self.reasons.note(entry.recovered.tx.hash, DropReason::NonceUsed);
        }
        self.settle(slot, before);
    }

    /// After a sealed block, once what it includes is gone: drops what ended with block `height` and what has a
    /// number that the block used.
    pub fn pass_block(&mut self, height: u64, used: &[ReplayKey]) {
        for key in used {
            let slot = self.by_own_sender.get(&key.sender).copied();
            let found = self.queue(slot).and_then(|queue| {
                let at = queue.find(key.nonce).ok()?;
                Some(queue.entries[at].recovered.tx.hash)
            });
            if let Some(hash) = found {
                self.drop_hash(&hash, DropReason::NonceUsed);
            }
        }
        while let Some(hash) = self.deadlines.pop_block(height) {
            self.drop_hash(&hash, DropReason::Expired);
        }
        self.compact();
    }

    /// Drops what ended by the clock; how many.
    pub(crate) fn expire_own(&mut self) -> usize {
        let mut dropped = 0;
        while let Some(hash) = self.deadlines.pop_time(self.now_ms) {
            dropped += usize::from(self.drop_hash(&hash, DropReason::Expired));
        }
        dropped
    }

    /// At the waiting lifetime: what waits is dropped, what is executable moves on.
    fn expire_waiting(&mut self) -> usize {
        let mut dropped = 0;
        for _ in 0..EXPIRE_PER_CALL_MAX {
            let Some(arrival) = self.due(false) else { break };
            self.young.pop_front();
            let Some(located) = self.by_hash.get(&arrival.hash) else { continue };
            if self.is_executable(located) {
                self.aged.push_back(arrival);
            } else {
                dropped += usize::from(self.drop_hash(&arrival.hash, DropReason::Expired));
            }
        }
        dropped
    }

    /// At the full lifetime everything is dropped.
    fn expire_all(&mut self) -> usize {
        let mut dropped = 0;
        for _ in 0..EXPIRE_PER_CALL_MAX {
            let Some(arrival) = self.due(true) else { break };
            self.aged.pop_front();
            dropped += usize::from(self.drop_hash(&arrival.hash, DropReason::Expired));
        }
        dropped
    }

    /// The oldest arrival of a queue, if its time has come.
    fn due(&self, aged: bool) -> Option<Arrival> {
        let (queue, lifetime) = match aged {
            true => (&self.aged, self.limits.lifetime_ms),
            false => (&self.young, self.limits.waiting_lifetime_ms),
        };
        queue.front().copied().filter(|arrival| arrival.at_ms.saturating_add(lifetime) <= self.now_ms)
    }

    /// Forgets turns, arrivals and parked hashes of departed transactions once they are the
    /// greater part.
    pub(crate) fn compact(&mut self) {
        let mut ring = std::mem::take(&mut self.ring);
        ring.compact(|turn| self.is_current(turn));
        self.ring = ring;
        self.compact_parked();
        let room = 2 * self.by_hash.len() + 1_024;
        if self.young.len() > room {
            self.young.retain(|arrival| self.by_hash.contains_key(&arrival.hash));
        }
        if self.aged.len() > room {
            self.aged.retain(|arrival| self.by_hash.contains_key(&arrival.hash));
        }
    }
}
