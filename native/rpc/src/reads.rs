//! What the answers read of the chain, with its failures in JSON-RPC's words.

use std::sync::Arc;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U256};
use hansa_chain::{ChainError, SealedBlock};
use hansa_codec::Recovered;
use hansa_state::{AccountProof, WorldState};

use crate::error::RpcError;
use crate::rpc::Rpc;

impl Rpc {
    /// Number of the latest sealed block.
    pub(crate) fn head(&self) -> u64 {
        self.chain.head().height
    }

    /// Whether gas costs nothing.
    pub(crate) fn is_free(&self) -> bool {
        !self.chain.rules().has_fees()
    }

    /// Base fee of the next block, wei per gas.
    pub(crate) fn next_base_fee(&self) -> u64 {
        self.chain.pool().rules().base_fee
    }

    /// The number that a tag, number or hash means; `None` where there is no such block yet.
    pub(crate) fn find_height(&self, id: BlockId) -> Option<u64> {
        match id {
            BlockId::Hash(named) => self.chain.height_of(&named.block_hash),
            BlockId::Number(BlockNumberOrTag::Number(number)) => (number <= self.head()).then_some(number),
            BlockId::Number(BlockNumberOrTag::Earliest) => Some(0),
            BlockId::Number(_) => Some(self.head()),
        }
    }

    /// Like [`Rpc::find_height`], for methods where a missing block is an error.
    pub(crate) fn height(&self, id: BlockId) -> Result<u64, RpcError> {
        self.find_height(id).ok_or_else(|| not_found(id))
    }

    /// A sealed block.
    pub(crate) fn block_at(&self, number: u64) -> Result<Option<Arc<SealedBlock>>, RpcError> {
        self.chain.block(number).map_err(failed)
    }

    /// The block that a tag, number or hash names; `None` where there is none yet.
    pub(crate) fn find_block(&self, id: BlockId) -> Result<Option<Arc<SealedBlock>>, RpcError> {
        self.find_height(id).map_or(Ok(None), |number| self.block_at(number))
    }

    /// Like [`Rpc::find_block`], for methods where a missing block is an error.
    pub(crate) fn require_block(&self, id: BlockId) -> Result<Arc<SealedBlock>, RpcError> {
        self.find_block(id)?.ok_or_else(|| not_found(id))
    }

    /// The state after a sealed block.
    pub(crate) fn state(&self, height: u64) -> Result<WorldState, RpcError> {
        self.chain.state_at(height).map_err(failed)
    }

    /// Proof of an account and of some of its slots after a sealed block.
    pub(crate) fn proof(
        &self,
        height: u64,
        address: &Address,
        slots: &[U256],
    ) -> Result<AccountProof, RpcError> {
        self.chain.proof_at(height, address, slots).map_err(failed)
    }

    /// Block and index of an included transaction.
    pub(crate) fn locate(&self, hash: &B256) -> Result<Option<(u64, usize)>, RpcError> {
        self.chain.locate(hash).map_err(failed)
    }

    /// An included transaction with its block.
    pub(crate) fn find_included(&self, hash: &B256) -> Result<Option<(Arc<SealedBlock>, usize)>, RpcError> {
        let Some((number, index)) = self.locate(hash)? else { return Ok(None) };
        Ok(self.block_at(number)?.map(|block| (block, index)))
    }

    /// A pooled transaction.
    pub(crate) fn pooled(&self, hash: &B256) -> Option<Recovered> {
        self.chain.pool().lock().get(hash).cloned()
    }
}

/// A failure of the chain, as a caller is told.
pub(crate) fn failed(error: ChainError) -> RpcError {
    match error {
        ChainError::StatePruned { asked, oldest } => RpcError::state_pruned(asked, oldest),
        ChainError::BlockPruned { asked, oldest } => RpcError::block_pruned(asked, oldest),
        other => RpcError::internal(other.to_string()).with("cause", other.code()),
    }
}

fn not_found(id: BlockId) -> RpcError {
    let shown = match id {
        BlockId::Hash(named) => named.block_hash.to_string(),
        BlockId::Number(number) => number.to_string(),
    };
    RpcError::not_found(format!("block not found: {shown}"))
}
