//! Ethereum's GeneralStateTests, run by the node's own block executor and trie: each case is a block
//! of one transaction over the case's accounts.
//!
//! * [`blocks`]: all of a case's transactions in one block, one after the other and side by side.
//!
//! # Source
//! The format is described in ethereum/tests, docs/test_types/TestStructures/GST_tests.

pub mod blocks;

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, Log, U256};
use hansa_codec::{Recovered, TxLimits, decode_transaction, recover_sender};
use hansa_crypto::{SenderCache, keccak256};
use hansa_state::WorldState;
use serde::Deserialize;

use crate::genesis::{GenesisAccount, alloc_diff};
use crate::{BlockContext, ChainRules, Spec, execute_block};

/// The chain that the cases' transactions are signed for.
const CHAIN_ID: u64 = 1;

/// The fork whose posts are run.
const FORK: (&str, Spec) = ("Cancun", Spec::Cancun);

/// Signatures remembered while a file runs; cases of a file often share a transaction.
const SENDERS_MAX: usize = 1_024;

/// What became of a file's posts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateTestReport {
    /// Posts run.
    pub posts: usize,
    /// Those that did not come out as expected.
    pub failures: Vec<StateTestFailure>,
}

/// A post that did not come out as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateTestFailure {
    /// The case's name in the file.
    pub name: String,
    /// The post's position among those of the fork.
    pub index: usize,
    /// What was different.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    env: Env,
    pre: BTreeMap<Address, PreAccount>,
    post: BTreeMap<String, Vec<Post>>,
    transaction: CaseTransaction,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Env {
    current_coinbase: Address,
    current_gas_limit: U256,
    current_number: U256,
    current_timestamp: U256,
    current_base_fee: Option<U256>,
    current_random: Option<B256>,
    current_excess_blob_gas: Option<U256>,
}

#[derive(Deserialize)]
struct PreAccount {
    balance: U256,
    nonce: U256,
    code: Bytes,
    storage: BTreeMap<U256, U256>,
}

#[derive(Deserialize)]
struct CaseTransaction {
    sender: Option<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post {
    hash: B256,
    logs: B256,
    txbytes: Bytes,
    expect_exception: Option<String>,
}

/// Runs the posts of one file.
///
/// # Errors
/// What is wrong with the file, where it is none.
pub fn run_state_test_file(json: &[u8]) -> Result<StateTestReport, String> {
    let cases: BTreeMap<String, Case> =
        serde_json::from_slice(json).map_err(|error| format!("not a state test: {error}"))?;
    let senders = SenderCache::new(SENDERS_MAX);
    let mut report = StateTestReport::default();
    for (name, case) in &cases {
        let posts = case.post.get(FORK.0).map(Vec::as_slice).unwrap_or_default();
        let state = pre_state(&case.pre);
        let block = block_of(&case.env);
        for (index, post) in posts.iter().enumerate() {
            report.posts += 1;
            if let Err(reason) = run_post(case, post, &block, &state, &senders) {
                report.failures.push(StateTestFailure { name: name.clone(), index, reason });
            }
        }
    }
    Ok(report)
}

fn run_post(
    case: &Case,
    post: &Post,
    block: &BlockContext,
    state: &WorldState,
    senders: &SenderCache,
) -> Result<(), String> {
    let transactions = match transaction_of(case, post, senders) {
        Ok(recovered) => vec![recovered],
        Err(_) if post.expect_exception.is_some() => Vec::new(),
        Err(reason) => return Err(reason),
    };
    let rules = ChainRules::ethereum(CHAIN_ID, FORK.1);
    let outcome = execute_block(&rules, block, state, &transactions).map_err(|error| error.to_string())?;
    match (&post.expect_exception, outcome.skipped.first()) {
        (None, Some((_, reason))) => return Err(format!("skipped: {reason}")),
        (Some(exception), None) if !transactions.is_empty() => {
            return Err(format!("executed, expected {exception}"));
        }
        _ => {}
    }
    if outcome.header.state_root != post.hash {
        return Err(format!("state root {}, expected {}", outcome.header.state_root, post.hash));
    }
    let logs: Vec<&Log> = outcome.receipts.iter().flat_map(|receipt| &receipt.logs).collect();
    let found = keccak256(alloy_rlp::encode(logs));
    if found != post.logs {
        return Err(format!("logs hash {found}, expected {}", post.logs));
    }
    Ok(())
}

fn transaction_of(case: &Case, post: &Post, senders: &SenderCache) -> Result<Recovered, String> {
    let tx = decode_transaction(&post.txbytes, &TxLimits::ETHEREUM).map_err(|error| error.to_string())?;
    let sender = recover_sender(&tx, senders).map_err(|error| error.to_string())?;
    if case.transaction.sender.is_some_and(|expected| expected != sender) {
        return Err(format!("recovered the sender {sender}"));
    }
    Ok(Recovered { tx: Arc::new(tx), sender })
}

fn pre_state(pre: &BTreeMap<Address, PreAccount>) -> WorldState {
    let accounts = pre.iter().map(|(address, account)| {
        let account = GenesisAccount {
            balance: account.balance,
            nonce: account.nonce.saturating_to(),
            code: account.code.clone(),
            storage: account.storage.clone(),
        };
        (*address, account)
    });
    let mut state = WorldState::new();
    state.apply(&alloc_diff(&accounts.collect()));
    state
}

fn block_of(env: &Env) -> BlockContext {
    BlockContext {
        number: env.current_number.saturating_to(),
        parent_hash: B256::ZERO,
        timestamp: env.current_timestamp.saturating_to(),
        beneficiary: env.current_coinbase,
        gas_limit: env.current_gas_limit.saturating_to(),
        base_fee: env.current_base_fee.unwrap_or_default().saturating_to(),
        prevrandao: env.current_random.unwrap_or_default(),
        extra_data: Bytes::new(),
        excess_blob_gas: env.current_excess_blob_gas.unwrap_or_default().saturating_to(),
        // By the format, the hash of a block is that of its number in decimal digits.
        hashes: Arc::new(|number: u64| Some(keccak256(number.to_string()))),
        void: Vec::new(),
    }
}
