//! What revm reads from and writes to during a block: the state, a cache over it, the changes.

use alloy_primitives::map::{AddressMap, B256Map, HashMap};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use hansa_state::{AccountDiff, AccountInfo, StateDiff, StateView};
use revm::bytecode::Bytecode;
use revm::state::{Account, AccountInfo as EvmInfo, EvmState};
use revm::{Database, DatabaseCommit};

use crate::block::BlockHashes;
use crate::error::StateFault;

/// A slot before the block and now.
#[derive(Debug, Clone, Copy)]
struct Slot {
    before: U256,
    now: U256,
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

/// One block's view of a state. Reads go to the cache, then to the state; commits stay here until
/// [`BlockDb::into_diff`].
pub(crate) struct BlockDb<'a, S> {
    state: &'a S,
    hashes: &'a dyn BlockHashes,
    accounts: AddressMap<Cached>,
    codes: B256Map<Bytecode>,
    created: Vec<Bytes>,
}

impl<'a, S: StateView> BlockDb<'a, S> {
    pub(crate) fn new(state: &'a S, hashes: &'a dyn BlockHashes, transactions: usize) -> Self {
        let mut accounts = AddressMap::default();
        accounts.reserve(2 * transactions);
        Self { state, hashes, accounts, codes: B256Map::default(), created: Vec::new() }
    }

    fn cached(&mut self, address: Address) -> &mut Cached {
        let state = self.state;
        self.accounts.entry(address).or_insert_with(|| {
            let before = state.account(&address);
            Cached { before, now: before, wiped: false, slots: HashMap::default() }
        })
    }

    fn commit_account(&mut self, address: Address, account: Account) {
        if !account.is_touched() {
            return;
        }
        let info = &account.info;
        let gone = account.is_selfdestructed() || (account.is_empty() && !account.is_created());
        if !gone && info.code_hash != KECCAK256_EMPTY {
            self.keep_code(info);
        }
        let now = AccountInfo { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash };
        let cached = self.cached(address);
        if gone || account.is_created() {
            cached.wiped = true;
            cached.slots.clear();
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

    fn keep_code(&mut self, info: &EvmInfo) {
        let Some(code) = &info.code else { return };
        if !self.codes.contains_key(&info.code_hash) {
            self.created.push(code.original_bytes());
            self.codes.insert(info.code_hash, code.clone());
        }
    }

    /// The block's changes against the state below; whatever ended as it began is not among them.
    pub(crate) fn into_diff(self) -> StateDiff {
        let mut accounts = Vec::with_capacity(self.accounts.len());
        for (address, cached) in self.accounts {
            if let Some(change) = cached.into_diff() {
                accounts.push((address, change));
            }
        }
        let codes = self.created.into_iter().collect();
        StateDiff::new(accounts, codes)
    }
}

impl Cached {
    /// What a slot held before the block, by what it held before the transaction: the same where
    /// the slot is not in the cache yet, nothing where the storage was wiped.
    fn before_of(&self, before_transaction: U256) -> U256 {
        if self.wiped { U256::ZERO } else { before_transaction }
    }

    fn into_diff(self) -> Option<AccountDiff> {
        let wiped = self.wiped && self.before.is_some();
        let Some(now) = self.now else {
            return self.before.map(|_| AccountDiff::removed());
        };
        let changed = |slot: &Slot| slot.before != slot.now;
        let storage: Vec<(U256, U256)> =
            self.slots.iter().filter(|(_, slot)| changed(slot)).map(|(key, slot)| (*key, slot.now)).collect();
        if self.before == Some(now) && storage.is_empty() && !wiped {
            return None;
        }
        Some(AccountDiff { info: Some(now), storage_wiped: wiped, storage })
    }
}

impl<S: StateView> Database for BlockDb<'_, S> {
    type Error = StateFault;

    fn basic(&mut self, address: Address) -> Result<Option<EvmInfo>, StateFault> {
        let Some(info) = self.cached(address).now else { return Ok(None) };
        // With empty code at hand revm does not ask for it.
        let code = (!info.has_code()).then(Bytecode::default);
        let account = EvmInfo {
            nonce: info.nonce,
            balance: info.balance,
            code_hash: info.code_hash,
            code,
            account_id: None,
        };
        Ok(Some(account))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StateFault> {
        if let Some(code) = self.codes.get(&hash) {
            return Ok(code.clone());
        }
        let raw = self.state.code(&hash).ok_or(StateFault::MissingCode(hash))?;
        // Code that the state holds was accepted when it was deployed.
        let code = Bytecode::new_raw_checked(raw.clone()).unwrap_or_else(|_| Bytecode::new_legacy(raw));
        self.codes.insert(hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, StateFault> {
        let state = self.state;
        let cached = self.cached(address);
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
