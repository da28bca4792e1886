//! Transactions side by side must end where one after the other ends, to the last bit, however many workers there are.
//!
//! `PARALLEL_CASES` sets the number of random blocks.
#![allow(clippy::unwrap_used)]

mod support;

use alloy_eips::eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE};
use alloy_primitives::{Address, Bytes, TxKind, U256, bytes, keccak256};
use hansa_codec::Recovered;
use hansa_crypto::workers;
use hansa_evm::GenesisAccount;
use hansa_evm::{BlockContext, ChainRules, ExecutionMode, execute_block_by};
use hansa_state::{AccountDiff, AccountInfo, StateDiff, WorldState};
use proptest::prelude::*;
use support::*;

/// sstore(0, balance(calldata[0]))
const WEIGH: Bytes = bytes!("5f35315f5500");
/// call(calldata[0], value: calldata[1])
const PAY: Bytes = bytes!("5f5f5f5f6020355f355af100");
/// selfdestruct(calldata[0])
const END: Bytes = bytes!("5f35ff");
/// sstore(1, extcodehash(calldata[0]))
const INSPECT: Bytes = bytes!("5f353f60015500");
/// sstore(0, 1); selfdestruct(caller): created and gone within one transaction.
const SHORT_LIVED: Bytes = bytes!("60015f5533ff");
/// sstore(0, 7); returns the code of STORE (7 bytes behind 18 of creation code).
const LASTING: Bytes = bytes!("60075f55600760125f3960075ff3000000006020355f355500");

const WORKERS_MAX: usize = 8;
const BENEFICIARY: u8 = 0xbe;
const FACTORY_AT: u8 = 0xfa;
const CONTRACTS: [(u8, Bytes); 8] = [
    (0xc0, COUNTER),
    (0xc1, STORE),
    (0xc2, REVERT),
    (0xc3, LOG),
    (0xc4, WEIGH),
    (0xc5, PAY),
    (0xc6, END),
    (0xc7, INSPECT),
];

fn create2(salt: u64, init: &Bytes) -> Address {
    account(FACTORY_AT).create2(U256::from(salt).to_be_bytes::<32>(), keccak256(init))
}

fn word(address: Address) -> [u8; 32] {
    address.into_word().0
}

#[derive(Debug, Clone)]
enum Step {
    Pay { to: u8, value: u128 },
    PayPrecompile { to: u8, value: u128 },
    Count,
    Store { key: u64, value: u64 },
    Call { contract: u8, about: u8, value: u64 },
    Create { salt: u64, lasting: bool, value: u128 },
    Fund { salt: u64, lasting: bool },
    StoreInCreated { salt: u64, key: u64, value: u64 },
    CreateByNonce,
    CallCreatedByNonce { by: u8 },
    Delegate { who: u8, to: u8 },
    CallPerson { who: u8 },
    WrongNonce { off: u64 },
    TooDear,
}

fn step() -> impl Strategy<Value = Step> {
    let (salt, about) =
        (0u64..3, prop_oneof![4 => 1u8..7, 1 => Just(BENEFICIARY), 1 => 0xc0u8..0xc8, 1 => Just(0x66)]);
    prop_oneof![
        4 => (about.clone(), 0u128..40).prop_map(|(to, value)| Step::Pay { to, value }),
        1 => (1u8..0x12, 0u128..3).prop_map(|(to, value)| Step::PayPrecompile { to, value }),
        3 => Just(Step::Count),
        3 => (0u64..4, 0u64..3).prop_map(|(key, value)| Step::Store { key, value }),
        4 => (0xc2u8..0xc8, about, 0u64..9).prop_map(|(contract, about, value)| Step::Call { contract, about, value }),
        2 => (salt.clone(), any::<bool>(), 0u128..2)
            .prop_map(|(salt, lasting, value)| Step::Create { salt, lasting, value }),
        1 => (salt.clone(), any::<bool>()).prop_map(|(salt, lasting)| Step::Fund { salt, lasting }),
        2 => (salt, 0u64..3, 0u64..3).prop_map(|(salt, key, value)| Step::StoreInCreated { salt, key, value }),
        1 => Just(Step::CreateByNonce),
        1 => (1u8..7).prop_map(|by| Step::CallCreatedByNonce { by }),
        1 => (1u8..4, 0xc0u8..0xc8).prop_map(|(who, to)| Step::Delegate { who, to }),
        1 => (1u8..4).prop_map(|who| Step::CallPerson { who }),
        1 => (1u64..3).prop_map(|off| Step::WrongNonce { off }),
        1 => Just(Step::TooDear),
    ]
}

