//! Measures state and executor: `measure [accounts] [transfers per block] [blocks]`.
//!
//! Times of blocks are CPU times of the process, all threads together. Prints bytes per account, µs per transfer executed (everything but the state root), µs per
//! changed account of the state root, and the times of a checkpoint.

mod ledger;

use std::time::{Duration, Instant};

use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256};
use hansa_codec::Recovered;
use hansa_evm::header::{BlockBody, body_roots, build_header};
use hansa_evm::{BlockContext, BlockOutcome, ChainRules, execute_block};
use hansa_state::{
    AccountDiff, AccountInfo, Pace, StateDiff, WorldState, open_checkpoint, verify_checkpoint,
    write_checkpoint,
};
use ledger::{CHAIN_ID, address, call, context, draw};

/// Old versions held, as a node holds them.
const HISTORY: usize = 128;

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>().unwrap_or(0));
    let accounts = words.next().unwrap_or(1_000_000);
    let transfers = words.next().unwrap_or(2_000);
    let blocks = words.next().unwrap_or(50);
    // One thread, as a node has that shares its host.
    hansa_crypto::workers::configure(1).expect("the first call");
    let mut state = checkpoint(&populate(accounts));
    let mut nonces = vec![0u64; accounts as usize];
    let mut history = std::collections::VecDeque::new();
    let (mut execution, mut roots, mut headers, mut changed) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0);
    let rules = ChainRules::alliance(CHAIN_ID);
    let mut seed = 7u64;
    for number in 1..=blocks {
        let block = context(number);
        let batch: Vec<Recovered> =
            (0..transfers).map(|_| transfer(accounts, &mut nonces, &mut seed)).collect();
        let begun = cpu();
        let outcome = execute_block(&rules, &block, &state, &batch).expect("the state is whole");
        let whole = cpu().saturating_sub(begun);
        assert_eq!(outcome.included.len(), batch.len());
        // The root once more, alone, from the same start.
        let mut again = state.clone();
        let begun = cpu();
        again.apply(&outcome.diff);
        assert_eq!(again.root(), outcome.header.state_root);
        let root = cpu().saturating_sub(begun);
        headers += header_alone(&rules, &block, &batch, &outcome);
        execution += whole.saturating_sub(root);
        roots += root;
        changed += outcome.diff.accounts().len();
        history.push_back(std::mem::replace(&mut state, outcome.state));
        if history.len() > HISTORY {
            history.pop_front();
        }
    }
    let all = (transfers * blocks) as f64;
    println!("whole block  {:.2} µs per transfer", micros(execution + roots) / all);
    println!(
        "execute      {:.2} µs per transfer (of it {:.2} for the header's roots)",
        micros(execution) / all,
        micros(headers) / all
    );
    println!(
        "state root   {:.2} µs per changed account, applying included ({} changed per block)",
        micros(roots) / changed as f64,
        changed as u64 / blocks.max(1)
    );
    println!("memory       {:.0} MiB with {} old versions", resident() as f64 / 1_048_576.0, history.len());
}

/// What the header takes, without the state's root.
fn header_alone(
    rules: &ChainRules,
    block: &BlockContext,
    batch: &[Recovered],
    outcome: &BlockOutcome,
) -> Duration {
    let body = BlockBody {
        transactions: batch,
        included: &outcome.included,
        receipts: &outcome.receipts,
        gas_used: outcome.gas_used,
        blob_gas_used: 0,
    };
    let begun = cpu();
    build_header(rules, block, &body, &body_roots(&body), B256::ZERO);
    cpu().saturating_sub(begun)
}

/// CPU time that this process has used.
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the struct that it is given and keeps no reference.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn populate(accounts: u64) -> WorldState {
    let before = resident();
    let begun = Instant::now();
    let mut state = WorldState::new();
    for first in (0..accounts).step_by(50_000) {
        let chunk = (first..accounts.min(first + 50_000)).map(|index| {
            let balance = U256::from(1_000_000_000_000_000_000u128);
            let info = AccountInfo { nonce: 0, balance, code_hash: KECCAK256_EMPTY };
            (address(index), AccountDiff { info: Some(info), ..AccountDiff::default() })
        });
        state.apply(&StateDiff::new(chunk.collect(), Vec::new()));
    }
    let filled = begun.elapsed();
    let root = state.root();
    let bytes = resident().saturating_sub(before) as f64 / accounts as f64;
    println!(
        "fill         {accounts} accounts in {filled:.2?}, hashed in {:.2?}, root {root}",
        begun.elapsed() - filled
    );
    println!("memory       {bytes:.0} bytes per account");
    state
}

/// The state as it is after a restart.
fn checkpoint(state: &WorldState) -> WorldState {
    let path = std::env::temp_dir().join(format!("hansa-measure-{}.ckpt", std::process::id()));
    let begun = Instant::now();
    write_checkpoint(&path, 0, &B256::ZERO, state, Pace::Full).expect("the folder takes a file");
    let written = begun.elapsed();
    let size = std::fs::metadata(&path).map_or(0, |file| file.len());
    let begun = Instant::now();
    verify_checkpoint(&path).expect("what was written is right");
    let verified = begun.elapsed();
    let begun = Instant::now();
    let mapped = open_checkpoint(&path).expect("what was written is read").state;
    println!(
        "checkpoint   {:.1} MB, written in {written:.2?}, verified in {verified:.2?}, opened in {:.2?}",
        size as f64 / 1e6,
        begun.elapsed()
    );
    let _ = std::fs::remove_file(&path);
    mapped
}

/// A transfer between two random accounts. Signatures play no part here.
fn transfer(accounts: u64, nonces: &mut [u64], seed: &mut u64) -> Recovered {
    let (from, to) = (draw(seed) % accounts, draw(seed) % accounts);
    let nonce = nonces[from as usize];
    nonces[from as usize] += 1;
    call(from, nonce, address(to), U256::ONE, Bytes::new())
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4_096
}
