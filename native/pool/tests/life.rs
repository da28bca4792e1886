//! Selection, sealing, expiry and the other ways out.
#![allow(clippy::unwrap_used)]

mod world;

use std::sync::Arc;

use alloy_consensus::TxEip1559;
use alloy_primitives::{Bytes, U256};
use hansa_codec::{OwnTransaction, encode_bundle};
use hansa_crypto::SenderCache;
use hansa_pool::{
    AccountCode, AccountFacts, Ancestors, DropReason, Live, PoolLimits, SelectLimits, SharedPool, TxPlace,
};
use world::{
    Accounts, LOCAL, WIDE, World, address, ether, fee_rules, names, own, recovered, rules, signed,
    signed_own, transfer,
};

#[test]
fn selection_goes_round_the_senders_in_order_of_arrival() {
    let mut world = World::standard();
    world.send(3, 0..3);
    world.send(1, 0..1);
    world.send(2, 0..2);
    let chosen = world.pool.select(&Ancestors::none(), WIDE);
    assert_eq!(names(&chosen), vec![(3, 0), (1, 0), (2, 0), (3, 1), (2, 1), (3, 2)]);
    let few = SelectLimits { count_max: 2, ..WIDE };
    assert_eq!(names(&world.pool.select(&Ancestors::none(), few)), vec![(3, 0), (1, 0)]);
}

#[test]
fn ancestors_are_passed_over() {
    let mut world = World::standard();
    world.send(1, 0..4);
    world.send(2, 0..1);
    let first = world.pool.select(&Ancestors::none(), SelectLimits { count_max: 3, ..WIDE });
    assert_eq!(names(&first), vec![(1, 0), (2, 0), (1, 1)]);
    let ancestors: Ancestors = first.iter().collect();
    assert_eq!(names(&world.pool.select(&ancestors, WIDE)), vec![(1, 2), (1, 3)]);
    let all: Ancestors = world.pool.select(&Ancestors::none(), WIDE).iter().collect();
    assert!(!world.pool.has_executable(&all, WIDE));
    assert!(world.pool.has_executable(&Ancestors::none(), WIDE));
}

#[test]
fn a_served_sender_goes_behind_the_others() {
    let mut world = World::standard();
    world.send(1, 0..3);
    world.send(2, 0..3);
    world.send(3, 0..1);
    let block = world.pool.select(&Ancestors::none(), SelectLimits { count_max: 2, ..WIDE });
    assert_eq!(names(&block), vec![(1, 0), (2, 0)]);
    world.seal(&block);
    let next = world.pool.select(&Ancestors::none(), SelectLimits { count_max: 3, ..WIDE });
    assert_eq!(names(&next), vec![(3, 0), (1, 1), (2, 1)]);
}

#[test]
fn gas_and_bytes_bound_a_block_and_misfits_are_passed_over() {
    let mut world = World::standard();
    world.add(&signed(1, TxEip1559 { gas_limit: 1_000_000, ..transfer(0) })).unwrap();
    world.send(1, [1]);
    world.send(2, [0]);
    let limits = SelectLimits { gas_max: 100_000, ..WIDE };
    assert_eq!(names(&world.pool.select(&Ancestors::none(), limits)), vec![(2, 0)]);
    let size = signed(1, transfer(1)).raw.len();
    let limits = SelectLimits { bytes_max: 2 * (size + 4) + 3, ..WIDE };
    assert_eq!(world.pool.select(&Ancestors::none(), limits).len(), 2);
}

#[test]
fn what_pays_less_than_the_base_fee_is_not_offered() {
    let mut world = World::new(fee_rules(5), PoolLimits::default());
    world.add(&signed(1, TxEip1559 { max_fee_per_gas: 6, ..transfer(0) })).unwrap();
    world.add(&signed(2, TxEip1559 { max_fee_per_gas: 9, ..transfer(0) })).unwrap();
    world.pool.set_rules(fee_rules(7));
    assert_eq!(names(&world.pool.select(&Ancestors::none(), WIDE)), vec![(2, 0)]);
}

