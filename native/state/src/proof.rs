//! Proofs in the form of EIP-1186.

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::AccountInfo;

/// An account with the trie nodes that tie it to the state root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProof {
    /// The account's address.
    pub address: Address,
    /// None where the proof shows that there is no account.
    pub info: Option<AccountInfo>,
    /// Root of its storage; of the empty trie where there is none.
    pub storage_root: B256,
    /// RLP of the nodes from the state root down.
    pub proof: Vec<Bytes>,
    /// One entry per slot asked for, in that order.
    pub storage: Vec<StorageProof>,
}

/// A slot with the trie nodes that tie it to the account's storage root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot's number.
    pub slot: U256,
    /// Its value, zero where nothing is stored.
    pub value: U256,
    /// RLP of the nodes from the storage root down.
    pub proof: Vec<Bytes>,
}
