//! Transactions of our own type in the pool: in parallel, each once, until they end.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};
use hansa_codec::own::BLOCK_LIMIT_HORIZON;
use hansa_codec::{OwnTransaction, Recovered, ReplayKey};
use hansa_pool::{
    AccountCode, AccountView, Ancestors, DropReason, PoolError, PoolLimits, SelectLimits, TxPlace,
};
use proptest::prelude::*;
use world::{WIDE, World, address, ether, fee_rules, names, own, rules, signed, signed_own, transfer};

fn code<T>(answer: Result<T, PoolError>) -> &'static str {
    answer.err().map_or("admitted", |error| error.code())
}

#[test]
fn one_account_sends_thousands_beside_its_sequence() {
    let mut world = World::new(rules(), PoolLimits { sender_quota: None, ..PoolLimits::default() });
    for nonce in 0..3_000_u64 {
        let scattered = nonce.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        world.add(&signed_own(1, own(scattered))).unwrap();
    }
    world.send(1, [0, 2]);
    assert_eq!((world.pool.status(), world.pool.pending_nonce(&address(1))), ((3_001, 1), Some(1)));
    let block = world.pool.select(&Ancestors::none(), WIDE);
    assert_eq!(block.len(), 3_001);
    let theirs: Vec<u64> = block.iter().filter(|tx| tx.tx.own().is_some()).map(|tx| tx.tx.nonce()).collect();
    let sent: Vec<u64> = (0..3_000_u64).map(|nonce| nonce.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    assert_eq!(theirs, sent, "in the order in which they came");
    world.seal(&block);
    assert_eq!((world.pool.status(), world.pool.pending_nonce(&address(1))), ((0, 1), Some(1)));
}

#[test]
fn what_admission_refuses_has_its_reason() {
    let limits = PoolLimits { own_per_sender_max: 2, ..PoolLimits::default() };
    let mut world = World::new(rules(), limits);
    world.accounts.height = 50;
    world.now_ms = 10_000;
    let far = 50 + BLOCK_LIMIT_HORIZON;
    let mut add = |tx: OwnTransaction| code(world.add(&signed_own(1, tx)));
    assert_eq!(add(OwnTransaction { block_limit: 50, ..own(1) }), "POOL-BLOCK-LIMIT");
    assert_eq!(add(OwnTransaction { block_limit: far + 1, ..own(1) }), "POOL-BLOCK-LIMIT");
    assert_eq!(add(OwnTransaction { expires_at: 9, ..own(1) }), "POOL-EXPIRED");
    assert_eq!(add(OwnTransaction { value: ether(1_001), ..own(1) }), "POOL-FUNDS");
    assert_eq!(add(OwnTransaction { block_limit: far, expires_at: 10, ..own(u64::MAX) }), "admitted");
    assert_eq!(add(OwnTransaction { block_limit: 51, ..own(u64::MAX) }), "POOL-REPLACEMENT");
    assert_eq!(add(OwnTransaction { value: ether(600), ..own(2) }), "admitted");
    assert_eq!(add(own(3)), "POOL-ACCOUNT-LIMIT");
    world.accounts.used.insert(ReplayKey { sender: address(2), nonce: 5 });
    assert_eq!(code(world.add(&signed_own(2, own(5)))), "POOL-NONCE-USED");
    // Both queues draw on one balance.
    let dear = alloy_consensus::TxEip1559 { value: ether(500), ..transfer(0) };
    assert_eq!(code(world.add(&signed(1, dear))), "POOL-FUNDS");
}

#[test]
fn a_delegated_account_has_one_in_flight_of_either_kind() {
    let mut world = World::standard();
    for number in [1, 2] {
        world.accounts.set(number, |facts| facts.code = AccountCode::Delegated);
    }
    assert_eq!(code(world.add(&signed_own(1, own(7)))), "admitted");
    assert_eq!(code(world.add(&signed_own(1, own(8)))), "POOL-DELEGATED");
    assert_eq!(code(world.add(&signed(1, transfer(0)))), "POOL-DELEGATED");
    world.send(2, [0]);
    assert_eq!(code(world.add(&signed_own(2, own(8)))), "POOL-DELEGATED");
}

#[test]
fn a_cancellation_takes_the_place_of_its_number() {
    let mut world = World::standard();
    let first = world.add(&signed_own(1, own(5))).unwrap();
    world.add(&signed_own(1, own(6))).unwrap();
    let cancel = OwnTransaction { to: address(1), value: U256::ZERO, ..own(5) };
    let second = world.add(&signed_own(1, cancel)).unwrap();
    assert_eq!(world.pool.drop_reason(&first), Some(&DropReason::Replaced(second)));
    assert_eq!(names(&world.pool.select(&Ancestors::none(), WIDE)), [(1, 6), (1, 5)]);
    assert_eq!(world.pool.place(&second), Some(TxPlace::Executable));
}

#[test]
fn block_and_time_end_them_and_so_does_another_with_their_number() {
    let mut world = World::standard();
    let ends = |block_limit, expires_at, nonce| OwnTransaction { block_limit, expires_at, ..own(nonce) };
    let by_block = world.add(&signed_own(1, ends(2, 100, 1))).unwrap();
    let by_time = world.add(&signed_own(1, ends(9, 3, 2))).unwrap();
    let by_other = world.add(&signed_own(1, ends(9, 100, 3))).unwrap();
    world.seal(&[]);
    let other = signed_own(1, OwnTransaction { value: U256::from(2), ..ends(9, 100, 3) });
    world.seal(&[Recovered { tx: other.into(), sender: address(1) }]);
    assert_eq!(world.pool.drop_reason(&by_block), Some(&DropReason::Expired));
    assert_eq!(world.pool.drop_reason(&by_other), Some(&DropReason::NonceUsed));
    world.pool.expire(3_999);
    assert!(world.pool.contains(&by_time));
    world.pool.expire(4_000);
    assert_eq!((world.pool.drop_reason(&by_time), world.pool.status()), (Some(&DropReason::Expired), (0, 0)));
}

#[test]
fn what_stands_in_an_ancestor_or_ends_with_it_is_not_offered() {
    let mut world = World::standard();
    for nonce in 0..6 {
        world.add(&signed_own(1, OwnTransaction { block_limit: 3 + nonce / 4, ..own(nonce) })).unwrap();
    }
    let body = world.pool.select(&Ancestors::none(), SelectLimits { count_max: 2, ..WIDE });
    let mut ancestors: Ancestors = body.iter().collect();
    // Another transaction with a number that is pooled here.
    let other = signed_own(1, OwnTransaction { value: U256::from(2), ..own(4) });
    ancestors.add(&[Recovered { tx: other.into(), sender: address(1) }]);
    ancestors.reach(2);
    assert_eq!(names(&world.pool.select(&ancestors, WIDE)), [(1, 2), (1, 3), (1, 5)]);
    ancestors.reach(3);
    assert_eq!(names(&world.pool.select(&ancestors, WIDE)), [(1, 5)]);
    ancestors.reach(4);
    assert!(!world.pool.has_executable(&ancestors, WIDE));
}

#[test]
fn one_that_pays_too_little_holds_up_none_of_the_others() {
    let mut world = World::new(fee_rules(5), PoolLimits::default());
    for (nonce, max_fee_per_gas) in [(1, 6), (2, 10), (3, 8)] {
        world.add(&signed_own(1, OwnTransaction { max_fee_per_gas, ..own(nonce) })).unwrap();
    }
    world.pool.set_rules(fee_rules(7));
    assert_eq!(names(&world.pool.select(&Ancestors::none(), WIDE)), [(1, 2), (1, 3)]);
}

#[derive(Debug, Clone)]
enum Step {
    Send { sender: u64, nonce: u64, amount: u64, blocks: u64, seconds: u64, sequence: bool },
    Seal { count: usize },
    Jump { sender: u64, balance: u64 },
    Wait { ms: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let send = (0u64..3, 0u64..9, 0u64..300, 0u64..6, 0u64..5, any::<bool>()).prop_map(
        |(sender, nonce, amount, blocks, seconds, sequence)| Step::Send {
            sender,
            nonce,
            amount,
            blocks,
            seconds,
            sequence,
        },
    );
    let seal = (0usize..5).prop_map(|count| Step::Seal { count });
    let jump = (0u64..3, 0u64..1_000).prop_map(|(sender, balance)| Step::Jump { sender, balance });
    let wait = (0u64..900).prop_map(|ms| Step::Wait { ms });
    prop::collection::vec(prop_oneof![16 => send, 4 => seal, 2 => jump, 2 => wait], 1..100)
}

fn apply(world: &mut World, step: &Step) {
    match step {
        Step::Send { sender, nonce, amount, sequence: true, .. } => {
            let tx = alloy_consensus::TxEip1559 { value: ether(*amount), ..transfer(*nonce) };
            let _ = world.add(&signed(*sender, tx));
        }
        Step::Send { sender, nonce, amount, blocks, seconds, .. } => {
            let block_limit = world.accounts.height + blocks;
            let (expires_at, value) = (world.now_ms / 1_000 + seconds, ether(*amount));
            let _ = world
                .add(&signed_own(*sender, OwnTransaction { block_limit, expires_at, value, ..own(*nonce) }));
        }
        Step::Seal { count } => {
            let block = world.pool.select(&Ancestors::none(), SelectLimits { count_max: *count, ..WIDE });
            // The balance covers each queue for itself; the executor skips what both together cannot pay.
            let mut left: Vec<U256> =
                (0..3).map(|number| world.accounts.account(&address(number)).balance).collect();
            let (mut paid, mut skipped) = (Vec::new(), Vec::new());
            for tx in block {
                let number = (0..3).find(|number| address(*number) == tx.sender).unwrap() as usize;
                match left[number].checked_sub(tx.tx.value()) {
                    Some(rest) if tx.tx.own().is_some() || skipped.is_empty() => {
                        left[number] = rest;
                        paid.push(tx);
                    }
                    _ => skipped.push((tx.tx.hash, "funds".to_owned(), false)),
                }
            }
            world.pool.on_skipped(skipped);
            world.seal(&paid);
        }
        Step::Jump { sender, balance } => {
            let change = world.accounts.set(*sender, |facts| facts.balance = ether(*balance));
            world.pool.update_accounts([change]);
        }
        Step::Wait { ms } => {
            world.now_ms += ms;
            world.pool.expire(world.now_ms);
        }
    }
}

fn check(world: &World) {
    let pool = &world.pool;
    let content = pool.content(usize::MAX);
    let (mut executable, mut waiting, mut bytes) = (0, 0, 0);
    let mut keys = BTreeSet::new();
    for one in &content {
        let mut cost = U256::ZERO;
        for (index, recovered) in one.pending.iter().chain(&one.queued).enumerate() {
            let expected = if index < one.pending.len() { TxPlace::Executable } else { TxPlace::Waiting };
            assert_eq!(pool.place(&recovered.tx.hash), Some(expected));
            bytes += recovered.tx.raw.len();
            let (Some(own), Some(key)) = (recovered.tx.own(), recovered.replay_key()) else { continue };
            assert!(keys.insert(key), "a number is here twice");
            assert!(!world.accounts.used.contains(&key) && own.block_limit > world.accounts.height);
            if expected == TxPlace::Executable {
                cost += own.value;
            }
        }
        assert!(cost <= world.accounts.account(&one.sender).balance);
        executable += one.pending.len();
        waiting += one.queued.len();
        assert_eq!(pool.content_from(&one.sender).unwrap().pending, one.pending);
    }
    assert_eq!((pool.status(), pool.bytes()), ((executable, waiting), bytes));
    let senders: BTreeSet<Address> = content.iter().map(|one| one.sender).collect();
    assert_eq!(senders.len(), content.len());
    assert_eq!(pool.select(&Ancestors::none(), WIDE).len(), executable);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn invariants_hold_with_both_kinds(history in steps()) {
        let mut world = World::new(rules(), PoolLimits { own_per_sender_max: 5, per_sender_max: 5, ..PoolLimits::default() });
        for step in &history {
            apply(&mut world, step);
            check(&world);
        }
    }
}
