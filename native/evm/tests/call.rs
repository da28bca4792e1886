//! Calls, estimates, access lists and what reverts say.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, bytes};
use hansa_evm::{
    AccountOverride, CallError, CallOutcome, CallRequest, CallStatus, RevertReason, SkipReason, Spec,
    StateOverrides, call, create_access_list, decode_revert, estimate_gas, execute_block,
};
use hansa_state::WorldState;
use support::*;

const GAS_MAX: u64 = 50_000_000;

fn request(to: Address, input: Bytes) -> CallRequest {
    CallRequest { from: account(1), to: Some(to), input, ..CallRequest::default() }
}

fn view(state: &WorldState, request: &CallRequest, overrides: &StateOverrides) -> CallOutcome {
    call(&rules(), &block(9), state, request, overrides, GAS_MAX).unwrap()
}

fn number(outcome: &CallOutcome) -> U256 {
    assert!(outcome.is_success());
    U256::from_be_slice(&outcome.output)
}

#[test]
fn a_call_answers_and_leaves_nothing() {
    let state = state([(account(9), contract(&LOG)), (account(8), contract(&BLOCK_HASH))]);
    let root = state.root();
    let outcome = view(&state, &request(account(9), Bytes::new()), &StateOverrides::new());
    assert_eq!((outcome.status.clone(), outcome.logs.len()), (CallStatus::Success, 1));
    let hash = view(&state, &request(account(8), words([8])), &StateOverrides::new());
    assert_eq!(number(&hash), U256::from(1_008));
    assert_eq!(state.root(), root);
}

#[test]
fn a_call_needs_neither_nonce_nor_an_account_without_code() {
    let state = state([(account(1), contract(&STORE)), (account(9), contract(&BALANCE))]);
    assert!(view(&state, &request(account(9), words([0])), &StateOverrides::new()).is_success());
}

#[test]
fn a_call_that_offers_value_must_have_it() {
    let state = state([(account(1), funded(4))]);
    let asks = CallRequest { value: U256::from(5), ..request(account(2), Bytes::new()) };
    let error = call(&rules(), &block(9), &state, &asks, &StateOverrides::new(), GAS_MAX).unwrap_err();
    assert_eq!(error.code(), "SKIP-FUNDS");
    let rich = AccountOverride { balance: Some(U256::from(5)), ..AccountOverride::default() };
    assert!(view(&state, &asks, &BTreeMap::from([(account(1), rich)])).is_success());
}

#[test]
fn overrides_replace_what_they_name() {
    let mut load = contract(&LOAD);
    load.storage = BTreeMap::from([(U256::ZERO, U256::from(10)), (U256::ONE, U256::from(11))]);
    let state = state([(account(9), load)]);
    let read = |slot: u64, change: AccountOverride| {
        number(&view(&state, &request(account(9), words([slot])), &BTreeMap::from([(account(9), change)])))
    };
    let slots = || Some(BTreeMap::from([(U256::ONE, U256::from(99))]));
    assert_eq!(read(0, AccountOverride { state_diff: slots(), ..Default::default() }), U256::from(10));
    assert_eq!(read(1, AccountOverride { state_diff: slots(), ..Default::default() }), U256::from(99));
    assert_eq!(read(0, AccountOverride { state: slots(), ..Default::default() }), U256::ZERO);
    assert_eq!(read(1, AccountOverride { state: slots(), ..Default::default() }), U256::from(99));
    // slots 0 by other code: return(42)
    let code = Some(bytes!("602a5f5260205ff3"));
    assert_eq!(read(0, AccountOverride { code, ..Default::default() }), U256::from(42));
    let both = AccountOverride { state: slots(), state_diff: slots(), ..Default::default() };
    let overrides = BTreeMap::from([(account(9), both)]);
    let refused = call(&rules(), &block(9), &state, &request(account(9), words([0])), &overrides, GAS_MAX);
    assert_eq!(refused, Err(CallError::Override(account(9))));
}

#[test]
fn reverts_and_halts_are_outcomes_of_a_call() {
    let state = state([(account(9), contract(&REVERT)), (account(8), contract(&LOOP))]);
    // Error("no")
    let mut data = vec![0x08, 0xc3, 0x79, 0xa0];
    data.extend_from_slice(&words([32, 2]));
    data.extend_from_slice(b"no");
    data.extend_from_slice(&[0; 30]);
    let outcome = view(&state, &request(account(9), data.clone().into()), &StateOverrides::new());
    assert_eq!(outcome.status, CallStatus::Reverted(Some(RevertReason::Message("no".into()))));
    assert_eq!(outcome.output, Bytes::from(data));
    let endless = CallRequest { gas: Some(100_000), ..request(account(8), Bytes::new()) };
    let outcome = view(&state, &endless, &StateOverrides::new());
    assert_eq!(outcome.status, CallStatus::Halted("out of gas".into()));
    assert_eq!(outcome.gas_used, 100_000);
}

#[test]
fn reverts_are_decoded_whatever_the_bytes() {
    let mut panic = vec![0x4e, 0x48, 0x7b, 0x71];
    panic.extend_from_slice(&words([0x11]));
    let reason = decode_revert(&panic).unwrap();
    assert_eq!(reason.to_string(), "panic: arithmetic underflow or overflow (0x11)");
    for malformed in [
        vec![],
        vec![1, 2, 3],
        vec![0x08, 0xc3, 0x79, 0xa0],
        panic[..10].to_vec(),
        [&[0x08, 0xc3, 0x79, 0xa0][..], &[0xff; 64]].concat(),
        [&[0x08, 0xc3, 0x79, 0xa0][..], &words([32, u64::MAX])].concat(),
    ] {
        assert_eq!(decode_revert(&malformed), None);
    }
}

