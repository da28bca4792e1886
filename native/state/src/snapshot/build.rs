//! The state of chunks that were checked.

use alloy_primitives::{B256, Bytes, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use hansa_crypto::keccak256;

use super::chunk::{AccountEntry, PackedLeaf};
use crate::WorldState;
use crate::account::AccountLeaf;
use crate::trie::node::Link;
use crate::trie::update::{Item, Nested};
use crate::trie::{Draft, LeafValue, Trie};

/// Puts a state together, account by account, in memory.
#[derive(Debug, Default)]
pub struct StateBuilder {
    accounts: Trie<AccountLeaf>,
    codes: Vec<(B256, Bytes)>,
}

impl StateBuilder {
    /// Adds accounts. `slots_of` gives the slots of those whose slots do not stand beside them, in parts.
    ///
    /// # Errors
    /// What `slots_of` says.
    pub fn add_accounts<E>(
        &mut self,
        entries: &[AccountEntry],
        mut slots_of: impl FnMut(&B256) -> Result<Vec<Vec<PackedLeaf>>, E>,
    ) -> Result<(), E> {
        let mut draft = self.accounts.draft();
        let mut items = Vec::with_capacity(entries.len());
        for entry in entries {
            let stores = AccountLeaf::unpack(&entry.packed).storage_root != EMPTY_ROOT_HASH;
            let nested = match &entry.slots {
                _ if !stores => Nested::None,
                Some(slots) => Nested::New(self.storage(&mut draft, std::slice::from_ref(slots))),
                None => Nested::New(self.storage(&mut draft, &slots_of(&entry.key)?)),
            };
            items.push(Item { key: entry.key, value: Some(&entry.packed), nested });
        }
        self.accounts.change(draft, items);
        Ok(())
    }

    /// The storage trie of slots in parts.
    fn storage(&self, draft: &mut Draft, parts: &[Vec<PackedLeaf>]) -> Link {
        let mut top = Link::NONE;
        for slots in parts {
            let items =
                slots.iter().map(|(key, value)| Item { key: *key, value: Some(value), nested: Nested::None });
            top = self.accounts.change_nested::<U256>(draft, vec![(top, items.collect())])[0].0;
        }
        top
    }

    /// Adds a code.
    pub fn add_code(&mut self, code: Bytes) {
        self.codes.push((keccak256(&code), code));
    }

    /// The state of all that was added.
    pub fn finish(self) -> WorldState {
        WorldState::of(self.accounts, &self.codes)
    }
}
