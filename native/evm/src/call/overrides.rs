//! A state with some of it replaced, for calls.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use hansa_crypto::keccak256;
use hansa_state::{AccountInfo, StateView};

use crate::CallError;

/// What a call sees of an account in place of what is there. Nothing given: nothing replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// Another balance, wei.
    pub balance: Option<U256>,
    /// Another nonce.
    pub nonce: Option<u64>,
    /// Other code.
    pub code: Option<Bytes>,
    /// All of the storage: every other slot reads zero.
    pub state: Option<BTreeMap<U256, U256>>,
    /// Single slots of the storage.
    pub state_diff: Option<BTreeMap<U256, U256>>,
}

/// Overrides by account.
pub type StateOverrides = BTreeMap<Address, AccountOverride>;

/// A state seen through overrides.
pub(crate) struct Overridden<'a, S> {
    state: &'a S,
    overrides: &'a StateOverrides,
    codes: BTreeMap<B256, Bytes>,
}

impl<'a, S: StateView> Overridden<'a, S> {
    pub(crate) fn new(state: &'a S, overrides: &'a StateOverrides) -> Result<Self, CallError> {
        let mut codes = BTreeMap::new();
        for (address, change) in overrides {
            if change.state.is_some() && change.state_diff.is_some() {
                return Err(CallError::Override(*address));
            }
            if let Some(code) = &change.code {
                codes.insert(keccak256(code), code.clone());
            }
        }
        Ok(Self { state, overrides, codes })
    }
}

impl<S: StateView> StateView for Overridden<'_, S> {
    fn account(&self, address: &Address) -> Option<AccountInfo> {
        let account = self.state.account(address);
        let Some(change) = self.overrides.get(address) else { return account };
        let old = account.unwrap_or_default();
        let code_hash = match &change.code {
            Some(code) if code.is_empty() => KECCAK256_EMPTY,
            Some(code) => keccak256(code),
            None => old.code_hash,
        };
        let nonce = change.nonce.unwrap_or(old.nonce);
        Some(AccountInfo { nonce, balance: change.balance.unwrap_or(old.balance), code_hash })
    }

    fn storage(&self, address: &Address, slot: U256) -> U256 {
        let change = self.overrides.get(address);
        if let Some(state) = change.and_then(|change| change.state.as_ref()) {
            return state.get(&slot).copied().unwrap_or_default();
        }
        let changed = change.and_then(|change| change.state_diff.as_ref()).and_then(|slots| slots.get(&slot));
        changed.copied().unwrap_or_else(|| self.state.storage(address, slot))
    }

    fn code(&self, hash: &B256) -> Option<Bytes> {
        self.codes.get(hash).cloned().or_else(|| self.state.code(hash))
    }
}
