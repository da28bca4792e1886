//! Dropping old blocks: whole segments of the log, once no checkpoint and no rule needs them any more.

use crate::base::Base;
use crate::chain::Chain;
use crate::records::{BirthRecord, ResultRecord};
use crate::{ChainError, checkpoints};

/// Blocks that are always kept: replays of type 0x48, BLOCKHASH and members that catch up need them.
pub const BLOCKS_KEPT_MIN: u64 = 1_024;

impl Chain {
    /// Drops blocks older than the newest `keep` ones, as far as whole segments of the log hold nothing else and every
    /// checkpoint can still be brought up to date; the oldest block held then. Nothing happens on a chain in memory.
    ///
    /// # Errors
    /// `Io`, `Log`, `Corrupt`.
    pub fn prune(&self, keep: u64) -> Result<u64, ChainError> {
        let Some(folder) = &self.folder else { return Ok(self.oldest_block()) };
        let oldest_checkpoint = checkpoints::list(&folder.checkpoints())?.0.first().copied().unwrap_or(0);
        let by_age = (self.head().height + 1).saturating_sub(keep.max(BLOCKS_KEPT_MIN));
        let Some((first, first_segment)) = self.cut_before(by_age.min(oldest_checkpoint)) else {
            return Ok(self.oldest_block());
        };
        let index = self.index.read();
        let parent =
            index.get(first - 1).ok_or_else(|| ChainError::corrupt(first - 1, "it is not indexed"))?;
        let base = Base {
            first,
            first_executed: index.first_executed().max(first),
            first_segment,
            parent_hash: parent.hash,
            parent_order_hash: parent.order_hash,
            birth: BirthRecord {
                file_hash: self.genesis.file_hash,
                header: self.genesis_block.header.clone(),
            },
        };
        let gone: Vec<_> =
            (index.oldest()..first).filter_map(|at| Some((at, index.get(at)?.result?))).collect();
        drop(index);
        base.write(folder.root())?;
        for (height, result) in gone {
            // Block by block, so that nobody waits for the index long.
            let prefixes = ResultRecord::decode_head(&self.log.read(result)?)?.prefixes;
            self.index.write().transactions.remove_block(height, &prefixes);
        }
        self.index.write().drop_before(first);
        self.log.drop_before(first_segment)?;
        Ok(self.oldest_block())
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
