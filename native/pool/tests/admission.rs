//! Who gets in, who replaces whom, and with which words the others are refused.
#![allow(clippy::unwrap_used)]

mod world;

use alloy_consensus::{TxEip1559, TxEip7702};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use hansa_crypto::sign_recoverable;
use hansa_pool::{AccountCode, DropReason, Origin, PoolError, PoolLimits, PoolRules, Quota, TxPlace};
use world::{CHAIN_ID, World, address, ether, fee_rules, legacy, names, rules, secret, signed, transfer};

/// The error that one transaction of account 1 causes.
fn refusal(world: &mut World, tx: TxEip1559) -> PoolError {
    world.add(&signed(1, tx)).unwrap_err()
}

fn authorization(number: u64) -> alloy_eips::eip7702::SignedAuthorization {
    let inner = Authorization { chain_id: U256::from(CHAIN_ID), address: Address::repeat_byte(9), nonce: 0 };
    let compact = sign_recoverable(&secret(number), &inner.signature_hash()).unwrap();
    inner.into_signed(Signature::from_bytes_and_parity(&compact[..64], compact[64] == 1))
}

fn delegation(nonce: u64, authorizations: Vec<alloy_eips::eip7702::SignedAuthorization>) -> TxEip7702 {
    TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        to: Address::repeat_byte(7),
        authorization_list: authorizations,
        ..Default::default()
    }
}

#[test]
fn messages_and_codes_are_those_that_clients_know() {
    let mut world = World::new(fee_rules(7), PoolLimits::default());
    let paid = |nonce| TxEip1559 { max_fee_per_gas: 10, ..transfer(nonce) };
    world.accounts.set(1, |facts| facts.nonce = 5);
    let cases = [
        (TxEip1559 { chain_id: 1, ..paid(5) }, "POOL-CHAIN-ID", "invalid chain id for signer"),
        (paid(4), "POOL-NONCE-LOW", "nonce too low: next nonce 5, tx nonce 4"),
        (paid(u64::MAX), "POOL-NONCE-MAX", "nonce has max value"),
        (
            TxEip1559 { value: ether(1_001), ..paid(5) },
            "POOL-FUNDS",
            "insufficient funds for gas * price + value",
        ),
        (TxEip1559 { gas_limit: 20_999, ..paid(5) }, "POOL-INTRINSIC-GAS", "intrinsic gas too low"),
        (TxEip1559 { gas_limit: (1 << 24) + 1, ..paid(5) }, "POOL-GAS-CAP", "transaction gas limit too high"),
        (
            TxEip1559 { max_priority_fee_per_gas: 11, ..paid(5) },
            "POOL-TIP",
            "max priority fee per gas higher than max",
        ),
        (
            TxEip1559 { max_fee_per_gas: 6, ..paid(5) },
            "POOL-FEE-CAP",
            "max fee per gas less than block base fee",
        ),
        (
            TxEip1559 {
                to: TxKind::Create,
                gas_limit: 1 << 24,
                input: Bytes::from(vec![0; 49_153]),
                ..paid(5)
            },
            "POOL-INITCODE",
            "max initcode size exceeded",
        ),
        (
            TxEip1559 { gas_limit: 21_000 + 1_600, input: Bytes::from(vec![1; 100]), ..paid(5) },
            "POOL-FLOOR-GAS",
            "insufficient gas for floor data gas cost",
        ),
    ];
    for (tx, code, words) in cases {
        let error = refusal(&mut world, tx);
        assert_eq!(error.code(), code);
        assert!(error.to_string().starts_with(words), "{error}");
        assert!(!error.hint().is_empty());
    }
    world.accounts.set(1, |facts| facts.code = AccountCode::Contract);
    assert_eq!(refusal(&mut world, paid(5)), PoolError::SenderNoEoa);
    assert_eq!(world.pool.statistics().refused, 3, "only what reached the pool is counted by it");
}

#[test]
fn a_lifted_gas_cap_leaves_the_block_limit() {
    let mut world = World::new(PoolRules { tx_gas_cap: None, ..rules() }, PoolLimits::dev());
    let tx = TxEip1559 { gas_limit: 1_000_000_001, ..transfer(0) };
    assert_eq!(refusal(&mut world, tx).code(), "POOL-BLOCK-GAS");
    world.add(&signed(1, TxEip1559 { gas_limit: 1_000_000_000, ..transfer(0) })).unwrap();
}

#[test]
fn unprotected_transactions_are_refused_and_protected_ones_pass() {
    let mut world = World::standard();
    let bare = alloy_consensus::TxLegacy { chain_id: None, ..legacy(0) };
    assert_eq!(world.add(&signed(1, bare)).unwrap_err().code(), "TX-UNPROTECTED");
    world.add(&signed(1, legacy(0))).unwrap();
}

#[test]
fn the_same_bytes_are_already_known() {
    let mut world = World::standard();
    let tx = world.send(1, [0]).remove(0);
    assert_eq!(world.add(&tx), Err(PoolError::AlreadyKnown));
}

