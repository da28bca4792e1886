//! eth_call and its kin: execution for an answer, on any kept state, with overrides.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_eips::BlockId;
use alloy_primitives::map::B256HashMap;
use alloy_primitives::{Address, B256, U64, U256};
use alloy_rpc_types_eth::state::{AccountOverride as JsonOverride, StateOverride};
use alloy_rpc_types_eth::{AccessListResult, BlockOverrides, TransactionRequest};
use hansa_evm::{
    AccountOverride, BlockContext, CallError, CallOutcome, CallRequest, CallStatus, StateOverrides,
    call as execute, create_access_list, estimate_gas,
};
use hansa_state::WorldState;

use crate::answer::{Answer, json_bytes};
use crate::error::RpcError;
use crate::request::Params;
use crate::rpc::Rpc;

/// Most slots that the overrides of one call may set.
const OVERRIDDEN_SLOTS_MAX: usize = 100_000;

/// A call with all that it runs on.
struct Prepared {
    request: CallRequest,
    block: BlockContext,
    state: WorldState,
    overrides: StateOverrides,
}

/// Parameters 0 … 3: transaction, block, state overrides, block overrides.
fn prepare(rpc: &Rpc, params: &Params<'_>) -> Result<Prepared, RpcError> {
    let request: TransactionRequest = params.required(0)?;
    let id: BlockId = params.optional(1)?.unwrap_or_default();
    let overrides: StateOverride = params.optional(2)?.unwrap_or_default();
    let block_overrides: BlockOverrides = params.optional(3)?.unwrap_or_default();
    let height = rpc.height(id)?;
    let header = rpc.require_block(BlockId::from(height))?.header.clone();
    let chain = rpc.chain.clone();
    let replaced = block_overrides.block_hash.clone().unwrap_or_default();
    let hashes = move |number: u64| replaced.get(&number).copied().or_else(|| chain.hash_at(number));
    let mut block = BlockContext::of_header(&header, Arc::new(hashes));
    override_block(&mut block, &block_overrides)?;
    Ok(Prepared {
        request: call_request(rpc, request)?,
        block,
        state: rpc.state(height)?,
        overrides: state_overrides(overrides)?,
    })
}

pub(crate) fn call(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let it = prepare(rpc, params)?;
    let gas_max = rpc.options.call_gas_max;
    let outcome = execute(rpc.chain.rules(), &it.block, &it.state, &it.request, &it.overrides, gas_max)
        .map_err(call_error)?;
    match outcome.status {
        CallStatus::Success => json_bytes(&outcome.output),
        CallStatus::Reverted(_) => Err(RpcError::reverted(&outcome.output)),
        CallStatus::Halted(reason) => Err(RpcError::execution(reason)),
    }
}

pub(crate) fn estimate(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let it = prepare(rpc, params)?;
    let gas_max = rpc.options.call_gas_max;
    let gas = estimate_gas(rpc.chain.rules(), &it.block, &it.state, &it.request, &it.overrides, gas_max)
        .map_err(call_error)?;
    json_bytes(&U64::from(gas))
}

pub(crate) fn access_list(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let it = prepare(rpc, params)?;
    let gas_max = rpc.options.call_gas_max;
    let found =
        create_access_list(rpc.chain.rules(), &it.block, &it.state, &it.request, &it.overrides, gas_max)
            .map_err(call_error)?;
    json_bytes(&AccessListResult {
        access_list: found.access_list,
        gas_used: U256::from(found.outcome.gas_used),
        error: why_failed(&found.outcome),
    })
}

fn why_failed(outcome: &CallOutcome) -> Option<String> {
    match &outcome.status {
        CallStatus::Success => None,
        CallStatus::Reverted(_) => Some(RpcError::reverted(&outcome.output).message),
        CallStatus::Halted(reason) => Some(reason.clone()),
    }
}

