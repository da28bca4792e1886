//! All versions that a block's transactions make of accounts and slots.
//!
//! An account has two kinds of versions. One that somebody read and then wrote holds all its values. One that only
//! received wei holds the amount: credits are added up when somebody reads the account, so that thousands of
//! payments to one account need not wait for each other.

use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::map::{AddressMap, B256Map, HashMap};
use alloy_primitives::{Address, B256, U256};
use hansa_state::{AccountDiff, AccountInfo, StateDiff, StateView};
use parking_lot::Mutex;
use revm::bytecode::Bytecode;

use crate::codes::analysed;
use crate::error::StateFault;
use crate::execute::Changes;

/// Whose version: 0 is what the chain itself does before the first transaction, n the n-th transaction.
pub(super) type Version = u32;

/// Sees every version.
const LAST: Version = Version::MAX;

/// Independent parts of the memory; a power of two. More threads than this never run.
const SHARDS: usize = 64;

/// What a transaction leaves of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccountWrite {
    /// All its values, and whether what was stored before is gone.
    Values { now: Option<AccountInfo>, wiped: bool },
    /// Wei that it got.
    Credit(U256),
}

/// What one execution of a transaction changes.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) accounts: Vec<(Address, AccountWrite)>,
    pub(super) slots: Vec<((Address, U256), U256)>,
}

/// What one execution of a transaction has seen. Its outcome depends on nothing else.
#[derive(Debug, Clone, Copy)]
pub(super) enum Read {
    Account(Address, Option<AccountInfo>),
    /// Whether an account carries code; nothing else of it was looked at.
    HasCode(Address, bool),
    Slot(Address, U256, U256),
}

/// Versions in ascending order, each once.
#[derive(Debug)]
struct Versions<T>(Vec<(Version, T)>);

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Versions<T> {
    /// Adds a version that is not there.
    fn add(&mut self, version: Version, value: T) {
        self.0.insert(self.0.partition_point(|entry| entry.0 < version), (version, value));
    }

    fn remove(&mut self, version: Version) {
        if let Ok(at) = self.0.binary_search_by_key(&version, |entry| entry.0) {
            self.0.remove(at);
        }
    }

    /// Those below a version.
    fn below(&self, version: Version) -> &[(Version, T)] {
        &self.0[..self.0.partition_point(|entry| entry.0 < version)]
    }
}

#[derive(Debug, Default)]
struct AccountEntry {
    before: Option<AccountInfo>,
    values: Versions<(Option<AccountInfo>, bool)>,
    credits: Versions<U256>,
}

impl AccountEntry {
    /// The account's values below a version; none where credits overflow.
    fn resolve(&self, version: Version) -> Option<Option<AccountInfo>> {
        let (from, base) = match self.values.below(version).last() {
            Some((from, (now, _))) => (from + 1, *now),
            None => (0, self.before),
        };
        let credits = self.credits.below(version);
        let first = credits.partition_point(|entry| entry.0 < from);
        let sum = credits[first..].iter().try_fold(U256::ZERO, |sum, entry| sum.checked_add(entry.1))?;
        if sum.is_zero() {
            return Some(base);
        }
        let mut info = base.unwrap_or_default();
        info.balance = info.balance.checked_add(sum)?;
        Some(Some(info))
    }

    /// Credits give no code.
    fn has_code(&self, version: Version) -> bool {
        let values = self.values.below(version).last();
        values.map_or(self.before, |(_, (now, _))| *now).is_some_and(|info| info.has_code())
    }

    /// The last version below this one that took all of the storage away.
    fn wiped(&self, version: Version) -> Option<Version> {
        self.values.below(version).iter().rev().find(|(_, (_, wiped))| *wiped).map(|(version, _)| *version)
    }
}

#[derive(Debug, Default)]
struct SlotEntry {
    /// What the state below holds; none until somebody asks for it.
    before: Option<U256>,
    values: Versions<U256>,
}

