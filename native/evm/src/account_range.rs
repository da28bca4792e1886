//! Accounts that genesis makes by a rule instead of listing them: ten million fit in a line.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use hansa_crypto::HashLanes;
use hansa_state::{AccountDiff, AccountInfo, StateDiff, WorldState};

use crate::GenesisAccount;

/// Accounts that are taken into the state at once, so that memory stays within a small multiple of the state.
const CHUNK: u64 = 65_536;
/// More bytes than a label needs.
const LABEL_BYTES_MAX: usize = 64;

/// Something that every account of a range has in a contract: one slot, written into the contract's storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// A contract among the listed accounts.
    pub contract: Address,
    /// The slot of the mapping from addresses.
    pub slot: U256,
    /// What each account has.
    pub value: U256,
}

/// `count` accounts; the i-th (from 0) has as its address the last 20 bytes of
/// keccak-256(label ‖ i as 8 bytes, big-endian), and nonce 0. An account that genesis lists keeps what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRange {
    /// Sets the addresses apart from those of other ranges; at most 64 bytes.
    pub label: String,
    /// How many.
    pub count: u64,
    /// Wei of each.
    pub balance: U256,
    /// What each has in contracts.
    pub holdings: Vec<Holding>,
}

impl AccountRange {
    /// Whether the label is as short as it must be, and not empty.
    pub fn has_good_label(&self) -> bool {
        (1..=LABEL_BYTES_MAX).contains(&self.label.len())
    }

    /// The addresses of some of its accounts.
    pub fn addresses(&self, indices: std::ops::Range<u64>) -> Vec<Address> {
        let inputs: Vec<Vec<u8>> =
            indices.map(|index| [self.label.as_bytes(), &index.to_be_bytes()].concat()).collect();
        hash_each(&inputs).iter().map(|hash| Address::from_slice(&hash[12..])).collect()
    }

    /// Adds the accounts and what they hold to a state in which the listed ones stand already.
    pub(crate) fn add_to(&self, listed: &BTreeMap<Address, GenesisAccount>, state: &mut WorldState) {
        let info = AccountInfo { nonce: 0, balance: self.balance, code_hash: KECCAK256_EMPTY };
        let mut first = 0;
        while first < self.count {
            let end = self.count.min(first + CHUNK);
            let addresses = self.addresses(first..end);
            let fresh = addresses.iter().filter(|address| !listed.contains_key(*address));
            let account = |address: &Address| {
                let diff = AccountDiff { info: Some(info), storage_wiped: false, storage: Vec::new() };
                (*address, diff)
            };
            let mut changes: Vec<(Address, AccountDiff)> = fresh.map(account).collect();
            changes.extend(self.contract_changes(state, &addresses));
            state.apply(&StateDiff::new(changes, Vec::new()));
            first = end;
        }
    }

    /// One change per contract, with a slot for each account and holding.
    fn contract_changes(&self, state: &WorldState, addresses: &[Address]) -> Vec<(Address, AccountDiff)> {
        let mut slots: BTreeMap<Address, Vec<(U256, U256)>> = BTreeMap::new();
        for holding in &self.holdings {
            let entries =
                mapping_slots(holding.slot, addresses).into_iter().map(|slot| (slot, holding.value));
            slots.entry(holding.contract).or_default().extend(entries);
        }
        slots
            .into_iter()
            .map(|(contract, storage)| {
                let info = state.account(&contract);
                (contract, AccountDiff { info, storage_wiped: false, storage })
            })
            .collect()
    }
}

/// Where a contract compiled by Vyper keeps the entries of a mapping from addresses:
/// keccak-256(slot ‖ address), both as 32 bytes.
fn mapping_slots(slot: U256, addresses: &[Address]) -> Vec<U256> {
    let inputs: Vec<Vec<u8>> =
        addresses.iter().map(|key| [slot.to_be_bytes::<32>(), key.into_word().0].concat()).collect();
    hash_each(&inputs).into_iter().map(|hash| U256::from_be_bytes(hash.0)).collect()
}

fn hash_each(inputs: &[Vec<u8>]) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; inputs.len()];
    HashLanes::best().hash(inputs.len(), |index| &inputs[index], |index, hash| hashes[index] = hash);
    hashes
}
