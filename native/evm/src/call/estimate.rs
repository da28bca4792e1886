//! The least gas limit with which a call succeeds.

use alloy_primitives::{KECCAK256_EMPTY, U256};
use hansa_state::StateView;
use revm::context::result::ExecutionResult;

use super::overrides::Overridden;
use super::{Caller, halt_words};
use crate::{BlockContext, CallError, CallRequest, ChainRules, SkipReason, StateOverrides, decode_revert};

/// A transfer of wei to an account without code.
const TRANSFER_GAS: u64 = 21_000;

/// EIP-2200: what a call must have left to write storage, and EIP-150's hold-back of one 64th.
const CALL_STIPEND: u64 = 2_300;

/// The search ends when the bounds are this near: 1.5 % of the upper one.
const TOLERANCE_PER_MILLE: u64 = 15;

/// Estimates the gas limit that a transaction needs; it succeeds with what is returned.
///
/// # Errors
/// [`CallError::Reverted`] and [`CallError::Failed`] when no limit up to `gas_max`, the block's and
/// the cap per transaction is enough; [`CallError::Invalid`], [`CallError::Override`],
/// [`CallError::Execute`].
pub fn estimate_gas<S: StateView>(
    rules: &ChainRules,
    block: &BlockContext,
    state: &S,
    request: &CallRequest,
    overrides: &StateOverrides,
    gas_max: u64,
) -> Result<u64, CallError> {
    let view = Overridden::new(state, overrides)?;
    let mut caller = Caller::new(rules, block, &view, request);
    let ceiling = ceiling(rules, block, &view, request, gas_max)?;
    if is_plain_transfer(&view, request)
        && ceiling >= TRANSFER_GAS
        && succeeds(&mut caller, request, TRANSFER_GAS)?.is_some()
    {
        return Ok(TRANSFER_GAS);
    }
    let (result, _) = caller.run(request, ceiling)?;
    let gas = *result.gas();
    match result {
        ExecutionResult::Success { .. } => {}
        ExecutionResult::Revert { output, .. } => {
            return Err(CallError::Reverted { reason: decode_revert(&output), output });
        }
        ExecutionResult::Halt { reason, .. } => {
            return Err(CallError::Failed { gas: ceiling, reason: halt_words(&reason) });
        }
    }
    let used = gas.tx_gas_used();
    search(&mut caller, request, used, used + gas.final_refunded(), ceiling)
}

/// Halves the span between a limit that fails and one that succeeds.
fn search<S: StateView>(
    caller: &mut Caller<'_, S>,
    request: &CallRequest,
    used: u64,
    peak: u64,
    ceiling: u64,
) -> Result<u64, CallError> {
    let mut failing = used.saturating_sub(1);
    let mut enough = ceiling;
    // Most calls need their peak and the 64th that each inner call leaves behind.
    let likely = (peak + CALL_STIPEND) / 63 * 64 + 64;
    let mut guess = likely.min(ceiling);
    while failing + 1 < enough {
        if enough - failing <= enough / 1_000 * TOLERANCE_PER_MILLE {
            break;
        }
        match succeeds(caller, request, guess)? {
            Some(()) => enough = guess,
            None => failing = guess,
        }
        // Near the lower bound lie most answers, so the step up is at most a doubling.
        guess = (failing + (enough - failing) / 2).min(failing.saturating_mul(2)).max(failing + 1);
    }
    Ok(enough)
}

/// Whether a limit is enough; one below the intrinsic gas is not.
fn succeeds<S: StateView>(
    caller: &mut Caller<'_, S>,
    request: &CallRequest,
    gas: u64,
) -> Result<Option<()>, CallError> {
    match caller.run(request, gas) {
        Ok((result, _)) => Ok(result.is_success().then_some(())),
        Err(CallError::Invalid(SkipReason::IntrinsicGas { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The highest limit that makes sense: asked for, allowed, affordable.
fn ceiling<S: StateView>(
    rules: &ChainRules,
    block: &BlockContext,
    view: &S,
    request: &CallRequest,
    gas_max: u64,
) -> Result<u64, CallError> {
    let cap = rules.tx_gas_cap.unwrap_or(u64::MAX);
    let allowed = gas_max.min(block.gas_limit).min(cap);
    let wanted = request.gas.filter(|gas| *gas >= TRANSFER_GAS).unwrap_or(allowed).min(allowed);
    let price = request.gas_price.unwrap_or_default();
    if !rules.has_fees() || price == 0 {
        return Ok(wanted);
    }
    let balance = view.account(&request.from).map_or(U256::ZERO, |account| account.balance);
    let Some(rest) = balance.checked_sub(request.value) else {
        let needed = request.value;
        return Err(CallError::Invalid(SkipReason::InsufficientFunds { balance, needed }));
    };
    let affordable = rest / U256::from(price);
    Ok(u64::try_from(affordable).unwrap_or(u64::MAX).min(wanted))
}

fn is_plain_transfer<S: StateView>(view: &S, request: &CallRequest) -> bool {
    let Some(to) = &request.to else { return false };
    let code_hash = view.account(to).map_or(KECCAK256_EMPTY, |account| account.code_hash);
    request.input.is_empty() && request.authorizations.is_empty() && code_hash == KECCAK256_EMPTY
}
