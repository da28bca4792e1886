//! The methods that the core answers alone. `src/hansa/api/methods.py` is the table of all methods; a test holds the
//! two against each other.

use crate::answer::Answer;
use crate::request::Params;
use crate::rpc::Rpc;
use crate::{accounts, blocks, call, facts, fees, logs, pool};

/// One method: its name, its parameters in order, and the function that answers it.
pub struct Method {
    /// Full name, namespace first.
    pub name: &'static str,
    /// Names of the parameters, as in ethereum/execution-apis.
    pub params: &'static [&'static str],
    /// Gives the result.
    pub run: fn(&Rpc, &Params<'_>) -> Answer,
}

const fn method(
    name: &'static str,
    params: &'static [&'static str],
    run: fn(&Rpc, &Params<'_>) -> Answer,
) -> Method {
    Method { name, params, run }
}

const BLOCK: &[&str] = &["Block"];
const ADDRESS_AT: &[&str] = &["Address", "Block"];
const CALL: &[&str] = &["Transaction", "Block", "State overrides", "Block overrides"];
const BLOCK_HASH: &[&str] = &["Block hash"];
const TX_HASH: &[&str] = &["Transaction hash"];

/// All of them.
pub static METHODS: &[Method] = &[
    method("web3_clientVersion", &[], facts::client_version),
    method("web3_sha3", &["Data"], facts::sha3),
    method("net_version", &[], facts::network_id),
    method("net_listening", &[], facts::listening),
    method("eth_chainId", &[], facts::chain_id),
    method("eth_blockNumber", &[], facts::block_number),
    method("eth_coinbase", &[], facts::coinbase),
    method("eth_gasPrice", &[], fees::gas_price),
    method("eth_maxPriorityFeePerGas", &[], fees::max_priority_fee),
    method("eth_baseFee", &[], fees::base_fee),
    method("eth_blobBaseFee", &[], fees::blob_base_fee),
    method("eth_feeHistory", &["blockCount", "newestBlock", "rewardPercentiles"], fees::fee_history),
    method("eth_getBlockByHash", &["Block hash", "Hydrated transactions"], blocks::get_block_by_hash),
    method("eth_getBlockByNumber", &["Block", "Hydrated transactions"], blocks::get_block_by_number),
    method("eth_getBlockTransactionCountByHash", BLOCK_HASH, blocks::transaction_count_by_hash),
    method("eth_getBlockTransactionCountByNumber", BLOCK, blocks::transaction_count_by_number),
    method("eth_getUncleCountByBlockHash", BLOCK_HASH, blocks::uncle_count_by_hash),
    method("eth_getUncleCountByBlockNumber", BLOCK, blocks::uncle_count_by_number),
    method("eth_getUncleByBlockHashAndIndex", &["Block hash", "Uncle index"], blocks::no_uncle),
    method("eth_getUncleByBlockNumberAndIndex", &["Block", "Uncle index"], blocks::no_uncle),
    method("eth_getTransactionByHash", TX_HASH, blocks::get_transaction_by_hash),
    method(
        "eth_getTransactionByBlockHashAndIndex",
        &["Block hash", "Transaction index"],
        blocks::get_transaction_by_block_hash,
    ),
    method(
        "eth_getTransactionByBlockNumberAndIndex",
        &["Block", "Transaction index"],
        blocks::get_transaction_by_block_number,
    ),
    method("eth_getTransactionReceipt", TX_HASH, blocks::get_transaction_receipt),
    method("eth_getBlockReceipts", BLOCK, blocks::get_block_receipts),
    method("eth_getLogs", &["Filter"], logs::get_logs),
    method("eth_getBalance", ADDRESS_AT, accounts::balance),
    method("eth_getTransactionCount", ADDRESS_AT, accounts::transaction_count),
    method("eth_getCode", ADDRESS_AT, accounts::code),
    method("eth_getStorageAt", &["Address", "Storage slot", "Block"], accounts::storage_at),
    method("eth_getStorageValues", &["Requests", "Block"], accounts::storage_values),
    method("eth_getProof", &["Address", "StorageKeys", "Block"], accounts::proof),
    method("eth_call", CALL, call::call),
    method("eth_estimateGas", CALL, call::estimate),
    method("eth_createAccessList", CALL, call::access_list),
    method("eth_sendRawTransaction", &["Transaction"], pool::send_raw_transaction),
    method("txpool_status", &[], pool::status),
    method("txpool_content", &[], pool::content),
    method("txpool_contentFrom", &["Address"], pool::content_from),
    method("txpool_inspect", &[], pool::inspect),
    method("debug_getRawHeader", BLOCK, blocks::raw_header),
    method("debug_getRawBlock", BLOCK, blocks::raw_block),
    method("debug_getRawTransaction", TX_HASH, blocks::raw_transaction),
    method("debug_getRawReceipts", BLOCK, blocks::raw_receipts),
    method("hansa_getBlockCertificate", BLOCK, facts::block_certificate),
    method("hansa_getBlockFacts", BLOCK, facts::block_facts),
    method("hansa_getTransactionStatus", TX_HASH, facts::transaction_status),
    method("hansa_getTransaction", TX_HASH, facts::own_transaction),
];

/// The method of that exact name.
pub fn find_method(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// The method whose name is closest, if any is close.
pub fn nearest_method(name: &str) -> Option<&'static str> {
    let best = METHODS.iter().map(|method| (distance(name, method.name), method.name)).min()?;
    (best.0 <= 4).then_some(best.1)
}

/// Levenshtein distance of two short ASCII names.
fn distance(left: &str, right: &str) -> usize {
    let right = right.as_bytes();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