/// The estimate is enough, and far less than what was allowed.
fn check_estimate(state: &WorldState, asks: &CallRequest) -> u64 {
    let gas = estimate_gas(&rules(), &block(9), state, asks, &StateOverrides::new(), GAS_MAX).unwrap();
    let with = CallRequest { gas: Some(gas), ..asks.clone() };
    assert!(view(state, &with, &StateOverrides::new()).is_success());
    gas
}

#[test]
fn estimates_are_enough_and_near() {
    let state = state([
        (account(1), funded(100)),
        (account(9), contract(&COUNTER)),
        (account(0xfa), contract(&FACTORY)),
    ]);
    let transfer = CallRequest { value: U256::ONE, ..request(account(2), Bytes::new()) };
    assert_eq!(check_estimate(&state, &transfer), 21_000);
    let count = request(account(9), Bytes::new());
    let used = view(&state, &count, &StateOverrides::new()).gas_used;
    let gas = check_estimate(&state, &count);
    assert!(gas >= used && gas <= used + used / 50 + 3_000, "{gas} for {used}");
    let creation = request(account(0xfa), [&[0u8; 32][..], &COUNTER].concat().into());
    check_estimate(&state, &creation);
    let deploy =
        CallRequest { to: None, input: bytes!("60015f5560015ff3"), ..request(account(2), Bytes::new()) };
    check_estimate(&state, &deploy);
}

#[test]
fn an_estimate_is_enough_for_a_transaction() {
    let state = state([(account(1), funded(100)), (account(9), contract(&STORE))]);
    for input in [words([0, 1]), words([0, 0]), words([7, 1_000])] {
        let gas = check_estimate(&state, &request(account(9), input.clone()));
        let transaction = Call::new(account(1), 0, account(9)).input(input).gas(gas).build();
        let outcome = execute_block(&rules(), &block(10), &state, &[transaction]).unwrap();
        assert!(outcome.receipts[0].status.coerce_status());
    }
}

#[test]
fn what_cannot_succeed_has_no_estimate() {
    let state = state([(account(9), contract(&REVERT)), (account(8), contract(&LOOP))]);
    let estimate = |asks: &CallRequest| {
        estimate_gas(&rules(), &block(9), &state, asks, &StateOverrides::new(), GAS_MAX).unwrap_err()
    };
    assert_eq!(estimate(&request(account(9), Bytes::new())).to_string(), "execution reverted");
    // The cap per transaction is the highest limit tried.
    let failed = estimate(&request(account(8), Bytes::new()));
    assert_eq!(failed, CallError::Failed { gas: 1 << 24, reason: "out of gas".into() });
    let poor = CallRequest { value: U256::ONE, ..request(account(2), Bytes::new()) };
    assert!(matches!(estimate(&poor), CallError::Invalid(SkipReason::InsufficientFunds { .. })));
}

#[test]
fn with_fees_the_balance_bounds_the_estimate() {
    let state = state([(account(1), funded(30_000 * 10)), (account(9), contract(&LOOP))]);
    let priced = CallRequest { gas_price: Some(10), ..request(account(9), Bytes::new()) };
    let failed = estimate_gas(&fee_rules(), &block(9), &state, &priced, &StateOverrides::new(), GAS_MAX);
    assert_eq!(failed, Err(CallError::Failed { gas: 30_000, reason: "out of gas".into() }));
}

#[test]
fn an_access_list_names_what_a_call_touches() {
    // sload(1); balance(0x22…22); sstore(3, 1)
    let code: Bytes =
        [&bytes!("60015450")[..], &[0x73], &[0x22; 20], &bytes!("3150600160035500")].concat().into();
    let state = state([(account(9), contract(&code))]);
    let found = create_access_list(
        &rules(),
        &block(9),
        &state,
        &request(account(9), Bytes::new()),
        &StateOverrides::new(),
        GAS_MAX,
    )
    .unwrap();
    assert!(found.outcome.is_success());
    let items: Vec<_> =
        found.access_list.0.iter().map(|item| (item.address, item.storage_keys.clone())).collect();
    let slot = |n: u64| B256::from(U256::from(n));
    assert_eq!(items, [(account(9), vec![slot(1), slot(3)]), (account(0x22), vec![])]);
}

#[test]
fn osaka_is_what_runs_and_the_older_forks_can_be_chosen() {
    // return(clz(1)), EIP-7939; and P256VERIFY at 0x100, EIP-7951.
    let state = state([(account(9), contract(&bytes!("60011e5f5260205ff3")))]);
    let p256: Address = "0x0000000000000000000000000000000000000100".parse().unwrap();
    for (evm, has_both) in [(Spec::Osaka, true), (Spec::Prague, false), (Spec::Cancun, false)] {
        let rules = hansa_evm::ChainRules { evm, ..rules() };
        let ask = |to| {
            let asks = CallRequest { gas: Some(100_000), ..request(to, Bytes::new()) };
            call(&rules, &block(9), &state, &asks, &StateOverrides::new(), GAS_MAX).unwrap()
        };
        let counted = ask(account(9));
        assert_eq!(counted.is_success(), has_both);
        if has_both {
            assert_eq!(number(&counted), U256::from(255));
        }
        assert_eq!(ask(p256).gas_used, if has_both { 21_000 + 6_900 } else { 21_000 });
    }
}
