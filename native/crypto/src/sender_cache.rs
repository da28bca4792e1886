//! Transaction hash → sender, bounded, so that each signature is checked once per node.

use alloy_primitives::{Address, B256};
use parking_lot::Mutex;
use schnellru::{ByLength, LruMap};

/// Independent locks; a power of two.
const SHARDS: usize = 16;

/// Entries that a cache holds when its owner names no other number: seven eighths of a power of two, so that tables
/// with room for twice as many are just full-sized; about 32 MB.
pub const SENDER_CACHE_ENTRIES: usize = 262_144 / 8 * 7;

/// A bounded map from transaction hash to the sender that was recovered for it.
///
/// A transaction's hash covers its signature, so an entry can never be wrong for another signature.
/// The oldest entry of a shard gives way to a new one. Shared by threads through `&self`.
pub struct SenderCache {
    shards: Vec<Mutex<LruMap<B256, Address, ByLength>>>,
}

impl SenderCache {
    /// A cache of at most `entries` senders, rounded up to a multiple of 16. Its tables have their size from the
    /// beginning: shards fill evenly, so that all of them would grow at once, amid the highest load. Room for twice as
    /// many lets a table clear away the traces of what is gone where it stands, rather than grow for them.
    pub fn new(entries: usize) -> Self {
        let per_shard = u32::try_from(entries.div_ceil(SHARDS)).unwrap_or(u32::MAX).max(1);
        let shard = || {
            let mut senders = LruMap::new(ByLength::new(per_shard));
            senders.reserve_or_panic(2 * per_shard as usize);
            Mutex::new(senders)
        };
        Self { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// The sender of the transaction with that hash, if it was recovered here before.
    pub fn get(&self, hash: &B256) -> Option<Address> {
        self.shard(hash).lock().get(hash).copied()
    }

    /// Remembers a sender that was recovered for the transaction with that hash.
    pub fn insert(&self, hash: B256, sender: Address) {
        self.shard(&hash).lock().insert(hash, sender);
    }

    /// How many senders are remembered now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, hash: &B256) -> &Mutex<LruMap<B256, Address, ByLength>> {
        &self.shards[hash[31] as usize % SHARDS]
    }
}

impl Default for SenderCache {
    fn default() -> Self {
        Self::new(SENDER_CACHE_ENTRIES)
    }
}

impl std::fmt::Debug for SenderCache {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SenderCache").field("len", &self.len()).finish()
    }
}
