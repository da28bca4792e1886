//! Contract code by hash, shared by all versions of a state.

use std::sync::Arc;

use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, Bytes};
use parking_lot::RwLock;

/// A map that only grows: code is named by its hash, so an entry is right for every version, and
/// one that no version refers to any more costs nothing but memory until the next start (a
/// checkpoint holds only what its state refers to).
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes {
    shared: Arc<RwLock<B256Map<Bytes>>>,
}

impl Codes {
    pub(crate) fn get(&self, hash: &B256) -> Option<Bytes> {
        self.shared.read().get(hash).cloned()
    }

    pub(crate) fn extend<'a>(&self, codes: impl Iterator<Item = &'a (B256, Bytes)>) {
        let mut codes = codes.peekable();
        if codes.peek().is_none() {
            return;
        }
        let mut shared = self.shared.write();
        for (hash, code) in codes {
            shared.entry(*hash).or_insert_with(|| code.clone());
        }
    }
}
