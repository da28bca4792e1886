//! Where sealed blocks and transactions stand: derived from the log at start, kept in memory.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};

use alloy_primitives::{B256, Bloom};
use hansa_log::Position;

/// What is kept of every sealed block.
#[derive(Debug, Clone)]
pub struct BlockEntry {
    /// Hash of the sealed header.
    pub hash: B256,
    /// Hash of the order block.
    pub order_hash: B256,
    /// Where the body record begins; none at genesis.
    pub body: Option<Position>,
    /// Where the result record begins; none at genesis.
    pub result: Option<Position>,
    /// Where the diff record begins; none at genesis.
    pub diff: Option<Position>,
    /// The header's bloom; none when it is empty, as it is in blocks of plain transfers.
    pub bloom: Option<Box<Bloom>>,
}

/// Hashes the eight-byte prefixes of transaction hashes with a secret of this process: senders may grind
/// hashes, so they must not know where those land.
#[derive(Debug, Clone)]
pub struct PrefixHashing {
    multiplier: u64,
}

impl Default for PrefixHashing {
    fn default() -> Self {
        Self { multiplier: RandomState::new().hash_one(0) | 1 }
    }
}

/// One multiplication folded over 128 bits.
#[derive(Debug)]
pub struct PrefixHasher {
    multiplier: u64,
    value: u64,
}

impl Hasher for PrefixHasher {
    fn finish(&self) -> u64 {
        self.value
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.value ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let wide = u128::from(number ^ self.multiplier) * u128::from(self.multiplier);
        self.value = (wide >> 64) as u64 ^ wide as u64;
    }
}

impl BuildHasher for PrefixHashing {
    type Hasher = PrefixHasher;

    fn build_hasher(&self) -> PrefixHasher {
        PrefixHasher { multiplier: self.multiplier, value: 0 }
    }
}

/// Transaction hash prefix → block and index. Eight bytes of key and eight of value: with the table's slack
/// at most 40 bytes a transaction. The caller compares whole hashes, since prefixes can collide.
#[derive(Debug, Default)]
pub struct TransactionIndex {
    first: HashMap<u64, (u32, u32), PrefixHashing>,
    /// Further places of a prefix that `first` holds already.
    collisions: HashMap<u64, Vec<(u32, u32)>, PrefixHashing>,
}

impl TransactionIndex {
    /// Adds the included transactions of a block.
    pub fn add_block(&mut self, height: u64, prefixes: &[u64]) {
        for (index, prefix) in prefixes.iter().enumerate() {
            let place = (height as u32, index as u32);
            if let Some(old) = self.first.insert(*prefix, place) {
                // The first place keeps the slot, later ones queue behind it.
                self.first.insert(*prefix, old);
                self.collisions.entry(*prefix).or_default().push(place);
            }
        }
    }

    /// Removes the transactions of one block.
    pub fn remove_block(&mut self, height: u64, prefixes: &[u64]) {
        for prefix in prefixes {
            let Some(first) = self.first.get_mut(prefix) else { continue };
            let others = self.collisions.get_mut(prefix);
            if u64::from(first.0) != height {
                others.into_iter().for_each(|places| places.retain(|place| u64::from(place.0) != height));
                continue;
            }
            match others.filter(|places| !places.is_empty()) {
                Some(places) => *first = places.remove(0),
                None => {
                    self.first.remove(prefix);
                    self.collisions.remove(prefix);
                }
            }
        }
    }

    /// Removes the transactions of blocks above `height` (development chains only).
    pub fn truncate(&mut self, height: u64) {
        let kept = |place: &(u32, u32)| u64::from(place.0) <= height;
        self.collisions.retain(|_, places| {
            places.retain(kept);
            !places.is_empty()
        });
        self.first.retain(|_, place| kept(place));
    }

    /// Block numbers and indexes where a transaction with this prefix may stand.
    pub fn places(&self, prefix: u64) -> Vec<(u64, usize)> {
        let first = self.first.get(&prefix).into_iter();
        let others = self.collisions.get(&prefix).into_iter().flatten();
        first.chain(others).map(|(height, index)| (u64::from(*height), *index as usize)).collect()
    }

    /// Transactions indexed.
    pub fn len(&self) -> usize {
        self.first.len() + self.collisions.values().map(Vec::len).sum::<usize>()
    }

    /// Whether nothing is indexed.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// All sealed blocks by height and hash, from the one before the first that the log holds.
#[derive(Debug, Default)]
pub struct BlockIndex {
    entries: VecDeque<BlockEntry>,
    /// Height of the first entry: genesis, or the parent of the first block held.
    base: u64,
    /// The first block that was executed here; those before came with a snapshot.
    first_executed: u64,
    heights: HashMap<B256, u64>,
    order_heights: HashMap<B256, u64>,
    /// Where transactions stand.
    pub transactions: TransactionIndex,
}

impl BlockIndex {
    /// Begins behind the block `parent`, of which nothing but its hashes is known.
    pub fn behind(height: u64, parent: BlockEntry, first_executed: u64) -> Self {
        let mut index = Self { base: height, first_executed, ..Self::default() };
        index.push(parent, &[]);
        index
    }