/// Accounts that sign delegations; the other people are numbers.
fn secret(who: u8) -> [u8; 32] {
    [who; 32]
}

fn delegator(who: u8) -> Address {
    delegation(&secret(who), CHAIN_ID, Address::ZERO, 0).0
}

fn transaction(step: &Step, from: u8, nonces: &mut [u64; 256], price: u128) -> Recovered {
    let nonce = nonces[usize::from(from)];
    nonces[usize::from(from)] += 1;
    let call = |to: Address| Call::new(account(from), nonce, to).gas(150_000).price(price).tip(1.min(price));
    let pair = |address: Address, value: u64| [word(address), U256::from(value).to_be_bytes()].concat();
    let init = |lasting: bool| if lasting { LASTING } else { SHORT_LIVED };
    let salted = |salt: u64, init: &Bytes| [&U256::from(salt).to_be_bytes::<32>()[..], init].concat();
    match *step {
        Step::Pay { to, value } => call(account(to)).value(value).gas(21_000).build(),
        Step::PayPrecompile { to, value } => call(Address::with_last_byte(to)).value(value).build(),
        Step::Count => call(account(0xc0)).build(),
        Step::Store { key, value } => call(account(0xc1)).input(words([key, value])).build(),
        Step::Call { contract, about, value } => {
            call(account(contract)).value(u128::from(value) / 2).input(pair(account(about), value)).build()
        }
        Step::Create { salt, lasting, value } => {
            call(account(FACTORY_AT)).input(salted(salt, &init(lasting))).value(value).build()
        }
        Step::Fund { salt, lasting } => call(create2(salt, &init(lasting))).value(2).build(),
        Step::StoreInCreated { salt, key, value } => {
            call(create2(salt, &LASTING)).input(words([key, value])).build()
        }
        Step::CreateByNonce => Call { to: TxKind::Create, ..call(account(0)) }.input(LASTING).build(),
        Step::CallCreatedByNonce { by } => {
            let last = nonces[usize::from(by)].saturating_sub(1);
            call(account(by).create(last)).input(words([1, 1])).build()
        }
        Step::Delegate { who, to } => {
            let signed = delegation(&secret(who), CHAIN_ID, account(to), nonces[200 + usize::from(who)]).1;
            nonces[200 + usize::from(who)] += 1;
            delegating(account(from), nonce, vec![signed])
        }
        Step::CallPerson { who } => call(delegator(who)).value(3).input(words([1, 2])).build(),
        Step::WrongNonce { off } => {
            nonces[usize::from(from)] -= 1;
            Call::new(account(from), nonce + off, account(2)).price(price).build()
        }
        Step::TooDear => call(account(2)).value(1 << 100).build(),
    }
}

fn transactions(steps: &[(u8, Step)], price: u128) -> Vec<Recovered> {
    let mut nonces = [0u64; 256];
    steps.iter().map(|(from, step)| transaction(step, *from, &mut nonces, price)).collect()
}

fn start() -> WorldState {
    let mut store = contract(&STORE);
    store.storage = [(U256::ZERO, U256::from(2)), (U256::ONE, U256::ONE)].into();
    let people = (1..7).map(|n| (account(n), funded(30_000_000)));
    let contracts = CONTRACTS
        .map(|(at, code)| (account(at), GenesisAccount { balance: U256::from(20), ..contract(&code) }));
    let mut state = state(people.chain(contracts).chain([
        (account(0xc1), store),
        (account(FACTORY_AT), contract(&FACTORY)),
        (account(BENEFICIARY), funded(1_000_000)),
        (HISTORY_STORAGE_ADDRESS, contract(&HISTORY_STORAGE_CODE)),
    ]));
    // Something lies where a contract will come to be.
    let info = AccountInfo { balance: U256::from(5), ..AccountInfo::default() };
    let storage = vec![(U256::ONE, U256::from(9)), (U256::from(2), U256::from(9))];
    let found = AccountDiff { info: Some(info), storage_wiped: false, storage };
    state.apply(&StateDiff::new(vec![(create2(1, &LASTING), found)], Vec::new()));
    state
}

