//! A large file, whose pages are checked when they are read: what does not hold is never served.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};

use super::read::open;
use super::{Pace, write_checkpoint};
use crate::trie::View;
use crate::trie::node::{Child, Link};
use crate::{AccountDiff, AccountInfo, StateDiff, WorldState};

const ACCOUNTS: u64 = 600;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn folder(name: &str) -> (Folder, PathBuf) {
    let path = std::env::temp_dir().join(format!("hansa-mapped-{}-{name}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    let file = path.join("7.ckpt");
    (Folder(path), file)
}

fn address(n: u64) -> Address {
    Address::from_slice(&keccak256(n.to_be_bytes())[..20])
}

fn diff(numbers: std::ops::Range<u64>, nonce: u64) -> StateDiff {
    let accounts = numbers.map(|n| {
        let info = AccountInfo { nonce, balance: U256::from(n), code_hash: KECCAK256_EMPTY };
        let storage = (1..n % 9).map(|slot| (U256::from(slot), U256::from(nonce + slot))).collect();
        (address(n), AccountDiff { info: Some(info), storage_wiped: false, storage })
    });
    StateDiff::new(accounts.collect(), Vec::new())
}

fn filled() -> WorldState {
    let mut state = WorldState::new();
    state.apply(&diff(0..ACCOUNTS, 1));
    state
}

/// Reads and changes everything; none where a page that does not hold was met.
fn use_all(file: &Path) -> Option<()> {
    let state = open(file, 0).ok()?.state;
    catch_unwind(AssertUnwindSafe(|| {
        for n in 0..ACCOUNTS {
            assert_eq!(
                state.account(&address(n)).map(|info| (info.nonce, info.balance)),
                Some((1, U256::from(n)))
            );
            for slot in 1..n % 9 {
                assert_eq!(state.storage(&address(n), U256::from(slot)), U256::from(1 + slot));
            }
        }
        let (mut mapped, mut memory) = (state, filled());
        mapped.apply(&diff(0..ACCOUNTS, 2));
        memory.apply(&diff(0..ACCOUNTS, 2));
        assert_eq!(mapped.root(), memory.root());
    }))
    .ok()
}

#[test]
fn no_altered_byte_is_ever_served() {
    let (_folder, file) = folder("altered");
    write_checkpoint(&file, 7, &B256::ZERO, &filled(), Pace::Full).unwrap();
    let good = fs::read(&file).unwrap();
    assert_eq!(use_all(&file), Some(()));
    for at in (0..good.len()).step_by(997) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&file, &bad).unwrap();
        assert!(open(&file, usize::MAX).is_err(), "byte {at}");
        let opens = open(&file, 0).is_ok();
        assert_eq!(use_all(&file), None, "byte {at}");
        // What opened was set aside by the read that met the page, not stopped by a wrong value.
        let aside = file.with_extension("damaged");
        assert_eq!((opens, opens), (aside.exists(), !file.exists()), "byte {at}");
        let _ = fs::remove_file(aside);
    }
}

#[test]
fn a_checkpoint_of_what_was_held_is_right_while_the_state_moves_on() {
    let (_folder, file) = folder("beside");
    write_checkpoint(&file, 7, &B256::ZERO, &filled(), Pace::Full).unwrap();
    let mut state = open(&file, 0).unwrap().state;
    let held = state.clone();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..20 {
                write_checkpoint(&file, 8, &B256::ZERO, &held, Pace::Full).unwrap();
                assert_eq!(open(&file, usize::MAX).unwrap().state.root(), held.root());
            }
        });
        for nonce in 2..40 {
            state.apply(&diff(0..ACCOUNTS / 2, nonce));
        }
        writer.join().unwrap();
    });
    let mut expected = filled();
    expected.apply(&diff(0..ACCOUNTS / 2, 39));
    assert_eq!(state.account(&address(3)), expected.account(&address(3)));
    assert_eq!(held.root(), filled().root());
}

/// Nodes of a trie, and of those nested in it, that lie in memory.
fn in_memory(view: View<'_>, top: Link) -> usize {
    if top.is_none() || top.offset().is_some() {
        return 0;
    }
    let below = view.node(top).unwrap().children().map(|(_, child)| match child {
        Child::Branch(lower) => in_memory(view, lower),
        Child::Leaf(leaf) => in_memory(view, leaf.nested),
    });
    1 + below.sum::<usize>()
}

#[test]
fn moving_onto_a_newer_file_leaves_in_memory_what_changed_since() {
    let (_folder, file) = folder("moving");
    write_checkpoint(&file, 7, &B256::ZERO, &filled(), Pace::Full).unwrap();
    let mut state = open(&file, 0).unwrap().state;
    let count = |state: &WorldState| in_memory(state.trie(), state.trie().top());
    assert_eq!(count(&state), 0);
    state.apply(&diff(0..ACCOUNTS / 2, 2));
    let frozen = state.clone();
    state.apply(&diff(0..10, 3));
    let before = count(&state);
    write_checkpoint(&file, 8, &B256::ZERO, &frozen, Pace::Full).unwrap();
    let filed = open(&file, usize::MAX).unwrap().state;
    let moved = state.moved_onto(&frozen, &filed);
    let mut expected = filed.clone();
    expected.apply(&diff(0..10, 3));
    assert_eq!(moved.root(), expected.root());
    assert_eq!(count(&moved), count(&expected));
    assert!(count(&moved) * 4 < before, "{} of {before} nodes", count(&moved));
}
