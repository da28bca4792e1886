//! One block of many transactions must end where many blocks of one end: the cache over the state
//! must not leak anything from one transaction to the next.
#![allow(clippy::unwrap_used)]

mod support;

use alloy_primitives::{Address, Bytes, U256, b256, bytes, keccak256};
use hansa_codec::Recovered;
use hansa_evm::execute_block;
use hansa_state::WorldState;
use proptest::prelude::*;
use support::*;

/// sstore(0, 1); selfdestruct(caller): created and gone within one transaction.
const SHORT_LIVED: Bytes = bytes!("60015f5533ff");
/// sstore(0, 7); returns the code of STORE (7 bytes behind 18 of creation code).
const LASTING: Bytes = bytes!("60075f55600760125f3960075ff3000000006020355f355500");

const FACTORY_AT: u8 = 0xfa;

fn create2(salt: u64, init: &Bytes) -> Address {
    account(FACTORY_AT).create2(U256::from(salt).to_be_bytes::<32>(), keccak256(init))
}

fn salted(salt: u64, init: &Bytes) -> Bytes {
    [&U256::from(salt).to_be_bytes::<32>()[..], init].concat().into()
}

#[derive(Debug, Clone)]
enum Step {
    Transfer { from: u8, to: u8, value: u128 },
    Count { from: u8 },
    Store { from: u8, key: u64, value: u64 },
    Create { from: u8, salt: u64, lasting: bool },
    Fund { from: u8, salt: u64, lasting: bool },
    StoreInCreated { from: u8, salt: u64, key: u64, value: u64 },
    Revert { from: u8 },
    WrongNonce { from: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let from = 1u8..4;
    let salt = 0u64..2;
    prop_oneof![
        (from.clone(), 1u8..8, 0u128..20).prop_map(|(from, to, value)| Step::Transfer { from, to, value }),
        from.clone().prop_map(|from| Step::Count { from }),
        (from.clone(), 0u64..3, 0u64..3).prop_map(|(from, key, value)| Step::Store { from, key, value }),
        (from.clone(), salt.clone(), any::<bool>()).prop_map(|(from, salt, lasting)| Step::Create {
            from,
            salt,
            lasting
        }),
        (from.clone(), salt.clone(), any::<bool>()).prop_map(|(from, salt, lasting)| Step::Fund {
            from,
            salt,
            lasting
        }),
        (from.clone(), salt, 0u64..3, 0u64..3).prop_map(|(from, salt, key, value)| Step::StoreInCreated {
            from,
            salt,
            key,
            value
        }),
        from.clone().prop_map(|from| Step::Revert { from }),
        from.prop_map(|from| Step::WrongNonce { from }),
    ]
}

fn init_code(lasting: bool) -> &'static Bytes {
    static CODES: [Bytes; 2] = [SHORT_LIVED, LASTING];
    &CODES[usize::from(lasting)]
}

fn transaction(step: &Step, nonces: &mut [u64; 8]) -> Recovered {
    let mut call = |from: u8, to: Address| {
        let nonce = nonces[usize::from(from)];
        nonces[usize::from(from)] += 1;
        Call::new(account(from), nonce, to)
    };
    match *step {
        Step::Transfer { from, to, value } => call(from, account(to)).value(value).build(),
        Step::Count { from } => call(from, account(0xc0)).build(),
        Step::Store { from, key, value } => call(from, account(0x50)).input(words([key, value])).build(),
        Step::Create { from, salt, lasting } => {
            call(from, account(FACTORY_AT)).input(salted(salt, init_code(lasting))).value(1).build()
        }
        Step::Fund { from, salt, lasting } => call(from, create2(salt, init_code(lasting))).value(2).build(),
        Step::StoreInCreated { from, salt, key, value } => {
            call(from, create2(salt, init_code(true))).input(words([key, value])).build()
        }
        Step::Revert { from } => call(from, account(0xee)).value(1).build(),
        Step::WrongNonce { from } => Call::new(account(from), 1_000, account(2)).build(),
    }
}

fn start() -> WorldState {
    let mut store = contract(&STORE);
    store.storage = [(U256::ZERO, U256::from(2)), (U256::ONE, U256::ONE)].into();
    let people = (1..4).map(|n| (account(n), funded(1_000)));
    state(people.chain([
        (account(0xc0), contract(&COUNTER)),
        (account(0x50), store),
        (account(0xee), contract(&REVERT)),
        (account(FACTORY_AT), contract(&FACTORY)),
    ]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn one_block_of_many_equals_many_blocks_of_one(steps in prop::collection::vec(step(), 1..25)) {
        let mut nonces = [0u64; 8];
        let transactions: Vec<_> = steps.iter().map(|step| transaction(step, &mut nonces)).collect();
        let begin = start();
        let whole = execute_block(&rules(), &block(1), &begin, &transactions).unwrap();
        let mut state = begin.clone();
        let mut statuses = Vec::new();
        let mut gas = 0;
        for transaction in &transactions {
            let one = execute_block(&rules(), &block(1), &state, std::slice::from_ref(transaction)).unwrap();
            statuses.extend(one.receipts.into_iter().map(|receipt| receipt.status));
            gas += one.gas_used;
            state = one.state;
        }
        assert_eq!(whole.state.root(), state.root());
        assert_eq!(whole.gas_used, gas);
        assert_eq!(whole.receipts.iter().map(|receipt| receipt.status).collect::<Vec<_>>(), statuses);
        assert_replaced(&begin, &whole);
        // Nothing stands in the diff that the block left as it was.
        for (address, change) in whole.diff.accounts() {
            let before = begin.account(address);
            assert!(before != change.info || change.storage_wiped || !change.storage.is_empty());
            for (slot, value) in &change.storage {
                assert!(change.storage_wiped || begin.storage(address, *slot) != *value);
            }
        }
    }
}

#[test]
fn the_contracts_do_what_the_steps_assume() {
    let mut nonces = [0u64; 8];
    let steps = [
        Step::Create { from: 1, salt: 0, lasting: true },
        Step::StoreInCreated { from: 1, salt: 0, key: 2, value: 2 },
        Step::Create { from: 1, salt: 0, lasting: false },
        Step::Create { from: 2, salt: 0, lasting: false },
        Step::Fund { from: 2, salt: 0, lasting: false },
    ];
    let transactions: Vec<_> = steps.iter().map(|step| transaction(step, &mut nonces)).collect();
    let outcome = execute_block(&rules(), &block(1), &start(), &transactions).unwrap();
    let created = create2(0, &LASTING);
    let code_hash = outcome.state.account(&created).unwrap().code_hash;
    assert_eq!(outcome.state.code(&code_hash), Some(STORE));
    assert_eq!(outcome.state.storage(&created, U256::ZERO), U256::from(7));
    assert_eq!(outcome.state.storage(&created, U256::from(2)), U256::from(2));
    let gone = outcome.state.account(&create2(0, &SHORT_LIVED)).unwrap();
    assert_eq!((gone.nonce, gone.balance, gone.has_code()), (0, U256::from(2), false));
    assert_eq!(outcome.state.storage(&create2(0, &SHORT_LIVED), U256::ZERO), U256::ZERO);
    let salt = b256!("0000000000000000000000000000000000000000000000000000000000000000");
    assert_eq!(created, account(FACTORY_AT).create2(salt, keccak256(&LASTING)));
}
