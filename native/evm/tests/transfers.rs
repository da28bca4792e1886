//! Plain transfers take a way around the EVM; it must end where the EVM ends, to the last bit.
#![allow(clippy::unwrap_used)]

mod support;

use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256};
use hansa_codec::Recovered;
use hansa_crypto::keccak256;
use hansa_evm::{BlockContext, ChainRules, ExecutionMode, Spec, execute_block_by};
use hansa_state::{AccountDiff, AccountInfo, StateDiff, WorldState};
use proptest::prelude::*;
use support::*;

const BENEFICIARY: u8 = 0xbe;
const CONTRACT: u8 = 0xc0;
const DELEGATED: u8 = 0xde;
/// In the trie, but empty as EIP-161 counts, with something stored.
const EMPTY: u8 = 0xe0;
const ENORMOUS: u8 = 0xee;

#[derive(Debug, Clone)]
struct Draw {
    from: Address,
    to: Address,
    value: u128,
    gas: u64,
    price: u128,
    tip: Option<u128>,
    nonce_off: i64,
    input: bool,
    chain: u8,
}

fn somebody() -> impl Strategy<Value = Address> {
    let known = prop_oneof![
        8 => 1u8..6,
        1 => Just(BENEFICIARY),
        1 => Just(CONTRACT),
        1 => Just(DELEGATED),
        1 => Just(EMPTY),
        1 => Just(ENORMOUS),
        1 => 0x60u8..0x63,
    ];
    let precompile = prop_oneof![0u64..0x12, Just(0x100)];
    prop_oneof![
        9 => known.prop_map(account),
        1 => precompile.prop_map(|number| Address::left_padding_from(&number.to_be_bytes())),
    ]
}

fn draw() -> impl Strategy<Value = Draw> {
    let value =
        prop_oneof![3 => Just(0), 8 => 1u128..1_000, 2 => 1_000_000u128..3_000_000, 1 => Just(u128::MAX)];
    let gas = prop_oneof![6 => Just(21_000u64), 3 => 21_001u64..60_000, 1 => 0u64..21_000, 1 => 1u64 << 24..1 << 25];
    let price = prop_oneof![6 => 7u128..20, 1 => 0u128..8, 1 => Just(u128::MAX)];
    let tip = prop_oneof![4 => Just(None), 4 => (0u128..12).prop_map(Some)];
    let nonce_off = prop_oneof![12 => Just(0i64), 1 => -1i64..3];
    let (input, chain) = (prop::bool::weighted(0.1), prop_oneof![20 => Just(0u8), 1 => 1u8..3]);
    (somebody(), somebody(), value, gas, price, tip, nonce_off, input, chain).prop_map(
        |(from, to, value, gas, price, tip, nonce_off, input, chain)| Draw {
            from,
            to,
            value,
            gas,
            price,
            tip,
            nonce_off,
            input,
            chain,
        },
    )
}

fn start() -> WorldState {
    let people = (1u8..6).map(|n| (account(n), funded(2_000_000 * u128::from(n - 1))));
    let mut state = state(people.chain([(account(CONTRACT), contract(&COUNTER))]));
    let designator: Bytes = [&[0xef, 1, 0][..], account(CONTRACT).as_slice()].concat().into();
    let holder = |balance, nonce, code_hash| AccountInfo { nonce, balance, code_hash };
    let plain = |info, storage| AccountDiff { info: Some(info), storage_wiped: false, storage };
    let million = U256::from(1_000_000);
    let accounts = vec![
        (account(DELEGATED), plain(holder(million, 1, keccak256(&designator)), Vec::new())),
        (account(EMPTY), plain(holder(U256::ZERO, 0, KECCAK256_EMPTY), vec![(U256::ONE, U256::ONE)])),
        (account(ENORMOUS), plain(holder(U256::MAX - U256::from(500), 0, KECCAK256_EMPTY), Vec::new())),
    ];
    state.apply(&StateDiff::new(accounts, vec![designator]));
    state
}

fn transactions(draws: &[Draw], state: &WorldState) -> Vec<Recovered> {
    let mut sent = std::collections::BTreeMap::<Address, u64>::new();
    let build = |draw: &Draw| {
        let known = state.account(&draw.from).map_or(0, |info| info.nonce);
        let next = sent.entry(draw.from).or_insert(known);
        let nonce = next.saturating_add_signed(draw.nonce_off);
        if draw.nonce_off == 0 {
            *next += 1;
        }
        let call = Call::new(draw.from, nonce, draw.to).value(draw.value).gas(draw.gas).price(draw.price);
        let call = Call {
            tip: draw.tip,
            chain_id: [Some(CHAIN_ID), Some(1), None][usize::from(draw.chain)],
            ..call
        };
        if draw.input { call.input(words([1, 2])).build() } else { call.build() }
    };
    draws.iter().map(build).collect()
}

fn check(rules: &ChainRules, context: &BlockContext, draws: &[Draw]) {
    let state = start();
    let transactions = transactions(draws, &state);
    let run = |mode| execute_block_by(mode, rules, context, &state, &transactions).unwrap();
    let serial = run(ExecutionMode::Serial);
    assert_replaced(&state, &serial);
    assert_same(&serial, &run(ExecutionMode::Reference));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn transfers_end_where_the_evm_ends(draws in prop::collection::vec(draw(), 1..40), base_fee in 0u64..10) {
        check(&rules(), &block(1), &draws);
        // A block that has a base fee though gas is free takes no transaction; nor may the other way.
        check(&rules(), &BlockContext { base_fee, ..block(1) }, &draws);
        for evm in [Spec::Cancun, Spec::Osaka] {
            let rules = ChainRules { evm, ..fee_rules() };
            check(&rules, &BlockContext { base_fee, ..block(1) }, &draws);
        }
        let open = ChainRules { tx_gas_cap: None, unprotected_transactions: true, code_senders: true, ..fee_rules() };
        check(&open, &BlockContext { base_fee, gas_limit: 200_000, ..block(1) }, &draws);
        for beneficiary in [1, 2, CONTRACT, EMPTY, ENORMOUS] {
            check(&open, &BlockContext { base_fee, beneficiary: account(beneficiary), ..block(1) }, &draws);
        }
    }
}
