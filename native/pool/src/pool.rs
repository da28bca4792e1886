//! The pool's memory and the way in.

use std::collections::VecDeque;

use alloy_primitives::map::{AddressMap, B256Map};
use alloy_primitives::{Address, B256, U256};
use hansa_codec::Recovered;

use crate::account::check_own;
use crate::departure::Deadlines;
use crate::history::{Feed, Reasons};
use crate::outgoing::Outgoing;
use crate::queue::{Entry, SenderQueue};
use crate::quota::{OverQuota, Quotas};
use crate::ring::{Ring, Turn};
use crate::rules::{FeeMode, PoolLimits, PoolRules};
use crate::{AccountCode, AccountFacts, AccountView, DropReason, PoolError, Prepared};

/// Where a transaction came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This node's own RPC; it will be sent to the other members.
    Local { organisation: u32 },
    /// A bundle of another member, signed by that organisation.
    Member { organisation: u32 },
}

impl Origin {
    fn organisation(self) -> u32 {
        match self {
            Self::Local { organisation } | Self::Member { organisation } => organisation,
        }
    }
}

/// Counters since the start; they only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStatistics {
    /// Admitted.
    pub admitted: u64,
    /// Refused for any reason, known ones included.
    pub refused: u64,
    /// Left because another took their nonce here.
    pub replaced: u64,
    /// Left because they were sealed.
    pub sealed: u64,
    /// Left for any other reason.
    pub dropped: u64,
}

/// Where a transaction stands, by hash.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) slot: u32,
    pub(crate) recovered: Recovered,
}

/// A transaction's arrival, for expiry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at_ms: u64,
    pub(crate) hash: B256,
}

/// The transaction pool. Single-threaded; [`crate::SharedPool`] is the one to share.
pub struct Pool {
    pub(crate) rules: PoolRules,
    pub(crate) limits: PoolLimits,
    pub(crate) by_hash: B256Map<Located>,
    pub(crate) by_sender: AddressMap<u32>,
    /// The queues of our own type.
    pub(crate) by_own_sender: AddressMap<u32>,
    pub(crate) deadlines: Deadlines,
    pub(crate) slots: Vec<Option<SenderQueue>>,
    pub(crate) free: Vec<u32>,
    pub(crate) ring: Ring,
    pub(crate) quotas: Quotas,
    pub(crate) outgoing: Outgoing,
    pub(crate) reasons: Reasons,
    pub(crate) feed: Feed,
    /// Accounts that pooled EIP-7702 authorisations name, and how many transactions do.
    pub(crate) delegating: AddressMap<u32>,
    /// Arrivals not yet examined at the waiting lifetime, oldest first.
    pub(crate) young: VecDeque<Arrival>,
    /// Arrivals that outlived it, oldest first.
    pub(crate) aged: VecDeque<Arrival>,
    /// Transactions in the order in which they began to wait; stale entries are skipped.
    pub(crate) parked: VecDeque<B256>,
    pub(crate) executable: usize,
    pub(crate) bytes: usize,
    pub(crate) now_ms: u64,
    pub(crate) statistics: PoolStatistics,
}

impl Pool {
    /// An empty pool.
    pub fn new(rules: PoolRules, limits: PoolLimits) -> Self {
        Self {
            quotas: Quotas::new(limits.sender_quota, limits.organisation_quota, limits.sender_buckets_max),
            outgoing: Outgoing::new(limits.transactions_max),
            reasons: Reasons::new(limits.reasons_max),
            feed: Feed::new(limits.feed_max),
            rules,
            limits,
            by_hash: B256Map::default(),
            by_sender: AddressMap::default(),
            by_own_sender: AddressMap::default(),
            deadlines: Deadlines::default(),
            slots: Vec::new(),
            free: Vec::new(),
            ring: Ring::default(),
            delegating: AddressMap::default(),
            young: VecDeque::new(),
            aged: VecDeque::new(),
            parked: VecDeque::new(),
            executable: 0,
            bytes: 0,
            now_ms: 0,
            statistics: PoolStatistics::default(),
        }
    }

    /// The chain's rules as this pool applies them.
    pub fn rules(&self) -> &PoolRules {
        &self.rules
    }

    /// Changes rules (base fee, block gas limit). What is here already is not examined again.
    pub fn set_rules(&mut self, rules: PoolRules) {
        self.rules = rules;
    }

