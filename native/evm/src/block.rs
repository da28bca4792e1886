//! What execution is told of a block.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use hansa_codec::{BlockFacts, OrderBlock, mix_hash};

use crate::{ChainRules, SkipReason};

/// Sealed header hashes of earlier blocks, for BLOCKHASH.
pub trait BlockHashes: Send + Sync {
    /// The sealed hash of a block; none when unknown. Asked for at most the last 256 blocks.
    fn block_hash(&self, number: u64) -> Option<B256>;
}

impl<F: Fn(u64) -> Option<B256> + Send + Sync> BlockHashes for F {
    fn block_hash(&self, number: u64) -> Option<B256> {
        self(number)
    }
}

/// A block as seen from inside the EVM, and what its header takes over unchanged.
#[derive(Clone)]
pub struct BlockContext {
    /// Block number; equal to the order height.
    pub number: u64,
    /// Sealed hash of the block before.
    pub parent_hash: B256,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// The proposer's account.
    pub beneficiary: Address,
    /// Gas that the block may use.
    pub gas_limit: u64,
    /// Wei per gas; 0 without fees.
    pub base_fee: u64,
    /// mixHash, PREVRANDAO.
    pub prevrandao: B256,
    /// The header's extraData, 32 bytes on a chain.
    pub extra_data: Bytes,
    /// EIP-4844; 0 on a chain.
    pub excess_blob_gas: u64,
    /// Earlier blocks' hashes.
    pub hashes: Arc<dyn BlockHashes>,
    /// Transactions of our own type that the order alone makes void (replayed, expired, not yet due): index and
    /// reason, ascending. They are skipped unseen.
    pub void: Vec<(usize, SkipReason)>,
}

impl std::fmt::Debug for BlockContext {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BlockContext")
            .field("number", &self.number)
            .field("parent_hash", &self.parent_hash)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

impl BlockContext {
    /// Why the transaction at `index` is void before its execution, if it is.
    pub fn void_reason(&self, index: usize) -> Option<&SkipReason> {
        let at = self.void.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(&self.void[at].1)
    }

    /// The block that an order block asks for (rules.md 2.2).
    ///
    /// `parent` is the sealed header one height below, `beneficiary` the account of the order
    /// block's proposer. The header's gas limit is its parent's.
    pub fn of_order(
        rules: &ChainRules,
        order: &OrderBlock,
        parent: &Header,
        parent_hash: B256,
        beneficiary: Address,
        hashes: Arc<dyn BlockHashes>,
    ) -> Self {
        let order_hash = order.hash();
        Self {
            number: order.height,
            parent_hash,
            timestamp: order.time_ms / 1_000,
            beneficiary,
            gas_limit: parent.gas_limit,
            base_fee: rules.next_base_fee(parent),
            prevrandao: mix_hash(&order_hash),
            extra_data: block_facts(order, order_hash, B256::ZERO).extra_data().0.into(),
            excess_blob_gas: 0,
            hashes,
            void: Vec::new(),
        }
    }

    /// A sealed block once more, for calls on the state after it.
    pub fn of_header(header: &Header, hashes: Arc<dyn BlockHashes>) -> Self {
        Self {
            number: header.number,
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
            beneficiary: header.beneficiary,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            prevrandao: header.mix_hash,
            extra_data: header.extra_data.clone(),
            excess_blob_gas: header.excess_blob_gas.unwrap_or_default(),
            hashes,
            void: Vec::new(),
        }
    }
}

/// The facts whose hash stands in the header's extraData. `next_set_hash` is zero but in an epoch's last block; the
/// skip list is empty: every validator has its views, also one that is gone (docs/rules.md 1.9).
pub fn block_facts(order: &OrderBlock, order_hash: B256, next_set_hash: B256) -> BlockFacts {
    BlockFacts {
        order_hash,
        epoch: order.epoch,
        view: order.view,
        time_ms: order.time_ms,
        next_set_hash,
        skip_list: Vec::new(),
    }
}
