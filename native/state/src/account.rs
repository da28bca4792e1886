//! What an account is.

use std::sync::Arc;

use alloy_primitives::{B256, KECCAK256_EMPTY, U256};
use alloy_rlp::Encodable;

use crate::trie::{LeafValue, Trie};

/// An account without its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountInfo {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// keccak-256 of the code; of nothing for an account without code.
    pub code_hash: B256,
}

impl Default for AccountInfo {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl AccountInfo {
    /// Whether EIP-161 counts it as not existing.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && !self.has_code()
    }

    /// Whether it carries code (a contract, or an EIP-7702 delegation).
    pub fn has_code(&self) -> bool {
        self.code_hash != KECCAK256_EMPTY
    }
}

/// An account as a leaf; what most accounts lack stands behind one pointer.
#[derive(Debug, Clone)]
pub(crate) struct AccountLeaf {
    nonce: u64,
    balance: U256,
    contract: Option<Arc<Contract>>,
}

#[derive(Debug, Clone)]
struct Contract {
    code_hash: B256,
    storage: Trie<U256>,
}

impl AccountLeaf {
    pub(crate) fn new(info: &AccountInfo, storage: Trie<U256>) -> Self {
        let plain = !info.has_code() && storage.is_empty();
        let contract = (!plain).then(|| Arc::new(Contract { code_hash: info.code_hash, storage }));
        Self { nonce: info.nonce, balance: info.balance, contract }
    }

    pub(crate) fn info(&self) -> AccountInfo {
        let code_hash = self.contract.as_ref().map_or(KECCAK256_EMPTY, |contract| contract.code_hash);
        AccountInfo { nonce: self.nonce, balance: self.balance, code_hash }
    }

    pub(crate) fn storage(&self) -> Option<&Trie<U256>> {
        self.contract.as_ref().map(|contract| &contract.storage)
    }

    pub(crate) fn into_storage(self) -> Trie<U256> {
        self.contract.map_or_else(Trie::new, |contract| Arc::unwrap_or_clone(contract).storage)
    }

    pub(crate) fn storage_root(&self) -> B256 {
        self.storage().map_or(alloy_trie::EMPTY_ROOT_HASH, Trie::root)
    }
}

impl LeafValue for AccountLeaf {
    /// RLP of \[nonce, balance, storage root, code hash\].
    fn encode_value(&self, out: &mut Vec<u8>) {
        let code_hash = self.contract.as_ref().map_or(KECCAK256_EMPTY, |contract| contract.code_hash);
        let payload = self.nonce.length() + self.balance.length() + 33 + 33;
        alloy_rlp::Header { list: true, payload_length: payload }.encode(out);
        self.nonce.encode(out);
        self.balance.encode(out);
        self.storage_root().encode(out);
        code_hash.encode(out);
    }

    /// The storage tries of all changed accounts are hashed together.
    fn prepare<'a>(values: impl Iterator<Item = &'a Self>) {
        Trie::settle(values.filter_map(Self::storage));
    }
}

impl LeafValue for U256 {
    /// RLP of the number; zero is never stored.
    fn encode_value(&self, out: &mut Vec<u8>) {
        Encodable::encode(self, out);
    }
}