    /// Files a prepared transaction; its hash is the answer.
    ///
    /// Where fees are paid, a replacement of the same sender and nonce must raise both fee cap and
    /// tip by the price bump. Where nobody pays, it must be a cancellation (to the sender itself,
    /// value 0, no data) of something that is none, or have a higher tip; otherwise the first one
    /// stays. So all members settle on the same one, whatever the order of arrival, unless neither
    /// is preferred, and then the leader's choice decides.
    ///
    /// # Errors
    /// `AlreadyKnown`, `OutOfTime`, `BlockLimit`, `NonceUsed`, `NonceTooLow`, `SenderNoEoa`, `DelegatedInFlight`, `ReplacementUnderpriced`,
    /// `AccountLimit`, `InsufficientFunds`, `SenderQuota`, `OrganisationQuota`, `Full` of
    /// [`PoolError`], looked for in this order.
    ///
    /// Complexity: constant for the next nonce of a sender; linear in the sender's queue for others.
    pub fn admit(
        &mut self,
        prepared: Prepared,
        origin: Origin,
        view: &impl AccountView,
        now_ms: u64,
    ) -> Result<B256, PoolError> {
        self.now_ms = self.now_ms.max(now_ms);
        let hash = prepared.recovered.tx.hash;
        match self.try_admit(prepared, origin, view) {
            Ok(()) => {
                self.statistics.admitted += 1;
                Ok(hash)
            }
            Err(error) => {
                self.statistics.refused += 1;
                Err(error)
            }
        }
    }

