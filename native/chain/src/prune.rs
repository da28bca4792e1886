//! Dropping old blocks: whole segments of the log, once no checkpoint and no rule needs them any more.

use std::sync::atomic::Ordering;

use crate::base::Base;
use crate::chain::Chain;
use crate::epochs::EPOCHS_MAX;
use crate::records::BirthRecord;
use crate::{ChainError, checkpoints};

/// Blocks that are always kept: replays of type 0x48, BLOCKHASH and members that catch up need them.
pub const BLOCKS_KEPT_MIN: u64 = 1_024;
/// Blocks whose transactions one call forgets: each is read once more for that.
pub const BLOCKS_FORGOTTEN_MAX: u64 = 512;

/// How far dropping old blocks came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// The oldest block that clients may read.
    pub oldest: u64,
    /// Whether another call would go on at once.
    pub has_more: bool,
}

impl Chain {
    /// Drops blocks older than the newest `keep` ones, as far as whole segments of the log hold nothing else and every
    /// checkpoint can still be brought up to date. One call forgets the transactions of
    /// [`BLOCKS_FORGOTTEN_MAX`] blocks at most; the last of a row of calls drops the blocks. Nothing happens on a
    /// chain in memory. Called by one thread at a time.
    ///
    /// # Errors
    /// `Io`, `Log`, `Corrupt`.
    pub fn prune(&self, keep: u64) -> Result<Pruned, ChainError> {
        let nothing = || Pruned { oldest: self.oldest_block(), has_more: false };
        let Some(folder) = &self.folder else { return Ok(nothing()) };
        let oldest_checkpoint = checkpoints::list(&folder.checkpoints())?.0.first().copied().unwrap_or(0);
        let by_age = (self.head().height + 1).saturating_sub(keep.max(BLOCKS_KEPT_MIN));
        let is_provable = self.ends.read().len() <= EPOCHS_MAX;
        let cut = self.cut_before(by_age.min(oldest_checkpoint)).filter(|_| is_provable);
        let Some((first, first_segment)) = cut else { return Ok(nothing()) };
        if !self.forget_transactions(first)? {
            return Ok(Pruned { oldest: self.oldest_block(), has_more: true });
        }
        // From now on nothing else may prove who signed in the epochs before.
        self.ends.read().write(folder.root())?;
        self.base_at(first, first_segment)?.write(folder.root())?;
        self.index.write().drop_before(first);
        self.log.drop_before(first_segment)?;
        Ok(nothing())
    }

    /// Takes the transactions of some more blocks below `first` out of the index; whether no block is left.
    fn forget_transactions(&self, first: u64) -> Result<bool, ChainError> {
        let begin = self.forgotten.load(Ordering::Relaxed).max(self.index.read().oldest());
        let end = first.min(begin + BLOCKS_FORGOTTEN_MAX);
        for height in begin..end {
            // Block by block, so that nobody waits for the index long.
            let prefixes = self.result_at(height)?.map_or(Vec::new(), |result| result.prefixes);
            self.index.write().transactions.remove_block(height, &prefixes);
            self.forgotten.store(height + 1, Ordering::Relaxed);
        }
        Ok(end >= first)
    }

    fn base_at(&self, first: u64, first_segment: u32) -> Result<Base, ChainError> {
        let index = self.index.read();
        let parent =
            index.get(first - 1).ok_or_else(|| ChainError::corrupt(first - 1, "it is not indexed"))?;
        Ok(Base {
            first,
            first_executed: index.first_executed().max(first),
            first_segment,
            parent_hash: parent.hash,
            parent_order_hash: parent.order_hash,
            birth: BirthRecord {
                file_hash: self.genesis.file_hash,
                header: self.genesis_block.header.clone(),
            },
        })
    }

    /// The segment with which the log may begin so that all blocks from `limit` on stay, and the first block that is
    /// whole then; none where no segment can go.
    fn cut_before(&self, limit: u64) -> Option<(u64, u32)> {
        let index = self.index.read();
        let segments = |height: u64| {
            let entry = index.get(height)?;
            let places = [entry.body, entry.result, entry.diff];
            places.into_iter().flatten().map(hansa_log::Position::segment).min()
        };
        let oldest = index.oldest();
        let head = self.head().height;
        let first_segment = (limit.max(oldest)..=head).filter_map(segments).min()?;
        let whole =
            (oldest..limit).rev().take_while(|at| segments(*at).is_some_and(|one| one >= first_segment));
        let first = whole.last().unwrap_or(limit);
        (first > oldest).then_some((first, first_segment))
    }
}
