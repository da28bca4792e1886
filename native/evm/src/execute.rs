//! Executing a block.

use alloy_consensus::{Header, Receipt};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_primitives::{B256, Bytes, Log};
use hansa_codec::Recovered;
use hansa_state::{StateDiff, StateStore, WorldState};
use revm::context::result::ExecutionResult;
use revm::{DatabaseCommit, ExecuteEvm, SystemCallCommitEvm};

use crate::database::BlockDb;
use crate::environment::{Evm, block_env, cfg_env, evm, tx_env};
use crate::error::{Failure, sort_failure};
use crate::header::{BlockBody, build_header};
use crate::transfer::{TRANSFER_GAS, Transfer};
use crate::{BlockContext, ChainRules, ExecuteError, SkipReason};

/// EIP-4844: gas of one blob.
const BLOB_GAS: u64 = 1 << 17;

/// All that executing a block gives.
#[derive(Debug, Clone)]
pub struct BlockOutcome<S = WorldState> {
    /// The header to be sealed.
    pub header: Header,
    /// Its hash.
    pub hash: B256,
    /// One receipt per included transaction; gas used is cumulative.
    pub receipts: Vec<Receipt>,
    /// Which of the ordered transactions are in the block, ascending.
    pub included: Vec<usize>,
    /// Which are not, ascending, and why.
    pub skipped: Vec<(usize, SkipReason)>,
    /// What changed.
    pub diff: StateDiff,
    /// The state after the block.
    pub state: S,
    /// Gas used by the included transactions.
    pub gas_used: u64,
}

/// Executes ordered transactions over a state.
///
/// A transaction that is not valid when its turn comes is skipped and leaves no trace (rules.md
/// 2.3); everything else ends up in the block, reverted or not. The state given is not touched.
///
/// # Errors
/// [`ExecuteError`]: the node's state or engine is damaged; no block follows from that.
pub fn execute_block<S: StateStore>(
    rules: &ChainRules,
    block: &BlockContext,
    state: &S,
    transactions: &[Recovered],
) -> Result<BlockOutcome<S>, ExecuteError> {
    execute_block_by(ExecutionMode::Serial, rules, block, state, transactions)
}

/// How a block is executed; the outcome is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionMode {
    /// One transaction after the other, each by revm: what the others are measured against.
    Reference,
    /// One transaction after the other, plain transfers without the EVM.
    Serial,
}

/// [`execute_block`] in a way that the caller chooses.
///
/// # Errors
/// As [`execute_block`].
pub fn execute_block_by<S: StateStore>(
    mode: ExecutionMode,
    rules: &ChainRules,
    block: &BlockContext,
    state: &S,
    transactions: &[Recovered],
) -> Result<BlockOutcome<S>, ExecuteError> {
    let db = BlockDb::new(state, &*block.hashes, transactions.len());
    let mut run = Run::new(evm(cfg_env(rules), block_env(rules, block), db), block, transactions.len());
    if rules.keeps_block_hashes() {
        run.store_parent_hash()?;
    }
    match mode {
        ExecutionMode::Reference => {
            for (index, transaction) in transactions.iter().enumerate() {
                run.transaction(rules, index, transaction)?;
            }
        }
        ExecutionMode::Serial => run.serially(rules, transactions)?,
    }
    let Run { evm, receipts, included, skipped, gas_used, blob_gas_used, .. } = run;
    let diff = evm.ctx.journaled_state.database.into_diff();
    let mut after = state.clone();
    after.apply(&diff);
    let body = BlockBody { transactions, included: &included, receipts: &receipts, gas_used, blob_gas_used };
    let header = build_header(rules, block, &body, after.root());
    let hash = header.hash_slow();
    Ok(BlockOutcome { header, hash, receipts, included, skipped, diff, state: after, gas_used })
}

/// A block half done.
struct Run<'a, S: StateStore> {
    evm: Evm<'a, S>,
    block: &'a BlockContext,
    receipts: Vec<Receipt>,
    included: Vec<usize>,
    skipped: Vec<(usize, SkipReason)>,
    gas_used: u64,
    blob_gas_used: u64,
}

