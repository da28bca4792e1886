//! Block 0: a state out of a list, and its header.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use hansa_crypto::keccak256;
use hansa_state::{AccountDiff, AccountInfo, StateDiff, WorldState};

use crate::header::{NO_BODY, body_roots, build_header};
use crate::{AccountRange, BlockContext, ChainRules};

/// An account at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Wei.
    pub balance: U256,
    /// Usually 0, 1 for contracts.
    pub nonce: u64,
    /// Runtime code.
    pub code: Bytes,
    /// Slots that are not zero.
    pub storage: BTreeMap<U256, U256>,
}

/// What block 0 holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisSettings {
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Gas that a block may use; later headers repeat it.
    pub gas_limit: u64,
    /// Hash of the alliance's facts, so that the genesis hash binds them.
    pub extra_data: B256,
    /// The accounts.
    pub alloc: BTreeMap<Address, GenesisAccount>,
    /// Accounts made by rule, beside those listed.
    pub ranges: Vec<AccountRange>,
}

/// Block 0.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// Its header.
    pub header: Header,
    /// Its hash: the genesis hash.
    pub hash: B256,
    /// Its state.
    pub state: WorldState,
}

/// Builds block 0.
pub fn build_genesis(rules: &ChainRules, settings: &GenesisSettings) -> Genesis {
    let mut state = WorldState::new();
    state.apply(&alloc_diff(&settings.alloc));
    for range in &settings.ranges {
        range.add_to(&settings.alloc, &mut state);
    }
    let block = BlockContext {
        number: 0,
        parent_hash: B256::ZERO,
        timestamp: settings.timestamp,
        beneficiary: Address::ZERO,
        gas_limit: settings.gas_limit,
        base_fee: rules.initial_base_fee(),
        prevrandao: B256::ZERO,
        extra_data: settings.extra_data.0.into(),
        excess_blob_gas: 0,
        hashes: Arc::new(|_| None),
        void: Vec::new(),
    };
    let header = build_header(rules, &block, &NO_BODY, &body_roots(&NO_BODY), state.root());
    Genesis { hash: header.hash_slow(), header, state }
}

/// The accounts as changes of the empty state.
pub(crate) fn alloc_diff(alloc: &BTreeMap<Address, GenesisAccount>) -> StateDiff {
    let accounts = alloc.iter().map(|(address, account)| {
        let code_hash = if account.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&account.code) };
        let info = AccountInfo { nonce: account.nonce, balance: account.balance, code_hash };
        let storage = account.storage.iter().filter(|(_, value)| !value.is_zero());
        let storage = storage.map(|(slot, value)| (*slot, *value)).collect();
        (*address, AccountDiff { info: Some(info), storage_wiped: false, storage })
    });
    let codes = alloc.values().map(|account| account.code.clone()).collect();
    StateDiff::new(accounts.collect(), codes)
}
