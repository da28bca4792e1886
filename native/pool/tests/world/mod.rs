//! Accounts, transactions and a view for the pool's tests.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alloy_consensus::{EthereumTypedTransaction, TxEip1559, TxLegacy};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use hansa_codec::{
    OwnTransaction, Recovered, ReplayKey, Transaction, sign_own_transaction, sign_transaction,
};
use hansa_crypto::{SenderCache, Suite, address_of, keccak256, public_key};
use hansa_pool::{
    AccountCode, AccountFacts, AccountView, FeeMode, Origin, Pool, PoolError, PoolLimits, PoolRules,
    SelectLimits, prepare,
};

pub const CHAIN_ID: u64 = 77_001;
pub const LOCAL: Origin = Origin::Local { organisation: 0 };
pub const WIDE: SelectLimits = SelectLimits { gas_max: 1_000_000_000, count_max: 10_000, bytes_max: 8 << 20 };

/// A key that tests derive from a small number.
pub fn secret(number: u64) -> [u8; 32] {
    keccak256(number.to_be_bytes()).0
}

pub fn address(number: u64) -> Address {
    address_of(&public_key(&secret(number)).unwrap()).unwrap()
}

/// Accounts in memory.
#[derive(Default, Clone)]
pub struct Accounts {
    pub facts: BTreeMap<Address, AccountFacts>,
    pub height: u64,
    pub used: BTreeSet<ReplayKey>,
}

impl Accounts {
    /// Accounts 0 … count − 1 with 1,000 ether each.
    pub fn funded(count: u64) -> Self {
        let facts = AccountFacts { nonce: 0, balance: ether(1_000), code: AccountCode::None };
        let facts = (0..count).map(|number| (address(number), facts)).collect();
        Self { facts, ..Self::default() }
    }

    pub fn set(&mut self, number: u64, change: impl FnOnce(&mut AccountFacts)) -> (Address, AccountFacts) {
        let facts = self.facts.entry(address(number)).or_default();
        change(facts);
        (address(number), *facts)
    }
}

impl AccountView for Accounts {
    fn account(&self, address: &Address) -> AccountFacts {
        self.facts.get(address).copied().unwrap_or_default()
    }

    fn height(&self) -> u64 {
        self.height
    }

    fn has_used(&self, key: &ReplayKey) -> bool {
        self.used.contains(key)
    }
}

pub fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(10u64.pow(18))
}

pub fn rules() -> PoolRules {
    PoolRules::alliance(CHAIN_ID)
}

pub fn fee_rules(base_fee: u64) -> PoolRules {
    PoolRules { fees: FeeMode::Ethereum, base_fee, ..rules() }
}

/// A transfer as a starting point for variations.
pub fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 0,
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(Address::repeat_byte(0xee)),
        value: U256::from(1),
        access_list: Default::default(),
        input: Bytes::new(),
    }
}

pub fn legacy(nonce: u64) -> TxLegacy {
    TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 0,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0xee)),
        value: U256::from(1),
        input: Bytes::new(),
    }
}

pub fn signed(
    number: u64,
    tx: impl Into<EthereumTypedTransaction<alloy_consensus::TxEip4844Variant>>,
) -> Transaction {
    sign_transaction(tx.into(), &secret(number)).unwrap()
}

/// A transfer of our own type as a starting point for variations.
pub fn own(nonce: u64) -> OwnTransaction {
    OwnTransaction {
        chain_id: CHAIN_ID,
        suite: Suite::Standard,
        nonce,
        block_limit: 100,
        expires_at: u64::MAX,
        max_priority_fee_per_gas: 0,
        max_fee_per_gas: 0,
        gas_limit: 21_000,
        to: Address::repeat_byte(0xee),
        value: U256::from(1),
        input: Bytes::new(),
        access_list: Default::default(),
    }
}

pub fn signed_own(number: u64, tx: OwnTransaction) -> Transaction {
    sign_own_transaction(tx, &secret(number)).unwrap()
}

pub fn recovered(number: u64, tx: TxEip1559) -> Recovered {
    Recovered { tx: Arc::new(signed(number, tx)), sender: address(number) }
}

/// A pool with its accounts and one clock.
pub struct World {
    pub pool: Pool,
    pub accounts: Accounts,
    pub senders: SenderCache,
    pub now_ms: u64,
}

impl World {
    pub fn new(rules: PoolRules, limits: PoolLimits) -> Self {
        let accounts = Accounts::funded(8);
        Self { pool: Pool::new(rules, limits), accounts, senders: SenderCache::new(1_024), now_ms: 1_000 }
    }

    pub fn standard() -> Self {
        Self::new(rules(), PoolLimits::default())
    }

    pub fn add(&mut self, tx: &Transaction) -> Result<alloy_primitives::B256, PoolError> {
        self.add_from(tx, LOCAL)
    }

    pub fn add_from(
        &mut self,
        tx: &Transaction,
        origin: Origin,
    ) -> Result<alloy_primitives::B256, PoolError> {
        let prepared = prepare(tx.raw.clone(), self.pool.rules(), &self.senders)?;
        self.pool.admit(prepared, origin, &self.accounts, self.now_ms)
    }

    /// Sends transfers with these nonces; all must be admitted.
    pub fn send(&mut self, number: u64, nonces: impl IntoIterator<Item = u64>) -> Vec<Transaction> {
        nonces
            .into_iter()
            .map(|nonce| {
                let tx = signed(number, transfer(nonce));
                self.add(&tx).unwrap();
                tx
            })
            .collect()
    }

    /// Seals these transactions as the chain would: accounts first, then the pool.
    pub fn seal(&mut self, block: &[Recovered]) {
        let (mut changes, mut used) = (Vec::new(), Vec::new());
        for recovered in block {
            let facts = self.accounts.facts.entry(recovered.sender).or_default();
            match recovered.replay_key() {
                Some(key) => used.push(key),
                None => facts.nonce = facts.nonce.max(recovered.tx.nonce() + 1),
            }
            facts.balance -= recovered.tx.value();
            changes.push((recovered.sender, *facts));
        }
        let hashes: Vec<_> = block.iter().map(|recovered| recovered.tx.hash).collect();
        self.accounts.height += 1;
        self.accounts.used.extend(&used);
        self.pool.remove_included(&hashes);
        self.pool.pass_block(self.accounts.height, &used);
        self.pool.update_accounts(changes);
    }
}

/// (sender number, nonce) of each transaction.
pub fn names(block: &[Recovered]) -> Vec<(u64, u64)> {
    block
        .iter()
        .map(|recovered| {
            let number = (0..64).find(|number| address(*number) == recovered.sender).unwrap();
            (number, recovered.tx.nonce())
        })
        .collect()
}
