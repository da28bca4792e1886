//! Our own transaction type: used once, in time, on every node and after every restart.
#![allow(clippy::unwrap_used)]

mod fixture;

use alloy_primitives::{Address, U256};
use fixture::*;
use hansa_chain::{Chain, Status, verify_ledger};
use hansa_codec::OwnTransaction;
use hansa_codec::own::BLOCK_LIMIT_HORIZON;
use hansa_crypto::keccak256;

/// Seconds of the fixture's blocks, rounded down: 1,000 s and half a second for each.
const SOON: u64 = 1_001;

fn received(chain: &Chain) -> U256 {
    chain.head().state.account(&Address::repeat_byte(0x77)).map_or(U256::ZERO, |found| found.balance)
}

#[test]
fn a_replay_is_skipped_whether_sealed_in_flight_or_beside_it() {
    let chain = Chain::create(None, &plain_genesis()).unwrap();
    let (first, second) = (own(0, 5, 100), own(0, 6, 100));
    add_block_of(&chain, &[first.clone(), own(0, 5, 101), own(1, 5, 100)]);
    assert_eq!(skips(&chain, 1), ["SKIP-NONCE-USED"], "other bytes with the same number are a replay too");
    // Two blocks in flight: the lower one is not sealed when the upper one is executed.
    let head = chain.head();
    let lower = add_body_of(&chain, head.order_hash, 2, std::slice::from_ref(&second));
    let upper = add_body_of(&chain, lower, 3, &[own(0, 6, 99), first.clone(), own(0, 7, 99)]);
    chain.execute(&lower).unwrap();
    chain.execute(&upper).unwrap();
    seal(&chain, &lower);
    seal(&chain, &upper);
    assert_eq!(skips(&chain, 3), ["SKIP-NONCE-USED", "SKIP-NONCE-USED"]);
    assert_eq!(received(&chain), U256::from(4));
    assert_eq!(chain.head().state.account(&account(&user_secret(0))).unwrap().nonce, 0);
    let receipts = &chain.block(1).unwrap().unwrap().receipts;
    assert_eq!(receipts.len(), 2);
}

