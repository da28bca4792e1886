//! What moving onto a newer file leaves goes back to the system. The only test of its process, whose memory it reads.
#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use hansa_state::{
    AccountDiff, AccountInfo, Pace, StateDiff, WorldState, open_checkpoint_checked, trie, write_checkpoint,
};

const ACCOUNTS: u64 = 400_000;

fn diff(numbers: Range<u64>, nonce: u64) -> StateDiff {
    let accounts = numbers.map(|n| {
        let info = AccountInfo { nonce, balance: U256::from(n), code_hash: KECCAK256_EMPTY };
        let address = Address::from_slice(&keccak256(n.to_be_bytes())[..20]);
        (address, AccountDiff { info: Some(info), ..AccountDiff::default() })
    });
    StateDiff::new(accounts.collect(), Vec::new())
}

/// Bytes of this process that lie in memory and in no file.
fn in_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

struct Files(PathBuf);

impl Files {
    fn filed(&self, name: &str, state: &WorldState) -> WorldState {
        let path = self.0.join(name);
        write_checkpoint(&path, 7, &B256::ZERO, state, Pace::Full).unwrap();
        open_checkpoint_checked(&path).unwrap().state
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn memory_shrinks_to_what_changed_since() {
    let files = Files(std::env::temp_dir().join(format!("hansa-memory-{}", std::process::id())));
    fs::create_dir_all(&files.0).unwrap();
    let mut state = WorldState::new();
    state.apply(&diff(0..ACCOUNTS, 1));
    let full = in_memory();
    let filed = files.filed("1.ckpt", &state);
    trie::retire(0);
    drop(state);
    let empty = in_memory();
    assert!(full > empty + (20 << 20), "{full} {empty}");
    for round in 2..5 {
        let mut state = filed.clone();
        state.apply(&diff(0..ACCOUNTS, round));
        let frozen = state.clone();
        state.apply(&diff(0..100, 9));
        let newer = files.filed("2.ckpt", &frozen);
        let before = in_memory();
        trie::retire(0);
        let moved = state.moved_onto(&frozen, &newer);
        drop((state, frozen));
        let after = in_memory();
        assert!(before > after + (full - empty) * 3 / 4, "{before} {after}");
        let mut expected = newer.clone();
        expected.apply(&diff(0..100, 9));
        assert_eq!(moved.root(), expected.root());
    }
}
