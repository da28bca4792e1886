//! The state engine.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use hansa_crypto::{HashLanes, keccak256};

use crate::account::AccountLeaf;
use crate::codes::Codes;
use crate::past::Past;
use crate::trie::node::{Leaf, Link};
use crate::trie::update::{Item, Nested};
use crate::trie::{Draft, LeafValue, Trie, View};
use crate::{AccountDiff, AccountInfo, AccountProof, StateDiff, StateStore, StateView, StorageProof};

/// Bytes that a packed account without code and storage has, about.
const PACKED_BYTES: usize = 16;

/// One version of the state: what changed since the file below was written in memory, the rest in
/// the file, which is mapped; without a file, all of it in memory. Clones share every node that they
/// have in common.
#[derive(Debug, Clone, Default)]
pub struct WorldState {
    accounts: Trie<AccountLeaf>,
    codes: Codes,
    /// What sets this version apart from the newer one in the trie.
    past: Past,
}

impl WorldState {
    /// The empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state of these accounts and codes.
    pub(crate) fn of(accounts: Trie<AccountLeaf>, codes: &[(B256, Bytes)]) -> Self {
        let state = Self { accounts, codes: Codes::default(), past: Past::default() };
        state.codes.extend(codes.iter());
        state
    }

    /// An account; none where there is none in the trie.
    pub fn account(&self, address: &Address) -> Option<AccountInfo> {
        if let Some(replaced) = self.past.account(address) {
            return replaced;
        }
        self.leaf(address).map(|leaf| AccountLeaf::of(leaf).info)
    }

    /// Several accounts, in the order asked for: hashed in lanes, looked up side by side.
    pub fn accounts(&self, addresses: &[Address]) -> Vec<Option<AccountInfo>> {
        if !self.past.is_empty() {
            return addresses.iter().map(|address| self.account(address)).collect();
        }
        let keys = hash_each(addresses.len(), |index| addresses[index].as_slice());
        let mut found = Vec::with_capacity(keys.len());
        let view = self.accounts.view();
        view.get_each(&keys, |leaf| found.push(leaf.map(|leaf| AccountLeaf::of(leaf).info)));
        found
    }

    /// A storage slot; zero where nothing was stored.
    pub fn storage(&self, address: &Address, slot: U256) -> U256 {
        if let Some(replaced) = self.past.storage(address, &slot) {
            return replaced;
        }
        let storage = self.leaf(address).map(|leaf| self.accounts.view().nested(leaf));
        storage
            .and_then(|trie| trie.get(&hash_slot(slot)))
            .map(|leaf| U256::unpack(leaf.value))
            .unwrap_or_default()
    }

    /// Code by its keccak-256 hash; none when unknown. The empty code is always known.
    pub fn code(&self, hash: &B256) -> Option<Bytes> {
        if *hash == KECCAK256_EMPTY {
            return Some(Bytes::new());
        }
        self.codes.get(hash)
    }

    /// Takes over the values of a diff; the root is the new one at once.
    pub fn apply(&mut self, diff: &StateDiff) {
        if !self.past.is_empty() {
            *self = self.clone().whole();
        }
        self.codes.extend(diff.codes().iter());
        let accounts = diff.accounts();
        let keys = hash_each(accounts.len(), |index| accounts[index].0.as_slice());
        let mut draft = self.accounts.draft();
        self.drop_storages(&mut draft, accounts, &keys);
        let mut storages = self.change_storages(&mut draft, accounts, &keys).into_iter().peekable();
        let mut packed = Vec::with_capacity(accounts.len() * PACKED_BYTES);
        let mut values = Vec::with_capacity(accounts.len());
        for (index, (_, change)) in accounts.iter().enumerate() {
            let from = packed.len();
            let stored = storages.next_if(|(at, ..)| *at == index);
            let nested = match stored {
                Some((_, top, _)) => Nested::New(top),
                None if change.storage_wiped => Nested::None,
                None => Nested::Keep,
            };
            let storage_root = stored.map_or(EMPTY_ROOT_HASH, |(.., root)| root);
            change.info.iter().for_each(|info| AccountLeaf { info: *info, storage_root }.pack(&mut packed));
            values.push((from..packed.len(), nested));
        }
        let items = keys.iter().zip(accounts).zip(values).map(|((key, (_, change)), (value, nested))| Item {
            key: *key,
            value: change.info.is_some().then(|| &packed[value]),
            nested,
        });
        self.accounts.change(draft, items.collect());
    }

    /// The values that a diff is about to replace in this state: applied to the state after it, they
    /// give this one back. None where the diff wipes storage, which cannot be told by values.
    pub fn replaced_by(&self, diff: &StateDiff) -> Option<StateDiff> {
        let addresses: Vec<Address> = diff.accounts().iter().map(|(address, _)| *address).collect();
        let before = self.accounts(&addresses);
        let mut replaced = Vec::with_capacity(addresses.len());
        for ((address, change), info) in diff.accounts().iter().zip(before) {
            let Some(info) = info else {
                replaced.push((*address, AccountDiff::removed()));
                continue;
            };
            if wipes(change) && self.leaf(address).is_some_and(|leaf| !leaf.nested.is_none()) {
                return None;
            }
            let storage = change.storage.iter().map(|(slot, _)| (*slot, self.storage(address, *slot)));
            let storage = storage.collect();
            replaced.push((*address, AccountDiff { info: Some(info), storage_wiped: false, storage }));
        }
        Some(StateDiff::new(replaced, Vec::new()))
    }

