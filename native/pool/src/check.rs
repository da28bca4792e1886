//! Everything that can be decided about a transaction without looking at any account.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U256};
use hansa_codec::transaction::decode_owned;
use hansa_codec::{
    Recovered, Transaction, TxError, authorities, decode_many, intrinsic_gas, recover_decoded, recover_sender,
};
use hansa_crypto::SenderCache;

use crate::PoolError;
use crate::rules::{FeeMode, PoolRules};

/// A transaction that passed every check which needs no state.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The transaction and its sender.
    pub recovered: Recovered,
    /// What the sender must own: value, and where fees are paid gas limit × fee cap.
    pub cost: U256,
    /// Accounts whose delegation it would set (EIP-7702), without repetitions of failure.
    pub authorities: Box<[Address]>,
}

/// Decodes, recovers and checks one transaction.
///
/// # Errors
/// [`PoolError::Transaction`] and every error of [`check_static`].
pub fn prepare(raw: Bytes, rules: &PoolRules, cache: &SenderCache) -> Result<Prepared, PoolError> {
    let tx = decode_owned(raw, &rules.tx_limits)?;
    // The cheap checks come before the signature: refusing costs the node little.
    check_static(&tx, rules)?;
    let sender = recover_sender(&tx, cache)?;
    Ok(with_cost(Recovered { tx: Arc::new(tx), sender }, rules))
}

/// Prepares a transaction whose sender is known already, such as one of a block's body.
///
/// # Errors
/// Every error of [`check_static`].
pub fn prepare_recovered(recovered: Recovered, rules: &PoolRules) -> Result<Prepared, PoolError> {
    check_static(&recovered.tx, rules)?;
    Ok(with_cost(recovered, rules))
}

fn with_cost(recovered: Recovered, rules: &PoolRules) -> Prepared {
    let cost = cost_of(&recovered.tx, rules.fees);
    let authorities = authorities(&recovered.tx).into_iter().filter_map(Result::ok).collect();
    Prepared { recovered, cost, authorities }
}

/// Prepares a batch over the worker pool; answers stand in the order of the batch.
pub fn prepare_batch(
    raws: Vec<Bytes>,
    rules: &PoolRules,
    cache: &SenderCache,
) -> Vec<Result<Prepared, PoolError>> {
    // The cheap checks come before the signature: refusing costs the node little.
    let checked = |tx: Result<Arc<Transaction>, TxError>| {
        let tx = tx?;
        check_static(&tx, rules)?;
        Ok(tx)
    };
    let decoded = decode_many(raws, &rules.tx_limits).into_iter().map(checked).collect();
    let prepare = |recovered: Result<Recovered, PoolError>| recovered.map(|one| with_cost(one, rules));
    recover_decoded(decoded, cache).into_iter().map(prepare).collect()
}

/// Checks chain id, nonce bound, gas limits, creation code and fee fields.
///
/// # Errors
/// `ChainId`, `NonceMax`, `GasCap`, `BlockGasLimit`, `InitCode`, `IntrinsicGas`, `FloorGas`,
/// `TipAboveFeeCap`, `FeeCapTooLow`, `EmptyAuthorizations` of [`PoolError`].
pub fn check_static(tx: &Transaction, rules: &PoolRules) -> Result<(), PoolError> {
    if let Some(have) = tx.chain_id()
        && have != rules.chain_id
    {
        return Err(PoolError::ChainId { have, want: rules.chain_id });
    }
    if tx.nonce() == u64::MAX && tx.own().is_none() {
        return Err(PoolError::NonceMax);
    }
    check_gas(tx, rules)?;
    check_fees(tx, rules)?;
    if tx.kind_id() == 4 && tx.authorizations().is_empty() {
        return Err(PoolError::EmptyAuthorizations);
    }
    Ok(())
}

fn check_gas(tx: &Transaction, rules: &PoolRules) -> Result<(), PoolError> {
    let gas = tx.gas_limit();
    if let Some(cap) = rules.tx_gas_cap
        && gas > cap
    {
        return Err(PoolError::GasCap { cap, gas });
    }
    if gas > rules.block_gas_limit {
        return Err(PoolError::BlockGasLimit { limit: rules.block_gas_limit, gas });
    }
    let size = tx.input().len();
    if tx.kind().is_create() && rules.gas.init_code_charged && size > rules.init_code_max {
        return Err(PoolError::InitCode { size, max: rules.init_code_max });
    }
    let needed = intrinsic_gas(tx, rules.gas);
    if gas < needed.initial {
        return Err(PoolError::IntrinsicGas { gas, needed: needed.required() });
    }
    if gas < needed.floor {
        return Err(PoolError::FloorGas { gas, needed: needed.floor });
    }
    Ok(())
}

fn check_fees(tx: &Transaction, rules: &PoolRules) -> Result<(), PoolError> {
    let (cap, tip) = (tx.max_fee_per_gas(), tx.max_priority_fee_per_gas());
    if tip > cap {
        return Err(PoolError::TipAboveFeeCap { tip, cap });
    }
    if rules.fees == FeeMode::Ethereum && cap < u128::from(rules.base_fee) {
        return Err(PoolError::FeeCapTooLow { cap, base_fee: rules.base_fee });
    }
    Ok(())
}

/// What the sender must own. Saturates: no balance reaches 2^256 - 1, so it is refused for funds.
fn cost_of(tx: &Transaction, fees: FeeMode) -> U256 {
    match fees {
        FeeMode::None => tx.value(),
        FeeMode::Ethereum => {
            let gas = U256::from(tx.max_fee_per_gas()) * U256::from(tx.gas_limit());
            gas.saturating_add(tx.value())
        }
    }
}
