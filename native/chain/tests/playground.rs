//! What `hansa dev` may do with its chain.
#![allow(clippy::unwrap_used)]

mod fixture;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use fixture::*;
use hansa_chain::{Chain, NextBlock, Status};

fn playground() -> Chain {
    let json = genesis(|json| {
        json["rules"]["fees"] = "ethereum".into();
        json["consensus"]["kind"] = "solo".into();
    });
    Chain::create(None, &json).unwrap()
}

const NOW: u64 = 2_000_000;

fn send_as(chain: &Chain, sender: Address, json: &str) -> B256 {
    chain.dev_submit_as(sender, json.as_bytes()).unwrap()
}

fn balance(chain: &Chain, of: Address) -> U256 {
    chain.head().state.account(&of).map_or(U256::ZERO, |account| account.balance)
}

#[test]
fn accounts_change_and_anybody_may_send() {
    let chain = playground();
    let (rich, target) = (Address::repeat_byte(0xaa), Address::repeat_byte(0xbb));
    chain.dev_set_account(rich, Some(U256::from(10_u64.pow(18))), Some(7), None).unwrap();
    // PUSH1 1 SLOAD PUSH0 MSTORE MSIZE PUSH0 RETURN: a contract may send as well.
    chain
        .dev_set_account(
            target,
            Some(U256::from(10_u64.pow(18))),
            None,
            Some(hex!("6001545f52595ff3").into()),
        )
        .unwrap();
    chain.dev_set_storage(target, U256::from(1), U256::from(99)).unwrap();
    assert_eq!(chain.head().state.storage(&target, U256::from(1)), U256::from(99));
    let one = send_as(
        &chain,
        rich,
        r#"{"to":"0x00000000000000000000000000000000000000cc","value":"0x5","gas":"0x5208"}"#,
    );
    let two = send_as(
        &chain,
        target,
        r#"{"to":"0x00000000000000000000000000000000000000cc","value":"0x6","gas":"0x5208","gasPrice":"0x77359400"}"#,
    );
    assert_ne!(one, two);
    let (height, _) = chain.dev_mine(NOW, None, 100).unwrap();
    let block = chain.block(height).unwrap().unwrap();
    let mut senders: Vec<Address> = block.transactions.iter().map(|tx| tx.sender).collect();
    senders.sort();
    assert_eq!(senders, [rich, target]);
    assert_eq!(block.transactions.iter().find(|tx| tx.sender == rich).unwrap().tx.nonce(), 7);
    assert_eq!(balance(&chain, Address::with_last_byte(0xcc)), U256::from(11));
    assert_eq!(chain.status_of(&one).unwrap().0, Status::Final);
    let refused = chain.dev_submit_as(Address::repeat_byte(1), br#"{"value":"0x1"}"#).err().unwrap();
    assert!(refused.to_string().contains("insufficient funds"), "{refused}");
}

#[test]
fn snapshots_bring_everything_back() {
    let chain = playground();
    let account = Address::repeat_byte(3);
    chain.dev_set_account(account, Some(U256::from(5)), None, None).unwrap();
    let first = chain.dev_snapshot().unwrap();
    for nth in 0..3 {
        chain.dev_mine(NOW + nth, None, 100).unwrap();
    }
    let second = chain.dev_snapshot().unwrap();
    chain.dev_set_account(account, Some(U256::from(6)), None, None).unwrap();
    let later = chain.hash_at(3).unwrap();
    assert!(chain.dev_revert(first).unwrap());
    assert_eq!((chain.head().height, balance(&chain, account)), (0, U256::from(5)));
    assert_eq!((chain.hash_at(3), chain.height_of(&later)), (None, None));
    assert!(chain.block(1).unwrap().is_none());
    assert!(!chain.dev_revert(second).unwrap() && !chain.dev_revert(first).unwrap());
    chain.dev_mine(NOW, None, 100).unwrap();
    assert_eq!(chain.state_at(1).unwrap().account(&account).unwrap().balance, U256::from(5));
    chain.dev_reset().unwrap();
    assert_eq!((chain.head().height, balance(&chain, account)), (0, U256::ZERO));
    assert_eq!(chain.head().sealed_hash, chain.genesis_hash());
}

#[test]
fn the_next_block_takes_what_was_set_once() {
    let chain = playground();
    let coinbase = Address::repeat_byte(9);
    let next = NextBlock {
        base_fee: Some(7),
        gas_limit: Some(1_000_000),
        prevrandao: Some(B256::repeat_byte(4)),
        beneficiary: Some(coinbase),
    };
    chain.dev_set_next_block(next).unwrap();
    chain.dev_mine(NOW, None, 100).unwrap();
    let header = chain.head().header.clone();
    assert_eq!(
        (header.base_fee_per_gas, header.gas_limit, header.beneficiary),
        (Some(7), 1_000_000, coinbase)
    );
    assert_eq!((header.mix_hash, header.timestamp), (B256::repeat_byte(4), NOW / 1_000));
    chain.dev_mine(NOW + 1, Some(8), 100).unwrap();
    assert_eq!(chain.head().header.base_fee_per_gas, Some(8));
    assert_ne!(chain.head().header.beneficiary, coinbase);
    let early = chain.dev_mine(NOW - 1, None, 100).err().unwrap();
    assert_eq!(early.code(), "DEV-ARGUMENT");
}

#[test]
fn chains_on_disk_are_no_playground() {
    let scratch = Scratch::new();
    let chain = Chain::create(Some(&scratch.0), &plain_genesis()).unwrap();
    assert_eq!(chain.dev_snapshot().err().unwrap().code(), "DEV-ONLY");
    assert_eq!(chain.dev_mine(NOW, None, 1).err().unwrap().code(), "DEV-ONLY");
    let real = Chain::create(None, &genesis(|json| json["dev"] = false.into())).unwrap();
    assert_eq!(
        real.dev_set_account(Address::ZERO, None, None, Some(Bytes::new())).err().unwrap().code(),
        "DEV-ONLY"
    );
}
