//! What the pool costs per transaction, on one thread of an otherwise idle core.
//!
//! `cargo run --release -p hansa-pool --example bench_pool [transactions] [senders]`
//! One line per stage: `pool::stage/transactions=N microseconds per transaction`.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use alloy_consensus::TxEip1559;
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use hansa_codec::{Recovered, decode_transaction, sign_transaction};
use hansa_crypto::{SenderCache, address_of, keccak256, public_key, workers};
use hansa_pool::{
    AccountCode, AccountFacts, AccountView, Ancestors, Origin, Pool, PoolLimits, PoolRules, Prepared,
    SelectLimits, prepare_batch,
};

const CHAIN_ID: u64 = 77_001;
const BLOCK: usize = 2_000;

/// Every account is rich and new.
struct Rich;

impl AccountView for Rich {
    fn account(&self, _: &Address) -> AccountFacts {
        AccountFacts { nonce: 0, balance: U256::from(u128::MAX), code: AccountCode::None }
    }
}

fn report(stage: &str, count: usize, began: Instant) {
    let micros = began.elapsed().as_secs_f64() * 1e6 / count as f64;
    println!("pool::{stage}/transactions={count} {micros:.3} us");
}

fn signed_transfers(count: usize, senders: usize) -> Vec<Bytes> {
    let secrets: Vec<[u8; 32]> =
        (0..senders as u64).map(|number| keccak256(number.to_be_bytes()).0).collect();
    (0..count)
        .map(|index| {
            let tx = TxEip1559 {
                chain_id: CHAIN_ID,
                nonce: (index / senders) as u64,
                gas_limit: 21_000,
                to: TxKind::Call(Address::from_slice(&keccak256(index.to_be_bytes())[12..])),
                value: U256::from(1),
                ..Default::default()
            };
            sign_transaction(tx.into(), &secrets[index % senders]).unwrap().raw
        })
        .collect()
}

fn measure_single_stages(raws: &[Bytes], rules: &PoolRules) {
    let began = Instant::now();
    for raw in raws {
        black_box(decode_transaction(raw, &rules.tx_limits).unwrap());
    }
    report("decode", raws.len(), began);
    let (public, digest) = (public_key(&[7; 32]).unwrap(), keccak256(b"bench"));
    black_box(address_of(&public).unwrap());
    let signature = hansa_crypto::sign_recoverable(&[7; 32], &digest).unwrap();
    let began = Instant::now();
    for _ in 0..2_000 {
        black_box(hansa_crypto::recover(&digest, &signature).unwrap());
    }
    report("recover", 2_000, began);
}

/// Fills the pool from prepared transactions.
fn measure_admission(pool: &mut Pool, prepared: Vec<Prepared>) {
    let count = prepared.len();
    let began = Instant::now();
    for one in prepared {
        pool.admit(one, Origin::Local { organisation: 0 }, &Rich, 1).unwrap();
    }
    report("admit", count, began);
}

/// Selects and seals block after block until the pool is empty.
fn measure_blocks(pool: &mut Pool, count: usize) {
    let limits = SelectLimits { gas_max: 1_000_000_000, count_max: BLOCK, bytes_max: 8 << 20 };
    let (mut selecting, mut sealing) = (0.0, 0.0);
    loop {
        let began = Instant::now();
        let block: Vec<Recovered> = pool.select(&Ancestors::none(), limits);
        selecting += began.elapsed().as_secs_f64();
        if block.is_empty() {
            break;
        }
        let hashes: Vec<B256> = block.iter().map(|recovered| recovered.tx.hash).collect();
        // A state diff names each account once.
        let mut changes: AddressMap<AccountFacts> = AddressMap::default();
        for one in &block {
            let nonce = one.tx.nonce() + 1;
            changes.insert(one.sender, AccountFacts { nonce, ..Rich.account(&one.sender) });
        }
        let began = Instant::now();
        pool.remove_included(&hashes);
        pool.update_accounts(changes);
        sealing += began.elapsed().as_secs_f64();
    }
    println!("pool::select/block={BLOCK} {:.3} us", selecting * 1e6 / count as f64);
    println!("pool::seal/block={BLOCK} {:.3} us", sealing * 1e6 / count as f64);
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let count = arguments.next().unwrap_or(60_000);
    let senders = arguments.next().unwrap_or(2_000);
    workers::configure(1).unwrap();
    let rules = PoolRules::alliance(CHAIN_ID);
    let raws = signed_transfers(count, senders);
    measure_single_stages(&raws, &rules);
    let cache = Arc::new(SenderCache::default());
    let began = Instant::now();
    let first = prepare_batch(raws.clone(), &rules, &cache);
    report("prepare with recovery", count, began);
    drop(first);
    let began = Instant::now();
    let prepared = prepare_batch(raws, &rules, &cache);
    report("prepare with cached sender", count, began);
    let mut pool = Pool::new(rules, PoolLimits { sender_quota: None, ..PoolLimits::default() });
    let prepared: Vec<Prepared> = prepared.into_iter().map(Result::unwrap).collect();
    // A node's pool has grown long ago; the first round is not measured.
    for one in prepared.clone() {
        pool.admit(one, Origin::Member { organisation: 1 }, &Rich, 1).unwrap();
    }
    pool.clear();
    measure_admission(&mut pool, prepared);
    let began = Instant::now();
    let mut sent = 0;
    while let Some(bundle) = pool.take_outgoing(1 << 20) {
        sent += black_box(bundle).len();
    }
    report(&format!("outgoing ({sent} bytes)"), count, began);
    measure_blocks(&mut pool, count);
}