/// The versions over one state.
pub(super) struct Memory<'a, S> {
    state: &'a S,
    accounts: Vec<Mutex<AddressMap<AccountEntry>>>,
    slots: Vec<Mutex<HashMap<(Address, U256), SlotEntry>>>,
    /// Code made by some execution, whatever became of it: a hash has one code.
    codes: Mutex<B256Map<Bytecode>>,
    /// Whether any version took storage away, so that slots must be looked up with care.
    wipes: AtomicBool,
    /// Whether something came up that only the serial way does right.
    given_up: AtomicBool,
}

impl<'a, S: StateView> Memory<'a, S> {
    pub(super) fn new(state: &'a S, known: impl Iterator<Item = (Address, Option<AccountInfo>)>) -> Self {
        let memory = Self {
            state,
            accounts: (0..SHARDS).map(|_| Mutex::default()).collect(),
            slots: (0..SHARDS).map(|_| Mutex::default()).collect(),
            codes: Mutex::default(),
            wipes: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        };
        for (address, before) in known {
            memory.insert(address, before);
        }
        memory
    }

    /// Says that this block is for the serial way.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// An account as a version finds it.
    pub(super) fn account(&self, address: &Address, version: Version) -> Option<AccountInfo> {
        self.of_account(address, |entry| entry.resolve(version)).unwrap_or_else(|| {
            self.give_up();
            None
        })
    }

    pub(super) fn has_code(&self, address: &Address, version: Version) -> bool {
        self.of_account(address, |entry| entry.has_code(version))
    }

    /// A slot as a version finds it.
    pub(super) fn slot(&self, address: Address, slot: U256, version: Version) -> U256 {
        let wiped = if self.wipes.load(Ordering::Acquire) {
            self.of_account(&address, |entry| entry.wiped(version))
        } else {
            None
        };
        let shard = &self.slots[slot_shard(&address, &slot)];
        let known = |entry: &SlotEntry| match entry.values.below(version).last() {
            Some((written, value)) if wiped.is_none_or(|wiped| *written >= wiped) => Some(*value),
            _ if wiped.is_some() => Some(U256::ZERO),
            _ => entry.before,
        };
        if let Some(value) = shard.lock().get(&(address, slot)).and_then(known) {
            return value;
        }
        if wiped.is_some() {
            return U256::ZERO;
        }
        // Read without the lock; who else reads it finds the same.
        let before = self.state.storage(&address, slot);
        let mut shard = shard.lock();
        let entry = shard.entry((address, slot)).or_default();
        entry.before = Some(before);
        known(entry).unwrap_or(before)
    }

    pub(super) fn code(&self, hash: &B256) -> Result<Bytecode, StateFault> {
        if let Some(code) = self.codes.lock().get(hash) {
            return Ok(code.clone());
        }
        analysed(hash, || self.state.code(hash)).ok_or(StateFault::MissingCode(*hash))
    }

    /// Keeps code that is about to be named by an account.
    pub(super) fn keep_code(&self, hash: B256, code: &Bytecode) {
        self.codes.lock().entry(hash).or_insert_with(|| code.clone());
    }

    /// Whether a read would still see the same.
    pub(super) fn is_current(&self, read: &Read, version: Version) -> bool {
        match read {
            Read::Account(address, seen) => self.account(address, version) == *seen,
            Read::HasCode(address, seen) => self.has_code(address, version) == *seen,
            Read::Slot(address, slot, seen) => self.slot(*address, *slot, version) == *seen,
        }
    }

    /// Puts the writes of a version in place of those of its last execution.
    pub(super) fn publish(&self, version: Version, old: &Writes, new: &Writes) {
        for (address, _) in &old.accounts {
            self.of_account(address, |entry| {
                entry.values.remove(version);
                entry.credits.remove(version);
            });
        }
        for (key, _) in &old.slots {
            if let Some(entry) = self.slots[slot_shard(&key.0, &key.1)].lock().get_mut(key) {
                entry.values.remove(version);
            }
        }
        for (key, value) in &new.slots {
            self.slots[slot_shard(&key.0, &key.1)]
                .lock()
                .entry(*key)
                .or_default()
                .values
                .add(version, *value);
        }
        for (address, write) in &new.accounts {
            self.publish_account(version, address, write);
        }
    }