fn call_error(error: CallError) -> RpcError {
    match error {
        CallError::Reverted { output, .. } => RpcError::reverted(&output),
        CallError::Override(_) => RpcError::invalid_params(error.to_string()),
        CallError::Execute(fault) => RpcError::internal(fault.to_string()),
        CallError::Invalid(_) | CallError::Failed { .. } => {
            let code = error.code();
            RpcError::execution(error.to_string()).with("cause", code)
        }
    }
}

fn call_request(rpc: &Rpc, asked: TransactionRequest) -> Result<CallRequest, RpcError> {
    let wanted = rpc.chain.chain_id();
    if asked.chain_id.is_some_and(|given| given != wanted) {
        return Err(RpcError::invalid_params(format!("chain id does not match, this chain has {wanted}")));
    }
    if asked.blob_versioned_hashes.is_some() || asked.sidecar.is_some() {
        return Err(RpcError::invalid_params("blob transactions are not carried by this chain"));
    }
    if asked.gas_price.is_some()
        && (asked.max_fee_per_gas.is_some() || asked.max_priority_fee_per_gas.is_some())
    {
        let message = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
        return Err(RpcError::invalid_params(message));
    }
    let priority_fee = asked.max_fee_per_gas.map(|_| asked.max_priority_fee_per_gas.unwrap_or(0));
    let gas_price = asked.gas_price.or(asked.max_fee_per_gas);
    let input =
        asked.input.try_into_unique_input().map_err(|error| RpcError::invalid_params(error.to_string()))?;
    Ok(CallRequest {
        from: asked.from.unwrap_or_default(),
        to: asked.to.and_then(|kind| kind.to().copied()),
        gas: asked.gas,
        gas_price,
        priority_fee,
        value: asked.value.unwrap_or_default(),
        input: input.unwrap_or_default(),
        access_list: asked.access_list,
        authorizations: asked.authorization_list.unwrap_or_default(),
    })
}

fn state_overrides(asked: StateOverride) -> Result<StateOverrides, RpcError> {
    let count = |slots: &Option<B256HashMap<B256>>| slots.as_ref().map_or(0, |slots| slots.len());
    let slots: usize = asked.values().map(|one| count(&one.state) + count(&one.state_diff)).sum();
    if slots > OVERRIDDEN_SLOTS_MAX {
        let hint = format!("override at most {OVERRIDDEN_SLOTS_MAX} slots");
        return Err(RpcError::limit(format!("{slots} slots are overridden"), hint));
    }
    asked.into_iter().map(|(address, one)| Ok((address, account_override(address, one)?))).collect()
}

fn account_override(address: Address, asked: JsonOverride) -> Result<AccountOverride, RpcError> {
    if asked.move_precompile_to.is_some() {
        let message = format!("override of {address}: movePrecompileToAddress is not offered");
        return Err(RpcError::invalid_params(message));
    }
    Ok(AccountOverride {
        balance: asked.balance,
        nonce: asked.nonce,
        code: asked.code,
        state: asked.state.map(numbered),
        state_diff: asked.state_diff.map(numbered),
    })
}

fn numbered(slots: B256HashMap<B256>) -> BTreeMap<U256, U256> {
    slots.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect()
}

fn override_block(block: &mut BlockContext, asked: &BlockOverrides) -> Result<(), RpcError> {
    let fits = |value: U256, name: &str| {
        u64::try_from(value)
            .map_err(|_| RpcError::invalid_params(format!("block override {name} exceeds 64 bits")))
    };
    if let Some(number) = asked.number {
        block.number = fits(number, "number")?;
    }
    if let Some(fee) = asked.base_fee {
        block.base_fee = fits(fee, "baseFeePerGas")?;
    }
    block.timestamp = asked.time.unwrap_or(block.timestamp);
    block.gas_limit = asked.gas_limit.unwrap_or(block.gas_limit);
    block.beneficiary = asked.coinbase.unwrap_or(block.beneficiary);
    block.prevrandao = asked.random.unwrap_or(block.prevrandao);
    Ok(())
}