#[test]
fn sealed_transactions_leave_without_a_reason_and_overtaken_ones_with_one() {
    let mut world = World::standard();
    let sent = world.send(1, 0..3);
    // Another transaction of nonce 1 was ordered by a leader that did not know ours.
    let foreign = recovered(1, TxEip1559 { value: U256::from(9), ..transfer(1) });
    let first = world.pool.get(&sent[0].hash).unwrap().clone();
    world.seal(&[first, foreign]);
    assert_eq!(world.pool.drop_reason(&sent[0].hash), None);
    assert_eq!(world.pool.drop_reason(&sent[1].hash), Some(&DropReason::NonceUsed));
    assert_eq!(world.pool.status(), (1, 0));
    assert_eq!(world.pool.pending_nonce(&address(1)), Some(3));
    assert_eq!(world.pool.statistics().sealed, 1);
}

#[test]
fn a_fallen_balance_demotes_and_a_risen_one_promotes() {
    let mut world = World::standard();
    let tx = |nonce| TxEip1559 { value: ether(400), ..transfer(nonce) };
    world.add(&signed(1, tx(0))).unwrap();
    let second = signed(1, tx(1));
    world.add(&second).unwrap();
    let change = world.accounts.set(1, |facts| facts.balance = ether(500));
    world.pool.update_accounts([change]);
    assert_eq!(world.pool.status(), (1, 1));
    assert_eq!(world.pool.place(&second.hash), Some(TxPlace::Waiting));
    assert_eq!(world.pool.pending_nonce(&address(1)), Some(2), "the wallet's next nonce stays");
    let change = world.accounts.set(1, |facts| facts.balance = ether(800));
    world.pool.update_accounts([change]);
    assert_eq!(world.pool.status(), (2, 0));
}

#[test]
fn skipped_transactions_are_dropped_with_the_executors_reason_or_stay() {
    let mut world = World::standard();
    let sent = world.send(1, 0..3);
    let skipped = [
        (sent[0].hash, "insufficient funds".to_owned(), false),
        (sent[2].hash, "nonce too high".to_owned(), true),
    ];
    world.pool.on_skipped(skipped);
    assert_eq!(world.pool.drop_reason(&sent[0].hash).unwrap().code(), "DROP-SKIPPED");
    assert_eq!(world.pool.status(), (0, 2));
    world.add(&signed(1, TxEip1559 { value: U256::from(3), ..transfer(0) })).unwrap();
    assert_eq!(world.pool.status(), (3, 0));
}

#[test]
fn waiting_transactions_expire_first() {
    let limits = PoolLimits { lifetime_ms: 1_000, waiting_lifetime_ms: 100, ..PoolLimits::default() };
    let mut world = World::new(rules(), limits);
    let executable = world.send(1, [0]).remove(0);
    let waiting = world.send(2, [1]).remove(0);
    assert_eq!(world.pool.expire(world.now_ms + 99), 0);
    assert_eq!(world.pool.expire(world.now_ms + 100), 1);
    assert_eq!(world.pool.drop_reason(&waiting.hash), Some(&DropReason::Expired));
    assert_eq!(world.pool.expire(world.now_ms + 1_000), 1);
    assert_eq!(world.pool.drop_reason(&executable.hash), Some(&DropReason::Expired));
    assert_eq!(world.pool.status(), (0, 0));
    // Readmission forgets the old reason.
    world.add(&executable).unwrap();
    assert_eq!(world.pool.drop_reason(&executable.hash), None);
}

#[test]
fn a_head_that_moved_back_is_read_again() {
    let mut world = World::standard();
    let sent = world.send(1, 0..2);
    let block = world.pool.select(&Ancestors::none(), SelectLimits { count_max: 1, ..WIDE });
    world.seal(&block);
    world.accounts.set(1, |facts| facts.nonce = 0);
    world.pool.reset_accounts(&world.accounts.clone());
    assert_eq!(world.pool.status(), (0, 1));
    world.add(&sent[0]).unwrap();
    assert_eq!(world.pool.status(), (2, 0));
}

/// A block is sealed while a batch is being prepared: the pool asks only when it files, so the
/// sender is not filed with the nonce of before.
#[test]
fn the_account_is_read_when_a_transaction_is_filed() {
    let shared = SharedPool::new(rules(), PoolLimits::default(), Arc::new(SenderCache::new(4_096)));
    let head = std::cell::Cell::new(0);
    let asked = std::cell::Cell::new(false);
    let view = Live(|_: &alloy_primitives::Address| {
        asked.set(true);
        AccountFacts { nonce: head.get(), balance: ether(1), code: AccountCode::None }
    });
    head.set(4);
    assert!(!asked.get());
    let answers =
        shared.submit(vec![signed(1, transfer(4)).raw, signed(1, transfer(3)).raw], LOCAL, &view, 1);
    assert!(answers[0].is_ok() && asked.get());
    assert_eq!(answers[1].as_ref().unwrap_err().code(), "POOL-NONCE-LOW");
    assert_eq!(shared.lock().status(), (1, 0));
}