fn check(rules: &ChainRules, context: &BlockContext, state: &WorldState, transactions: &[Recovered]) {
    workers::configure(WORKERS_MAX).unwrap();
    let run = |mode| execute_block_by(mode, rules, context, state, transactions).unwrap();
    let reference = run(ExecutionMode::Reference);
    assert_replaced(state, &reference);
    let serial = run(ExecutionMode::Serial);
    assert_replaced(state, &serial);
    assert_same(&serial, &reference);
    for workers in 1..=WORKERS_MAX {
        assert_same(&run(ExecutionMode::Parallel(workers)), &reference);
    }
    assert_same(&run(ExecutionMode::Adaptive), &reference);
}

fn cases() -> u32 {
    std::env::var("PARALLEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn any_block_ends_the_same(steps in prop::collection::vec((1u8..7, step()), 1..60), base_fee in 0u64..4) {
        let state = start();
        check(&rules(), &block(1), &state, &transactions(&steps, 0));
        let context = BlockContext { base_fee, ..block(1) };
        for beneficiary in [BENEFICIARY, 1, 0xc0, 0x77] {
            let context = BlockContext { beneficiary: account(beneficiary), ..context.clone() };
            check(&fee_rules(), &context, &state, &transactions(&steps, u128::from(base_fee) + 2));
        }
    }

    #[test]
    fn hostile_blocks_end_the_same(
        sender in prop_oneof![Just(None), (1u8..7).prop_map(Some)],
        kind in 0usize..6,
        count in 1usize..150,
        gas_limit in prop_oneof![Just(1_000_000_000u64), Just(2_000_000)],
    ) {
        let steps: Vec<_> = (0..count).map(|index| {
            let step = match kind {
                0 => Step::Count,
                1 => Step::Pay { to: 0x99, value: 1 },
                2 => Step::Call { contract: 0xc4, about: BENEFICIARY, value: 0 },
                3 if index % 2 == 0 => Step::Create { salt: 0, lasting: false, value: 1 },
                3 => Step::StoreInCreated { salt: 0, key: index as u64 % 3, value: index as u64 },
                4 => Step::Pay { to: 1 + (index % 6) as u8, value: 29_000_000 },
                _ => Step::Call { contract: 0xc5, about: 1 + (index % 6) as u8, value: 3 },
            };
            (sender.unwrap_or(1 + (index % 6) as u8), step)
        }).collect();
        let context = BlockContext { gas_limit, base_fee: 1, ..block(1) };
        check(&fee_rules(), &context, &start(), &transactions(&steps, 3));
        check(&rules(), &BlockContext { base_fee: 0, ..context }, &start(), &transactions(&steps, 0));
    }
}

#[test]
fn what_only_the_serial_way_does_right_is_left_to_it() {
    let mut state = start();
    let person = |balance| AccountDiff {
        info: Some(AccountInfo { balance, ..AccountInfo::default() }),
        storage_wiped: false,
        storage: vec![(U256::ONE, U256::ONE)],
    };
    let steps = |to| {
        (0..40u8)
            .map(|index| (1 + index % 6, Step::Pay { to, value: u128::from(index % 3) }))
            .collect::<Vec<_>>()
    };
    // An empty account in the trie, touched; a balance that overflows half way.
    state.apply(&StateDiff::new(vec![(account(0x70), person(U256::ZERO))], Vec::new()));
    check(&rules(), &block(1), &state, &transactions(&steps(0x70), 0));
    state.apply(&StateDiff::new(vec![(account(0x71), person(U256::MAX - U256::from(7)))], Vec::new()));
    check(&rules(), &block(1), &state, &transactions(&steps(0x71), 0));
}
