//! Measures blocks side by side against one after the other: `measure_parallel [accounts] [transactions] [blocks]
//! [workers]`.
//!
//! For each kind of load the wall-clock time per transaction of whole blocks, state root included, and of what is
//! left without the state root. Every pair of blocks is compared.

mod ledger;

use std::time::{Duration, Instant};

use alloy_primitives::{Address, Bytes, U256, bytes};
use hansa_codec::Recovered;
use hansa_crypto::{keccak256, workers};
use hansa_evm::{ChainRules, ExecutionMode, execute_block_by};
use hansa_state::{AccountDiff, AccountInfo, StateDiff, WorldState};
use ledger::{CHAIN_ID, address, call, context, draw};

/// Where the contracts are.
const TOKEN: Address = Address::repeat_byte(0x70);
const COUNTER: Address = Address::repeat_byte(0xc0);
const MERCHANT: Address = Address::repeat_byte(0x99);

/// The token's slot of its table of balances (contracts/bench/BenchToken.vy: the second variable).
const BALANCES: u64 = 1;

/// sstore(0, sload(0) + 1)
const COUNTER_CODE: Bytes = bytes!("5f546001015f5500");

/// transfer(address,uint256)
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];

#[derive(Debug, Clone, Copy)]
enum Load {
    Uniform,
    HotReceiver,
    Token,
    TokenAndReceiver,
    AllConflict,
}

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>().unwrap_or(0));
    let accounts = words.next().unwrap_or(100_000);
    let transactions = words.next().unwrap_or(1_000);
    let blocks = words.next().unwrap_or(20);
    let threads = words.next().unwrap_or(2) as usize;
    workers::configure(threads).expect("threads start");
    println!(
        "{accounts} accounts, {transactions} transactions a block, {threads} workers; µs per transaction"
    );
    println!("{:<18}{:>10}{:>14}{:>16}{:>10}", "", "serial", "side by side", "without root", "faster by");
    let start = populate(accounts);
    for load in [Load::Uniform, Load::HotReceiver, Load::Token, Load::TokenAndReceiver, Load::AllConflict] {
        let mut state = start.clone();
        let mut nonces = vec![0u64; accounts as usize];
        let mut seed = 7;
        let mut times = [Duration::ZERO; 3];
        for number in 1..=blocks {
            let batch: Vec<Recovered> =
                (0..transactions).map(|_| transaction(load, accounts, &mut nonces, &mut seed)).collect();
            state = block(number, &state, &batch, threads, &mut times);
        }
        let count = (transactions * blocks) as f64;
        let [serial, parallel, root] = times.map(|time| time.as_secs_f64() * 1e6 / count);
        let (alone, beside) = (serial - root, parallel - root);
        println!(
            "{:<18}{serial:>10.2}{parallel:>14.2}{:>16}{:>9.2}×",
            format!("{load:?}"),
            format!("{alone:.2} {beside:.2}"),
            alone / beside
        );
    }
}

/// Executes a block both ways; adds the times of both and of the state's root alone.
fn block(
    number: u64,
    state: &WorldState,
    batch: &[Recovered],
    threads: usize,
    times: &mut [Duration; 3],
) -> WorldState {
    let rules = ChainRules::alliance(CHAIN_ID);
    let run = |mode, time: &mut Duration| {
        let begun = Instant::now();
        let outcome =
            execute_block_by(mode, &rules, &context(number), state, batch).expect("the state is whole");
        *time += begun.elapsed();
        outcome
    };
    let [serially, beside, root] = times;
    // Whoever is second finds the accounts in the cache, so they take turns.
    let (serial, parallel) = if number.is_multiple_of(2) {
        let serial = run(ExecutionMode::Serial, serially);
        (serial, run(ExecutionMode::Parallel(threads), beside))
    } else {
        let parallel = run(ExecutionMode::Parallel(threads), beside);
        (run(ExecutionMode::Serial, serially), parallel)
    };
    assert_eq!((serial.hash, &serial.diff), (parallel.hash, &parallel.diff));
    assert!(
        serial.receipts.iter().all(|receipt| receipt.status.coerce_status()) && serial.skipped.is_empty()
    );
    let mut again = state.clone();
    let begun = Instant::now();
    again.apply(&serial.diff);
    assert_eq!(again.root(), serial.header.state_root);
    *root += begun.elapsed();
    serial.state
}

fn transaction(load: Load, accounts: u64, nonces: &mut [u64], seed: &mut u64) -> Recovered {
    let (from, to) = (draw(seed) % accounts, address(draw(seed) % accounts));
    let nonce = nonces[from as usize];
    nonces[from as usize] += 1;
    let pays = draw(seed).is_multiple_of(2);
    let token = || [&TRANSFER[..], to.into_word().as_slice(), &U256::ONE.to_be_bytes::<32>()].concat().into();
    match load {
        Load::Uniform => call(from, nonce, to, U256::ONE, Bytes::new()),
        Load::HotReceiver => call(from, nonce, MERCHANT, U256::ONE, Bytes::new()),
        Load::TokenAndReceiver if pays => call(from, nonce, MERCHANT, U256::ONE, Bytes::new()),
        Load::Token | Load::TokenAndReceiver => call(from, nonce, TOKEN, U256::ZERO, token()),
        Load::AllConflict => call(from, nonce, COUNTER, U256::ZERO, Bytes::from_static(&[0])),
    }
}

fn populate(accounts: u64) -> WorldState {
    let rich = U256::from(1_000_000_000_000_000_000u128);
    let artefact = include_str!("../../../src/hansa/bench/artefacts/bench_token.json");
    let artefact: serde_json::Value = serde_json::from_str(artefact).expect("the artefact is JSON");
    let token: Bytes = artefact["runtime_bytecode"].as_str().unwrap_or_default().parse().expect("it is hex");
    let balance_of = |holder: Address| {
        let key = [&U256::from(BALANCES).to_be_bytes::<32>()[..], holder.into_word().as_slice()].concat();
        (U256::from_be_bytes(keccak256(key).0), rich)
    };
    let contract = |code: &Bytes, storage| AccountDiff {
        info: Some(AccountInfo { nonce: 1, balance: U256::ZERO, code_hash: keccak256(code) }),
        storage_wiped: false,
        storage,
    };
    let person = || AccountDiff {
        info: Some(AccountInfo { balance: rich, ..AccountInfo::default() }),
        ..AccountDiff::default()
    };
    let balances = (0..accounts).map(|index| balance_of(address(index))).collect();
    let contracts = [(TOKEN, contract(&token, balances)), (COUNTER, contract(&COUNTER_CODE, Vec::new()))];
    let people = (0..accounts).map(|index| (address(index), person()));
    let mut state = WorldState::new();
    state.apply(&StateDiff::new(people.chain(contracts).collect(), vec![token, COUNTER_CODE]));
    state.root();
    state
}
