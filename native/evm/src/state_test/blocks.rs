//! Blocks built from Ethereum's state tests: all of a case's transactions in one, each from a sender of its own.
//! What comes out is compared between the ways to execute a block, not with the posts.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use hansa_codec::Recovered;
use hansa_crypto::SenderCache;
use hansa_state::{AccountDiff, StateDiff, StateStore, WorldState};

use super::{CHAIN_ID, Case, FORK, SENDERS_MAX, block_of, pre_state, transaction_of};
use crate::execute::Input;
use crate::{BlockContext, BlockOutcome, ChainRules, ExecutionMode, execute_block_by, parallel};

/// What became of a file's blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateBlocksReport {
    /// Blocks executed.
    pub blocks: usize,
    /// How many of them can be executed side by side at all.
    pub side_by_side: usize,
    /// Names of the cases whose blocks came out differently.
    pub failures: Vec<String>,
}

/// Executes the blocks of one file every way, side by side with so many workers.
///
/// # Errors
/// What is wrong with the file, where it is none.
pub fn compare_state_test_file(json: &[u8], workers: usize) -> Result<StateBlocksReport, String> {
    let cases: BTreeMap<String, Case> =
        serde_json::from_slice(json).map_err(|error| format!("not a state test: {error}"))?;
    let senders = SenderCache::new(SENDERS_MAX);
    let mut report = StateBlocksReport::default();
    for (name, case) in &cases {
        let posts = case.post.get(FORK.0).map(Vec::as_slice).unwrap_or_default();
        let transactions: Vec<Recovered> =
            posts.iter().filter_map(|post| transaction_of(case, post, &senders).ok()).collect();
        let (state, transactions) = apart(pre_state(&case.pre), transactions);
        let asked = transactions.iter().fold(0u64, |sum, tx| sum.saturating_add(tx.tx.gas_limit()));
        let block = block_of(&case.env);
        let block = BlockContext { gas_limit: block.gas_limit.max(asked), ..block };
        let rules = ChainRules::ethereum(CHAIN_ID, FORK.1);
        let run = |mode| execute_block_by(mode, &rules, &block, &state, &transactions).map(facts);
        let reference = run(ExecutionMode::Reference);
        let modes = [ExecutionMode::Serial, ExecutionMode::Parallel(workers)];
        report.blocks += 1;
        let input = Input { rules: &rules, block: &block, state: &state, transactions: &transactions };
        report.side_by_side += usize::from(parallel::run(&input, workers).is_some());
        if modes.into_iter().any(|mode| run(mode) != reference) {
            report.failures.push(name.clone());
        }
    }
    Ok(report)
}

/// Gives each transaction a sender of its own, with all that the case's sender has.
fn apart(mut state: WorldState, transactions: Vec<Recovered>) -> (WorldState, Vec<Recovered>) {
    let own = |(index, tx): (usize, Recovered)| Recovered { sender: tx.sender.create(index as u64), ..tx };
    let copies = transactions.iter().enumerate().filter_map(|(index, tx)| {
        let info = Some(state.account(&tx.sender)?);
        Some((tx.sender.create(index as u64), AccountDiff { info, ..AccountDiff::default() }))
    });
    let copies: Vec<(Address, AccountDiff)> = copies.collect();
    state.apply(&StateDiff::new(copies, Vec::new()));
    (state, transactions.into_iter().enumerate().map(own).collect())
}

/// Everything that leaves the executor.
fn facts<S: StateStore>(outcome: BlockOutcome<S>) -> (B256, String) {
    let BlockOutcome { hash, receipts, included, skipped, diff, gas_used, .. } = outcome;
    (hash, format!("{receipts:?} {included:?} {skipped:?} {diff:?} {gas_used}"))
}