impl<'a, S: StateStore> Run<'a, S> {
    fn new(evm: Evm<'a, S>, block: &'a BlockContext, transactions: usize) -> Self {
        Self {
            evm,
            block,
            receipts: Vec::with_capacity(transactions),
            included: Vec::with_capacity(transactions),
            skipped: Vec::new(),
            gas_used: 0,
            blob_gas_used: 0,
        }
    }

    /// EIP-2935: the system contract learns the parent's sealed hash before the first transaction.
    /// Without the contract in the state nothing happens. There is no call for EIP-4788: no beacon
    /// chain exists, its root is zero in every header. Requests (EIP-7685) are always empty.
    fn store_parent_hash(&mut self) -> Result<(), ExecuteError> {
        let data = Bytes::copy_from_slice(self.block.parent_hash.as_slice());
        match self.evm.system_call_commit(HISTORY_STORAGE_ADDRESS, data) {
            Ok(_) => Ok(()),
            Err(error) => match sort_failure(self.block.number, error) {
                Failure::Fatal(fatal) => Err(fatal),
                Failure::Invalid(invalid) => {
                    let what = format!("system call refused: {invalid}");
                    Err(ExecuteError::Engine { block: self.block.number, what })
                }
            },
        }
    }

    /// One transaction after the other, the accounts of all of them read together beforehand.
    fn serially(&mut self, rules: &ChainRules, transactions: &[Recovered]) -> Result<(), ExecuteError> {
        let db = &mut self.evm.ctx.journaled_state.database;
        let ends = |tx: &Recovered| [tx.sender, tx.tx.to().unwrap_or(tx.sender)];
        let mut places = db.places(transactions.iter().flat_map(ends)).into_iter();
        let beneficiary = db.place(self.block.beneficiary);
        for (index, transaction) in transactions.iter().enumerate() {
            let (from, to) = (places.next().unwrap_or_default(), places.next().unwrap_or_default());
            let transfer = Transfer::of(rules, self.block, transaction)
                .filter(|transfer| transfer.gas_limit <= self.block.gas_limit - self.gas_used);
            let db = &mut self.evm.ctx.journaled_state.database;
            if transfer.is_some_and(|transfer| db.transfer(&transfer, from, to, beneficiary)) {
                self.include(index, true, TRANSFER_GAS, Vec::new());
            } else {
                self.transaction(rules, index, transaction)?;
            }
        }
        Ok(())
    }

    fn include(&mut self, index: usize, success: bool, gas: u64, logs: Vec<Log>) {
        self.gas_used += gas;
        self.included.push(index);
        let (status, cumulative_gas_used) = (success.into(), self.gas_used);
        self.receipts.push(Receipt { status, cumulative_gas_used, logs });
    }

    fn transaction(&mut self, rules: &ChainRules, index: usize, tx: &Recovered) -> Result<(), ExecuteError> {
        match self.attempt(rules, tx)? {
            Ok(result) => {
                let (success, gas) = (result.is_success(), result.tx_gas_used());
                self.include(index, success, gas, result.into_logs());
            }
            Err(reason) => self.skipped.push((index, reason)),
        }
        Ok(())
    }

    fn attempt(
        &mut self,
        rules: &ChainRules,
        tx: &Recovered,
    ) -> Result<Result<ExecutionResult, SkipReason>, ExecuteError> {
        let env = match tx_env(rules, tx) {
            Ok(env) => env,
            Err(reason) => return Ok(Err(reason)),
        };
        let left = self.block.gas_limit - self.gas_used;
        if env.gas_limit > left {
            return Ok(Err(SkipReason::BlockGas { limit: env.gas_limit, left }));
        }
        let blob_gas = env.blob_hashes.len() as u64 * BLOB_GAS;
        match self.evm.transact(env) {
            Ok(outcome) => {
                self.evm.ctx.journaled_state.database.commit(outcome.state);
                self.blob_gas_used += blob_gas;
                Ok(Ok(outcome.result))
            }
            Err(error) => match sort_failure(self.block.number, error) {
                Failure::Invalid(invalid) => Ok(Err(invalid.into())),
                Failure::Fatal(fatal) => Err(fatal),
            },
        }
    }
}
