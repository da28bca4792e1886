//! A state told by what later blocks replaced in a newer one.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, U256};

use crate::{AccountDiff, AccountInfo, StateDiff};

/// What the blocks between a state and the newer one below replaced, the oldest block first. Of
/// whatever several of them replaced, the first has the value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    replaced: Vec<Arc<StateDiff>>,
}

impl Past {
    pub(crate) fn new(replaced: Vec<Arc<StateDiff>>) -> Self {
        Self { replaced }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.replaced.is_empty()
    }

    /// The account, where any block replaced it.
    pub(crate) fn account(&self, address: &Address) -> Option<Option<AccountInfo>> {
        self.of(address).next().map(|change| change.info)
    }

    /// The slot, where any block replaced it or the account.
    pub(crate) fn storage(&self, address: &Address, slot: &U256) -> Option<U256> {
        self.of(address).find_map(|change| {
            if change.info.is_none() {
                return Some(U256::ZERO);
            }
            let found = change.storage.binary_search_by(|(number, _)| number.cmp(slot)).ok();
            found.map(|nth| change.storage[nth].1)
        })
    }

    /// All of it as one change of the newer state.
    pub(crate) fn merged(&self) -> StateDiff {
        let mut merged: BTreeMap<Address, (AccountDiff, BTreeMap<U256, U256>)> = BTreeMap::new();
        for (address, change) in self.replaced.iter().rev().flat_map(|diff| diff.accounts()) {
            let (account, slots) = merged.entry(*address).or_default();
            // Whatever a block removed stored nothing, and what was not there before it does not
            // either: nothing of the newer state shows through.
            account.storage_wiped |= change.info.is_none();
            account.info = change.info;
            if change.info.is_none() {
                slots.clear();
            }
            slots.extend(change.storage.iter().copied());
        }
        let accounts = merged.into_iter().map(|(address, (mut account, slots))| {
            account.storage = slots.into_iter().collect();
            (address, account)
        });
        StateDiff::new(accounts.collect(), Vec::new())
    }

    /// What blocks replaced in an account, the oldest block first.
    fn of<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a AccountDiff> {
        self.replaced.iter().filter_map(move |diff| {
            let accounts = diff.accounts();
            let found = accounts.binary_search_by(|(other, _)| other.cmp(address)).ok();
            found.map(|nth| &accounts[nth].1)
        })
    }
}