    fn publish_account(&self, version: Version, address: &Address, write: &AccountWrite) {
        if matches!(write, AccountWrite::Values { wiped: true, .. }) {
            self.wipes.store(true, Ordering::Release);
        }
        self.of_account(address, |entry| match *write {
            AccountWrite::Values { now, wiped } => entry.values.add(version, (now, wiped)),
            AccountWrite::Credit(wei) => entry.credits.add(version, wei),
        });
    }

    /// Everything that the block changed; none where only the serial way can say.
    pub(super) fn into_changes(self) -> Option<Changes> {
        let codes = self.codes.into_inner();
        let mut new_codes = Vec::new();
        let mut changes: AddressMap<AccountDiff> = AddressMap::default();
        let accounts: Vec<_> = self.accounts.into_iter().map(Mutex::into_inner).collect();
        let entry_of = |address: &Address| accounts[account_shard(address)].get(address);
        for (address, entry) in accounts.iter().flatten() {
            let now = entry.resolve(LAST)?;
            let wiped = entry.wiped(LAST).is_some() && entry.before.is_some();
            if now == entry.before && (now.is_none() || !wiped) {
                continue;
            }
            let code = now.filter(AccountInfo::has_code).map(|info| info.code_hash);
            let is_new = code != entry.before.map(|info| info.code_hash);
            new_codes.extend(
                code.filter(|_| is_new).and_then(|hash| codes.get(&hash)).map(Bytecode::original_bytes),
            );
            let change = AccountDiff { info: now, storage_wiped: wiped, storage: Vec::new() };
            changes.insert(*address, change);
        }
        for ((address, slot), entry) in self.slots.into_iter().flat_map(Mutex::into_inner) {
            let Some((written, now)) = entry.values.0.last() else { continue };
            let account = entry_of(&address)?;
            let wiped = account.wiped(LAST);
            let Some(info) = account.resolve(LAST)? else { continue };
            if wiped.is_some_and(|wiped| *written < wiped) {
                continue;
            }
            let before = match entry.before {
                _ if wiped.is_some() || account.before.is_none() => U256::ZERO,
                Some(before) => before,
                None => self.state.storage(&address, slot),
            };
            if before != *now {
                let same = || AccountDiff { info: Some(info), ..AccountDiff::default() };
                changes.entry(address).or_insert_with(same).storage.push((slot, *now));
            }
        }
        Some(Changes { diff: StateDiff::new(changes.into_iter().collect(), new_codes), replaced: None })
    }

    /// Works on the versions of an account, which is read where nobody has asked for it yet.
    fn of_account<R>(&self, address: &Address, work: impl FnOnce(&mut AccountEntry) -> R) -> R {
        let shard = &self.accounts[account_shard(address)];
        if let Some(entry) = shard.lock().get_mut(address) {
            return work(entry);
        }
        // Read without the lock; who else reads it finds the same.
        self.insert(*address, self.state.account(address));
        work(shard.lock().entry(*address).or_default())
    }

    fn insert(&self, address: Address, before: Option<AccountInfo>) {
        // A touch takes such an account out of the state (EIP-161). Only a genesis can hold one.
        if before.is_some_and(|info| info.is_empty()) {
            self.give_up();
        }
        let fresh = || AccountEntry { before, ..AccountEntry::default() };
        self.accounts[account_shard(&address)].lock().entry(address).or_insert_with(fresh);
    }
}

fn account_shard(address: &Address) -> usize {
    usize::from(address[19]) % SHARDS
}

fn slot_shard(address: &Address, slot: &U256) -> usize {
    // Numbers of slots are hashes, or small and side by side.
    (usize::from(address[19]) ^ slot.byte(0) as usize) % SHARDS
}