#[test]
fn a_gap_waits_and_filling_it_promotes_all() {
    let mut world = World::standard();
    let waiting = world.send(1, [2, 1, 4]);
    assert_eq!(world.pool.status(), (0, 3));
    assert_eq!(world.pool.place(&waiting[0].hash), Some(TxPlace::Waiting));
    assert_eq!(world.pool.pending_nonce(&address(1)), Some(0));
    let (cursor, none) = world.pool.pending_hashes_since(0, 100);
    assert!(none.is_empty());
    let first = world.send(1, [0]).remove(0);
    assert_eq!(world.pool.status(), (3, 1));
    assert_eq!(world.pool.pending_nonce(&address(1)), Some(3));
    let (_, promoted) = world.pool.pending_hashes_since(cursor, 100);
    assert_eq!(promoted, vec![first.hash, waiting[1].hash, waiting[0].hash]);
    let content = world.pool.content(100);
    assert_eq!(names(&content[0].pending), vec![(1, 0), (1, 1), (1, 2)]);
    assert_eq!(names(&content[0].queued), vec![(1, 4)]);
}

#[test]
fn funds_cover_all_pooled_transactions_of_a_sender() {
    let mut world = World::standard();
    let tx = |nonce, amount| TxEip1559 { value: ether(amount), ..transfer(nonce) };
    world.add(&signed(1, tx(0, 600))).unwrap();
    assert_eq!(refusal(&mut world, tx(1, 401)).code(), "POOL-FUNDS");
    world.add(&signed(1, tx(1, 400))).unwrap();
}

#[test]
fn where_nobody_pays_a_tip_or_a_cancellation_replaces() {
    let mut world = World::standard();
    let first = world.send(1, [0]).remove(0);
    let same = TxEip1559 { value: U256::from(2), ..transfer(0) };
    assert_eq!(refusal(&mut world, same.clone()), PoolError::ReplacementUnderpriced);
    let tipped = signed(1, TxEip1559 { max_fee_per_gas: 1, max_priority_fee_per_gas: 1, ..same });
    world.add(&tipped).unwrap();
    assert_eq!(world.pool.drop_reason(&first.hash), Some(&DropReason::Replaced(tipped.hash)));
    let cancellation =
        signed(1, TxEip1559 { to: TxKind::Call(address(1)), value: U256::ZERO, ..transfer(0) });
    world.add(&cancellation).unwrap();
    assert_eq!(world.add(&tipped), Err(PoolError::ReplacementUnderpriced), "a cancellation stays");
    assert_eq!(world.pool.status(), (1, 0));
    assert_eq!(world.pool.statistics().replaced, 2);
    assert_eq!(world.pool.select(&Default::default(), world::WIDE)[0].tx.hash, cancellation.hash);
}

#[test]
fn where_fees_are_paid_a_replacement_raises_both_by_a_tenth() {
    let mut world = World::new(fee_rules(0), PoolLimits::default());
    let paid = |fee, tip| TxEip1559 { max_fee_per_gas: fee, max_priority_fee_per_gas: tip, ..transfer(0) };
    world.add(&signed(1, paid(1_000, 100))).unwrap();
    assert_eq!(refusal(&mut world, paid(1_099, 110)), PoolError::ReplacementUnderpriced);
    assert_eq!(refusal(&mut world, paid(1_100, 109)), PoolError::ReplacementUnderpriced);
    world.add(&signed(1, paid(1_100, 110))).unwrap();
    assert_eq!(world.pool.status(), (1, 0));
}

#[test]
fn replacing_inside_a_run_keeps_the_run_executable() {
    let mut world = World::standard();
    world.send(1, 0..5);
    world
        .add(&signed(1, TxEip1559 { max_fee_per_gas: 1, max_priority_fee_per_gas: 1, ..transfer(2) }))
        .unwrap();
    assert_eq!(world.pool.status(), (5, 0));
    assert_eq!(world.pool.pending_nonce(&address(1)), Some(5));
}

#[test]
fn a_delegated_account_has_one_transaction_in_flight() {
    let mut world = World::standard();
    world.accounts.set(1, |facts| facts.code = AccountCode::Delegated);
    assert_eq!(refusal(&mut world, transfer(1)), PoolError::DelegatedInFlight, "only the next nonce");
    world.send(1, [0]);
    assert_eq!(refusal(&mut world, transfer(1)), PoolError::DelegatedInFlight);
    world
        .add(&signed(1, TxEip1559 { max_fee_per_gas: 1, max_priority_fee_per_gas: 1, ..transfer(0) }))
        .unwrap();
}

