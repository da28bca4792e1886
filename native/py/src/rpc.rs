//! `Rpc`: the JSON-RPC front over a chain.
