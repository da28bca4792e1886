//! Stored records: round trips, and decoders that survive any bytes.
#![allow(clippy::unwrap_used)]

mod fixture;

use alloy_consensus::{Header, Receipt};
use alloy_primitives::{Address, B256, Bytes, Log};
use hansa_chain::records::{BirthRecord, ResultRecord, Skip};
use hansa_codec::ReplayKey;

fn sample() -> ResultRecord {
    let log =
        Log::new_unchecked(Address::repeat_byte(1), vec![B256::repeat_byte(2); 4], Bytes::from(vec![3; 300]));
    let receipt = |gas, status: bool, logs| Receipt { status: status.into(), cumulative_gas_used: gas, logs };
    ResultRecord {
        header: Header { number: 9, gas_used: 70_000, ..Header::default() },
        certificate: Bytes::from_static(b"certificate"),
        order_hash: B256::repeat_byte(5),
        prefixes: vec![1, u64::MAX],
        skipped: vec![Skip { index: 1, reason: 0 }, Skip { index: 300, reason: 14 }],
        used: vec![ReplayKey { sender: Address::repeat_byte(7), nonce: u64::MAX - 1 }],
        next_set: Bytes::new(),
        receipts: vec![receipt(21_000, true, vec![]), receipt(70_000, false, vec![log.clone(), log])],
    }
}

#[test]
fn results_and_births_come_back_as_written() {
    let record = sample();
    assert_eq!(ResultRecord::decode(&record.encode()).unwrap(), record);
    let head = ResultRecord::decode_head(&record.encode()).unwrap();
    assert_eq!((head.prefixes, head.used, head.receipts.len()), (record.prefixes, record.used, 0));
    let last = ResultRecord { next_set: Bytes::from_static(b"set"), ..sample() };
    assert_eq!(ResultRecord::decode(&last.encode()).unwrap(), last);
    let birth = BirthRecord { file_hash: B256::repeat_byte(8), header: Header::default() };
    assert_eq!(BirthRecord::decode(&birth.encode()).unwrap(), birth);
}

#[test]
fn decoders_answer_any_bytes_with_a_value_or_an_error() {
    let good = sample().encode();
    for length in 0..good.len() {
        assert!(ResultRecord::decode(&good[..length]).is_err());
    }
    assert!(ResultRecord::decode(&[&good[..], &[0]].concat()).is_err());
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            // Some changes give another valid record; none may panic or allocate without bound.
            if let Ok(found) = ResultRecord::decode(&bad) {
                assert_ne!(found, sample(), "byte {at} bit {bit}");
            }
        }
    }
    assert!(BirthRecord::decode(&[]).is_err() && BirthRecord::decode(&[9; 200]).is_err());
}
