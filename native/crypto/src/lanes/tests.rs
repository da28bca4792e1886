//! Every way against the scalar library.
#![allow(clippy::unwrap_used)]

use alloy_primitives::B256;
use proptest::prelude::*;

use super::{HashLanes, WINDOW, keccak256_many, keccak256_many_into};
use crate::keccak256;

/// Bytes that differ from place to place and from message to message.
fn message(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(31) ^ seed.wrapping_mul(167) ^ (at >> 8)) as u8).collect()
}

fn check(messages: &[Vec<u8>]) {
    let expected: Vec<B256> = messages.iter().map(keccak256).collect();
    for way in HashLanes::available() {
        let mut found = vec![None; messages.len()];
        way.hash(
            messages.len(),
            |index| messages[index].as_slice(),
            |index, hash| assert!(found[index].replace(hash).is_none(), "a digest came twice"),
        );
        let found: Vec<B256> = found.into_iter().map(Option::unwrap).collect();
        assert_eq!(found, expected, "{way:?}");
    }
}

#[test]
fn the_empty_message_has_the_published_hash() {
    let empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    assert_eq!(keccak256_many(&[b"", b""]), vec![empty.parse::<B256>().unwrap(); 2]);
}

#[test]
fn every_length_in_every_lane() {
    for len in 0..=600 {
        check(&(0..8).map(|lane| message(len, lane)).collect::<Vec<_>>());
    }
}

#[test]
fn every_number_of_messages() {
    for count in 0..=40 {
        check(&(0..count).map(|index| message(index * 29, index)).collect::<Vec<_>>());
    }
}

#[test]
fn more_than_a_window() {
    let messages: Vec<Vec<u8>> =
        (0..2 * WINDOW + 13).map(|index| message(index * 7 % 1_500, index)).collect();
    check(&messages);
    let mut hashes = vec![B256::ZERO; messages.len()];
    keccak256_many_into(&messages, &mut hashes);
    assert_eq!(hashes, messages.iter().map(keccak256).collect::<Vec<_>>());
}

#[test]
fn one_long_message_among_short_ones() {
    check(&[message(3, 1), message(100_000, 2), vec![], message(135, 3), message(136, 4), message(2_000, 5)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_groups(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..60)) {
        check(&messages);
    }
}
