//! What is ours: certificates, block facts and the fate of a transaction (`hansa_`), and who answers (`web3_`, `net_`).

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes, U64, keccak256};
use hansa_codec::Certificate;
use serde_json::{Value, json};

use crate::answer::{Answer, json_bytes, null};
use crate::error::RpcError;
use crate::reads::failed;
use crate::request::Params;
use crate::rpc::Rpc;

pub(crate) fn client_version(rpc: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&rpc.options.client_version)
}

pub(crate) fn sha3(_: &Rpc, params: &Params<'_>) -> Answer {
    let data: Bytes = params.required(0)?;
    json_bytes(&keccak256(&data))
}

pub(crate) fn chain_id(rpc: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&U64::from(rpc.chain.chain_id()))
}

pub(crate) fn network_id(rpc: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&rpc.chain.chain_id().to_string())
}

pub(crate) fn listening(_: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&true)
}

pub(crate) fn block_number(rpc: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&U64::from(rpc.head()))
}

pub(crate) fn coinbase(rpc: &Rpc, _: &Params<'_>) -> Answer {
    json_bytes(&rpc.options.coinbase)
}

/// The signatures that make a block final; null for genesis, which needs none.
pub(crate) fn block_certificate(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let id: BlockId = params.required(0)?;
    let Some(block) = rpc.find_block(id)? else { return null() };
    if block.certificate.is_empty() {
        return null();
    }
    let certificate =
        Certificate::decode(&block.certificate).map_err(|error| RpcError::internal(error.to_string()))?;
    let signatures: Vec<Value> = certificate
        .signatures
        .iter()
        .map(|one| json!({ "signer": U64::from(one.signer), "signature": one.signature }))
        .collect();
    json_bytes(&json!({
        "version": U64::from(certificate.version),
        "epoch": U64::from(certificate.epoch),
        "height": U64::from(certificate.height),
        "sealedHash": certificate.sealed_hash,
        "signatures": signatures,
        "raw": block.certificate,
    }))
}

/// The preimage of the header's extraData, and what was ordered but not included.
pub(crate) fn block_facts(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let id: BlockId = params.required(0)?;
    let Some(block) = rpc.find_block(id)? else { return null() };
    let facts = &block.facts;
    let skips: Vec<U64> = facts.skip_list.iter().map(|index| U64::from(*index)).collect();
    let skipped: Vec<Value> =
        block.skipped.iter().map(|(hash, reason)| json!({ "hash": hash, "reason": reason })).collect();
    json_bytes(&json!({
        "number": U64::from(block.header.number),
        "hash": block.hash,
        "orderHash": facts.order_hash,
        "epoch": U64::from(facts.epoch),
        "view": U64::from(facts.view),
        "timeMs": U64::from(facts.time_ms),
        "nextSetHash": facts.next_set_hash,
        "skipList": skips,
        "preimage": Bytes::from(facts.encode()),
        "skipped": skipped,
    }))
}

/// Where a transaction stands: unknown, pending, ordered, final, refused or dropped.
pub(crate) fn transaction_status(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let hash: B256 = params.required(0)?;
    let (status, reason) = rpc.chain.status_of(&hash).map_err(failed)?;
    let place = rpc.locate(&hash)?;
    json_bytes(&json!({
        "hash": hash,
        "status": status.name(),
        "reason": reason,
        "blockNumber": place.map(|(number, _)| U64::from(number)),
        "transactionIndex": place.map(|(_, index)| U64::from(index)),
    }))
}

/// The transaction as it was signed, with its raw bytes.
pub(crate) fn own_transaction(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let hash: B256 = params.required(0)?;
    let pooled = rpc.pooled(&hash);
    let included = rpc.find_included(&hash)?;
    let place = included.as_ref().map(|(block, index)| (block.header.number, *index));
    let found = included.map(|(block, index)| block.transactions[index].clone()).or(pooled);
    let Some(found) = found else { return null() };
    json_bytes(&json!({
        "hash": hash,
        "type": U64::from(found.tx.kind_id()),
        "from": found.sender,
        "to": found.tx.to(),
        "nonce": U64::from(found.tx.nonce()),
        "gas": U64::from(found.tx.gas_limit()),
        "value": found.tx.value(),
        "input": found.tx.input(),
        "blockLimit": found.tx.own().map(|own| U64::from(own.block_limit)),
        "expiresAt": found.tx.own().map(|own| U64::from(own.expires_at)),
        "blockNumber": place.map(|(number, _)| U64::from(number)),
        "transactionIndex": place.map(|(_, index)| U64::from(index)),
        "raw": found.tx.raw,
    }))
}
