//! The pool: sending, and the txpool_ namespace.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U64};
use hansa_codec::Recovered;
use hansa_pool::{PoolError, SenderContent};
use serde_json::{Value, json};

use crate::answer::{Answer, json_bytes};
use crate::error::RpcError;
use crate::request::Params;
use crate::rpc::Rpc;

/// Most pooled transactions shown at once.
const CONTENT_MAX: usize = 4_096;

/// The raw transaction of an eth_sendRawTransaction, decoded from hex only.
pub(crate) fn raw_of(params: &Params<'_>) -> Result<Bytes, RpcError> {
    params.required(0)
}

/// What the sender of a batch's element is told.
pub(crate) fn sent(outcome: Result<B256, PoolError>) -> Answer {
    outcome.map_err(refusal).and_then(|hash| json_bytes(&hash))
}

/// The pool's refusal, in the words that wallets match.
pub(crate) fn refusal(error: PoolError) -> RpcError {
    RpcError::rejected(error.code(), error.to_string(), error.hint())
}

/// One transaction alone; batches are gathered before they come here.
pub(crate) fn send_raw_transaction(rpc: &Rpc, params: &Params<'_>) -> Answer {
    json_bytes(&rpc.submit_one(raw_of(params)?)?)
}

pub(crate) fn status(rpc: &Rpc, _: &Params<'_>) -> Answer {
    let (executable, waiting) = rpc.chain.pool().status();
    json_bytes(&json!({ "pending": U64::from(executable), "queued": U64::from(waiting) }))
}

pub(crate) fn content(rpc: &Rpc, _: &Params<'_>) -> Answer {
    let all = rpc.chain.pool().lock().content(CONTENT_MAX);
    by_sender(&all, |tx| shown(rpc, tx))
}

pub(crate) fn content_from(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let sender: Address = params.required(0)?;
    let found = rpc.chain.pool().lock().content_from(&sender);
    let show = |txs: &[Recovered]| by_nonce(txs, |tx| shown(rpc, tx));
    let (pending, queued) =
        found.map_or_else(Default::default, |content| (show(&content.pending), show(&content.queued)));
    json_bytes(&json!({ "pending": pending, "queued": queued }))
}

pub(crate) fn inspect(rpc: &Rpc, _: &Params<'_>) -> Answer {
    let all = rpc.chain.pool().lock().content(CONTENT_MAX);
    by_sender(&all, |tx| Value::String(summary(tx)))
}

fn by_sender(all: &[SenderContent], show: impl Fn(&Recovered) -> Value) -> Answer {
    let side = |pick: fn(&SenderContent) -> &[Recovered]| -> BTreeMap<String, BTreeMap<String, Value>> {
        let filled = all.iter().filter(|content| !pick(content).is_empty());
        filled.map(|content| (content.sender.to_string(), by_nonce(pick(content), &show))).collect()
    };
    json_bytes(
        &json!({ "pending": side(|content| &content.pending), "queued": side(|content| &content.queued) }),
    )
}

/// Keyed by nonce; of our own type, whose numbers are no place in that sequence, by "0x48:number".
fn by_nonce(txs: &[Recovered], show: impl Fn(&Recovered) -> Value) -> BTreeMap<String, Value> {
    let name = |tx: &Recovered| match tx.tx.own() {
        Some(own) => format!("0x48:{}", own.nonce),
        None => tx.tx.nonce().to_string(),
    };
    txs.iter().map(|tx| (name(tx), show(tx))).collect()
}

fn shown(rpc: &Rpc, tx: &Recovered) -> Value {
    serde_json::to_value(rpc.pooled_transaction(tx)).unwrap_or(Value::Null)
}

/// As geth words it: "0x…: 1 wei + 21000 gas × 7 wei".
fn summary(tx: &Recovered) -> String {
    let tx = &tx.tx;
    let to = tx.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    format!("{to}: {} wei + {} gas × {} wei", tx.value(), tx.gas_limit(), tx.max_fee_per_gas())
}