#[test]
fn replays_are_refused_after_a_restart_and_by_a_node_that_caught_up() {
    let scratch = Scratch::new();
    let chain = Chain::create(Some(&scratch.0), &plain_genesis()).unwrap();
    let raws = [own(0, 5, 100), own(0, u64::MAX, 1), own(3, 0, 1_000)];
    add_block_of(&chain, &raws[..1]);
    chain.sync().unwrap();
    drop(chain);

    // Killed, not closed; and again after a clean stop.
    for round in 0..2 {
        let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
        add_block_of(&chain, &raws);
        let expected: &[&str] = match round {
            0 => &["SKIP-NONCE-USED", "SKIP-EXPIRED"],
            _ => &["SKIP-NONCE-USED", "SKIP-EXPIRED", "SKIP-NONCE-USED"],
        };
        assert_eq!(skips(&chain, chain.head().height), expected);
        chain.close().unwrap();
    }
    assert_eq!(verify_ledger(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap().findings, []);

    let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
    let other = Chain::create(None, &plain_genesis()).unwrap();
    for block in chain.export_blocks(1, 1_000, 1 << 30).unwrap() {
        other.import_block(&block).unwrap();
    }
    for node in [&chain, &other] {
        add_block_of(node, &raws);
        assert_eq!(skips(node, 4), ["SKIP-NONCE-USED", "SKIP-EXPIRED", "SKIP-NONCE-USED"]);
    }
    assert_eq!(chain.head().sealed_hash, other.head().sealed_hash);
    assert_eq!(received(&chain), U256::from(2));
}

#[test]
fn height_and_time_bound_when_it_may_be_included() {
    let chain = Chain::create(None, &plain_genesis()).unwrap();
    let last = BLOCK_LIMIT_HORIZON;
    let raws = [
        own(0, 1, 1),
        own(0, 2, 0),
        own(0, 3, last),
        own(0, 4, last + 1),
        own_until(0, 5, 10, 1_000),
        own_until(0, 6, 10, 999),
    ];
    add_block_of(&chain, &raws);
    assert_eq!(skips(&chain, 1), ["SKIP-EXPIRED", "SKIP-BLOCK-LIMIT", "SKIP-EXPIRED"]);
    // What came too early has used nothing; what expired meanwhile has not either.
    add_block_of(&chain, &[raws[3].clone(), own_until(0, 7, 10, SOON), own(0, 2, 5)]);
    assert_eq!(skips(&chain, 2), [] as [&str; 0]);
    add_block_of(&chain, &[]);
    add_block_of(&chain, &[own_until(1, 8, 10, SOON), own(0, 1, 5)]);
    assert_eq!(skips(&chain, 4), ["SKIP-EXPIRED", "SKIP-NONCE-USED"]);
    assert_eq!(received(&chain), U256::from(6));
}

#[test]
fn what_is_valid_in_no_block_of_this_chain_uses_no_number() {
    let chain = Chain::create(None, &plain_genesis()).unwrap();
    // Signed for a sister chain on which the sender draws from the same numbers; and with too little gas for its data.
    let foreign = sign_own(0, OwnTransaction { chain_id: CHAIN_ID + 1, ..own_unsigned(5, 100) });
    let starved = sign_own(0, OwnTransaction { input: vec![1].into(), ..own_unsigned(6, 100) });
    add_block_of(&chain, &[foreign.clone(), starved.clone(), own(0, 5, 100)]);
    assert_eq!(skips(&chain, 1), ["SKIP-CHAIN-ID", "SKIP-INTRINSIC-GAS"]);
    add_block_of(&chain, &[foreign, starved, own(0, 6, 100)]);
    assert_eq!(skips(&chain, 2), ["SKIP-CHAIN-ID", "SKIP-INTRINSIC-GAS"]);
    assert_eq!(received(&chain), U256::from(2));
}

#[test]
fn a_turn_that_came_counts_although_the_balance_did_not_do() {
    let chain = Chain::create(
        None,
        &genesis(|json| {
            json["alloc"][account(&user_secret(0)).to_string()]["balance"] = "0x0".into();
        }),
    )
    .unwrap();
    let poor = own(0, 1, 100);
    add_block_of(&chain, std::slice::from_ref(&poor));
    assert_eq!(skips(&chain, 1), ["SKIP-FUNDS"]);
    submit(
        &chain,
        vec![transaction(
            1,
            0,
            alloy_primitives::TxKind::Call(account(&user_secret(0))),
            Default::default(),
            21_000,
        )],
    );
    add_block(&chain);
    add_block_of(&chain, std::slice::from_ref(&poor));
    assert_eq!(skips(&chain, 3), ["SKIP-NONCE-USED"]);
    assert_eq!(chain.status_of(&keccak256(&poor)).unwrap().0, Status::Dropped);
    add_block_of(&chain, &[own(0, 2, 100)]);
    assert_eq!((skips(&chain, 4).len(), received(&chain)), (0, U256::from(1)));
}

#[test]
fn the_pool_offers_each_number_once_and_refuses_it_afterwards() {
    let scratch = Scratch::new();
    let chain = Chain::create(Some(&scratch.0), &plain_genesis()).unwrap();
    let raws: Vec<_> = (0..600).map(|nonce| own(0, nonce * 7, 900)).collect();
    submit(&chain, raws.clone());
    let head = chain.head();
    // Two blocks in flight share no transaction, although neither is sealed.
    let narrow = hansa_pool::SelectLimits { count_max: 400, ..limits() };
    let (refs, count, gas) = chain.propose(&[], narrow);
    let first = order(&chain, head.order_hash, 1, 0, &refs, count, gas);
    chain.add_body(&first.encode(), &refs).unwrap();
    let (refs, count, gas) = chain.propose(&[first.hash()], narrow);
    assert_eq!(count, 200);
    let second = order(&chain, first.hash(), 2, 0, &refs, count, gas);
    chain.add_body(&second.encode(), &refs).unwrap();
    assert!(!chain.has_executable(&[first.hash(), second.hash()]));
    seal(&chain, &first.hash());
    seal(&chain, &second.hash());
    assert_eq!((received(&chain), chain.pool().lock().status()), (U256::from(600), (0, 0)));
    chain.close().unwrap();
    drop(chain);

    let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
    let codes: Vec<_> = chain.submit(raws).into_iter().map(|answer| answer.unwrap_err().code()).collect();
    assert!(codes.iter().all(|code| *code == "POOL-NONCE-USED"));
}