    /// Adds the next block with its included transactions.
    pub fn push(&mut self, entry: BlockEntry, prefixes: &[u64]) {
        let height = self.next_height();
        self.heights.insert(entry.hash, height);
        self.order_heights.insert(entry.order_hash, height);
        self.entries.push_back(entry);
        self.transactions.add_block(height, prefixes);
    }

    /// The block at `height`.
    pub fn get(&self, height: u64) -> Option<&BlockEntry> {
        self.entries.get(height.checked_sub(self.base)? as usize)
    }

    /// The oldest block of which the log holds body and certificate.
    pub fn oldest(&self) -> u64 {
        self.base + 1
    }

    /// The first block that was executed here.
    pub fn first_executed(&self) -> u64 {
        self.first_executed.max(self.oldest())
    }

    /// Forgets blocks below `first` except for the hashes of its parent; their transactions were removed before.
    pub fn drop_before(&mut self, first: u64) {
        while self.base + 1 < first {
            let Some(gone) = self.entries.pop_front() else { break };
            self.heights.remove(&gone.hash);
            self.order_heights.remove(&gone.order_hash);
            self.base += 1;
        }
        if let Some(parent) = self.entries.front_mut() {
            (parent.body, parent.result, parent.diff, parent.bloom) = (None, None, None, None);
        }
    }

    /// The height of the block with that sealed hash.
    pub fn height_of(&self, hash: &B256) -> Option<u64> {
        self.heights.get(hash).copied()
    }

    /// The sealed block with that order hash, and its height.
    pub fn by_order(&self, order_hash: &B256) -> Option<(u64, &BlockEntry)> {
        let height = *self.order_heights.get(order_hash)?;
        Some((height, self.get(height)?))
    }

    /// Forgets blocks above `height` (development chains only).
    pub fn truncate(&mut self, height: u64) {
        for entry in self.entries.drain((height - self.base) as usize + 1..) {
            self.heights.remove(&entry.hash);
            self.order_heights.remove(&entry.order_hash);
        }
        self.transactions.truncate(height);
    }

    /// Height of the block to be added next.
    pub fn next_height(&self) -> u64 {
        self.base + self.entries.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_may_collide_and_blocks_may_go() {
        let mut index = TransactionIndex::default();
        index.add_block(1, &[7, 8, 7]);
        index.add_block(2, &[7, 9]);
        assert_eq!(index.places(7), [(1, 0), (1, 2), (2, 0)]);
        assert_eq!((index.places(9), index.places(10), index.len()), (vec![(2, 1)], vec![], 5));
        let mut later = TransactionIndex::default();
        later.add_block(1, &[7, 8, 7]);
        later.add_block(2, &[7, 9]);
        later.remove_block(1, &[7, 8, 7]);
        assert_eq!((later.places(7), later.places(8), later.len()), (vec![(2, 0)], vec![], 2));
        index.truncate(1);
        assert_eq!((index.places(7), index.places(9), index.len()), (vec![(1, 0), (1, 2)], vec![], 3));
        index.truncate(0);
        assert!(index.is_empty() && index.places(7).is_empty());
    }

    #[test]
    fn blocks_are_found_by_either_hash_until_they_go() {
        let entry = |seed: u8| BlockEntry {
            hash: B256::repeat_byte(seed),
            order_hash: B256::repeat_byte(seed + 100),
            body: None,
            result: None,
            diff: None,
            bloom: None,
        };
        let mut index = BlockIndex::default();
        for seed in 0..3 {
            index.push(entry(seed), &[u64::from(seed)]);
        }
        let mut later = BlockIndex::behind(0, entry(0), 0);
        (1..3).for_each(|seed| later.push(entry(seed), &[]));
        later.drop_before(2);
        assert_eq!((later.oldest(), later.next_height(), later.get(0).is_none()), (2, 3, true));
        assert_eq!(later.get(2).map(|found| found.hash), Some(B256::repeat_byte(2)));
        assert_eq!(index.height_of(&B256::repeat_byte(2)), Some(2));
        assert_eq!(
            index.by_order(&B256::repeat_byte(101)).map(|(height, found)| (height, found.hash)),
            Some((1, B256::repeat_byte(1)))
        );
        index.truncate(0);
        assert_eq!((index.next_height(), index.height_of(&B256::repeat_byte(2))), (1, None));
        assert!(index.by_order(&B256::repeat_byte(101)).is_none());
    }
}
