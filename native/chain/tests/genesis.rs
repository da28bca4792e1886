//! Accounts that genesis makes by rule.
#![allow(clippy::unwrap_used)]

mod fixture;

use alloy_primitives::{Address, U256, address, b256};
use fixture::genesis;
use hansa_chain::Chain;
use hansa_chain::genesis::{GAS_LIMIT_MAX, GAS_LIMIT_MIN};
use hansa_crypto::keccak256;
use serde_json::{Value, json};

const TOKEN: Address = address!("00000000000000000000000000000000000000aa");

fn with_ranges(ranges: Value) -> Vec<u8> {
    genesis(|json| {
        json["alloc"]["0x00000000000000000000000000000000000000aa"] = json!({"code": "0x00", "nonce": "0x1"});
        json["alloc_ranges"] = ranges;
    })
}

fn range(count: u64) -> Value {
    json!([{
        "label": "people",
        "count": count,
        "balance": "0x7",
        "holdings": [{"contract": TOKEN, "slot": "0x1", "value": "0x9"}],
    }])
}

fn address_of(index: u64) -> Address {
    Address::from_slice(&keccak256([b"people".as_slice(), &index.to_be_bytes()].concat())[12..])
}

fn refused(ranges: Value) -> String {
    Chain::create(None, &with_ranges(ranges)).err().unwrap().to_string()
}

#[test]
fn every_account_of_a_range_has_its_balance_and_holding() {
    // More than are taken into the state at once.
    let chain = Chain::create(None, &with_ranges(range(70_000))).unwrap();
    let state = &chain.head().state;
    for index in [0, 1, 65_535, 65_536, 69_999] {
        let address = address_of(index);
        assert_eq!(state.account(&address).unwrap().balance, U256::from(7));
        let slot = keccak256([U256::from(1).to_be_bytes::<32>(), address.into_word().0].concat());
        assert_eq!(state.storage(&TOKEN, slot.into()), U256::from(9));
    }
    assert!(state.account(&address_of(70_000)).is_none());
    assert_eq!(state.account(&TOKEN).unwrap().nonce, 1);
}

#[test]
fn the_first_address_is_that_of_the_formula() {
    // Computed with another library: keccak-256 of "people" and eight zero bytes.
    let hash = keccak256(b"people\0\0\0\0\0\0\0\0");
    assert_eq!(hash, b256!("26c9770eb965dfb8aa2bd8be51d23b223b916a41a51669285ccebcf13d5cbf5f"));
    assert_eq!(address_of(0), Address::from_slice(&hash[12..]));
}

#[test]
fn the_genesis_hash_binds_the_ranges() {
    let hash = |ranges| Chain::create(None, &with_ranges(ranges)).unwrap().genesis_hash();
    assert_eq!(hash(range(3)), hash(range(3)));
    assert_ne!(hash(range(3)), hash(range(4)));
}

#[test]
fn a_listed_account_keeps_what_it_has() {
    let json = genesis(|json| {
        json["alloc"][address_of(1).to_string()] = json!({"balance": "0x64"});
        json["alloc_ranges"] = json!([{"label": "people", "count": 3, "balance": "0x7"}]);
    });
    let chain = Chain::create(None, &json).unwrap();
    let balance = |index| chain.head().state.account(&address_of(index)).unwrap().balance;
    assert_eq!([balance(0), balance(1), balance(2)], [U256::from(7), U256::from(100), U256::from(7)]);
}

#[test]
fn the_gas_of_a_block_is_bounded_so_that_its_logs_fit_into_a_record() {
    let with_gas = |gas: u64| Chain::create(None, &genesis(|json| json["gas_limit"] = gas.into()));
    assert!(with_gas(GAS_LIMIT_MAX).is_ok() && with_gas(GAS_LIMIT_MIN).is_ok());
    for gas in [GAS_LIMIT_MAX + 1, GAS_LIMIT_MIN - 1, u64::MAX] {
        assert!(with_gas(gas).err().unwrap().to_string().contains("gas_limit"));
    }
}

#[test]
fn what_does_not_hold_is_refused() {
    assert!(refused(range(20_000_001)).contains("at most 16 ranges"));
    assert!(refused(json!([{"label": "", "count": 1, "balance": "0x1"}])).contains("a label has"));
    assert!(refused(json!([{"label": "a", "count": 1, "balance": "0x0"}])).contains("a balance is not zero"));
    assert!(refused(json!([{"label": "a", "count": 1, "balance": "0x1", "more": 1}])).contains("more"));
    let twice = json!({"label": "a", "count": 1, "balance": "0x1"});
    assert!(refused(json!([twice, twice])).contains("the same label"));
    let stranger = Address::repeat_byte(0xbb);
    let holdings = json!([{"contract": stranger, "slot": "0x0", "value": "0x1"}]);
    let unknown = json!([{"label": "a", "count": 1, "balance": "0x1", "holdings": holdings}]);
    assert!(refused(unknown).contains("alloc lists no contract"));
}

#[test]
fn storage_without_code_or_nonce_is_refused() {
    let with = |account: Value| {
        Chain::create(None, &genesis(|json| json["alloc"][TOKEN.to_string()] = account)).err()
    };
    let bare = with(json!({"balance": "0x1", "storage": {"0x1": "0x2"}})).unwrap().to_string();
    assert!(bare.contains("storage without code or nonce"), "{bare}");
    assert!(with(json!({"nonce": "0x1", "storage": {"0x1": "0x2"}})).is_none());
    assert!(with(json!({"code": "0x00", "storage": {"0x1": "0x2"}})).is_none());
    assert!(with(json!({"balance": "0x1", "storage": {"0x1": "0x0"}})).is_none());
    let held = genesis(|json| {
        json["alloc"][TOKEN.to_string()] = json!({"balance": "0x1"});
        json["alloc_ranges"] = range(3);
    });
    assert!(Chain::create(None, &held).is_err());
}
