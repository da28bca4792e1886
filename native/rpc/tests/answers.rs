//! The front over a chain in memory: batches, notifications, namespaces, what is Python's.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use hansa_chain::Chain;
use hansa_rpc::{Rpc, RpcOptions};
use serde_json::{Value, json};

/// Public test key of the first well-known development account.
const FUNDED: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const SECRET: [u8; 32] =
    alloy_primitives::hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const PUBLIC: &str = "0x038318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed75";

fn rpc(options: RpcOptions) -> Rpc {
    let genesis = json!({
        "version": 1, "name": "test", "chain_id": 31337, "dev": true, "timestamp_ms": 1_700_000_000_000_u64,
        "gas_limit": 60_000_000, "rules": { "evm": "osaka", "fees": "ethereum", "suite": 0 },
        "consensus": { "kind": "solo" }, "organisations": [],
        "validators": [{ "name": "v", "organisation": "o", "public_key": PUBLIC, "account": FUNDED }],
        "alloc": { FUNDED: { "balance": "0x21e19e0c9bab2400000" } },
    });
    let chain = Chain::create(None, genesis.to_string().as_bytes()).unwrap();
    Rpc::new(Arc::new(chain), options)
}

fn call(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn answer(rpc: &Rpc, body: &Value) -> Option<Value> {
    rpc.handle(body.to_string().as_bytes()).map(|text| serde_json::from_slice(&text).unwrap_or(Value::Null))
}

fn transfer(nonce: u64) -> Value {
    let request = json!({
        "from": FUNDED, "to": FUNDED, "nonce": format!("{nonce:#x}"), "gas": "0x5208", "chainId": "0x7a69",
        "maxFeePerGas": "0x2540be400", "maxPriorityFeePerGas": "0x1",
    });
    let raw =
        hansa_rpc::typed_data::build_transaction(request.to_string().as_bytes(), Some(&SECRET)).unwrap();
    json!([raw])
}

#[test]
fn requests_and_batches_are_answered_in_order() {
    let rpc = rpc(RpcOptions::default());
    assert_eq!(answer(&rpc, &call(1, "eth_chainId", json!([]))).unwrap()["result"], "0x7a69");
    let batch = json!([call(1, "eth_blockNumber", json!([])), 7, call(3, "net_version", json!([]))]);
    let answers = answer(&rpc, &batch).unwrap();
    assert_eq!(answers[0], json!({ "jsonrpc": "2.0", "id": 1, "result": "0x0" }));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&Value::Null, &json!(-32600)));
    assert_eq!(answers[2]["result"], "31337");
}

#[test]
fn notifications_are_done_and_not_answered() {
    let rpc = rpc(RpcOptions::default());
    let send = json!({ "jsonrpc": "2.0", "method": "eth_sendRawTransaction", "params": transfer(0) });
    assert_eq!(rpc.handle(send.to_string().as_bytes()).unwrap(), b"");
    assert_eq!(answer(&rpc, &call(1, "txpool_status", json!([]))).unwrap()["result"]["pending"], "0x1");
    assert_eq!(rpc.handle(json!([send]).to_string().as_bytes()).unwrap(), b"");
}

#[test]
fn transactions_of_several_bodies_reach_the_pool_together() {
    let rpc = rpc(RpcOptions::default());
    let send = |nonce: u64| call(nonce, "eth_sendRawTransaction", transfer(nonce));
    let first =
        json!([send(1), send(0), call(9, "eth_getTransactionCount", json!([FUNDED, "pending"]))]).to_string();
    let second = send(2).to_string();
    let third = call(3, "eth_sendRawTransaction", json!(["0x"])).to_string();
    let answers = rpc.handle_many(&[first.as_bytes(), second.as_bytes(), third.as_bytes()]);
    let parsed: Vec<Value> =
        answers.iter().map(|text| serde_json::from_slice(text.as_ref().unwrap()).unwrap()).collect();
    assert_eq!(parsed[0][2]["result"], "0x3", "reads come after sends: {parsed:?}");
    assert!(parsed[1]["result"].is_string());
    assert_eq!(parsed[2]["error"]["data"]["code"], "TX-EMPTY");
}

#[test]
fn what_needs_python_is_left_to_it_with_nothing_done() {
    let rpc = rpc(RpcOptions::default());
    let send = call(1, "eth_sendRawTransaction", transfer(0));
    let batch = json!([send, call(2, "eth_subscribe", json!(["newHeads"]))]);
    assert!(answer(&rpc, &batch).is_none());
    assert_eq!(answer(&rpc, &call(1, "txpool_status", json!([]))).unwrap()["result"]["pending"], "0x0");
    let parts = rpc.parts(batch.to_string().as_bytes()).unwrap();
    assert_eq!(parts.iter().map(|part| part.answer.is_some()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(answer(&rpc, &call(1, "txpool_status", json!([]))).unwrap()["result"]["pending"], "0x1");
}

#[test]
fn namespaces_can_be_switched_off() {
    let options = RpcOptions { namespaces: vec!["eth".to_owned()], ..RpcOptions::default() };
    let rpc = rpc(options);
    let error = &answer(&rpc, &call(1, "debug_getRawHeader", json!(["latest"]))).unwrap()["error"];
    assert_eq!((&error["code"], &error["data"]["namespaceOff"]), (&json!(-32601), &json!("debug")));
    assert!(answer(&rpc, &call(1, "eth_chainId", json!([]))).unwrap()["result"].is_string());
}

#[test]
fn a_bad_body_is_an_answer_not_a_failure() {
    let rpc = rpc(RpcOptions::default());
    for (body, code) in [("", -32700), ("[]", -32600), ("{", -32700), ("null", -32600)] {
        let text = rpc.handle(body.as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(answer["error"]["code"], code, "{body}");
        assert_eq!(answer["id"], Value::Null);
    }
}

#[test]
fn the_raw_block_hashes_to_the_block() {
    let rpc = rpc(RpcOptions::default());
    let get = |method: &str, params: Value| answer(&rpc, &call(1, method, params)).unwrap()["result"].clone();
    let header: alloy_primitives::Bytes =
        serde_json::from_value(get("debug_getRawHeader", json!(["0x0"]))).unwrap();
    let hash = alloy_primitives::keccak256(&header).to_string();
    assert_eq!(get("eth_getBlockByNumber", json!(["earliest", false]))["hash"], hash);
}

#[test]
fn blocks_beyond_the_head_do_not_exist() {
    let rpc = rpc(RpcOptions::default());
    assert_eq!(
        answer(&rpc, &call(1, "eth_getBlockByNumber", json!(["0x1", false]))).unwrap()["result"],
        Value::Null
    );
    let error = &answer(&rpc, &call(1, "eth_getBalance", json!([FUNDED, "0x1"]))).unwrap()["error"];
    assert_eq!(error["code"], -32001);
}