#[test]
fn a_pooled_authorization_binds_its_authority_until_it_leaves() {
    let mut world = World::standard();
    assert_eq!(world.add(&signed(2, delegation(0, vec![]))).unwrap_err().code(), "POOL-AUTHORIZATIONS");
    let setter = signed(2, delegation(0, vec![authorization(1)]));
    world.add(&setter).unwrap();
    world.send(1, [0]);
    assert_eq!(refusal(&mut world, transfer(1)), PoolError::DelegatedInFlight);
    assert!(world.pool.remove(&setter.hash));
    world.send(1, [1]);
}

#[test]
fn one_sender_cannot_fill_the_pool() {
    let limits = PoolLimits { per_sender_max: 4, waiting_per_sender_max: 2, ..PoolLimits::default() };
    let mut world = World::new(rules(), limits);
    world.send(1, [5, 6]);
    assert_eq!(refusal(&mut world, transfer(7)), PoolError::AccountLimit { count: 2, max: 2 });
    world.send(1, [0, 1]);
    assert_eq!(refusal(&mut world, transfer(2)), PoolError::AccountLimit { count: 4, max: 4 });
    world.send(2, [0]);
}

#[test]
fn a_full_pool_evicts_what_waits_and_never_what_is_executable() {
    let limits = PoolLimits { transactions_max: 4, ..PoolLimits::default() };
    let mut world = World::new(rules(), limits);
    let waiting = world.send(1, [3, 4]);
    world.send(2, [0, 1]);
    assert_eq!(refusal(&mut world, transfer(9)).code(), "POOL-FULL", "a waiting newcomer evicts nothing");
    world.send(3, [0]);
    assert_eq!(world.pool.drop_reason(&waiting[0].hash), Some(&DropReason::Evicted));
    world.send(4, [0]);
    assert_eq!(world.pool.status(), (4, 0));
    assert_eq!(world.add(&signed(5, transfer(0))).unwrap_err().code(), "POOL-FULL");
}

#[test]
fn bytes_are_bounded_too() {
    let limits = PoolLimits { bytes_max: 300, ..PoolLimits::default() };
    let mut world = World::new(rules(), limits);
    world.send(1, [0, 1]);
    assert_eq!(refusal(&mut world, transfer(2)).code(), "POOL-FULL");
    assert!(world.pool.bytes() <= 300);
}

#[test]
fn quotas_refill_with_time_and_charge_only_what_is_admitted() {
    let quota = Some(Quota { gas_per_s: 21_000, burst_gas: 42_000 });
    let limits = PoolLimits { sender_quota: quota, organisation_quota: None, ..PoolLimits::default() };
    let mut world = World::new(rules(), limits);
    world.send(1, [0, 1]);
    assert_eq!(refusal(&mut world, transfer(2)), PoolError::SenderQuota { retry_ms: 1_000 });
    world.send(2, [0]);
    world.now_ms += 1_000;
    world.send(1, [2]);
    let limits = PoolLimits { sender_quota: None, organisation_quota: quota, ..PoolLimits::default() };
    let mut world = World::new(rules(), limits);
    world.send(1, [0]);
    world.send(2, [0]);
    assert_eq!(world.add(&signed(3, transfer(0))), Err(PoolError::OrganisationQuota { retry_ms: 1_000 }));
    world.add_from(&signed(3, transfer(0)), Origin::Member { organisation: 1 }).unwrap();
}

#[test]
fn only_local_transactions_go_out_and_each_once() {
    let mut world = World::standard();
    let local = world.send(1, 0..3);
    world.add_from(&signed(2, transfer(0)), Origin::Member { organisation: 1 }).unwrap();
    assert!(world.pool.remove(&local[2].hash));
    let bundle = Bytes::from(world.pool.take_outgoing(1 << 20).unwrap());
    let raws = hansa_codec::decode_bundle(&bundle).unwrap();
    assert_eq!(raws, vec![local[0].raw.clone(), local[1].raw.clone()]);
    assert_eq!(world.pool.take_outgoing(1 << 20), None);
}

#[test]
fn bundles_keep_their_size_but_always_carry_one() {
    let mut world = World::standard();
    let sent = world.send(1, 0..10);
    let size = sent[0].raw.len();
    let bundle = Bytes::from(world.pool.take_outgoing(4 + 3 * (size + 4)).unwrap());
    assert_eq!(hansa_codec::decode_bundle(&bundle).unwrap().len(), 3);
    let bundle = Bytes::from(world.pool.take_outgoing(1).unwrap());
    assert_eq!(hansa_codec::decode_bundle(&bundle).unwrap().len(), 1);
}

#[test]
fn what_is_still_here_is_sent_again_for_members_that_restarted() {
    let mut world = World::standard();
    world.send(1, 0..3);
    world.pool.take_outgoing(1 << 20).unwrap();
    world.pool.expire(world.now_ms + 9_999);
    assert!(!world.pool.has_outgoing());
    world.pool.expire(world.now_ms + 10_000);
    let bundle = Bytes::from(world.pool.take_outgoing(1 << 20).unwrap());
    assert_eq!(hansa_codec::decode_bundle(&bundle).unwrap().len(), 3);
}
