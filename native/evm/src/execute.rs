//! Executing a block.

use std::sync::Arc;

use alloy_consensus::{Header, Receipt};
use alloy_primitives::{Address, B256, Log};
use hansa_codec::Recovered;
use hansa_crypto::workers;
use hansa_state::{AccountInfo, StateDiff, StateStore, WorldState};

use crate::header::{BlockBody, body_roots, build_header};
use crate::{BlockContext, ChainRules, ExecuteError, SkipReason, parallel, serial};

/// Accounts that are read together by one thread.
const READ_STEP: usize = 64;

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
    pub diff: Arc<StateDiff>,
    /// What that replaced, as [`WorldState::replaced_by`] tells it; none where execution did not see it.
    pub replaced: Option<Arc<StateDiff>>,
    /// The state after the block.
    pub state: S,
    /// Gas used by the included transactions.
    pub gas_used: u64,
}

/// How a block is executed; the outcome is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionMode {
    /// One transaction after the other, each by revm: what the others are measured against.
    Reference,
    /// One transaction after the other, plain transfers without the EVM.
    Serial,
    /// Transactions side by side, by so many workers at most.
    Parallel(usize),
    /// Side by side where that promises to be faster, by the workers of this process; else serially.
    Adaptive,
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
    execute_block_by(ExecutionMode::Adaptive, rules, block, state, transactions)
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
    let input = Input { rules, block, state, transactions };
    let done = match mode {
        ExecutionMode::Reference => Some(serial::run_by_evm(&input)?),
        ExecutionMode::Serial => None,
        ExecutionMode::Parallel(workers) => parallel::run(&input, workers),
        ExecutionMode::Adaptive => parallel::run_if_faster(&input),
    };
    let (tally, changes) = match done {
        Some(done) => done,
        None => serial::run(&input)?,
    };
    Ok(finish(&input, tally, changes))
}

/// The header and the state after the block; the body's roots and the state's are computed side by side.
fn finish<S: StateStore>(input: &Input<'_, S>, tally: Tally, changes: Changes) -> BlockOutcome<S> {
    let Tally { receipts, included, skipped, gas_used, blob_gas_used } = tally;
    let Changes { diff, replaced } = changes;
    let body = BlockBody {
        transactions: input.transactions,
        included: &included,
        receipts: &receipts,
        gas_used,
        blob_gas_used,
    };
    let apply = || {
        let mut after = input.state.clone();
        after.apply(&diff);
        let root = after.root();
        (after, root)
    };
    let (roots, (state, state_root)) = workers::join(|| body_roots(&body), apply);
    let header = build_header(input.rules, input.block, &body, &roots, state_root);
    let hash = header.hash_slow();
    let (diff, replaced) = (Arc::new(diff), replaced.map(Arc::new));
    BlockOutcome { header, hash, receipts, included, skipped, diff, replaced, state, gas_used }
}

/// What a block changes, and what that replaces where it is known.
pub(crate) struct Changes {
    pub(crate) diff: StateDiff,
    pub(crate) replaced: Option<StateDiff>,
}

/// What a block is executed from.
pub(crate) struct Input<'a, S> {
    pub(crate) rules: &'a ChainRules,
    pub(crate) block: &'a BlockContext,
    pub(crate) state: &'a S,
    pub(crate) transactions: &'a [Recovered],
}

impl<S: StateStore> Input<'_, S> {
    /// Senders and receivers, two for each transaction; the sender twice where a contract is created.
    pub(crate) fn ends(&self) -> impl Iterator<Item = Address> {
        self.transactions.iter().flat_map(|tx| [tx.sender, tx.tx.to().unwrap_or(tx.sender)])
    }

    /// Accounts of the state, in the order asked for.
    pub(crate) fn read(&self, addresses: &[Address]) -> Vec<Option<AccountInfo>> {
        workers::map_chunks(addresses, READ_STEP, |addresses| self.state.accounts(addresses))
    }
}

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Verdict {
    Included { success: bool, gas: u64, blob_gas: u64, logs: Vec<Log> },
    Skipped(SkipReason),
}

/// What became of a block's transactions so far.
#[derive(Debug)]
pub(crate) struct Tally {
    receipts: Vec<Receipt>,
    included: Vec<usize>,
    skipped: Vec<(usize, SkipReason)>,
    pub(crate) gas_used: u64,
    blob_gas_used: u64,
}

impl Tally {
    pub(crate) fn new(transactions: usize) -> Self {
        Self {
            receipts: Vec::with_capacity(transactions),
            included: Vec::with_capacity(transactions),
            skipped: Vec::new(),
            gas_used: 0,
            blob_gas_used: 0,
        }
    }

    /// Counts the transaction at an index in.
    pub(crate) fn add(&mut self, index: usize, verdict: Verdict) {
        match verdict {
            Verdict::Included { success, gas, blob_gas, logs } => {
                self.gas_used += gas;
                self.blob_gas_used += blob_gas;
                self.included.push(index);
                let (status, cumulative_gas_used) = (success.into(), self.gas_used);
                self.receipts.push(Receipt { status, cumulative_gas_used, logs });
            }
            Verdict::Skipped(reason) => self.skipped.push((index, reason)),
        }
    }
}
