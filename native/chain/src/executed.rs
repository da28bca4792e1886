//! An order block after execution, before its seal.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use hansa_codec::{BlockFacts, ReplayKey};
use hansa_evm::BlockOutcome;
use hansa_evm::block::block_facts;
use hansa_state::WorldState;

use crate::candidates::Body;
use crate::epochs::EpochEnd;
use crate::membership::set_hash;
use crate::records::{ResultRecord, Skip, prefix_of};
use crate::sealed::SealedBlock;
use crate::skips;

/// What executing a body gave.
#[derive(Debug, Clone)]
pub struct Executed {
    /// What was executed.
    pub body: Arc<Body>,
    /// Header, receipts, skips, diff and state after it.
    pub outcome: BlockOutcome,
    /// What its transactions of our own type used, ascending.
    pub used: Vec<ReplayKey>,
    /// The next epoch's encoded set if this block is the last of its epoch; empty otherwise.
    pub next_set: Bytes,
}

impl Executed {
    /// Hashes of the included transactions, in order.
    pub fn included_hashes(&self) -> Vec<B256> {
        self.outcome.included.iter().map(|index| self.body.transactions[*index].tx.hash).collect()
    }

    /// The same block with another form of the state after it.
    pub fn with_state(&self, state: WorldState) -> Self {
        let mut other = self.clone();
        other.outcome.state = state;
        other
    }

    /// The result record once `certificate` seals the block.
    pub fn result_record(&self, certificate: &Bytes) -> ResultRecord {
        let skipped = self.outcome.skipped.iter();
        ResultRecord {
            header: self.outcome.header.clone(),
            certificate: certificate.clone(),
            order_hash: self.body.order_hash,
            prefixes: self.included_hashes().iter().map(prefix_of).collect(),
            skipped: skipped
                .map(|(index, reason)| Skip { index: *index as u32, reason: skips::number_of(reason.code()) })
                .collect(),
            used: self.used.clone(),
            next_set: self.next_set.clone(),
            receipts: self.outcome.receipts.clone(),
        }
    }

    /// How the epoch ended of which this block is the last; none for other blocks.
    pub fn epoch_end(&self, certificate: &Bytes) -> Option<EpochEnd> {
        (!self.next_set.is_empty()).then(|| EpochEnd {
            header: self.outcome.header.clone(),
            certificate: certificate.clone(),
            facts: facts_of(&self.body, &self.next_set),
            next_set: self.next_set.clone(),
        })
    }

    /// The block as readers see it once `certificate` seals it.
    pub fn sealed_block(&self, certificate: Bytes) -> SealedBlock {
        let transactions = &self.body.transactions;
        SealedBlock {
            hash: self.outcome.hash,
            header: self.outcome.header.clone(),
            transactions: self.outcome.included.iter().map(|at| transactions[*at].clone()).collect(),
            receipts: self.outcome.receipts.clone(),
            skipped: self
                .outcome
                .skipped
                .iter()
                .map(|(index, reason)| (transactions[*index].tx.hash, reason.code()))
                .collect(),
            facts: facts_of(&self.body, &self.next_set),
            certificate,
        }
    }
}

/// The facts hashed into the header's extraData; `next_set` as in [`Executed`].
pub fn facts_of(body: &Body, next_set: &[u8]) -> BlockFacts {
    block_facts(&body.order, body.order_hash, set_hash(next_set))
}
