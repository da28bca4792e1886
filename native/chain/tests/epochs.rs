//! Who signed in which epoch, proven from genesis alone: every link is checked by the one before it.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::fs;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use fixture::*;
use hansa_chain::membership::{SetRecord, set_hash};
use hansa_chain::{EpochEnd, EpochEnds, EpochFacts, EpochNode, Genesis, ProvenSets, Quorum, birth};
use hansa_codec::{BlockFacts, Certificate};
use hansa_crypto::{public_key, sign};

const EPOCHS: u64 = 4;
/// Blocks of one epoch.
const LENGTH: u64 = 10;

/// The secret of a validator in an epoch: each epoch one of them has a new key.
fn secret(epoch: u64, index: u64) -> [u8; 32] {
    let born = (1..=epoch).rev().find(|one| one % 4 == index).unwrap_or(0);
    validator_secret((index + 4 * born) as u8)
}

fn set_of(number: u64, first_height: u64, keys: &[[u8; 32]]) -> Vec<u8> {
    let node = |secret: &[u8; 32]| EpochNode {
        name: String::new(),
        organisation: String::new(),
        public_key: Bytes::copy_from_slice(&public_key(secret).unwrap()),
        account: Address::ZERO,
        certificate: None,
        authority: Bytes::new(),
        endpoint: String::new(),
        weight: 1,
        is_linked: true,
    };
    let nodes = keys.iter().map(node).collect();
    let facts =
        EpochFacts { number, first_height, nodes, view_timeout_ms: 1, block_interval_ms: 1, protocol: 1 };
    facts.encode_set()
}

fn quorum_of_genesis() -> Quorum {
    let genesis = Genesis::parse(&plain_genesis()).unwrap();
    let (header, state) = birth::build(&genesis).unwrap();
    Quorum::after(&genesis, header.hash_slow(), &state, 0)
}

/// The end of the epoch in which `quorum` signs, leading to `next_set`.
fn end_of(quorum: &Quorum, height: u64, next_set: Vec<u8>, signers: u64) -> EpochEnd {
    let facts = BlockFacts {
        order_hash: B256::repeat_byte(height as u8),
        epoch: quorum.epoch(),
        view: 3,
        time_ms: height,
        next_set_hash: set_hash(&next_set),
        skip_list: Vec::new(),
    };
    let extra_data = facts.extra_data().0.into();
    let header = Header { number: height, extra_data, ..Header::default() };
    let digest = quorum.seal_digest(height, &header.hash_slow());
    let signatures = (0..signers)
        .map(|index| (index as u32, sign(&secret(quorum.epoch(), index), &digest).unwrap()))
        .collect();
    let certificate = Certificate::new(quorum.epoch(), height, header.hash_slow(), signatures).unwrap();
    EpochEnd { header, certificate: certificate.encode().into(), facts, next_set: next_set.into() }
}

fn keys_in(epoch: u64) -> Vec<[u8; 32]> {
    (0..4).map(|index| secret(epoch, index)).collect()
}

/// How the first epochs ended, and who signs in each.
fn history() -> (Vec<EpochEnd>, Vec<Quorum>) {
    let mut quorums = vec![quorum_of_genesis()];
    let mut ends = Vec::new();
    for epoch in 0..EPOCHS {
        let height = (epoch + 1) * LENGTH;
        let next_set = set_of(epoch + 1, height + 1, &keys_in(epoch + 1));
        let quorum = quorums.last().unwrap();
        quorums.push(quorum.next(&SetRecord::read(&next_set).unwrap()));
        ends.push(end_of(&quorums[epoch as usize], height, next_set, 3));
    }
    (ends, quorums)
}

#[test]
fn the_ends_of_epochs_prove_all_validators() {
    let (ends, quorums) = history();
    let mut sets = ProvenSets::begin(quorum_of_genesis());
    for end in &ends {
        sets.add(EpochEnd::read(&end.to_bytes()).unwrap()).unwrap();
    }
    assert_eq!(sets.latest(), EPOCHS);
    for (epoch, quorum) in quorums.iter().enumerate() {
        let certified = |height: u64| {
            let hash = B256::repeat_byte(9);
            let digest = quorum.seal_digest(height, &hash);
            let signed = |index| (index as u32, sign(&secret(epoch as u64, index), &digest).unwrap());
            Certificate::new(epoch as u64, height, hash, (0..3).map(signed).collect()).unwrap()
        };
        let first = epoch as u64 * LENGTH + 1;
        sets.check(&certified(first)).unwrap();
        sets.check(&certified(first + LENGTH - 1)).unwrap();
        // Its validators may be no more than that: what they sign beyond their epoch says nothing.
        assert!(epoch == 0 || sets.check(&certified(first - 1)).is_err());
        assert!(epoch as u64 == EPOCHS || sets.check(&certified(first + LENGTH)).is_err());
        assert_eq!(sets.keys(epoch as u64), Some(quorum.keys()));
    }
    assert_eq!(sets.keys(EPOCHS + 1), None);
    let unknown = Certificate::new(EPOCHS + 1, 99, B256::ZERO, Vec::new()).unwrap();
    assert_eq!(sets.check(&unknown).unwrap_err().code(), "BLOCK-CERTIFICATE");
}

