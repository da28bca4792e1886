//! The one place where a body meets the executor, for live blocks and for verification alike.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use hansa_evm::{BlockContext, BlockHashes, ChainRules, execute_block};
use hansa_state::WorldState;

use crate::candidates::Body;
use crate::executed::{Executed, facts_of};
use crate::replay::Screened;
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

/// Executes a body; `screened` says which of its transactions its order makes void.
///
/// # Errors
/// `Body` for an unknown proposer; `Engine` when the executor itself fails.
pub fn execute(
    genesis: &Genesis,
    rules: &ChainRules,
    body: Arc<Body>,
    screened: Screened,
    parent: Parent<'_>,
    next: NextBlock,
) -> Result<Executed, ChainError> {
    let beneficiary = account_of(genesis, body.order.proposer, parent.state).ok_or_else(|| {
        ChainError::body("BODY-PROPOSER", format!("proposer {} is no node", body.order.proposer))
    })?;
    let hashes = Arc::new(parent.hashes);
    let mut context =
        BlockContext::of_order(rules, &body.order, parent.header, parent.hash, beneficiary, hashes);
    context.void = screened.void;
    context.base_fee = next.base_fee.unwrap_or(context.base_fee);
    context.gas_limit = next.gas_limit.unwrap_or(context.gas_limit);
    context.prevrandao = next.prevrandao.unwrap_or(context.prevrandao);
    context.beneficiary = next.beneficiary.unwrap_or(context.beneficiary);
    let mut outcome = execute_block(rules, &context, parent.state, &body.transactions)
        .map_err(|error| ChainError::Engine(error.to_string()))?;
    let membership = genesis.membership.as_ref();
    let next_set = membership.map_or(Bytes::new(), |found| found.next_set(&outcome.state, body.order.height));
    if !next_set.is_empty() {
        outcome.header.extra_data = facts_of(&body, &next_set).extra_data().0.into();
        outcome.hash = outcome.header.hash_slow();
    }
    Ok(Executed { body, outcome, used: screened.used, next_set })
}

/// The account of a node: those of genesis keep theirs, later ones have it from the contract.
fn account_of(genesis: &Genesis, index: u32, state: &WorldState) -> Option<Address> {
    match genesis.validators.get(index as usize) {
        Some(validator) => Some(validator.account),
        None => genesis.membership.as_ref()?.account_of(state, u64::from(index)),
    }
}
