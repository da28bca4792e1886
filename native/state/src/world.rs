//! The state engine in memory.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use hansa_crypto::{HashLanes, keccak256};

use crate::account::AccountLeaf;
use crate::codes::Codes;
use crate::trie::{Change, Trie};
use crate::{AccountDiff, AccountInfo, AccountProof, StateDiff, StateStore, StateView, StorageProof};

/// One version of the state, all of it in memory. Clones share every node that they have in common.
#[derive(Debug, Clone, Default)]
pub struct WorldState {
    accounts: Trie<AccountLeaf>,
    codes: Codes,
}

impl WorldState {
    /// The empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// An account; none where there is none in the trie.
    pub fn account(&self, address: &Address) -> Option<AccountInfo> {
        self.leaf(address).map(AccountLeaf::info)
    }

    /// Several accounts, in the order asked for: hashed in lanes, looked up side by side.
    pub fn accounts(&self, addresses: &[Address]) -> Vec<Option<AccountInfo>> {
        let keys = hash_each(addresses.len(), |index| addresses[index].as_slice());
        let mut found = Vec::with_capacity(keys.len());
        self.accounts.get_each(&keys, |leaf| found.push(leaf.map(AccountLeaf::info)));
        found
    }

    /// A storage slot; zero where nothing was stored.
    pub fn storage(&self, address: &Address, slot: U256) -> U256 {
        let storage = self.leaf(address).and_then(AccountLeaf::storage);
        storage.and_then(|trie| trie.get(&hash_slot(slot))).copied().unwrap_or_default()
    }

    /// Code by its keccak-256 hash; none when unknown. The empty code is always known.
    pub fn code(&self, hash: &B256) -> Option<Bytes> {
        if *hash == KECCAK256_EMPTY {
            return Some(Bytes::new());
        }
        self.codes.get(hash)
    }

    /// Takes over the values of a diff.
    pub fn apply(&mut self, diff: &StateDiff) {
        self.codes.extend(diff.codes().iter());
        let accounts = diff.accounts();
        let keys = hash_each(accounts.len(), |index| accounts[index].0.as_slice());
        let mut slots = hash_slots(accounts).into_iter();
        let changes = keys.into_iter().zip(accounts).map(|(key, (_, diff))| {
            (key, HashedDiff { diff, slots: slots.by_ref().take(diff.storage.len()).collect() })
        });
        self.accounts.update(changes.collect());
    }

    /// The state root. Hashes what changed since the last call, once for all clones that share it.
    pub fn root(&self) -> B256 {
        self.accounts.root()
    }

    /// Proof of an account and of some of its slots (EIP-1186).
    pub fn proof(&self, address: &Address, slots: &[U256]) -> AccountProof {
        // Proofs read references, so the hashes are brought up to date first.
        self.root();
        let leaf = self.leaf(address);
        let storage = leaf.and_then(AccountLeaf::storage);
        let prove = |slot: &U256| {
            let key = hash_slot(*slot);
            let value = storage.and_then(|trie| trie.get(&key)).copied().unwrap_or_default();
            StorageProof { slot: *slot, value, proof: storage.map_or_else(Vec::new, |trie| trie.proof(&key)) }
        };
        AccountProof {
            address: *address,
            info: leaf.map(AccountLeaf::info),
            storage_root: leaf.map_or(EMPTY_ROOT_HASH, AccountLeaf::storage_root),
            proof: self.accounts.proof(&keccak256(address)),
            storage: slots.iter().map(prove).collect(),
        }
    }

    /// All accounts by hashed address, in that order; with each its slots by hashed number.
    pub fn iter(&self) -> impl Iterator<Item = (&B256, AccountInfo, impl Iterator<Item = (&B256, U256)>)> {
        self.accounts.iter().map(|(key, leaf)| {
            let slots = leaf.storage().into_iter().flat_map(Trie::iter).map(|(slot, value)| (slot, *value));
            (key, leaf.info(), slots)
        })
    }

    /// Adds leaves by their hashed keys, as a checkpoint holds them. Slots of an account may come in
    /// several batches.
    pub(crate) fn insert_hashed(&mut self, leaves: Vec<HashedAccount>) {
        self.accounts.update(leaves.into_iter().map(|leaf| (leaf.key, leaf)).collect());
    }

    pub(crate) fn insert_codes(&self, codes: &[(B256, Bytes)]) {
        self.codes.extend(codes.iter());
    }

    fn leaf(&self, address: &Address) -> Option<&AccountLeaf> {
        self.accounts.get(&keccak256(address))
    }
}

impl StateView for WorldState {
    fn account(&self, address: &Address) -> Option<AccountInfo> {
        Self::account(self, address)
    }

    fn accounts(&self, addresses: &[Address]) -> Vec<Option<AccountInfo>> {
        Self::accounts(self, addresses)
    }

    fn storage(&self, address: &Address, slot: U256) -> U256 {
        Self::storage(self, address, slot)
    }

    fn code(&self, hash: &B256) -> Option<Bytes> {
        Self::code(self, hash)
    }
}

impl StateStore for WorldState {
    fn apply(&mut self, diff: &StateDiff) {
        Self::apply(self, diff);
    }

    fn root(&self) -> B256 {
        Self::root(self)
    }

    fn proof(&self, address: &Address, slots: &[U256]) -> AccountProof {
        Self::proof(self, address, slots)
    }
}

/// The changes of an account with the hashes of its slots' numbers, in the order of the slots.
struct HashedDiff<'a> {
    diff: &'a AccountDiff,
    slots: Vec<B256>,
}

impl Change<AccountLeaf> for HashedDiff<'_> {
    fn apply(self, old: Option<AccountLeaf>) -> Option<AccountLeaf> {
        let info = self.diff.info.as_ref()?;
        let mut storage = match old {
            Some(leaf) if !self.diff.storage_wiped => leaf.into_storage(),
            _ => Trie::new(),
        };
        if !self.slots.is_empty() {
            let values = self.diff.storage.iter().map(|(_, value)| stored(*value));
            storage.update(self.slots.into_iter().zip(values).collect());
        }
        Some(AccountLeaf::new(info, storage))
    }
}

/// An account as a checkpoint has it: everything under its hashed key.
#[derive(Debug)]
pub(crate) struct HashedAccount {
    pub(crate) key: B256,
    pub(crate) info: AccountInfo,
    pub(crate) slots: Vec<(B256, U256)>,
}

impl Change<AccountLeaf> for HashedAccount {
    fn apply(self, old: Option<AccountLeaf>) -> Option<AccountLeaf> {
        let mut storage = old.map_or_else(Trie::new, AccountLeaf::into_storage);
        storage.update(self.slots.into_iter().map(|(slot, value)| (slot, stored(value))).collect());
        Some(AccountLeaf::new(&self.info, storage))
    }
}

/// A slot set to zero is a slot removed.
fn stored(value: U256) -> Option<U256> {
    (!value.is_zero()).then_some(value)
}

fn hash_slot(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

/// The hashed numbers of all changed slots, account by account.
fn hash_slots(accounts: &[(Address, AccountDiff)]) -> Vec<B256> {
    let slots = accounts.iter().flat_map(|(_, diff)| &diff.storage);
    let numbers: Vec<[u8; 32]> = slots.map(|(slot, _)| slot.to_be_bytes()).collect();
    hash_each(numbers.len(), |index| &numbers[index])
}

fn hash_each<'a>(count: usize, input: impl Fn(usize) -> &'a [u8]) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; count];
    HashLanes::best().hash(count, input, |index, hash| hashes[index] = hash);
    hashes
}
