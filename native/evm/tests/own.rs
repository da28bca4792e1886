//! Our own transaction type in a block: the account nonce stays out of it, everything else is Ethereum's.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U256, bytes};
use hansa_codec::{OwnTransaction, Recovered, sign_own_transaction};
use hansa_crypto::{Suite, address_of, public_key};
use hansa_evm::{BlockContext, BlockOutcome, SkipReason, execute_block};
use hansa_state::WorldState;
use support::{
    CHAIN_ID, COUNTER, Call, ETHER, LOG, account, block, contract, delegating, delegation, fee_rules, funded,
    rules, state,
};

const SECRET: [u8; 32] = [0x11; 32];
/// create(0, 0, 0)
const CREATES: Bytes = bytes!("5f5f5ff000");

fn sender() -> Address {
    address_of(&public_key(&SECRET).unwrap()).unwrap()
}

fn own(nonce: u64, to: Address, value: u128) -> Recovered {
    let unsigned = OwnTransaction {
        chain_id: CHAIN_ID,
        suite: Suite::Standard,
        nonce,
        block_limit: 100,
        expires_at: u64::MAX,
        max_priority_fee_per_gas: 1,
        max_fee_per_gas: 10,
        gas_limit: 200_000,
        to,
        value: U256::from(value),
        input: Bytes::new(),
        access_list: Default::default(),
    };
    let tx = Arc::new(sign_own_transaction(unsigned, &SECRET).unwrap());
    Recovered { tx, sender: sender() }
}

fn run(state: &WorldState, transactions: &[Recovered]) -> BlockOutcome {
    execute_block(&rules(), &block(1), state, transactions).unwrap()
}

fn nonce_of(state: &WorldState, address: Address) -> u64 {
    state.account(&address).map_or(0, |found| found.nonce)
}

#[test]
fn any_numbers_in_any_order_beside_a_sequence() {
    let begin = state([(sender(), funded(1_000)), (account(9), contract(&COUNTER))]);
    let transactions = [
        own(u64::MAX, account(2), 100),
        Call::new(sender(), 0, account(3)).value(1).build(),
        own(0, account(9), 0),
        Call::new(sender(), 1, account(3)).value(1).build(),
        own(77, account(2), 50),
    ];
    let outcome = run(&begin, &transactions);
    assert_eq!(outcome.included, [0, 1, 2, 3, 4]);
    assert!(outcome.receipts.iter().all(|receipt| receipt.status.coerce_status()));
    let after = &outcome.state;
    assert_eq!(nonce_of(after, sender()), 2, "only the two of the sequence count");
    assert_eq!(after.account(&account(2)).unwrap().balance, U256::from(150));
    assert_eq!(after.storage(&account(9), U256::ZERO), U256::from(1));
    assert_eq!(after.account(&sender()).unwrap().balance, U256::from(848));
}

#[test]
fn it_costs_what_a_dynamic_fee_transaction_costs() {
    let begin = state([(sender(), funded(ETHER)), (account(9), contract(&LOG))]);
    let context = BlockContext { base_fee: 7, ..block(1) };
    let mine = execute_block(&fee_rules(), &context, &begin, &[own(5, account(9), 3)]).unwrap();
    let like = Call::new(sender(), 0, account(9)).value(3).price(10).tip(1).build();
    let theirs = execute_block(&fee_rules(), &context, &begin, &[like]).unwrap();
    assert_eq!((mine.gas_used, &mine.receipts), (theirs.gas_used, &theirs.receipts));
    let balance = |outcome: &BlockOutcome, who| outcome.state.account(&who).unwrap().balance;
    assert_eq!(balance(&mine, sender()), balance(&theirs, sender()));
    assert_eq!(balance(&mine, context.beneficiary), balance(&theirs, context.beneficiary));
    assert_ne!(mine.header.receipts_root, theirs.header.receipts_root, "the receipt has a type of its own");
    let poor = execute_block(
        &fee_rules(),
        &BlockContext { base_fee: 11, ..block(1) },
        &begin,
        &[own(5, account(9), 0)],
    );
    assert_eq!(poor.unwrap().skipped, [(0, SkipReason::FeeTooLow)]);
}

#[test]
fn what_the_sender_s_own_code_creates_still_counts() {
    let (authority, signed) = delegation(&SECRET, CHAIN_ID, account(9), 0);
    let begin = state([(authority, funded(0)), (account(9), contract(&CREATES)), (account(8), funded(0))]);
    let delegated = run(&begin, &[delegating(account(8), 0, vec![signed])]).state;
    assert_eq!(nonce_of(&delegated, authority), 1);
    let after = run(&delegated, &[own(1, authority, 0), own(2, authority, 0)]);
    assert_eq!(after.included, [0, 1]);
    assert_eq!(nonce_of(&after.state, authority), 3, "one for each contract created, none for being sent");
    for number in 1..3 {
        assert_eq!(nonce_of(&after.state, authority.create(number)), 1);
    }
}

#[test]
fn what_is_void_or_invalid_leaves_no_trace() {
    let begin = state([(sender(), funded(10))]);
    let void = vec![(1, SkipReason::NonceUsed(6))];
    let context = BlockContext { void, ..block(1) };
    let transactions = [own(5, account(2), 1), own(6, account(2), 1), own(7, account(2), 100)];
    let outcome = execute_block(&rules(), &context, &begin, &transactions).unwrap();
    assert_eq!(outcome.included, [0]);
    let codes: Vec<_> = outcome.skipped.iter().map(|(index, reason)| (*index, reason.code())).collect();
    assert_eq!(codes, [(1, "SKIP-NONCE-USED"), (2, "SKIP-FUNDS")]);
    let holder = state([(sender(), contract(&LOG))]);
    assert_eq!(run(&holder, &[own(5, account(2), 0)]).skipped, [(0, SkipReason::SenderHasCode)]);
    let nobody = run(&state([]), &[own(5, account(2), 0)]);
    assert_eq!(
        (nobody.included.len(), nobody.state.account(&sender())),
        (1, None),
        "an empty account stays absent"
    );
}
