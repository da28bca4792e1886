//! Fee questions. On a chain without fees every answer is zero, at full length.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{U64, U256};
use alloy_rpc_types_eth::FeeHistory;
use hansa_chain::SealedBlock;

use crate::answer::{Answer, json_bytes};
use crate::error::RpcError;
use crate::request::Params;
use crate::rpc::Rpc;

/// Most blocks of one eth_feeHistory.
const FEE_HISTORY_BLOCKS_MAX: u64 = 1_024;
/// Most percentiles of one eth_feeHistory.
const PERCENTILES_MAX: usize = 100;
/// The tip suggested where fees are paid: 1 gwei, as blocks are never contended in development.
const TIP_SUGGESTED_WEI: u128 = 1_000_000_000;

impl Rpc {
    fn tip(&self) -> u128 {
        if self.is_free() { 0 } else { TIP_SUGGESTED_WEI }
    }

    fn blob_fee(&self) -> u128 {
        u128::from(!self.is_free())
    }
}

pub(crate) fn gas_price(rpc: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&U256::from(u128::from(rpc.next_base_fee()) + rpc.tip()))
}

pub(crate) fn max_priority_fee(rpc: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&U256::from(rpc.tip()))
}

pub(crate) fn base_fee(rpc: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&U256::from(rpc.next_base_fee()))
}

pub(crate) fn blob_base_fee(rpc: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&U256::from(rpc.blob_fee()))
}

pub(crate) fn fee_history(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let count: U64 = params.required(0)?;
    let newest: BlockNumberOrTag = params.required(1)?;
    let percentiles: Vec<f64> = params.optional(2)?.unwrap_or_default();
    check_percentiles(&percentiles)?;
    let newest = rpc.height(BlockId::from(newest))?;
    let count = count.to::<u64>().min(FEE_HISTORY_BLOCKS_MAX).min(newest + 1);
    let oldest = newest + 1 - count;
    let mut history = FeeHistory { oldest_block: oldest, ..FeeHistory::default() };
    let mut rewards = Vec::new();
    for number in oldest..=newest {
        if count == 0 {
            break;
        }
        let block = rpc.require_block(BlockId::from(number))?;
        let header = &block.header;
        history.base_fee_per_gas.push(u128::from(header.base_fee_per_gas.unwrap_or(0)));
        history.gas_used_ratio.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
        history.base_fee_per_blob_gas.push(rpc.blob_fee());
        history.blob_gas_used_ratio.push(0.0);
        if !percentiles.is_empty() {
            rewards.push(block_rewards(rpc.is_free(), &block, &percentiles));
        }
    }
    let next = rpc.find_block(BlockId::from(newest + 1))?.and_then(|block| block.header.base_fee_per_gas);
    if count > 0 {
        history.base_fee_per_gas.push(u128::from(next.unwrap_or_else(|| rpc.next_base_fee())));
        history.base_fee_per_blob_gas.push(rpc.blob_fee());
    }
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    json_bytes(&history)
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > PERCENTILES_MAX {
        return Err(RpcError::invalid_params(format!("at most {PERCENTILES_MAX} reward percentiles")));
    }
    let in_range = percentiles.iter().all(|value| (0.0..=100.0).contains(value));
    let rising = percentiles.windows(2).all(|pair| pair[0] <= pair[1]);
    if in_range && rising {
        return Ok(());
    }
    Err(RpcError::invalid_params("invalid reward percentile: they rise from 0 to 100"))
}

/// The effective tips at which the given shares of the block's gas were bought, cheapest first.
fn block_rewards(free: bool, block: &SealedBlock, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header.base_fee_per_gas.unwrap_or(0);
    let mut before = 0;
    let mut bought: Vec<(u128, u64)> = Vec::with_capacity(block.transactions.len());
    for (tx, receipt) in block.transactions.iter().zip(&block.receipts) {
        let above_base = tx.tx.max_fee_per_gas().saturating_sub(u128::from(base_fee));
        let tip = tx.tx.max_priority_fee_per_gas().min(above_base);
        bought.push((if free { 0 } else { tip }, receipt.cumulative_gas_used - before));
        before = receipt.cumulative_gas_used;
    }
    bought.sort_unstable();
    let total = block.header.gas_used as f64;
    let mut position = 0;
    let mut sum = bought.first().map_or(0, |(_, gas)| *gas);
    percentiles
        .iter()
        .map(|percentile| {
            while (sum as f64) < total * percentile / 100.0 && position + 1 < bought.len() {
                position += 1;
                sum += bought[position].1;
            }
            bought.get(position).map_or(0, |(tip, _)| *tip)
        })
        .collect()
}
