//! One thread's part in executing a block.

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Duration;

use alloy_primitives::U256;
use hansa_codec::Recovered;
use hansa_state::StateView;
use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction};
use revm::context::{Block, ContextSetters, Transaction, TxEnv};
use revm::handler::{FrameResult, Handler};
use revm::state::EvmState;
use revm::{Database, ExecuteEvm};

use super::memory::{Memory, Version, Writes};
use super::scheduler::{Attempt, Scheduler, Status};
use super::view::View;
use crate::ExecuteError;
use crate::environment::{Machine, blob_gas, block_env, cfg_env, evm, tx_env};
use crate::error::{Failure, StateFault, sort_failure};
use crate::execute::{Input, Verdict};
use crate::serial::{TRANSFERRED, store_parent_hash};
use crate::transfer::Transfer;

/// How often a worker without work only yields. Others may share its processor, even the worker it waits for.
const YIELDS: u32 = 32;

/// How long it sleeps then; about as long as a few transactions take.
const NAP: Duration = Duration::from_micros(20);

/// The version that a transaction makes.
fn version_of(index: usize) -> Version {
    // A block's gas pays for far fewer than 2^32 transactions.
    index as Version + 1
}

/// Leaves the processor to those who have work: at first for a moment, then for longer.
fn wait(idle: u32) {
    if idle < YIELDS {
        std::thread::yield_now();
    } else {
        std::thread::sleep(NAP);
    }
}

/// What all workers of a block share.
pub(super) struct Job<'a, S> {
    pub(super) input: &'a Input<'a, S>,
    pub(super) memory: &'a Memory<'a, S>,
    pub(super) scheduler: &'a Scheduler,
}

pub(super) struct Worker<'a, S: StateView> {
    job: &'a Job<'a, S>,
    evm: Machine<View<'a, S>>,
    /// A transaction that waited for the one executed last.
    next: Option<usize>,
}

impl<'a, S: StateView> Worker<'a, S> {
    pub(super) fn new(job: &'a Job<'a, S>) -> Self {
        let Input { rules, block, .. } = *job.input;
        let view = View::new(job.memory, &*block.hashes);
        let evm = evm(cfg_env(rules), block_env(rules, block), view);
        Self { job, evm, next: None }
    }

    /// What the chain itself does before the first transaction.
    pub(super) fn begin_block(&mut self) -> Result<(), ExecuteError> {
        let Input { rules, block, .. } = *self.job.input;
        if rules.keeps_block_hashes() {
            self.evm.ctx.journaled_state.database.begin(0);
            let changes = store_parent_hash(&mut self.evm, block)?;
            let writes =
                self.evm.ctx.journaled_state.database.writes_of(changes, block.beneficiary, U256::ZERO);
            self.job.memory.publish(0, &Writes::default(), &writes);
        }
        Ok(())
    }

    /// Works until the block is done, given up, or left to another worker.
    pub(super) fn run(&mut self) {
        let Job { memory, scheduler, .. } = self.job;
        let mut idle = 0;
        while !scheduler.is_done() && !memory.has_given_up() {
            let commits = self.commit();
            if scheduler.is_in_order() && !commits {
                // One worker goes on alone; whoever cannot commit now is not the one.
                return;
            }
            if !scheduler.is_in_order() && (self.execute_next() || self.refresh()) {
                idle = 0;
            } else {
                wait(idle);
                idle += 1;
            }
        }
    }

    /// Moves the commit on as far as it goes, if nobody else does.
    fn commit(&mut self) -> bool {
        let Job { memory, scheduler, .. } = self.job;
        let Some(mut commit) = scheduler.commit.try_lock() else { return false };
        while commit.at < scheduler.len() && !memory.has_given_up() {
            let index = commit.at;
            let ahead = scheduler.claim(index, Status::Executed);
            if !ahead && !scheduler.claim(index, Status::Pending) {
                break;
            }
            let current = ahead && self.is_current(index);
            if current {
                scheduler.release(index);
            } else {
                // All versions below are final, so this execution is.
                self.next = self.execute(index).or(self.next);
            }
            if scheduler.has_failed(index) {
                // The serial way comes to the same end, and says so.
                memory.give_up();
            }
            scheduler.committed(&mut commit, ahead && !current);
        }
        true
    }

    /// Executes a transaction that nobody has begun, if there is one near enough.
    fn execute_next(&mut self) -> bool {
        let scheduler = self.job.scheduler;
        let waited = self.next.take().filter(|index| scheduler.claim(*index, Status::Pending));
        let Some(index) = waited.or_else(|| scheduler.begin_next()) else { return false };
        self.next = self.execute(index);
        true
    }

