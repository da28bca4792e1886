//! A block's transactions, one after the other.

use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_primitives::Bytes;
use hansa_codec::Recovered;
use hansa_state::StateStore;
use revm::state::EvmState;
use revm::{Database, DatabaseCommit, ExecuteEvm, SystemCallEvm};

use crate::database::BlockDb;
use crate::environment::{Evm, Machine, blob_gas, block_env, cfg_env, evm, transact_own, tx_env};
use crate::error::{Failure, StateFault, sort_failure};
use crate::execute::{Changes, Input, Tally, Verdict};
use crate::transfer::{TRANSFER_GAS, Transfer};
use crate::{BlockContext, ExecuteError, SkipReason};

type Done = (Tally, Changes);

/// Plain transfers without the EVM; the accounts of all transactions read together beforehand.
pub(crate) fn run<S: StateStore>(input: &Input<'_, S>) -> Result<Done, ExecuteError> {
    let mut run = Run::new(input)?;
    let db = run.db();
    let mut places = db.places(input.ends(), |addresses| input.read(addresses)).into_iter();
    let beneficiary = db.place(input.block.beneficiary);
    for (index, transaction) in input.transactions.iter().enumerate() {
        let (from, to) = (places.next().unwrap_or_default(), places.next().unwrap_or_default());
        let left = input.block.gas_limit - run.tally.gas_used;
        let transfer =
            Transfer::of(input.rules, input.block, transaction).filter(|transfer| transfer.gas_limit <= left);
        let verdict = match transfer {
            Some(transfer) if run.db().transfer(&transfer, from, to, beneficiary) => TRANSFERRED,
            _ => run.transaction(index, transaction)?,
        };
        run.tally.add(index, verdict);
    }
    Ok(run.finish())
}

/// Every transaction by revm, accounts read one by one.
pub(crate) fn run_by_evm<S: StateStore>(input: &Input<'_, S>) -> Result<Done, ExecuteError> {
    let mut run = Run::new(input)?;
    for (index, transaction) in input.transactions.iter().enumerate() {
        let verdict = run.transaction(index, transaction)?;
        run.tally.add(index, verdict);
    }
    Ok(run.finish())
}

/// What becomes of a plain transfer.
pub(crate) const TRANSFERRED: Verdict =
    Verdict::Included { success: true, gas: TRANSFER_GAS, blob_gas: 0, logs: Vec::new() };

/// A block half done.
struct Run<'a, S: StateStore> {
    input: &'a Input<'a, S>,
    evm: Evm<'a, S>,
    tally: Tally,
}

impl<'a, S: StateStore> Run<'a, S> {
    fn new(input: &'a Input<'a, S>) -> Result<Self, ExecuteError> {
        let Input { rules, block, state, transactions } = *input;
        let db = BlockDb::new(state, &*block.hashes, transactions.len());
        let evm = evm(cfg_env(rules), block_env(rules, block), db);
        let mut run = Self { input, evm, tally: Tally::new(transactions.len()) };
        if rules.keeps_block_hashes() {
            let changes = store_parent_hash(&mut run.evm, block)?;
            run.db().commit(changes);
        }
        Ok(run)
    }

    fn db(&mut self) -> &mut BlockDb<'a, S> {
        &mut self.evm.ctx.journaled_state.database
    }

    fn transaction(&mut self, index: usize, tx: &Recovered) -> Result<Verdict, ExecuteError> {
        let Input { rules, block, .. } = *self.input;
        if let Some(reason) = block.void_reason(index) {
            return Ok(Verdict::Skipped(reason.clone()));
        }
        let env = match tx_env(rules, tx) {
            Ok(env) => env,
            Err(reason) => return Ok(Verdict::Skipped(reason)),
        };
        let left = block.gas_limit - self.tally.gas_used;
        if env.gas_limit > left {
            return Ok(Verdict::Skipped(SkipReason::BlockGas { limit: env.gas_limit, left }));
        }
        let blob_gas = blob_gas(&env);
        let outcome = match tx.tx.own() {
            None => self.evm.transact(env),
            Some(_) => transact_own(&mut self.evm, env),
        };
        match outcome {
            Ok(outcome) => {
                self.db().commit(outcome.state);
                let (success, gas) = (outcome.result.is_success(), outcome.result.tx_gas_used());
                Ok(Verdict::Included { success, gas, blob_gas, logs: outcome.result.into_logs() })
            }
            Err(error) => match sort_failure(block.number, error) {
                Failure::Invalid(invalid) => Ok(Verdict::Skipped(invalid.into())),
                Failure::Fatal(fatal) => Err(fatal),
            },
        }
    }

    fn finish(self) -> Done {
        (self.tally, self.evm.ctx.journaled_state.database.into_changes())
    }
}

/// EIP-2935: the system contract learns the parent's sealed hash before the first transaction; the
/// answer is what that changes. Without the contract in the state nothing happens. There is no call
/// for EIP-4788: no beacon chain exists, its root is zero in every header. Requests (EIP-7685) are
/// always empty.
pub(crate) fn store_parent_hash<DB: Database<Error = StateFault>>(
    evm: &mut Machine<DB>,
    block: &BlockContext,
) -> Result<EvmState, ExecuteError> {
    let data = Bytes::copy_from_slice(block.parent_hash.as_slice());
    match evm.system_call(HISTORY_STORAGE_ADDRESS, data) {
        Ok(outcome) => Ok(outcome.state),
        Err(error) => match sort_failure(block.number, error) {
            Failure::Fatal(fatal) => Err(fatal),
            Failure::Invalid(invalid) => {
                let what = format!("system call refused: {invalid}");
                Err(ExecuteError::Engine { block: block.number, what })
            }
        },
    }
}
