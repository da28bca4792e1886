//! What a JSON-RPC caller is told when a request fails.
//!
//! Codes: −32700…−32600 of JSON-RPC 2.0, −32000…−32006 as in ethereum/execution-apis, 3 = execution reverted.
//! `data` is `{"code", "hint"}` except for code 3, where every stock client expects the revert data as hex.

use std::fmt;

use alloy_primitives::Bytes;
use hansa_evm::decode_revert;
use serde::Serialize;
use serde_json::{Value, json};

/// One JSON-RPC error object.
#[derive(Clone, Debug, Serialize)]
pub struct RpcError {
    /// Numeric code of the protocol.
    pub code: i64,
    /// One sentence for people; wallets match some of them by words ("nonce too low").
    pub message: String,
    /// Machine-readable facts, absent when empty.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl RpcError {
    /// An error with our stable code and the next step.
    pub fn new(code: i64, stable: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        let data =
            if hint.is_empty() { json!({ "code": stable }) } else { json!({ "code": stable, "hint": hint }) };
        Self { code, message: message.into(), data }
    }

    /// Adds one further fact to `data`.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(facts) = &mut self.data {
            facts.insert(key.to_owned(), value.into());
        }
        self
    }

    /// The JSON text of the error object.
    pub fn to_json(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self);
        text.unwrap_or_else(|_| b"{\"code\":-32603,\"message\":\"internal error\"}".to_vec())
    }

    /// The body is no JSON.
    pub fn parse(message: impl Into<String>) -> Self {
        Self::new(-32700, "RPC-1", message, "send one JSON object or an array of them")
    }

    /// JSON, but no JSON-RPC 2.0 request.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(-32600, "RPC-2", message, "a request has jsonrpc \"2.0\", method, params and id")
    }

    /// No such method here; `nearest` is what the caller may have meant.
    pub fn method_not_found(name: &str, nearest: Option<&str>) -> Self {
        let hint = nearest.map_or_else(
            || "rpc.discover lists every method".to_owned(),
            |near| format!("did you mean {near}? rpc.discover lists every method"),
        );
        let shown: String = name.chars().take(64).collect();
        Self::new(-32601, "RPC-3", format!("the method {shown} does not exist/is not available"), hint)
    }

    /// A parameter is missing or malformed.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(-32602, "RPC-4", message, "")
    }

    /// More was asked for than one request may have; `hint` names what is allowed.
    pub fn limit(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(-32005, "RPC-5", message, hint)
    }

    /// The named block or thing does not exist here.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(-32001, "RPC-6", message, "")
    }

    /// State of that block is no longer kept.
    pub fn state_pruned(height: u64, oldest: u64) -> Self {
        Self::new(
            4444,
            "RPC-7",
            format!("state of block {height} is no longer kept; the oldest available is {oldest}"),
            format!("ask for block 0x{oldest:x} or later"),
        )
        .with("oldest", format!("0x{oldest:x}"))
    }

    /// That block is no longer kept.
    pub fn block_pruned(height: u64, oldest: u64) -> Self {
        Self::new(
            4444,
            "RPC-7",
            format!("block {height} is no longer kept; the oldest available is {oldest}"),
            format!("ask for block 0x{oldest:x} or later, or a node that keeps all of them"),
        )
        .with("oldest", format!("0x{oldest:x}"))
    }

    /// The call or transaction ran and reverted; `output` is what it returned.
    pub fn reverted(output: &Bytes) -> Self {
        let message = match decode_revert(output) {
            Some(reason) => format!("execution reverted: {reason}"),
            None => "execution reverted".to_owned(),
        };
        Self { code: 3, message, data: Value::String(output.to_string()) }
    }

    /// The call ran and halted (out of gas, invalid opcode, …) or could not start.
    pub fn execution(message: impl Into<String>) -> Self {
        Self::new(-32000, "RPC-8", message, "")
    }

    /// The pool refused the transaction.
    pub fn rejected(stable: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(-32003, stable, message, hint)
    }

    /// A fault of ours, never of the caller.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(-32603, "RPC-9", message, "please report this with the node's log")
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RpcError {}
