//! The block as one transaction sees it: the versions of all before it.

use alloy_primitives::{Address, B256, U256};
use hansa_state::{AccountInfo, StateView};
use revm::Database;
use revm::bytecode::Bytecode;
use revm::state::{Account, AccountInfo as EvmInfo, EvmState};

use super::memory::{AccountWrite, Memory, Read, Version, Writes};
use crate::block::BlockHashes;
use crate::error::StateFault;
use crate::transfer::{Transfer, has_headroom};

/// What a transaction sees, and the record of what it looked at.
pub(super) struct View<'a, S> {
    memory: &'a Memory<'a, S>,
    hashes: &'a dyn BlockHashes,
    version: Version,
    reads: Vec<Read>,
}

impl<'a, S: StateView> View<'a, S> {
    pub(super) fn new(memory: &'a Memory<'a, S>, hashes: &'a dyn BlockHashes) -> Self {
        Self { memory, hashes, version: 0, reads: Vec::new() }
    }

    /// Begins a transaction.
    pub(super) fn begin(&mut self, version: Version) {
        self.version = version;
        self.reads.clear();
    }

    /// What the transaction has looked at.
    pub(super) fn take_reads(&mut self) -> Vec<Read> {
        std::mem::take(&mut self.reads)
    }

    fn account(&mut self, address: Address) -> Option<AccountInfo> {
        let info = self.memory.account(&address, self.version);
        self.reads.push(Read::Account(address, info));
        info
    }

    /// A plain transfer; none where it is not as plain as it looked. The receiver's balance is not read.
    pub(super) fn transfer(&mut self, transfer: &Transfer, beneficiary: Address) -> Option<Writes> {
        let mut sender = self.account(transfer.from)?;
        let has_code = self.memory.has_code(&transfer.to, self.version);
        self.reads.push(Read::HasCode(transfer.to, has_code));
        let paid = sender.nonce == transfer.nonce && sender.balance >= transfer.needed;
        if !paid || has_code || sender.has_code() || !has_headroom(&sender.balance) {
            return None;
        }
        sender.nonce += 1;
        sender.balance -= transfer.fee + transfer.value;
        let mut writes = Writes::default();
        writes.accounts.push((transfer.from, AccountWrite::Values { now: Some(sender), wiped: false }));
        writes.credit(transfer.to, transfer.value);
        writes.credit(beneficiary, transfer.tip);
        Some(writes)
    }

    /// What revm's changes and the beneficiary's tip leave behind.
    pub(super) fn writes_of(&self, changes: EvmState, beneficiary: Address, tip: U256) -> Writes {
        let mut writes = Writes::default();
        let mut tip = tip;
        for (address, mut account) in changes {
            // An account that was only touched stays as it is: empty ones in the trie have been seen to.
            if !account.is_touched() {
                continue;
            }
            if account.is_changed() || account.is_created() || account.is_selfdestructed() {
                if address == beneficiary {
                    // As revm does: what would overflow is not paid.
                    account.info.balance =
                        account.info.balance.checked_add(tip).unwrap_or(account.info.balance);
                    tip = U256::ZERO;
                }
                writes.accounts.push((address, self.account_write(&account)));
            }
            if !account.is_selfdestructed() {
                let changed = account.storage.into_iter().filter(|(_, slot)| slot.is_changed());
                writes.slots.extend(changed.map(|(key, slot)| ((address, key), slot.present_value)));
            }
        }
        writes.credit(beneficiary, tip);
        writes
    }

    fn account_write(&self, account: &Account) -> AccountWrite {
        let info = &account.info;
        if let Some(code) = &info.code {
            self.memory.keep_code(info.code_hash, code);
        }
        let now = AccountInfo { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash };
        let exists = !account.is_selfdestructed() && !now.is_empty();
        AccountWrite::Values { now: exists.then_some(now), wiped: !exists || account.is_created() }
    }
}

impl Writes {
    /// Adds wei to what the transaction leaves of an account, beyond what it holds already.
    fn credit(&mut self, to: Address, wei: U256) {
        if wei.is_zero() {
            return;
        }
        match self.accounts.iter_mut().find(|(address, _)| *address == to) {
            None => self.accounts.push((to, AccountWrite::Credit(wei))),
            Some((_, AccountWrite::Credit(held))) => *held = held.saturating_add(wei),
            Some((_, AccountWrite::Values { now, .. })) => {
                let info = now.get_or_insert_default();
                info.balance = info.balance.saturating_add(wei);
            }
        }
    }
}

impl<S: StateView> Database for View<'_, S> {
    type Error = StateFault;

    fn basic(&mut self, address: Address) -> Result<Option<EvmInfo>, StateFault> {
        Ok(self.account(address).map(crate::environment::evm_account))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StateFault> {
        self.memory.code(&hash)
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, StateFault> {
        let value = self.memory.slot(address, key, self.version);
        self.reads.push(Read::Slot(address, key, value));
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, StateFault> {
        Ok(self.hashes.block_hash(number).unwrap_or_default())
    }
}
