//! A ledger taken over from others at some height, and one whose old blocks were dropped.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::VecDeque;
use std::thread;

use alloy_primitives::{Address, Bytes, TxKind};
use fixture::*;
use hansa_chain::snapshot::{REPLACED_NAME, Stage, adopt, window_first};
use hansa_chain::{BLOCKS_FORGOTTEN_MAX, BLOCKS_KEPT_MIN, Chain, Pruned, verify_ledger};
use hansa_log::segment_name;

const BLOCKS: u64 = 1_150;
/// Asks for the head, and for the epochs before it from the first on.
const HEAD: [u8; 9] = [0; 9];

/// A chain with transactions of our own type in many blocks.
fn long(dir: &std::path::Path, blocks: u64) -> Chain {
    let chain = Chain::create(Some(dir), &plain_genesis()).unwrap();
    for height in 1..=blocks {
        let mut raws = vec![transfer(2, height - 1, height as u8)];
        if height % 5 == 0 {
            raws.push(own(3, height, height + 500));
        }
        add_block_of(&chain, &raws);
    }
    chain
}

/// Asks for all that is missing.
fn fetch(stage: &mut Stage, from: &Chain, height: u64, asks_max: usize) {
    let mut missing = VecDeque::from(stage.missing());
    for _ in 0..asks_max {
        let Some(ask) = missing.pop_front() else { return };
        let answer = from.snapshot_answer(1, height, &ask).unwrap().unwrap();
        missing.extend(stage.add(&ask, &answer).unwrap());
    }
}

#[test]
fn a_snapshot_is_taken_over_and_the_chain_goes_on() {
    let (there, here) = (Scratch::new(), Scratch::new());
    let chain = long(&there.0, BLOCKS);
    let (first, last) = chain.snapshot_offer().unwrap().recent;
    assert!(first > BLOCKS - 128 && last == BLOCKS);
    let height = BLOCKS - 30;
    let mut stage = Stage::open(&here.0, &plain_genesis()).unwrap();
    let head = chain.snapshot_answer(1, height, &HEAD).unwrap().unwrap();
    assert_eq!(stage.check_head(1, &HEAD, &head).unwrap().0, height);
    stage.begin(1, &head).unwrap();
    fetch(&mut stage, &chain, height, 9);
    let left = stage.missing();
    drop(stage);
    // A restart in the middle loses nothing.
    let mut stage = Stage::open(&here.0, &plain_genesis()).unwrap();
    assert_eq!((stage.height(), stage.missing()), (height, left));
    assert_eq!(stage.finish().unwrap_err().code(), "SNAPSHOT-OPEN");
    fetch(&mut stage, &chain, height, usize::MAX);
    stage.finish().unwrap();
    drop(stage);
    assert!(adopt(&here.0).unwrap() && !adopt(&here.0).unwrap());
    let other = Chain::open(&here.0, &plain_genesis()).unwrap();
    assert_eq!(other.head().sealed_hash, chain.hash_at(height).unwrap());
    assert_eq!(other.block(height).unwrap_err().code(), "BLOCK-PRUNED");
    assert_eq!((other.oldest_block(), other.oldest_exported()), (height + 1, window_first(height)));
    assert_eq!(other.certificate_at(height).unwrap(), chain.certificate_at(height).unwrap());
    assert_eq!(other.hash_at(0), chain.hash_at(0));
    let rest = chain.export_blocks(height + 1, 100, 1 << 30).unwrap();
    rest.iter().for_each(|block| drop(other.import_block(block).unwrap()));
    assert_eq!(other.head().sealed_hash, chain.head().sealed_hash);
    assert_eq!(other.block(BLOCKS).unwrap().unwrap().hash, chain.head().sealed_hash);
    // A number used before the snapshot is known as used.
    let used = BLOCKS - 150;
    for one in [&chain, &other] {
        add_block_of(one, &[own(3, used, BLOCKS + 100)]);
        assert_eq!(skips(one, BLOCKS + 1), ["SKIP-NONCE-USED"]);
    }
    assert_eq!(other.head().sealed_hash, chain.head().sealed_hash);
    // What was taken over can be given on, once there are states of its own to give.
    let (again, _) = (other.export_blocks(height - 100, 10, 1 << 30).unwrap(), other.close().unwrap());
    assert_eq!(again, chain.export_blocks(height - 100, 10, 1 << 30).unwrap());
    drop(other);
    let report = verify_ledger(&here.0, &plain_genesis(), &mut |_| {}).unwrap();
    assert_eq!((report.findings, report.height), (vec![], BLOCKS + 1));
    let other = Chain::open(&here.0, &plain_genesis()).unwrap();
    assert_eq!(other.head().sealed_hash, chain.head().sealed_hash);
}

#[test]
fn the_ledger_that_was_there_is_set_aside() {
    let (there, here) = (Scratch::new(), Scratch::new());
    let chain = long(&there.0, 60);
    let aside = here.0.join("quarantine").join(REPLACED_NAME);
    long(&here.0, 3).close().unwrap();
    for height in [40, 50] {
        let mut stage = Stage::open(&here.0, &plain_genesis()).unwrap();
        stage.begin(1, &chain.snapshot_answer(1, height, &HEAD).unwrap().unwrap()).unwrap();
        fetch(&mut stage, &chain, height, usize::MAX);
        stage.finish().unwrap();
        drop(stage);
        let before = head_in(&here.0);
        let other = Chain::open(&here.0, &plain_genesis()).unwrap();
        assert_eq!(other.head().height, height);
        other.close().unwrap();
        drop(other);
        assert_eq!(head_in(&aside), before, "only the latest one is kept");
    }
    assert!(verify_ledger(&here.0, &plain_genesis(), &mut |_| {}).unwrap().findings.is_empty());
}