    /// Looks at one transaction that was executed ahead; executes it again where it has seen what no longer holds,
    /// and says so.
    fn refresh(&mut self) -> bool {
        let Some(index) = self.job.scheduler.claim_executed() else { return false };
        if self.is_current(index) {
            self.job.scheduler.release(index);
            return false;
        }
        self.next = self.execute(index).or(self.next);
        true
    }

    fn is_current(&self, index: usize) -> bool {
        let Job { memory, scheduler, .. } = self.job;
        scheduler.all_reads(index, |read| memory.is_current(read, version_of(index)))
    }

    /// Executes a claimed transaction and says which one waited for it.
    fn execute(&mut self, index: usize) -> Option<usize> {
        let version = version_of(index);
        let view = &mut self.evm.ctx.journaled_state.database;
        view.begin(version);
        let outcome = self.attempt(&self.job.input.transactions[index]);
        let reads = self.evm.ctx.journaled_state.database.take_reads();
        let (verdict, writes) = match outcome {
            Ok((verdict, writes)) => (Ok(verdict), writes),
            Err(error) => (Err(error), Writes::default()),
        };
        let attempt = Attempt { reads, writes, verdict };
        self.job.scheduler.finish(index, attempt, |old, new| self.job.memory.publish(version, old, new))
    }

    fn attempt(&mut self, recovered: &Recovered) -> Result<(Verdict, Writes), ExecuteError> {
        let Input { rules, block, .. } = *self.job.input;
        let view = &mut self.evm.ctx.journaled_state.database;
        let transfer = Transfer::of(rules, block, recovered);
        if let Some(writes) = transfer.and_then(|transfer| view.transfer(&transfer, block.beneficiary)) {
            return Ok((TRANSFERRED, writes));
        }
        let env = match tx_env(rules, recovered) {
            Ok(env) => env,
            Err(reason) => return Ok((Verdict::Skipped(reason), Writes::default())),
        };
        let blob_gas = blob_gas(&env);
        let (result, changes, tip) = match self.transact(env) {
            Ok(done) => done,
            Err(error) => match sort_failure(block.number, error) {
                Failure::Invalid(invalid) => {
                    return Ok((Verdict::Skipped(invalid.into()), Writes::default()));
                }
                Failure::Fatal(fatal) => return Err(fatal),
            },
        };
        let view = &self.evm.ctx.journaled_state.database;
        let writes = view.writes_of(changes, block.beneficiary, tip);
        let (success, gas) = (result.is_success(), result.tx_gas_used());
        Ok((Verdict::Included { success, gas, blob_gas, logs: result.into_logs() }, writes))
    }
}

impl<'a, S: StateView> Worker<'a, S> {
    /// Runs a transaction; its beneficiary is not paid but told the tip.
    fn transact(
        &mut self,
        env: TxEnv,
    ) -> Result<(ExecutionResult, EvmState, U256), EVMError<StateFault, InvalidTransaction>> {
        self.evm.ctx.set_tx(env);
        let mut handler = WithoutReward { tip: Cell::new(0), evm: PhantomData };
        let result = handler.run(&mut self.evm);
        let changes = self.evm.finalize();
        Ok((result?, changes, U256::from(handler.tip.get())))
    }
}

impl<S: StateView> Drop for Worker<'_, S> {
    /// A worker that panics takes its transaction with it; nobody may wait for that.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.job.memory.give_up();
        }
    }
}

/// Ethereum's way to handle a transaction, except that the tip is not paid: paying it would have every transaction
/// read the beneficiary's balance.
struct WithoutReward<EVM> {
    tip: Cell<u128>,
    evm: PhantomData<EVM>,
}

impl<DB: Database> Handler for WithoutReward<Machine<DB>> {
    type Evm = Machine<DB>;
    type Error = EVMError<DB::Error, InvalidTransaction>;
    type HaltReason = HaltReason;

    fn reward_beneficiary(&self, evm: &mut Self::Evm, result: &mut FrameResult) -> Result<(), Self::Error> {
        let base_fee = u128::from(evm.ctx.block.basefee());
        let tip = evm.ctx.tx.effective_gas_price(base_fee).saturating_sub(base_fee);
        let gas = result.gas();
        self.tip.set(tip * u128::from(gas.used().saturating_sub(gas.reservoir())));
        Ok(())
    }
}
