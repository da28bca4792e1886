//! What revm reads from and writes to during a block: the state, a cache over it, the changes.

use alloy_primitives::map::hash_map::Entry;
use alloy_primitives::map::{AddressMap, B256Map, HashMap};
use alloy_primitives::{Address, B256, U256};
use hansa_state::{AccountDiff, AccountInfo, StateDiff, StateView};
use revm::bytecode::Bytecode;
use revm::state::{Account, AccountInfo as EvmInfo, EvmState};
use revm::{Database, DatabaseCommit};

use crate::block::BlockHashes;
use crate::codes::analysed;
use crate::environment::evm_account;
use crate::error::StateFault;
use crate::execute::Changes;
use crate::transfer::{Transfer, has_headroom};

/// A slot before the block and now.
#[derive(Debug, Clone, Copy)]
struct Slot {
    before: U256,
    now: U256,
}

impl Slot {
    fn is_changed(&self) -> bool {
        self.before != self.now
    }
}

/// An account before the block and now.
#[derive(Debug)]
struct Cached {
    before: Option<AccountInfo>,
    now: Option<AccountInfo>,
    /// What the state below stores no longer counts.
    wiped: bool,
    slots: HashMap<U256, Slot>,
}

/// Where a block's cache keeps an account.
pub(crate) type Place = u32;

/// One block's view of a state. Reads go to the cache, then to the state; commits stay here until
/// [`BlockDb::into_changes`].
pub(crate) struct BlockDb<'a, S> {
    state: &'a S,
    hashes: &'a dyn BlockHashes,
    places: AddressMap<Place>,
    accounts: Vec<(Address, Cached)>,
    /// Code read or made in this block.
    codes: B256Map<Bytecode>,
}

impl<'a, S: StateView> BlockDb<'a, S> {
    pub(crate) fn new(state: &'a S, hashes: &'a dyn BlockHashes, transactions: usize) -> Self {
        let mut places = AddressMap::default();
        places.reserve(2 * transactions);
        let accounts = Vec::with_capacity(2 * transactions);
        Self { state, hashes, places, accounts, codes: B256Map::default() }
    }

    /// The place of an account, which is read where it is not there yet.
    pub(crate) fn place(&mut self, address: Address) -> Place {
        let state = self.state;
        match self.places.entry(address) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                // A block's gas pays for far fewer than 2^32 accounts.
                let place = *entry.insert(self.accounts.len() as Place);
                self.accounts.push((address, Cached::new(state.account(&address))));
                place
            }
        }
    }

    /// The places of several accounts, in the order asked for; `read` reads what is not there yet.
    pub(crate) fn places(
        &mut self,
        addresses: impl Iterator<Item = Address>,
        read: impl FnOnce(&[Address]) -> Vec<Option<AccountInfo>>,
    ) -> Vec<Place> {
        let known = self.accounts.len();
        let mut fresh = Vec::new();
        let places = addresses.map(|address| {
            *self.places.entry(address).or_insert_with(|| {
                fresh.push(address);
                (known + fresh.len() - 1) as Place
            })
        });
        let places = places.collect();
        let found = read(&fresh).into_iter().map(Cached::new);
        self.accounts.extend(fresh.into_iter().zip(found));
        places
    }

    /// Carries out a plain transfer and says so, or leaves everything as it was: then the transfer is not as plain
    /// as it looked.
    pub(crate) fn transfer(
        &mut self,
        transfer: &Transfer,
        from: Place,
        to: Place,
        beneficiary: Place,
    ) -> bool {
        let plain = |place: Place| match &self.accounts[place as usize].1.now {
            Some(info) => !info.has_code() && has_headroom(&info.balance),
            None => true,
        };
        let Some(sender) = &self.accounts[from as usize].1.now else { return false };
        let paid = sender.nonce == transfer.nonce && sender.balance >= transfer.needed;
        let room = self.accounts[beneficiary as usize].1.now;
        if !paid || !plain(from) || !plain(to) || room.is_some_and(|info| !has_headroom(&info.balance)) {
            return false;
        }
        if let Some(sender) = &mut self.accounts[from as usize].1.now {
            sender.nonce += 1;
            sender.balance -= transfer.fee + transfer.value;
        }
        self.accounts[to as usize].1.credit(transfer.value);
        self.accounts[beneficiary as usize].1.credit(transfer.tip);
        // Both were touched, whatever they got; what is empty when the transaction ends does not exist.
        self.accounts[to as usize].1.clear_empty();
        self.accounts[beneficiary as usize].1.clear_empty();
        true
    }

    fn commit_account(&mut self, address: Address, account: Account) {
        if !account.is_touched() {
            return;
        }
        let info = &account.info;
        let gone = account.is_selfdestructed() || (account.is_empty() && !account.is_created());
        let now = AccountInfo { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash };
        let place = self.place(address);
        let cached = &mut self.accounts[place as usize].1;
        if let Some(code) = &info.code
            && cached.now.is_none_or(|before| before.code_hash != now.code_hash)
        {
            self.codes.insert(now.code_hash, code.clone());
        }
        if gone || account.is_created() {
            cached.wipe();
        }
        // EIP-161: a touched account that is empty does not exist.
        cached.now = (!gone && !now.is_empty()).then_some(now);
        if cached.now.is_none() {
            return;
        }
        for (key, slot) in account.storage {
            if slot.is_changed() {
                let before = cached.before_of(slot.original_value);
                cached.slots.entry(key).or_insert(Slot { before, now: before }).now = slot.present_value;
            }
        }
    }

    /// The block's changes against the state below; whatever ended as it began is not among them.
    pub(crate) fn into_changes(self) -> Changes {
        let changed = |(place, (address, cached)): (usize, &(Address, Cached))| {
            cached.is_changed().then_some((*address, place as Place))
        };
        let mut order: Vec<(Address, Place)> = self.accounts.iter().enumerate().filter_map(changed).collect();
        order.sort_unstable();
        let mut codes = Vec::new();
        let mut replaced = Some(Vec::with_capacity(order.len()));
        let accounts = order.into_iter().map(|(address, place)| {
            let cached = &self.accounts[place as usize].1;
            let code = cached.new_code().and_then(|hash| self.codes.get(&hash));
            codes.extend(code.map(Bytecode::original_bytes));
            match (&mut replaced, cached.replaced()) {
                (Some(all), Some(before)) => all.push((address, before)),
                _ => replaced = None,
            }
            (address, cached.diff())
        });
        let accounts = accounts.collect();
        let replaced = replaced.map(|replaced| StateDiff::new(replaced, Vec::new()));
        Changes { diff: StateDiff::new(accounts, codes), replaced }
    }
}

