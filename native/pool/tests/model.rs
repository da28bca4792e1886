//! Random histories against what must always hold.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeMap;

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, U256};
use hansa_pool::{AccountView, Ancestors, PoolLimits, Quota, SelectLimits, TxPlace};
use proptest::prelude::*;
use world::{WIDE, World, ether, rules, signed, transfer};

#[derive(Debug, Clone)]
enum Step {
    Send { sender: u64, nonce: u64, tip: u128, amount: u64 },
    Seal { count: usize, skip_first: bool },
    Jump { sender: u64, nonce: u64, balance: u64 },
    Expire { after_ms: u64 },
    Gossip,
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let send = (0u64..5, 0u64..8, 0u128..3, 0u64..400).prop_map(|(sender, nonce, tip, amount)| Step::Send {
        sender,
        nonce,
        tip,
        amount,
    });
    let seal = (1usize..6, any::<bool>()).prop_map(|(count, skip_first)| Step::Seal { count, skip_first });
    let jump = (0u64..5, 0u64..8, 0u64..1_000).prop_map(|(sender, nonce, balance)| Step::Jump {
        sender,
        nonce,
        balance,
    });
    let expire = (0u64..400).prop_map(|after_ms| Step::Expire { after_ms });
    let step = prop_oneof![
        20 => send, 4 => seal, 2 => jump, 2 => expire, 1 => Just(Step::Gossip), 1 => Just(Step::Clear)
    ];
    prop::collection::vec(step, 1..120)
}

fn small_limits() -> PoolLimits {
    PoolLimits {
        transactions_max: 16,
        per_sender_max: 6,
        waiting_per_sender_max: 3,
        waiting_max: 8,
        lifetime_ms: 900,
        waiting_lifetime_ms: 300,
        sender_quota: Some(Quota { gas_per_s: 100_000, burst_gas: 300_000 }),
        ..PoolLimits::default()
    }
}

fn apply(world: &mut World, step: &Step) {
    match step {
        Step::Send { sender, nonce, tip, amount } => {
            let (max_fee_per_gas, max_priority_fee_per_gas) = (*tip, *tip);
            let value = ether(*amount);
            let tx = TxEip1559 { max_fee_per_gas, max_priority_fee_per_gas, value, ..transfer(*nonce) };
            let _ = world.add(&signed(*sender, tx));
        }
        Step::Seal { count, skip_first } => {
            let limits = SelectLimits { count_max: *count, ..WIDE };
            let mut block = world.pool.select(&Ancestors::none(), limits);
            if *skip_first && !block.is_empty() {
                let first = block.remove(0);
                block.retain(|recovered| recovered.sender != first.sender);
                world.pool.on_skipped([(first.tx.hash, "test".to_owned(), false)]);
            }
            world.seal(&block);
        }
        Step::Jump { sender, nonce, balance } => {
            let change = world.accounts.set(*sender, |facts| {
                facts.nonce = *nonce;
                facts.balance = ether(*balance);
            });
            world.pool.update_accounts([change]);
        }
        Step::Expire { after_ms } => {
            world.now_ms += after_ms;
            world.pool.expire(world.now_ms);
        }
        Step::Gossip => {
            world.pool.take_outgoing(500);
        }
        Step::Clear => world.pool.clear(),
    }
}

/// What holds after every step.
fn check(world: &World) {
    let pool = &world.pool;
    let (executable, waiting) = pool.status();
    let content = pool.content(usize::MAX);
    assert_eq!(content.iter().map(|one| one.pending.len()).sum::<usize>(), executable);
    assert_eq!(content.iter().map(|one| one.queued.len()).sum::<usize>(), waiting);
    assert!(executable + waiting <= 16);
    let mut bytes = 0;
    for one in &content {
        let facts = world.accounts.account(&one.sender);
        let mut cost = U256::ZERO;
        for (recovered, nonce) in one.pending.iter().zip(facts.nonce..) {
            assert_eq!(recovered.tx.nonce(), nonce);
            assert_eq!(pool.place(&recovered.tx.hash), Some(TxPlace::Executable));
            cost += recovered.tx.value();
        }
        assert!(cost <= facts.balance);
        for recovered in &one.queued {
            assert!(recovered.tx.nonce() >= facts.nonce);
            assert_eq!(pool.place(&recovered.tx.hash), Some(TxPlace::Waiting));
        }
        for recovered in one.pending.iter().chain(&one.queued) {
            assert_eq!(pool.get(&recovered.tx.hash), Some(recovered));
            assert_eq!(pool.drop_reason(&recovered.tx.hash), None);
            bytes += recovered.tx.raw.len();
        }
    }
    assert_eq!(pool.bytes(), bytes);
    check_selection(world, executable);
}

/// A wide selection offers all that is executable, each sender's nonces in order.
fn check_selection(world: &World, executable: usize) {
    let chosen = world.pool.select(&Ancestors::none(), WIDE);
    assert_eq!(chosen.len(), executable);
    let mut next: BTreeMap<Address, u64> = BTreeMap::new();
    for recovered in &chosen {
        let facts = world.accounts.account(&recovered.sender);
        let expected = next.entry(recovered.sender).or_insert(facts.nonce);
        assert_eq!(recovered.tx.nonce(), *expected);
        *expected += 1;
    }
    let half: Ancestors = chosen[..executable / 2].iter().collect();
    let rest = world.pool.select(&half, WIDE);
    assert_eq!(rest.len(), executable - executable / 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn invariants_hold_after_every_step(history in steps()) {
        let mut world = World::new(rules(), small_limits());
        for step in &history {
            apply(&mut world, step);
            check(&world);
        }
    }

    #[test]
    fn the_same_history_gives_the_same_blocks(history in steps()) {
        let mut first = World::new(rules(), small_limits());
        let mut second = World::new(rules(), small_limits());
        for step in &history {
            apply(&mut first, step);
            apply(&mut second, step);
            let (one, two) = (first.pool.select(&Ancestors::none(), WIDE), second.pool.select(&Ancestors::none(), WIDE));
            prop_assert_eq!(one, two);
        }
    }
}
