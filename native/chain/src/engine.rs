//! The one place where a body meets the executor, for live blocks and for verification alike.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256};
use hansa_evm::{BlockContext, BlockHashes, BlockOutcome, ChainRules, SkipReason, execute_block};
use hansa_state::WorldState;

use crate::candidates::Body;
use crate::{ChainError, Genesis};

/// Hashes that BLOCKHASH can ask for.
const HASHES_KEPT: u64 = 256;

/// Sealed hashes of the blocks below the one being executed.
#[derive(Debug, Clone)]
pub struct RecentHashes {
    first: u64,
    hashes: Vec<B256>,
}

impl RecentHashes {
    /// The hashes of up to 256 blocks before `height`, by `hash_of`.
    pub fn before(height: u64, hash_of: impl Fn(u64) -> Option<B256>) -> Self {
        let first = height.saturating_sub(HASHES_KEPT);
        Self { first, hashes: (first..height).map_while(hash_of).collect() }
    }
}

impl BlockHashes for RecentHashes {
    fn block_hash(&self, number: u64) -> Option<B256> {
        self.hashes.get(number.checked_sub(self.first)? as usize).copied()
    }
}

/// What a block builds on.
pub struct Parent<'a> {
    /// Sealed (or executed) header one height below.
    pub header: &'a Header,
    /// Its hash.
    pub hash: B256,
    /// State after it.
    pub state: &'a WorldState,
    /// Hashes of the blocks up to it.
    pub hashes: RecentHashes,
}

/// What a development chain may decide about its next block.
#[derive(Debug, Clone, Copy, Default)]
pub struct NextBlock {
    /// Wei per gas, instead of what EIP-1559 gives.
    pub base_fee: Option<u64>,
    /// Gas limit, instead of the parent's.
    pub gas_limit: Option<u64>,
    /// PREVRANDAO, instead of the one drawn from the order hash.
    pub prevrandao: Option<B256>,
    /// Fee receiver, instead of the proposer's account.
    pub beneficiary: Option<Address>,
}

/// Executes a body; `void` are those of its transactions that its order makes void.
///
/// # Errors
/// `Body` for an unknown proposer; `Engine` when the executor itself fails.
pub fn execute(
    genesis: &Genesis,
    rules: &ChainRules,
    body: &Body,
    void: Vec<(usize, SkipReason)>,
    parent: Parent<'_>,
    next: NextBlock,
) -> Result<BlockOutcome, ChainError> {
    let proposer = body.order.proposer;
    let validator = genesis.validators.get(proposer as usize);
    let beneficiary = validator
        .map(|validator| validator.account)
        .ok_or_else(|| ChainError::body("BODY-PROPOSER", format!("proposer {proposer} is no validator")))?;
    let hashes = Arc::new(parent.hashes);
    let mut context =
        BlockContext::of_order(rules, &body.order, parent.header, parent.hash, beneficiary, hashes);
    context.void = void;
    context.base_fee = next.base_fee.unwrap_or(context.base_fee);
    context.gas_limit = next.gas_limit.unwrap_or(context.gas_limit);
    context.prevrandao = next.prevrandao.unwrap_or(context.prevrandao);
    context.beneficiary = next.beneficiary.unwrap_or(context.beneficiary);
    execute_block(rules, &context, parent.state, &body.transactions)
        .map_err(|error| ChainError::Engine(error.to_string()))
}
