//! A large file, whose pages are checked when they are read: what does not hold is never served.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};

use super::read::{open, open_file};
use super::{HEADER_BYTES, Pace, verify_checkpoint, write_checkpoint};
use crate::mapping::{CRC_BYTES, PAGE};
use crate::trie::View;
use crate::trie::node::{Child, Link, NodeRef};
use crate::{AccountDiff, AccountInfo, CheckpointError, DamagedState, StateDiff, WorldState};

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
fn pages_that_the_disk_gives_back_no_more_are_met_without_a_signal() {
    let (_folder, file) = folder("unreadable");
    write_checkpoint(&file, 7, &B256::ZERO, &filled(), Pace::Full).unwrap();
    let state = open(&file, 0).unwrap().state;
    state.trie().distrust_file();
    // What is behind the end of a file is like a sector that cannot be read: a system call refuses it, a read
    // through a map is a SIGBUS.
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(4_096).unwrap();
    let met = catch_unwind(AssertUnwindSafe(|| state.account(&address(0)))).unwrap_err();
    assert!(matches!(met.downcast_ref(), Some(DamagedState(CheckpointError::Io { .. }))));
    assert!(file.with_extension("damaged").exists());
}

/// Puts right all checksums of a file, as whoever wrote it on purpose would.
fn reseal(file: &mut [u8]) {
    let pages = (file.len() - PAGE) / (PAGE + CRC_BYTES);
    let (front, table) = file.split_at_mut((pages + 1) * PAGE);
    for (page, sum) in front[PAGE..].chunks(PAGE).zip(table.chunks_mut(CRC_BYTES)) {
        sum.copy_from_slice(&crc32c::crc32c(page).to_le_bytes());
    }
    front[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc32c::crc32c(table).to_le_bytes());
    let crc = crc32c::crc32c(&front[..PAGE - CRC_BYTES]);
    front[PAGE - CRC_BYTES..PAGE].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn no_node_of_a_file_leads_into_memory_whatever_it_says() {
    let (_folder, file) = folder("forged");
    write_checkpoint(&file, 7, &B256::ZERO, &filled(), Pace::Full).unwrap();
    let good = fs::read(&file).unwrap();
    let top = open_file(&file, 0).unwrap().0.top as usize;
    let in_header = [0, 2, 4, 6, 8, 9, 10, 11, 12, 13].map(|at| (top + at, 1));
    let header = NodeRef::HEADER;
    let links = [(top + header + 7, 0x80), (top + header + 8 + 7, 0x80), (top + header + 3, 0x80)];
    for (at, bits) in in_header.into_iter().chain(links) {
        let mut bad = good.clone();
        bad[at] ^= bits;
        reseal(&mut bad);
        fs::write(&file, &bad).unwrap();
        assert!(verify_checkpoint(&file).is_err(), "byte {}", at - top);
        // Used all the same it ends as a page that does not hold, or gives what it should.
        use_all(&file);
        let _ = fs::remove_file(file.with_extension("damaged"));
    }
    let mut same = good.clone();
    reseal(&mut same);
    assert_eq!(same, good);
    fs::write(&file, &same).unwrap();
    assert!(verify_checkpoint(&file).is_ok());
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
