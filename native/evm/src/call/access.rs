//! The access list with which a call touches nothing unannounced.

use std::collections::{BTreeMap, BTreeSet};

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256};
use hansa_state::StateView;
use revm::context_interface::{ContextTr, JournalTr};
use revm::state::EvmState;

use super::overrides::Overridden;
use super::{Caller, outcome};
use crate::{BlockContext, CallError, CallOutcome, CallRequest, ChainRules, StateOverrides};

/// How often the list may change what is touched before the last one is taken as it is.
const ROUNDS_MAX: usize = 8;

/// An access list and the call made with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessListOutcome {
    /// Ascending by address and slot.
    pub access_list: AccessList,
    /// The call with that list.
    pub outcome: CallOutcome,
}

/// Finds the accounts and slots that a call touches: those of accounts that are warm anyway (sender,
/// callee, beneficiary, precompiles) only with their slots.
///
/// # Errors
/// [`CallError::Invalid`], [`CallError::Override`], [`CallError::Execute`].
pub fn create_access_list<S: StateView>(
    rules: &ChainRules,
    block: &BlockContext,
    state: &S,
    request: &CallRequest,
    overrides: &StateOverrides,
    gas_max: u64,
) -> Result<AccessListOutcome, CallError> {
    let view = Overridden::new(state, overrides)?;
    let gas = request.gas.unwrap_or(gas_max).min(gas_max).min(block.gas_limit);
    let mut request =
        CallRequest { access_list: Some(request.access_list.clone().unwrap_or_default()), ..request.clone() };
    let mut rounds = 0;
    loop {
        let mut caller = Caller::new(rules, block, &view, &request);
        let (result, touched) = caller.run(&request, gas)?;
        let mut warm: BTreeSet<Address> =
            caller.evm.ctx.journal().precompile_addresses().iter().copied().collect();
        warm.extend([request.from, block.beneficiary]);
        warm.extend(request.to.or_else(|| result.created_address()));
        let list = list_of(touched, &warm);
        rounds += 1;
        if request.access_list.as_ref() == Some(&list) || rounds == ROUNDS_MAX {
            return Ok(AccessListOutcome { access_list: list, outcome: outcome(result) });
        }
        request.access_list = Some(list);
    }
}

fn list_of(touched: EvmState, warm: &BTreeSet<Address>) -> AccessList {
    let mut items: BTreeMap<Address, Vec<B256>> = BTreeMap::new();
    for (address, account) in touched {
        let mut slots: Vec<B256> = account.storage.keys().map(|slot| slot.to_be_bytes().into()).collect();
        slots.sort_unstable();
        if !slots.is_empty() || !warm.contains(&address) {
            items.insert(address, slots);
        }
    }
    let items = items.into_iter();
    AccessList(items.map(|(address, storage_keys)| AccessListItem { address, storage_keys }).collect())
}
