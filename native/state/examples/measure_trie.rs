//! Measures the state alone: `measure_trie [accounts] [changes per block] [blocks] [versions held] [file]`.
//!
//! Prints CPU µs per changed account for reading it, for applying the change, root included, and for
//! dropping the oldest of the versions held; and the memory that the versions take. With a file the
//! state lies there, mapped, as in a node; it is made where there is none.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use hansa_crypto::keccak256;
use hansa_state::{
    AccountDiff, AccountInfo, Pace, StateDiff, WorldState, open_checkpoint_checked, write_checkpoint,
};

/// Bytes that other work reads between two blocks: no cache keeps more.
const ELSEWHERE: usize = 64 << 20;

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>().unwrap_or(0));
    let accounts = words.next().unwrap_or(1_000_000);
    let changes = words.next().unwrap_or(4_000);
    let blocks = words.next().unwrap_or(200);
    let held = words.next().unwrap_or(128) as usize;
    hansa_crypto::workers::configure(1).expect("the first call");
    let mut state = match std::env::args().nth(5) {
        Some(file) => mapped(Path::new(&file), accounts),
        None => made(accounts),
    };
    let elsewhere = vec![1u8; ELSEWHERE];
    let empty = resident();
    let mut history = VecDeque::new();
    let mut seed = 7u64;
    let mut times = [Duration::ZERO; 3];
    let (mut changed, mut dropped) = (0, 0);
    for number in 1..=blocks {
        let diff = diff((0..changes).map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % accounts, number)
        }));
        changed += diff.accounts().len();
        history.push_back(state.clone());
        let addresses: Vec<Address> = diff.accounts().iter().map(|(address, _)| *address).collect();
        std::hint::black_box(elsewhere.iter().step_by(64).fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
        times[0] += timed(|| {
            std::hint::black_box(state.accounts(&addresses));
        });
        times[1] += timed(|| state.apply(&diff));
        if history.len() > held {
            dropped += diff.accounts().len();
            times[2] += timed(|| drop(history.pop_front()));
        }
    }
    println!(
        "read {:.2}  apply {:.2}  drop {:.2} µs per changed account",
        per(times[0], changed),
        per(times[1], changed),
        per(times[2], dropped)
    );
    println!("{} versions take {} MiB", history.len(), resident().saturating_sub(empty) >> 20);
    println!("root {}", state.root());
}

fn made(accounts: u64) -> WorldState {
    let mut state = WorldState::new();
    for first in (0..accounts).step_by(50_000) {
        state.apply(&diff((first..accounts.min(first + 50_000)).map(|index| (index, 0))));
    }
    state
}

fn mapped(path: &Path, accounts: u64) -> WorldState {
    if !path.exists() {
        write_checkpoint(path, 0, &B256::ZERO, &made(accounts), Pace::Full).expect("room for the file");
    }
    open_checkpoint_checked(path).expect("a whole file").state
}

fn diff(changes: impl Iterator<Item = (u64, u64)>) -> StateDiff {
    let accounts = changes.map(|(index, nonce)| {
        // All nonces take as many bytes, as those of accounts in use do mostly.
        let nonce = (1 << 20) + nonce;
        let info = AccountInfo { nonce, balance: U256::from(10u128.pow(18)), code_hash: KECCAK256_EMPTY };
        let address = Address::from_slice(&keccak256(index.to_be_bytes())[..20]);
        (address, AccountDiff { info: Some(info), ..AccountDiff::default() })
    });
    StateDiff::new(accounts.collect(), Vec::new())
}

fn per(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = cpu();
    work();
    cpu().saturating_sub(begun)
}

/// CPU time that this process has used.
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the struct that it is given and keeps no reference.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4_096
}