    /// An earlier version, by what the blocks since then replaced, the oldest block first. It holds
    /// none of the nodes that only it needs; proofs and changes rebuild them.
    pub fn before(self, replaced: Vec<Arc<StateDiff>>) -> Self {
        Self { past: Past::new(replaced), ..self.whole() }
    }

    /// Whether it has a trie of its own.
    pub fn is_whole(&self) -> bool {
        self.past.is_empty()
    }

    /// The same version over the newer file in which `moved` lies: that is the version `known` once
    /// more, as it was written and opened. The work is that of the changes between `known` and this
    /// version, both of which lie over the older file.
    pub fn moved_onto(&self, known: &Self, moved: &Self) -> Self {
        let (this, known) = (self.clone().whole(), known.clone().whole());
        debug_assert_eq!(known.root(), moved.root());
        let accounts = this.accounts.moved_onto(&known.accounts, &moved.accounts);
        Self { accounts, codes: this.codes, past: Past::default() }
    }

    /// Whether both are the same version, not only equal ones.
    pub fn is_same(&self, other: &Self) -> bool {
        self.past.is_empty() && other.past.is_empty() && self.accounts.is_same(&other.accounts)
    }

    /// The same version with a trie of its own: every version but those of [`WorldState::before`] has
    /// one.
    pub fn whole(mut self) -> Self {
        if !self.past.is_empty() {
            let past = std::mem::take(&mut self.past);
            past.each_part(|part| self.apply(part));
        }
        self
    }

    /// Tells the draft of the storages that it does not have any more.
    fn drop_storages(&self, draft: &mut Draft, accounts: &[(Address, AccountDiff)], keys: &[B256]) {
        let view = self.accounts.view();
        for (_, key) in accounts.iter().zip(keys).filter(|((_, change), _)| wipes(change)) {
            draft.note_gone(view.get(key).map_or(Link::NONE, |leaf| leaf.nested), &[]);
        }
    }

    /// The new storage of every account whose slots change, by the account's index: its top and its root.
    fn change_storages(
        &self,
        draft: &mut Draft,
        accounts: &[(Address, AccountDiff)],
        keys: &[B256],
    ) -> Vec<(usize, Link, B256)> {
        let view = self.accounts.view();
        let changed: Vec<usize> =
            (0..accounts.len()).filter(|index| changes_slots(&accounts[*index].1)).collect();
        if changed.is_empty() {
            return Vec::new();
        }
        let slots: Vec<&(U256, U256)> =
            changed.iter().flat_map(|index| &accounts[*index].1.storage).collect();
        let numbers: Vec<[u8; 32]> = slots.iter().map(|(slot, _)| slot.to_be_bytes()).collect();
        let hashes = hash_each(numbers.len(), |index| &numbers[index]);
        let mut packed = Vec::with_capacity(slots.len() * 32);
        let ends: Vec<usize> = (slots.iter())
            .map(|(_, value)| {
                value.pack(&mut packed);
                packed.len()
            })
            .collect();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let mut items = hashes.iter().zip(starts.zip(&ends)).map(|(key, (from, to))| Item {
            key: *key,
            // A slot set to zero is a slot removed.
            value: (from < *to).then(|| &packed[from..*to]),
            nested: Nested::None,
        });
        let tries = changed.iter().map(|index| {
            let (_, change) = &accounts[*index];
            let old = if change.storage_wiped { None } else { view.get(&keys[*index]) };
            let slots = items.by_ref().take(change.storage.len()).collect();
            (old.map_or(Link::NONE, |leaf| leaf.nested), slots)
        });
        let done = self.accounts.change_nested::<U256>(draft, tries.collect());
        changed.into_iter().zip(done).map(|(index, (top, root))| (index, top, root)).collect()
    }

    /// The state root.
    pub fn root(&self) -> B256 {
        if !self.past.is_empty() {
            return self.clone().whole().root();
        }
        self.accounts.root()
    }

    /// Proof of an account and of some of its slots (EIP-1186).
    pub fn proof(&self, address: &Address, slots: &[U256]) -> AccountProof {
        if !self.past.is_empty() {
            return self.clone().whole().proof(address, slots);
        }
        let leaf = self.leaf(address);
        let storage = leaf.map(|leaf| self.accounts.view().nested(leaf));
        let prove = |slot: &U256| {
            let key = hash_slot(*slot);
            let found = storage.and_then(|trie| trie.get(&key));
            StorageProof {
                slot: *slot,
                value: found.map(|leaf| U256::unpack(leaf.value)).unwrap_or_default(),
                proof: storage.map_or_else(Vec::new, |trie| trie.proof::<U256>(&key)),
            }
        };
        let account = leaf.map(AccountLeaf::of);
        AccountProof {
            address: *address,
            info: account.map(|account| account.info),
            storage_root: account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root),
            proof: self.accounts.proof(&keccak256(address)),
            storage: slots.iter().map(prove).collect(),
        }
    }

    /// The trie of accounts, for writing it to a file; of a whole state.
    pub(crate) fn trie(&self) -> View<'_> {
        self.accounts.view()
    }

    fn leaf(&self, address: &Address) -> Option<Leaf<'_>> {
        self.accounts.view().get(&keccak256(address))
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

/// Whether an account's storage gets another root than that of nothing or of before.
fn changes_slots(change: &AccountDiff) -> bool {
    change.info.is_some() && !change.storage.is_empty()
}

/// Whether nothing is left of an account's storage of before.
fn wipes(change: &AccountDiff) -> bool {
    change.info.is_none() || change.storage_wiped
}

fn hash_slot(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

fn hash_each<'a>(count: usize, input: impl Fn(usize) -> &'a [u8]) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; count];
    HashLanes::best().hash(count, input, |index, hash| hashes[index] = hash);
    hashes
}