    fn try_admit(
        &mut self,
        prepared: Prepared,
        origin: Origin,
        view: &impl AccountView,
    ) -> Result<(), PoolError> {
        let hash = prepared.recovered.tx.hash;
        if self.by_hash.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown);
        }
        let (sender, own) = (prepared.recovered.sender, prepared.recovered.tx.own().is_some());
        let (nonce, gas) = (prepared.recovered.tx.nonce(), prepared.recovered.tx.gas_limit());
        check_own(&prepared.recovered, view, self.now_ms)?;
        let (slot, beside) = self.slots_of(&sender, own);
        let facts = match self.queue(slot) {
            Some(queue) => queue.facts,
            None => view.account(&sender),
        };
        check_account(&facts, nonce, own)?;
        let replaced_cost = self.check_place(slot, beside, &facts, &prepared)?;
        let cost_of = |slot| self.queue(slot).map_or(U256::ZERO, |queue| queue.pooled_cost);
        let pooled = cost_of(slot).saturating_sub(replaced_cost).saturating_add(cost_of(beside));
        if pooled.saturating_add(prepared.cost) > facts.balance {
            let (balance, cost) = (facts.balance, prepared.cost);
            return Err(PoolError::InsufficientFunds { balance, pooled, cost });
        }
        // Before the search for room: a sender beyond its quota must not evict others.
        self.quotas.take(sender, origin.organisation(), gas, self.now_ms).map_err(|over| match over {
            OverQuota::Sender(retry_ms) => PoolError::SenderQuota { retry_ms },
            OverQuota::Organisation(retry_ms) => PoolError::OrganisationQuota { retry_ms },
        })?;
        let executable = own
            || match self.queue(slot) {
                Some(queue) => queue.find(nonce).is_ok() || extends(queue, nonce),
                None => nonce == facts.nonce,
            };
        self.check_room(slot, executable, prepared.recovered.tx.raw.len())?;
        self.file(prepared, facts);
        if matches!(origin, Origin::Local { .. }) {
            self.outgoing.push(hash);
        }
        Ok(())
    }

    /// Checks replacement and the sender's limits; the cost of what would be replaced.
    fn check_place(
        &self,
        slot: Option<u32>,
        beside: Option<u32>,
        facts: &AccountFacts,
        prepared: &Prepared,
    ) -> Result<U256, PoolError> {
        let (tx, sender) = (&prepared.recovered.tx, &prepared.recovered.sender);
        let bound = facts.code == AccountCode::Delegated || self.delegating.contains_key(sender);
        let own = tx.own().is_some();
        let Some(queue) = self.queue(slot) else {
            let next = own || tx.nonce() == facts.nonce;
            let refused = bound && (!next || beside.is_some());
            return if refused { Err(PoolError::DelegatedInFlight) } else { Ok(U256::ZERO) };
        };
        if let Ok(at) = queue.find(tx.nonce()) {
            let old = &queue.entries[at];
            return match self.outbids(&prepared.recovered, &old.recovered) {
                true => Ok(old.cost),
                false => Err(PoolError::ReplacementUnderpriced),
            };
        }
        if bound {
            return Err(PoolError::DelegatedInFlight);
        }
        let max = if own { self.limits.own_per_sender_max } else { self.limits.per_sender_max };
        let count = queue.entries.len();
        if count >= max {
            return Err(PoolError::AccountLimit { count, max });
        }
        let (count, max) = (count - queue.ready, self.limits.waiting_per_sender_max);
        if !own && count >= max && !extends(queue, tx.nonce()) {
            return Err(PoolError::AccountLimit { count, max });
        }
        Ok(U256::ZERO)
    }

    /// Whether `new` may take the place of `old`; see [`Self::admit`].
    fn outbids(&self, new: &Recovered, old: &Recovered) -> bool {
        let (new_tx, old_tx) = (&new.tx, &old.tx);
        match self.rules.fees {
            FeeMode::None => match (is_cancellation(new), is_cancellation(old)) {
                (true, false) => true,
                (false, true) => false,
                _ => new_tx.max_priority_fee_per_gas() > old_tx.max_priority_fee_per_gas(),
            },
            FeeMode::Ethereum => {
                let bump = 100 + self.limits.price_bump_percent;
                let raised = |new: u128, old: u128| {
                    U256::from(new) * U256::from(100) >= U256::from(old) * U256::from(bump)
                };
                raised(new_tx.max_fee_per_gas(), old_tx.max_fee_per_gas())
                    && raised(new_tx.max_priority_fee_per_gas(), old_tx.max_priority_fee_per_gas())
            }
        }
    }

    /// Finds room in the pool as a whole; an executable newcomer evicts what waits longest.
    fn check_room(&mut self, slot: Option<u32>, executable: bool, size: usize) -> Result<(), PoolError> {
        let waiting = self.by_hash.len() - self.executable;
        if !executable && waiting >= self.limits.waiting_max {
            return Err(self.full());
        }
        while self.by_hash.len() >= self.limits.transactions_max || self.bytes + size > self.limits.bytes_max
        {
            let keep = slot.filter(|_| executable);
            if !executable || !self.evict_one(keep) {
                return Err(self.full());
            }
        }
        Ok(())
    }

    fn full(&self) -> PoolError {
        PoolError::Full { count: self.by_hash.len(), bytes: self.bytes }
    }

    /// Evicts the transaction that waits longest, but none of the sender in `keep`, whose queue is
    /// being extended.
    fn evict_one(&mut self, keep: Option<u32>) -> bool {
        for _ in 0..self.parked.len() {
            let Some(hash) = self.parked.pop_front() else { return false };
            let Some(located) = self.by_hash.get(&hash) else { continue };
            let slot = located.slot;
            if self.is_executable(located) {
                continue;
            }
            if Some(slot) == keep {
                self.parked.push_back(hash);
                continue;
            }
            self.drop_hash(&hash, DropReason::Evicted);
            return true;
        }
        false
    }

    /// Puts a transaction into its sender's queue; every check has passed.
    fn file(&mut self, prepared: Prepared, facts: AccountFacts) {
        let Prepared { recovered, cost, authorities } = prepared;
        let (hash, nonce, sender) = (recovered.tx.hash, recovered.tx.nonce(), recovered.sender);
        let slot = self.slot_of(sender, facts, recovered.tx.own().is_some());
        let takes_over = self.replace(slot, nonce, hash);
        self.bytes += recovered.tx.raw.len();
        for authority in &authorities {
            *self.delegating.entry(*authority).or_insert(0) += 1;
        }
        if let Some(own) = recovered.tx.own() {
            self.deadlines.add(own, hash);
        }
        self.by_hash.insert(hash, Located { slot, recovered: recovered.clone() });
        self.young.push_back(Arrival { at_ms: self.now_ms, hash });
        self.reasons.forget(&hash);
        let entry = Entry { recovered, cost, authorities };
        let Some(queue) = self.slots[slot as usize].as_mut() else { return };
        let before = queue.ready;
        let at = queue.find(nonce).unwrap_or_else(|at| at);
        queue.insert(at, entry);
        let waits = at >= queue.ready;
        if takes_over && !waits {
            self.feed.push(hash);
        }
        self.settle(slot, before);
        if waits && !takes_over {
            self.park(hash);
        }
    }

    /// Takes out the transaction of that nonce, if there is one. Whether its successor takes over its place among
    /// those that are counted as executable: nothing behind it is demoted meanwhile, or announced again.
    fn replace(&mut self, slot: u32, nonce: u64, by: B256) -> bool {
        let Some(queue) = self.slots[slot as usize].as_mut() else { return false };
        let Ok(at) = queue.find(nonce) else { return false };
        let Some(entry) = queue.take(at) else { return false };
        let was_ready = at < queue.ready;
        // Of our own type the successor comes last, as any newcomer.
        let takes_over = was_ready && !queue.is_own();
        if was_ready && !takes_over {
            queue.ready -= 1;
            self.executable -= 1;
        }
        self.forget_entry(&entry);
        self.statistics.replaced += 1;
        self.reasons.note(entry.recovered.tx.hash, DropReason::Replaced(by));
        takes_over
    }

    /// The sender's slot, opened when it has none.
    fn slot_of(&mut self, sender: Address, facts: AccountFacts, own: bool) -> u32 {
        if let (Some(slot), _) = self.slots_of(&sender, own) {
            return slot;
        }
        let queue = SenderQueue::new(sender, facts, own);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(queue);
                slot
            }
            None => {
                self.slots.push(Some(queue));
                // transactions_max bounds the number of senders far below 2^32.
                (self.slots.len() - 1) as u32
            }
        };
        let slots = if own { &mut self.by_own_sender } else { &mut self.by_sender };
        slots.insert(sender, slot);
        slot
    }

    /// The sender's slot for transactions of that kind, and the one for those of the other.
    pub(crate) fn slots_of(&self, sender: &Address, own: bool) -> (Option<u32>, Option<u32>) {
        let sequence = self.by_sender.get(sender).copied();
        let arrivals = self.by_own_sender.get(sender).copied();
        if own { (arrivals, sequence) } else { (sequence, arrivals) }
    }

    /// Brings counters, ring, feed and eviction order in line after a queue changed; `before` is
    /// how many of its present entries were counted as executable.
    pub(crate) fn settle(&mut self, slot: u32, before: usize) {
        let Some(queue) = self.slots[slot as usize].as_mut() else { return };
        let after = queue.ready;
        for entry in queue.entries.range(before.min(after)..after) {
            self.feed.push(entry.recovered.tx.hash);
        }
        for entry in queue.entries.range(after..before.max(after)) {
            self.parked.push_back(entry.recovered.tx.hash);
        }
        self.executable = self.executable + after - before;
        match (after > 0, queue.ticket) {
            (true, None) => queue.ticket = Some(self.ring.enter(slot)),
            (false, Some(_)) => {
                queue.ticket = None;
                self.ring.leave();
            }
            _ => {}
        }
        if queue.entries.is_empty() {
            let slots = if queue.is_own() { &mut self.by_own_sender } else { &mut self.by_sender };
            slots.remove(&queue.address);
            self.slots[slot as usize] = None;
            self.free.push(slot);
        }
    }

    fn park(&mut self, hash: B256) {
        self.parked.push_back(hash);
        self.compact_parked();
    }

    pub(crate) fn compact_parked(&mut self) {
        if self.parked.len() > 2 * self.limits.waiting_max + 1_024 {
            let mut parked = std::mem::take(&mut self.parked);
            parked.retain(|hash| self.by_hash.get(hash).is_some_and(|located| !self.is_executable(located)));
            self.parked = parked;
        }
    }

    pub(crate) fn queue(&self, slot: Option<u32>) -> Option<&SenderQueue> {
        self.slots.get(slot? as usize)?.as_ref()
    }

    pub(crate) fn is_executable(&self, located: &Located) -> bool {
        let nonce = located.recovered.tx.nonce();
        self.queue(Some(located.slot)).is_some_and(|queue| match queue.is_own() {
            true => queue.find(nonce).is_ok_and(|at| at < queue.ready),
            false => nonce - queue.facts.nonce.min(nonce) < queue.ready as u64,
        })
    }

    pub(crate) fn is_current(&self, turn: &Turn) -> bool {
        self.queue(Some(turn.slot)).is_some_and(|queue| queue.ticket == Some(turn.ticket))
    }

    /// Takes an entry that left its queue out of every other place.
    pub(crate) fn forget_entry(&mut self, entry: &Entry) {
        let tx = &entry.recovered.tx;
        self.by_hash.remove(&tx.hash);
        if let Some(own) = tx.own() {
            self.deadlines.remove(own, tx.hash);
        }
        self.bytes -= entry.bytes();
        for authority in &entry.authorities {
            if let Some(count) = self.delegating.get_mut(authority) {
                *count -= 1;
                if *count == 0 {
                    self.delegating.remove(authority);
                }
            }
        }
    }
}

fn check_account(facts: &AccountFacts, nonce: u64, own: bool) -> Result<(), PoolError> {
    if !own && nonce < facts.nonce {
        return Err(PoolError::NonceTooLow { next: facts.nonce, nonce });
    }
    if facts.code == AccountCode::Contract {
        return Err(PoolError::SenderNoEoa);
    }
    Ok(())
}

/// Whether that nonce comes right after the executable run.
fn extends(queue: &SenderQueue, nonce: u64) -> bool {
    nonce == queue.facts.nonce.saturating_add(queue.ready as u64)
}

/// A transaction that does nothing but use up its nonce.
fn is_cancellation(recovered: &Recovered) -> bool {
    let tx = &recovered.tx;
    tx.to() == Some(recovered.sender) && tx.value().is_zero() && tx.input().is_empty()
}
