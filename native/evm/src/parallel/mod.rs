//! A block's transactions side by side, with the outcome of one after the other.
//!
//! Optimistic, after Block-STM (arXiv 2203.06871): transactions are executed ahead of their turn on whatever is
//! there, what each has read is kept, and when its turn comes it is executed again if it would read something else
//! now. Where Block-STM validates in parallel and in waves, here one step in order decides ([`scheduler`]).
//!
//! * [`memory`]: the versions of accounts and slots, and how credits commute.
//! * [`view`]: the block as one transaction sees it.
//! * [`scheduler`]: who executes what when, and what counts.
//! * [`worker`]: one thread's part.
//!
//! What is rare and awkward is left to the serial way: blocks that ask for more gas than they have, empty accounts
//! in the state, balances that overflow, transactions of our own type, damage.

mod memory;
mod scheduler;
mod view;
mod worker;

use std::sync::atomic::{AtomicU32, Ordering};

use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;
use hansa_crypto::workers;
use hansa_state::StateStore;
use memory::Memory;
use scheduler::Scheduler;
use worker::{Job, Worker};

use crate::execute::{Changes, Input, Tally};
use crate::transfer::Transfer;

/// With fewer workers the serial way measured faster: keeping versions and waking threads eat what a second one gains.
const WORKERS_MIN: usize = 4;

/// Blocks with fewer calls are over before threads have begun.
const CALLS_MIN: usize = 16;

/// At least one in so many transactions must be more than a plain transfer: those alone cost less than keeping
/// versions of them.
const CALLS_SHARE: usize = 8;

/// The measured share of aborts from which on a block is executed serially, in 1/1024.
const ABORTS_MAX: u32 = 512;

/// The share of transactions executed twice in recent blocks, in 1/1024. It decides on speed alone.
static ABORTS: AtomicU32 = AtomicU32::new(0);

/// Executes side by side if that promises to be faster; none: it does not, or cannot be done.
pub(crate) fn run_if_faster<S: StateStore>(input: &Input<'_, S>) -> Option<(Tally, Changes)> {
    let workers = workers::threads_in_force();
    if workers < WORKERS_MIN || !is_wide(input) {
        return None;
    }
    let aborts = ABORTS.load(Ordering::Relaxed);
    if aborts > ABORTS_MAX {
        // Forgotten bit by bit, so that another kind of load is found out about.
        ABORTS.store(aborts - aborts / 8, Ordering::Relaxed);
        return None;
    }
    run(input, workers)
}

/// Whether enough of the block is calls that need not wait for one sender.
fn is_wide<S: StateStore>(input: &Input<'_, S>) -> bool {
    let count = input.transactions.len();
    let mut calls = 0;
    let mut chains: AddressMap<usize> = AddressMap::default();
    for tx in input.transactions {
        calls += usize::from(Transfer::of(input.rules, input.block, tx).is_none());
        *chains.entry(tx.sender).or_default() += 1;
    }
    let longest = chains.into_values().max().unwrap_or_default();
    calls >= CALLS_MIN && calls * CALLS_SHARE >= count && longest * 2 <= count
}

/// Executes side by side; none where only the serial way will do.
pub(crate) fn run<S: StateStore>(input: &Input<'_, S>, workers: usize) -> Option<(Tally, Changes)> {
    let (tally, diff, aborts) = run_counting(input, workers)?;
    // At most 1024.
    let share = (aborts * 1_024 / input.transactions.len().max(1)) as u32;
    ABORTS.store((ABORTS.load(Ordering::Relaxed) + share) / 2, Ordering::Relaxed);
    Some((tally, diff))
}

