//! Threads that submit while another one seals: nothing is lost, nothing is sealed twice.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use alloy_primitives::{Address, Bytes};
use hansa_crypto::SenderCache;
use hansa_pool::{AccountView, Ancestors, Live, PoolLimits, SelectLimits, SharedPool};
use world::{Accounts, LOCAL, WIDE, rules, signed, transfer};

const THREADS: u64 = 3;
const NONCES: u64 = 120;

/// Seals one block as the chain does: the head moves first, then the pool follows.
fn seal(shared: &SharedPool, head: &RwLock<Accounts>, sealed: &mut Vec<(Address, u64)>) {
    let block = shared.lock().select(&Ancestors::none(), SelectLimits { count_max: 50, ..WIDE });
    let mut changes = Vec::new();
    {
        let mut accounts = head.write().unwrap();
        for recovered in &block {
            let facts = accounts.facts.get_mut(&recovered.sender).unwrap();
            assert_eq!(recovered.tx.nonce(), facts.nonce, "each block continues the last");
            facts.nonce += 1;
            sealed.push((recovered.sender, recovered.tx.nonce()));
            changes.push((recovered.sender, *facts));
        }
    }
    let hashes: Vec<_> = block.iter().map(|recovered| recovered.tx.hash).collect();
    let mut pool = shared.lock();
    pool.remove_included(&hashes);
    pool.update_accounts(changes);
}

#[test]
fn submitting_and_sealing_at_once_loses_nothing() {
    let shared = SharedPool::new(rules(), PoolLimits::default(), Arc::new(SenderCache::default()));
    let head = RwLock::new(Accounts::funded(THREADS));
    let running = AtomicUsize::new(THREADS as usize);
    let mut sealed = Vec::new();
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (shared, head, running) = (&shared, &head, &running);
            scope.spawn(move || {
                let view = Live(|address: &Address| head.read().unwrap().account(address));
                let raws: Vec<Bytes> = (0..NONCES).map(|nonce| signed(number, transfer(nonce)).raw).collect();
                for batch in raws.chunks(7) {
                    for answer in shared.submit(batch.to_vec(), LOCAL, &view, 1) {
                        answer.unwrap();
                    }
                }
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while running.load(Ordering::SeqCst) > 0 || shared.lock().status() != (0, 0) {
            seal(&shared, &head, &mut sealed);
        }
    });
    let distinct: BTreeSet<_> = sealed.iter().collect();
    assert_eq!((sealed.len() as u64, distinct.len()), (THREADS * NONCES, sealed.len()));
    assert_eq!(shared.lock().statistics().sealed, THREADS * NONCES);
}