/// Every way to lie in one link.
fn lies(ends: &[EpochEnd], quorums: &[Quorum], at: usize) -> Vec<(&'static str, EpochEnd)> {
    let (good, quorum) = (&ends[at], &quorums[at]);
    let height = good.header.number;
    let stranger = validator_secret(99);
    let set = |number: u64, first: u64, keys: &[[u8; 32]]| set_of(number, first, keys);
    let next = at as u64 + 1;
    let foreign = set(next, height + 1, &[stranger; 4]);
    let sealed = |next_set: Vec<u8>| end_of(quorum, height, next_set, 3);
    let mut other_facts = good.clone();
    other_facts.facts.view += 1;
    let mut other_header = good.clone();
    other_header.header.gas_used += 1;
    let mut other_epoch = good.facts.clone();
    other_epoch.epoch += 1;
    let late = EpochEnd { facts: other_epoch, ..good.clone() };
    let by_others = &quorums[at + 1];
    vec![
        ("BLOCK-CERTIFICATE", end_of(quorum, height, good.next_set.to_vec(), 2)),
        ("BLOCK-CERTIFICATE", end_of(by_others, height, good.next_set.to_vec(), 3)),
        ("SNAPSHOT-EPOCH", EpochEnd { next_set: foreign.into(), ..good.clone() }),
        ("SNAPSHOT-EPOCH", EpochEnd { next_set: Bytes::new(), ..good.clone() }),
        ("SNAPSHOT-EPOCH", sealed(b"no set".to_vec())),
        ("SNAPSHOT-EPOCH", sealed(set(next + 1, height + 1, &keys_in(next)))),
        ("SNAPSHOT-EPOCH", sealed(set(next, height + 2, &keys_in(next)))),
        ("SNAPSHOT-EPOCH", sealed(set(next, height + 1, &[]))),
        ("SNAPSHOT-EPOCH", sealed(Vec::new())),
        ("SNAPSHOT-EPOCH", other_facts),
        ("SNAPSHOT-EPOCH", other_header),
        ("SNAPSHOT-EPOCH", late),
    ]
}

#[test]
fn a_lie_in_any_link_is_refused() {
    let (ends, quorums) = history();
    for at in 0..ends.len() {
        let mut sets = ProvenSets::begin(quorum_of_genesis());
        ends[..at].iter().for_each(|end| sets.add(end.clone()).unwrap());
        for (nth, (code, lie)) in lies(&ends, &quorums, at).into_iter().enumerate() {
            assert_eq!(sets.add(lie).unwrap_err().code(), code, "lie {nth} about epoch {at}");
            assert_eq!(sets.latest(), at as u64);
        }
        if let Some(later) = ends.get(at + 1) {
            sets.add(later.clone()).unwrap_err();
        }
        let bytes = ends[at].to_bytes();
        for place in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[place] ^= 1;
            let taken = EpochEnd::read(&bad).and_then(|end| sets.clone().add(end));
            assert!(taken.is_err(), "byte {place} of the end of epoch {at}");
        }
        sets.add(ends[at].clone()).unwrap();
    }
}

#[test]
fn the_file_holds_or_says_that_it_does_not() {
    let scratch = Scratch::new();
    assert!(EpochEnds::read(&scratch.0).unwrap().is_empty());
    let mut ends = EpochEnds::default();
    history().0.into_iter().for_each(|end| ends.push(end));
    ends.write(&scratch.0).unwrap();
    assert_eq!(EpochEnds::read(&scratch.0).unwrap(), ends);
    assert_eq!(ends.order_hash_at(2 * LENGTH), Some(B256::repeat_byte(2 * LENGTH as u8)));
    assert_eq!((ends.order_hash_at(2 * LENGTH + 1), ends.since(EPOCHS + 1).len()), (None, 0));
    let sets = ProvenSets::of_folder(&scratch.0, &plain_genesis()).unwrap();
    assert_eq!((sets.latest(), sets.ends()), (EPOCHS, &ends));
    ends.truncate(2 * LENGTH);
    assert_eq!(ends.len(), 2);
    let path = scratch.0.join("epochs");
    let bytes = fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(31) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        assert_eq!(EpochEnds::read(&scratch.0).unwrap_err().code(), "CHAIN-CORRUPT", "byte {at}");
    }
}