/// [`run`]; also how many transactions were executed again when their turn came.
fn run_counting<S: StateStore>(input: &Input<'_, S>, workers: usize) -> Option<(Tally, Changes, usize)> {
    if input.transactions.iter().any(|tx| tx.tx.own().is_some()) {
        return None;
    }
    // With this no transaction can lack gas of the block, whatever those before it use.
    let asked = input.transactions.iter().try_fold(0u64, |sum, tx| sum.checked_add(tx.tx.gas_limit()))?;
    if asked > input.block.gas_limit {
        return None;
    }
    let mut known: Vec<Address> = input.ends().chain([input.block.beneficiary]).collect();
    known.sort_unstable();
    known.dedup();
    let found = input.read(&known);
    let memory = Memory::new(input.state, known.into_iter().zip(found));
    let scheduler = Scheduler::new(input.transactions.iter().map(|tx| tx.sender), workers);
    let job = Job { input, memory: &memory, scheduler: &scheduler };
    // The serial way comes to the same error, and says so.
    Worker::new(&job).begin_block().ok()?;
    workers::side_by_side(workers, || Worker::new(&job).run());
    if memory.has_given_up() {
        return None;
    }
    let mut tally = Tally::new(input.transactions.len());
    let (attempts, aborts) = scheduler.into_attempts();
    for (index, attempt) in attempts.enumerate() {
        tally.add(index, attempt.verdict.ok()?);
    }
    Some((tally, memory.into_changes()?, aborts))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alloy_consensus::{SignableTransaction, TxLegacy};
    use alloy_primitives::{B256, Bytes, Signature, TxKind, U256, bytes};
    use hansa_codec::{Recovered, Transaction};
    use hansa_state::WorldState;

    use super::*;
    use crate::genesis::{GenesisAccount, alloc_diff};
    use crate::{BlockContext, ChainRules, Spec};

    const HOT: Address = Address::repeat_byte(0x99);

    /// A block in which each sender calls the same account once, and how often transactions were aborted.
    fn aborts(code: Bytes, gas_limit: u64) -> Option<usize> {
        workers::configure(4).ok()?;
        let rules = ChainRules::ethereum(1, Spec::Osaka);
        let block = BlockContext {
            number: 1,
            parent_hash: B256::ZERO,
            timestamp: 1,
            beneficiary: HOT,
            gas_limit,
            base_fee: 0,
            prevrandao: B256::ZERO,
            extra_data: Bytes::new(),
            excess_blob_gas: 0,
            hashes: Arc::new(|_| None),
            void: Vec::new(),
        };
        let sender = |index: u8| Address::with_last_byte(index).create(7);
        let rich = || GenesisAccount { balance: U256::from(1_000_000), ..GenesisAccount::default() };
        let hot = GenesisAccount { nonce: 1, code, ..GenesisAccount::default() };
        let accounts = (0..200).map(|index| (sender(index), rich())).chain([(HOT, hot)]).collect();
        let mut state = WorldState::new();
        state.apply(&alloc_diff(&accounts));
        let call = |index: u8| {
            let to = TxKind::Call(HOT);
            let (gas_price, gas_limit, value) = (2, 50_000, U256::from(3));
            let tx = TxLegacy {
                chain_id: Some(1),
                nonce: 0,
                gas_price,
                gas_limit,
                to,
                value,
                input: Bytes::new(),
            };
            let signed = tx.into_signed(Signature::new(U256::from(index), U256::from(1), false));
            Recovered { tx: Arc::new(Transaction::from_envelope(signed.into())), sender: sender(index) }
        };
        let transactions: Vec<_> = (0..200).map(call).collect();
        let input = Input { rules: &rules, block: &block, state: &state, transactions: &transactions };
        let (tally, _, aborts) = run_counting(&input, 4)?;
        assert!(tally.gas_used >= 200 * 21_000);
        Some(aborts)
    }

    #[test]
    fn payments_and_tips_to_one_account_do_not_wait_for_each_other() {
        assert_eq!(aborts(Bytes::new(), 1_000_000_000), Some(0));
    }

    #[test]
    fn a_block_of_conflicts_is_done_all_the_same() {
        // sstore(0, sload(0) + 1)
        assert!(aborts(bytes!("5f546001015f5500"), 1_000_000_000).is_some());
    }

    #[test]
    fn a_block_that_asks_for_more_gas_than_it_has_is_left_to_the_serial_way() {
        assert_eq!(aborts(Bytes::new(), 200 * 50_000 - 1), None);
    }
}