/// The heights of the checkpoints in a folder.
fn head_in(dir: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("checkpoints")).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn no_member_has_two_states_held() {
    let there = Scratch::new();
    let chain = long(&there.0, 60);
    let held = |member: u32, height: u64| chain.snapshot_answer(member, height, &HEAD).unwrap().is_some();
    assert!(held(1, 40) && held(1, 41) && held(1, 42));
    assert!(held(2, 50) && held(3, 50), "one place was left");
    assert!(!held(3, 51), "two are held, and both are in use");
    assert!(held(1, 50) && held(3, 51), "who gives up its share makes room");
}

#[test]
fn what_does_not_hold_is_refused() {
    let (there, here) = (Scratch::new(), Scratch::new());
    let chain = long(&there.0, 70);
    let mut stage = Stage::open(&here.0, &plain_genesis()).unwrap();
    let height = 60;
    let head = chain.snapshot_answer(1, height, &HEAD).unwrap().unwrap();
    for at in (0..head.len()).step_by(17) {
        let mut bad = head.clone();
        bad[at] ^= 1;
        let good = stage.check_head(1, &HEAD, &head).unwrap();
        assert!(
            stage.check_head(1, &HEAD, &bad).is_err() || stage.check_head(1, &HEAD, &bad).unwrap() != good,
            "byte {at}"
        );
    }
    assert!(stage.add(&HEAD, &head).unwrap().is_empty(), "nothing was asked for");
    let mut missing = VecDeque::from(stage.begin(1, &head).unwrap());
    while let Some(ask) = missing.pop_front() {
        let answer = chain.snapshot_answer(1, height, &ask).unwrap().unwrap();
        for at in (0..answer.len()).step_by(answer.len() / 20 + 1) {
            let mut bad = answer.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(stage.add(&ask, &bad).is_err(), "byte {at} of the answer to {ask:?}");
        }
        stage.add(&ask, &answer[..answer.len() - 1]).unwrap_err();
        missing.extend(stage.add(&ask, &answer).unwrap());
    }
    stage.finish().unwrap();
    for (height, ask) in
        [(0, &HEAD[..]), (90, &HEAD), (60, &[0]), (60, &[7, 7]), (60, &[9, 1, 0, 0, 0, 0, 0, 0, 0, 200, 0])]
    {
        assert_eq!(chain.snapshot_answer(1, height, ask).unwrap(), None);
    }
}

/// Reads blocks that are being dropped: they are there, or the answer says that they are not any more.
fn read_old(chain: &Chain) {
    for height in (1..200).step_by(9) {
        if let Err(error) = chain.block(height) {
            assert_eq!(error.code(), "BLOCK-PRUNED", "{error}");
        }
        assert!(chain.export_blocks(height, 1, 1 << 20).unwrap().len() <= 1);
        chain.certificate_at(height).unwrap();
    }
}

#[test]
fn old_blocks_are_dropped_with_whole_segments() {
    let scratch = Scratch::new();
    let chain = Chain::create(Some(&scratch.0), &plain_genesis()).unwrap();
    let large = Bytes::from(vec![0; 100_000]);
    let mut hashes = Vec::new();
    let blocks = BLOCKS_KEPT_MIN + 500;
    for nonce in 0..blocks {
        let raw = transaction(0, nonce, TxKind::Call(Address::repeat_byte(9)), large.clone(), 1_200_000);
        hashes.extend(submit(&chain, vec![raw]));
        add_block(&chain);
        if nonce % 400 == 0 {
            chain.checkpoint().unwrap();
        }
    }
    chain.checkpoint().unwrap();
    let pruned = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while chain.oldest_exported() == 1 {
                read_old(&chain)
            }
        });
        let mut pruned = chain.prune(0).unwrap();
        for _ in 0..blocks / BLOCKS_FORGOTTEN_MAX {
            // Until the last portion everything can still be read.
            assert!(!pruned.has_more || chain.block(1).unwrap().is_some());
            pruned = chain.prune(0).unwrap();
        }
        reader.join().unwrap();
        pruned
    });
    let oldest = pruned.oldest;
    assert!(oldest > 200 && oldest <= blocks + 1 - BLOCKS_KEPT_MIN, "{oldest}");
    assert_eq!(pruned, Pruned { oldest, has_more: false });
    let look = |chain: &Chain| {
        assert_eq!(chain.block(oldest - 1).unwrap_err().code(), "BLOCK-PRUNED");
        assert_eq!(chain.locate(&hashes[oldest as usize - 2]).unwrap(), None);
        assert_eq!(chain.locate(&hashes[oldest as usize - 1]).unwrap(), Some((oldest, 0)));
        assert_eq!(chain.block(oldest).unwrap().unwrap().header.number, oldest);
        assert_eq!(chain.export_blocks(oldest - 1, 5, 1 << 30).unwrap().len(), 0);
        assert_eq!(chain.export_blocks(oldest, 5, 1 << 30).unwrap().len(), 5);
        assert_eq!(chain.block(0).unwrap().unwrap().hash, chain.genesis_hash());
    };
    look(&chain);
    assert!(!scratch.0.join("blocks").join(segment_name(0)).exists());
    chain.close().unwrap();
    drop(chain);
    let report = verify_ledger(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap();
    assert_eq!((report.findings, report.height), (vec![], blocks));
    let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
    look(&chain);
    add_block(&chain);
    assert_eq!(chain.head().height, blocks + 1);
}
