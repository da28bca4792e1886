//! The pool: sending, and the txpool_ namespace.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U64};
use serde_json::{Value, json};

use crate::answer::{Answer, json_bytes};
use crate::error::RpcError;
use crate::ledger::{Pooled, Refusal};
use crate::params::Params;
use crate::rpc::Rpc;

/// Most pooled transactions shown at once.
const CONTENT_MAX: usize = 4_096;

type BySender<T> = BTreeMap<String, BTreeMap<u64, T>>;

/// The raw transaction of an eth_sendRawTransaction, decoded from hex only.
pub(crate) fn raw_of(params: &Params<'_>) -> Result<Bytes, RpcError> {
    params.required(0)
}

/// What the sender of a batch's element is told.
pub(crate) fn sent(outcome: Result<B256, Refusal>) -> Answer {
    match outcome {
        Ok(hash) => json_bytes(&hash),
        Err(refusal) => Err(RpcError::rejected(&refusal.code, refusal.message, refusal.hint)),
    }
}

/// One transaction alone; batches are gathered before they come here.
pub(crate) fn send_raw_transaction(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let raw = raw_of(params)?;
    match rpc.ledger.submit(vec![raw]).pop() {
        Some(outcome) => sent(outcome),
        None => Err(RpcError::internal("the pool gave no answer")),
    }
}

pub(crate) fn status(rpc: &Rpc, _: &Params<'_>) -> Answer {
    let (executable, waiting) = rpc.ledger.pool_status();
    json_bytes(&json!({ "pending": U64::from(executable), "queued": U64::from(waiting) }))
}

pub(crate) fn content(rpc: &Rpc, _: &Params<'_>) -> Answer {
    let (pending, queued) = split(rpc.ledger.pool_content(None, CONTENT_MAX), |pooled| shown(rpc, pooled));
    json_bytes(&json!({ "pending": pending, "queued": queued }))
}

pub(crate) fn content_from(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let sender: Address = params.required(0)?;
    let pooled = rpc.ledger.pool_content(Some(&sender), CONTENT_MAX);
    let (mut pending, mut queued) = split(pooled, |pooled| shown(rpc, pooled));
    let key = sender.to_string();
    let pending = pending.remove(&key).unwrap_or_default();
    let queued = queued.remove(&key).unwrap_or_default();
    json_bytes(&json!({ "pending": pending, "queued": queued }))
}

pub(crate) fn inspect(rpc: &Rpc, _: &Params<'_>) -> Answer {
    let (pending, queued) = split(rpc.ledger.pool_content(None, CONTENT_MAX), summary);
    json_bytes(&json!({ "pending": pending, "queued": queued }))
}

fn split<T>(pooled: Vec<Pooled>, show: impl Fn(&Pooled) -> T) -> (BySender<T>, BySender<T>) {
    let mut pending = BySender::new();
    let mut queued = BySender::new();
    for one in &pooled {
        let side = if one.executable { &mut pending } else { &mut queued };
        side.entry(one.tx.sender.to_string()).or_default().insert(one.tx.tx.nonce(), show(one));
    }
    (pending, queued)
}

fn shown(rpc: &Rpc, pooled: &Pooled) -> Value {
    serde_json::to_value(rpc.pooled_transaction(&pooled.tx)).unwrap_or(Value::Null)
}

/// As geth words it: "0x…: 1 wei + 21000 gas × 7 wei".
fn summary(pooled: &Pooled) -> String {
    let tx = &pooled.tx.tx;
    let to = tx.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    format!("{to}: {} wei + {} gas × {} wei", tx.value(), tx.gas_limit(), tx.max_fee_per_gas())
}
