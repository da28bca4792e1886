//! What the rest of the node asks of a state, whatever engine holds it.

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::{AccountInfo, AccountProof, StateDiff};

/// Reads of one version.
pub trait StateView {
    /// An account; none where there is none in the trie.
    fn account(&self, address: &Address) -> Option<AccountInfo>;

    /// Several accounts, in the order asked for. A state that outgrows the caches finds them together faster than
    /// one by one.
    fn accounts(&self, addresses: &[Address]) -> Vec<Option<AccountInfo>> {
        addresses.iter().map(|address| self.account(address)).collect()
    }

    /// A storage slot; zero where nothing was stored.
    fn storage(&self, address: &Address, slot: U256) -> U256;

    /// Code by its keccak-256 hash; none when unknown. The empty code is always known.
    fn code(&self, hash: &B256) -> Option<Bytes>;
}

/// A state that can move on. A clone is an independent version and costs O(1).
pub trait StateStore: StateView + Clone + Send + Sync {
    /// Takes over the values of a diff.
    fn apply(&mut self, diff: &StateDiff);

    /// The state root (Yellow paper 4.1).
    fn root(&self) -> B256;

    /// Proof of an account and of some of its slots (EIP-1186), also where they do not exist.
    fn proof(&self, address: &Address, slots: &[U256]) -> AccountProof;
}