#[test]
fn clearing_leaves_nothing_but_reasons() {
    let mut world = World::standard();
    let sent = world.send(1, 0..3);
    world.send(2, [4]);
    world.pool.clear();
    assert_eq!((world.pool.status(), world.pool.bytes()), ((0, 0), 0));
    assert!(world.pool.select(&Ancestors::none(), WIDE).is_empty());
    assert!(world.pool.content(10).is_empty() && !world.pool.has_outgoing());
    assert_eq!(world.pool.drop_reason(&sent[0].hash), Some(&DropReason::Removed));
    world.send(1, 0..3);
    assert_eq!(world.pool.status(), (3, 0));
}

#[test]
fn the_feed_is_bounded_and_forgiving_about_cursors() {
    let mut world = World::new(rules(), PoolLimits { feed_max: 4, ..PoolLimits::default() });
    let sent = world.send(1, 0..6);
    let (cursor, hashes) = world.pool.pending_hashes_since(0, 3);
    assert_eq!(hashes, sent[2..5].iter().map(|tx| tx.hash).collect::<Vec<_>>());
    let (cursor, hashes) = world.pool.pending_hashes_since(cursor, 3);
    assert_eq!((cursor, hashes), (6, vec![sent[5].hash]));
    assert_eq!(world.pool.pending_hashes_since(99, 3), (6, vec![]));
    assert_eq!(world.pool.feed_end(), 6);
}

#[test]
fn a_replacement_is_announced_and_what_waits_behind_it_is_not_again() {
    let mut world = World::standard();
    world.send(1, 0..50);
    for (nonce, tip) in [(0, 1), (20, 1), (49, 1), (0, 2)] {
        let before = world.pool.feed_end();
        let tx =
            signed(1, TxEip1559 { max_fee_per_gas: tip, max_priority_fee_per_gas: tip, ..transfer(nonce) });
        world.add(&tx).unwrap();
        assert_eq!(
            world.pool.pending_hashes_since(before, 100),
            (before + 1, vec![tx.hash]),
            "nonce {nonce}"
        );
        assert_eq!(world.pool.status(), (50, 0));
    }
    let numbered = |nonce, tip| {
        let priced = OwnTransaction { max_fee_per_gas: tip, max_priority_fee_per_gas: tip, ..own(nonce) };
        signed_own(2, priced)
    };
    for nonce in 0..50 {
        world.add(&numbered(nonce, 0)).unwrap();
    }
    let before = world.pool.feed_end();
    let tx = numbered(7, 1);
    world.add(&tx).unwrap();
    assert_eq!(world.pool.pending_hashes_since(before, 100), (before + 1, vec![tx.hash]));
    assert_eq!(world.pool.status(), (100, 0));
}

#[test]
fn batches_and_bundles_answer_one_by_one() {
    let accounts = Accounts::funded(4);
    let shared = SharedPool::new(rules(), PoolLimits::default(), Arc::new(SenderCache::new(4_096)));
    let good: Vec<Bytes> = (0..20).map(|nonce| signed(1, transfer(nonce)).raw).collect();
    let mut raws = good.clone();
    raws.insert(3, Bytes::from_static(b"\x02garbage"));
    let answers = shared.submit(raws, LOCAL, &accounts, 1);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 20);
    assert_eq!(answers[3].as_ref().unwrap_err().code(), "TX-RLP");
    let other = signed(2, transfer(0)).raw;
    let bundle = Bytes::from(encode_bundle(good.iter().chain([&other])));
    assert_eq!(shared.add_bundle(&bundle, 1, &accounts, 2).unwrap(), (1, 20));
    assert_eq!(
        shared.add_bundle(&Bytes::from_static(b"\0\0"), 1, &accounts, 2).unwrap_err().code(),
        "WIRE-TRUNCATED"
    );
    assert_eq!(shared.lock().status(), (21, 0));
    assert_eq!(shared.senders().len(), 21);
    let fetched = recovered(3, transfer(0));
    assert!(shared.add_recovered([fetched], 1, &accounts, 3)[0].is_ok());
    assert_eq!(shared.rules().chain_id, world::CHAIN_ID);
}
