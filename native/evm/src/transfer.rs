//! Plain transfers of value, without the EVM.
//!
//! A transfer from an account without code to an account without code, paid for and in its turn, has one outcome that
//! needs no machine. What is not plainly so (a precompile, any code, a balance near 2^256, whatever would be
//! skipped) is left to revm, so that there is one place that judges it.

use alloy_primitives::{Address, U256};
use hansa_codec::Recovered;

use crate::{BlockContext, ChainRules};

/// Gas of a transfer, intrinsic and in all.
pub(crate) const TRANSFER_GAS: u64 = 21_000;

/// Addresses that begin with so many zero bytes may be precompiles; all of them do.
const PRECOMPILE_ZEROS: usize = 18;

/// Balances and values below 2^254 cannot overflow by what one transfer adds to them.
const HEADROOM_BITS: usize = 2;

/// A transfer that is valid as far as the transaction and its block alone can tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) nonce: u64,
    pub(crate) value: U256,
    pub(crate) gas_limit: u64,
    /// What the sender must have: the value and the highest fee.
    pub(crate) needed: U256,
    /// What the sender pays besides the value.
    pub(crate) fee: U256,
    /// What of it the beneficiary gets.
    pub(crate) tip: U256,
}

impl Transfer {
    /// The transaction as a plain transfer; none where it is something else or not certainly valid.
    pub(crate) fn of(rules: &ChainRules, block: &BlockContext, recovered: &Recovered) -> Option<Self> {
        let tx = &*recovered.tx;
        // Types 0 to 2; later ones carry more than a transfer.
        if tx.kind_id() > 2 || !tx.input().is_empty() || tx.chain_id() != Some(rules.chain_id) {
            return None;
        }
        let to = tx.to().filter(|to| !may_be_precompile(to))?;
        let announces = tx.access_list().is_some_and(|list| !list.is_empty());
        let gas_limit = tx.gas_limit();
        let gas_max = rules.tx_gas_cap.unwrap_or(u64::MAX).min(block.gas_limit);
        if announces || gas_limit < TRANSFER_GAS || gas_limit > gas_max || tx.nonce() == u64::MAX {
            return None;
        }
        let base = u128::from(block.base_fee);
        let (max, price) = prices(rules, base, tx)?;
        let fee_max = u128::from(gas_limit).checked_mul(max)?;
        let value = tx.value();
        if !has_headroom(&value) {
            return None;
        }
        // Neither product can overflow: each is at most `fee_max`.
        let gas = u128::from(TRANSFER_GAS);
        Some(Self {
            from: recovered.sender,
            to,
            nonce: tx.nonce(),
            value,
            gas_limit,
            needed: value + U256::from(fee_max),
            fee: U256::from(gas * price),
            tip: U256::from(gas * (price - base)),
        })
    }
}

/// The highest price per gas and the one paid; none where either is invalid.
fn prices(rules: &ChainRules, base: u128, tx: &hansa_codec::Transaction) -> Option<(u128, u128)> {
    if !rules.has_fees() {
        return (base == 0).then_some((0, 0));
    }
    let max = tx.max_fee_per_gas();
    let price = if tx.kind_id() < 2 {
        max
    } else {
        let tip = Some(tx.max_priority_fee_per_gas()).filter(|tip| *tip <= max)?;
        max.min(base.saturating_add(tip))
    };
    (price >= base).then_some((max, price))
}

/// Whether one transfer and its tip can be added without overflow.
pub(crate) fn has_headroom(balance: &U256) -> bool {
    balance.leading_zeros() >= HEADROOM_BITS
}

fn may_be_precompile(address: &Address) -> bool {
    address[..PRECOMPILE_ZEROS].iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use revm::precompile::{PrecompileSpecId, Precompiles};

    use super::*;
    use crate::Spec;

    #[test]
    fn no_precompile_is_taken_for_an_account() {
        for spec in [Spec::Cancun, Spec::Prague, Spec::Osaka] {
            let precompiles = Precompiles::new(PrecompileSpecId::from_spec_id(spec.id()));
            assert!(precompiles.addresses().all(may_be_precompile));
        }
    }
}
