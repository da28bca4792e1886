//! Accounts at a block: balance, nonce, code, slots, proofs.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U64, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_serde::JsonStorageKey;
use hansa_state::WorldState;

use crate::answer::{Answer, json_bytes};
use crate::error::RpcError;
use crate::request::Params;
use crate::rpc::Rpc;

/// Most slots of one eth_getProof or eth_getStorageValues.
const SLOTS_MAX: usize = 1_024;

impl Rpc {
    /// The state that a parameter names, the latest where it names none.
    pub(crate) fn state_param(&self, params: &Params<'_>, index: usize) -> Result<WorldState, RpcError> {
        let id: Option<BlockId> = params.optional(index)?;
        let height = self.height(id.unwrap_or_default())?;
        self.state(height)
    }
}

pub(crate) fn balance(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0)?;
    let account = rpc.state_param(params, 1)?.account(&address);
    json_bytes(&account.map_or(U256::ZERO, |found| found.balance))
}

pub(crate) fn transaction_count(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0)?;
    let id: BlockId = params.optional(1)?.unwrap_or_default();
    if id == BlockId::Number(BlockNumberOrTag::Pending) {
        return json_bytes(&U64::from(rpc.chain.pending_nonce(&address)));
    }
    let account = rpc.state(rpc.height(id)?)?.account(&address);
    json_bytes(&U64::from(account.map_or(0, |found| found.nonce)))
}

pub(crate) fn code(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0)?;
    let state = rpc.state_param(params, 1)?;
    let code = state.account(&address).and_then(|account| state.code(&account.code_hash));
    json_bytes(&code.unwrap_or_default())
}

pub(crate) fn storage_at(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0)?;
    let slot: JsonStorageKey = params.required(1)?;
    let value = rpc.state_param(params, 2)?.storage(&address, slot_number(&slot));
    json_bytes(&B256::from(value))
}

pub(crate) fn storage_values(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let asked: std::collections::BTreeMap<Address, Vec<JsonStorageKey>> = params.required(0)?;
    check_slots(asked.values().map(Vec::len).sum())?;
    let state = rpc.state_param(params, 1)?;
    let values: std::collections::BTreeMap<Address, Vec<B256>> = asked
        .into_iter()
        .map(|(address, slots)| {
            let read = |slot: &JsonStorageKey| B256::from(state.storage(&address, slot_number(slot)));
            (address, slots.iter().map(read).collect())
        })
        .collect();
    json_bytes(&values)
}

pub(crate) fn proof(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0)?;
    let slots: Vec<JsonStorageKey> = params.required(1)?;
    check_slots(slots.len())?;
    let id: BlockId = params.optional(2)?.unwrap_or_default();
    let numbers: Vec<U256> = slots.iter().map(slot_number).collect();
    let found = rpc.proof(rpc.height(id)?, &address, &numbers)?;
    let info = found.info.unwrap_or_default();
    let storage_proof = slots.into_iter().zip(found.storage);
    json_bytes(&EIP1186AccountProofResponse {
        address,
        balance: info.balance,
        code_hash: if found.info.is_some() { info.code_hash } else { KECCAK256_EMPTY },
        nonce: info.nonce,
        storage_hash: found.storage_root,
        account_proof: found.proof,
        storage_proof: storage_proof
            .map(|(key, slot)| EIP1186StorageProof { key, value: slot.value, proof: slot.proof })
            .collect(),
    })
}

fn slot_number(key: &JsonStorageKey) -> U256 {
    U256::from_be_bytes(key.as_b256().0)
}

fn check_slots(count: usize) -> Result<(), RpcError> {
    if count <= SLOTS_MAX {
        return Ok(());
    }
    Err(RpcError::limit(
        format!("{count} storage keys were asked for"),
        format!("ask for at most {SLOTS_MAX} at once"),
    ))
}
