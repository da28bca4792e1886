//! A state told by what later blocks replaced in a newer one.

use std::sync::Arc;

use alloy_primitives::{Address, U256};

use crate::{AccountDiff, AccountInfo, StateDiff};

/// Accounts changed at once: 128 blocks may change a million, and each takes some hundred bytes on its way.
const PART_ACCOUNTS: usize = 32_768;

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

    /// All of it as changes of the newer state, part by part.
    pub(crate) fn each_part(&self, mut apply: impl FnMut(&StateDiff)) {
        let mut changes = Vec::with_capacity(self.replaced.iter().map(|diff| diff.accounts().len()).sum());
        for diff in self.replaced.iter().rev() {
            changes.extend(diff.accounts().iter().map(|(address, change)| (*address, change)));
        }
        // Each block's are in order, and stay behind those of later blocks.
        changes.sort_by_key(|(address, _)| *address);
        let mut accounts =
            changes.chunk_by(|one, other| one.0 == other.0).map(|of| (of[0].0, merge(of))).peekable();
        while accounts.peek().is_some() {
            apply(&StateDiff::new(accounts.by_ref().take(PART_ACCOUNTS).collect(), Vec::new()));
        }
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

/// What several blocks replaced in an account, the newest block first, as one change.
fn merge(changes: &[(Address, &AccountDiff)]) -> AccountDiff {
    let mut merged = AccountDiff::default();
    for (_, change) in changes {
        // Whatever a block removed stored nothing, and what was not there before it does not either: nothing
        // of the newer state shows through.
        merged.storage_wiped |= change.info.is_none();
        merged.info = change.info;
        if change.info.is_none() {
            merged.storage.clear();
        }
        // Of equal slots the last one counts.
        merged.storage.extend(change.storage.iter().copied());
    }
    merged
}