impl Cached {
    fn new(before: Option<AccountInfo>) -> Self {
        Self { before, now: before, wiped: false, slots: HashMap::default() }
    }

    fn credit(&mut self, wei: U256) {
        if !wei.is_zero() {
            self.now.get_or_insert_default().balance += wei;
        }
    }

    /// EIP-161, for an account that was touched.
    fn clear_empty(&mut self) {
        if self.now.is_some_and(|info| info.is_empty()) {
            self.now = None;
            self.wipe();
        }
    }

    fn wipe(&mut self) {
        self.wiped = true;
        self.slots.clear();
    }

    /// What a slot held before the block, by what it held before the transaction: the same where
    /// the slot is not in the cache yet, nothing where the storage was wiped.
    fn before_of(&self, before_transaction: U256) -> U256 {
        if self.wiped { U256::ZERO } else { before_transaction }
    }

    fn is_changed(&self) -> bool {
        let stored = || self.wiped || self.slots.values().any(Slot::is_changed);
        self.before != self.now || (self.now.is_some() && stored())
    }

    /// The hash of code that the account did not have before the block.
    fn new_code(&self) -> Option<B256> {
        let now = self.now.filter(AccountInfo::has_code)?;
        self.before.is_none_or(|before| before.code_hash != now.code_hash).then_some(now.code_hash)
    }

    fn diff(&self) -> AccountDiff {
        if self.now.is_none() {
            return AccountDiff::removed();
        }
        let changed = self.slots.iter().filter(|(_, slot)| slot.is_changed());
        let storage = changed.map(|(key, slot)| (*key, slot.now)).collect();
        AccountDiff { info: self.now, storage_wiped: self.wiped && self.before.is_some(), storage }
    }

    /// What the changes replace; none where stored values may have been wiped, which were not all read.
    fn replaced(&self) -> Option<AccountDiff> {
        if self.before.is_none() {
            return Some(AccountDiff::removed());
        }
        if self.wiped || self.now.is_none() {
            return None;
        }
        let changed = self.slots.iter().filter(|(_, slot)| slot.is_changed());
        let storage = changed.map(|(key, slot)| (*key, slot.before)).collect();
        Some(AccountDiff { info: self.before, storage_wiped: false, storage })
    }
}

impl<S: StateView> Database for BlockDb<'_, S> {
    type Error = StateFault;

    fn basic(&mut self, address: Address) -> Result<Option<EvmInfo>, StateFault> {
        let place = self.place(address);
        Ok(self.accounts[place as usize].1.now.map(evm_account))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StateFault> {
        if let Some(code) = self.codes.get(&hash) {
            return Ok(code.clone());
        }
        let code = analysed(&hash, || self.state.code(&hash)).ok_or(StateFault::MissingCode(hash))?;
        self.codes.insert(hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, StateFault> {
        let state = self.state;
        let place = self.place(address);
        let cached = &mut self.accounts[place as usize].1;
        if let Some(slot) = cached.slots.get(&key) {
            return Ok(slot.now);
        }
        if cached.wiped || cached.before.is_none() {
            return Ok(U256::ZERO);
        }
        let before = state.storage(&address, key);
        cached.slots.insert(key, Slot { before, now: before });
        Ok(before)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, StateFault> {
        Ok(self.hashes.block_hash(number).unwrap_or_default())
    }
}

impl<S: StateView> DatabaseCommit for BlockDb<'_, S> {
    fn commit(&mut self, changes: EvmState) {
        for (address, account) in changes {
            self.commit_account(address, account);
        }
    }
}
