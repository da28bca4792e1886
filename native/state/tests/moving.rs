//! Moving versions onto a newer file: the same values, roots and proofs, and nothing left of the older file.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use hansa_state::{
    AccountDiff, AccountInfo, Pace, StateDiff, WorldState, open_checkpoint, verify_checkpoint,
    write_checkpoint,
};
use proptest::prelude::*;

const ACCOUNTS: u8 = 40;
const SLOTS: u64 = 24;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A file name that goes away with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name =
            format!("hansa-moving-{}-{}.ckpt", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn account_diff() -> impl Strategy<Value = AccountDiff> {
    let info = (any::<u64>(), 0u64..1_000).prop_map(|(nonce, balance)| AccountInfo {
        nonce,
        balance: U256::from(balance),
        code_hash: KECCAK256_EMPTY,
    });
    let storage =
        prop::collection::vec(((0..SLOTS).prop_map(U256::from), (0u64..3).prop_map(U256::from)), 0..8);
    (prop::option::weighted(0.85, info), prop::bool::weighted(0.1), storage)
        .prop_map(|(info, storage_wiped, storage)| AccountDiff { info, storage_wiped, storage })
}

fn diff() -> impl Strategy<Value = StateDiff> {
    let account = ((0..ACCOUNTS).prop_map(Address::repeat_byte), account_diff());
    prop::collection::vec(account, 0..12).prop_map(|accounts| StateDiff::new(accounts, Vec::new()))
}

/// A version in a file of its own, opened there.
fn filed(path: &Path, state: &WorldState) -> WorldState {
    write_checkpoint(path, 7, &B256::ZERO, state, Pace::Full).unwrap();
    open_checkpoint(path).unwrap().state
}

fn is_mapped(path: &Path) -> bool {
    fs::read_to_string("/proc/self/maps").unwrap().contains(&path.display().to_string())
}

fn assert_equal(one: &WorldState, other: &WorldState) {
    let slots: Vec<U256> = (0..SLOTS).map(U256::from).collect();
    assert_eq!(one.root(), other.root());
    for address in (0..ACCOUNTS).map(Address::repeat_byte) {
        assert_eq!(one.account(&address), other.account(&address));
        assert_eq!(one.proof(&address, &slots), other.proof(&address, &slots));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    /// Blocks go on; now and then a version is written to a file, and those since move onto it.
    #[test]
    fn what_moved_is_what_it_was(
        diffs in prop::collection::vec((diff(), prop::option::weighted(0.4, any::<prop::sample::Index>())), 3..14),
    ) {
        let mut memory = vec![WorldState::new()];
        let first = Scratch::new();
        // The versions that are kept, the oldest of which is version `oldest` in memory.
        let (mut kept, mut oldest) = (vec![filed(&first.0, &memory[0])], 0);
        let mut files = vec![first];
        for (diff, written) in &diffs {
            let (mut state, mut expected) = (kept[kept.len() - 1].clone(), memory[memory.len() - 1].clone());
            state.apply(diff);
            expected.apply(diff);
            kept.push(state);
            memory.push(expected);
            let Some(at) = written.map(|of| of.index(kept.len())) else { continue };
            files.push(Scratch::new());
            let path = &files[files.len() - 1].0;
            let mut moved = vec![filed(path, &kept[at])];
            for (nth, state) in kept[at..].iter().enumerate().skip(1) {
                moved.push(state.moved_onto(&kept[at + nth - 1], &moved[nth - 1]));
            }
            // From the version that was written in one step.
            assert_equal(&kept[kept.len() - 1].moved_onto(&kept[at], &moved[0]), &memory[memory.len() - 1]);
            kept = moved;
            oldest += at;
        }
        for (state, expected) in kept.iter().zip(&memory[oldest..]) {
            assert_equal(state, expected);
        }
        // Every node holds: written once more, each reference is computed anew.
        let again = Scratch::new();
        write_checkpoint(&again.0, 8, &B256::ZERO, &kept[kept.len() - 1], Pace::Full).unwrap();
        prop_assert_eq!(verify_checkpoint(&again.0).unwrap().state_root, memory[memory.len() - 1].root());
        let newest = files.len() - 1;
        for (nth, file) in files.iter().enumerate() {
            prop_assert_eq!(is_mapped(&file.0), nth == newest);
        }
    }
}

#[test]
fn a_version_known_by_what_was_replaced_moves_as_well() {
    let account = |n: u64| Address::from_slice(&keccak256(n.to_be_bytes())[..20]);
    let with = |numbers: std::ops::Range<u64>, nonce| {
        let info = AccountInfo { nonce, ..AccountInfo::default() };
        let change = AccountDiff { info: Some(info), ..AccountDiff::default() };
        StateDiff::new(numbers.map(|n| (account(n), change.clone())).collect(), Vec::new())
    };
    let mut first = WorldState::new();
    first.apply(&with(0..3_000, 1));
    let (old, new) = (Scratch::new(), Scratch::new());
    let first = filed(&old.0, &first);
    let mut second = first.clone();
    second.apply(&with(500..900, 2));
    let mut third = second.clone();
    third.apply(&with(700..1_100, 3));
    let replaced = second.replaced_by(&with(700..1_100, 3)).unwrap();
    // The second version, told by the third and what its block replaced, is written and moved onto.
    let frozen = third.clone().before(vec![replaced.into()]).whole();
    assert!(!frozen.is_same(&second) && frozen.root() == second.root());
    let filed = filed(&new.0, &frozen);
    let moved = third.moved_onto(&frozen, &filed);
    assert!(third.is_same(&third.clone()) && !third.is_same(&moved));
    let expected = third.clone();
    assert_eq!(moved.root(), expected.root());
    let all: Vec<Address> = (0..3_000).map(account).collect();
    assert_eq!(moved.accounts(&all), expected.accounts(&all));
    drop((first, second, third, frozen, expected));
    assert!(is_mapped(&new.0) && !is_mapped(&old.0));
    let mut on = moved.clone();
    on.apply(&with(0..10, 9));
    assert_eq!(on.account(&account(3)).unwrap().nonce, 9);
    assert_eq!(moved.account(&account(3)).unwrap().nonce, 1);
}
