//! Checkpoints: what is written is read; every altered byte is found.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use hansa_state::{
    AccountDiff, AccountInfo, CheckpointError, Pace, StateDiff, WorldState, open_checkpoint,
    verify_checkpoint, write_checkpoint,
};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hansa-checkpoint-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("7.ckpt")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Plain accounts, and contracts of which some share code.
fn state(plain: u64, contracts: u64, slots: u64) -> WorldState {
    let account = |n: u64| Address::from_slice(&keccak256(n.to_be_bytes())[..20]);
    let code = |n: u64| Bytes::from(vec![n as u8 % 7 + 1; 40]);
    let mut accounts = Vec::new();
    for n in 0..plain {
        let info =
            AccountInfo { nonce: n % 5, balance: U256::from(n) << (n % 200), code_hash: KECCAK256_EMPTY };
        accounts.push((account(n), AccountDiff { info: Some(info), ..AccountDiff::default() }));
    }
    for n in plain..plain + contracts {
        let info = AccountInfo { nonce: 1, balance: U256::ZERO, code_hash: keccak256(code(n)) };
        let storage = (0..slots).map(|slot| (U256::from(slot), U256::from(n + slot + 1))).collect();
        accounts.push((account(n), AccountDiff { info: Some(info), storage_wiped: false, storage }));
    }
    let mut state = WorldState::new();
    state.apply(&StateDiff::new(accounts, (plain..plain + contracts).map(code).collect()));
    state
}

#[test]
fn what_is_written_is_read() {
    let folder = Folder::new("round-trip");
    // More than one chunk of leaves, and an account whose slots run over chunks.
    for state in [WorldState::new(), state(20, 3, 4), state(4_000, 3, 6_000)] {
        write_checkpoint(&folder.file(), 7, &B256::repeat_byte(1), &state, Pace::Full).unwrap();
        let checkpoint = verify_checkpoint(&folder.file()).unwrap();
        assert_eq!((checkpoint.height, checkpoint.block_hash), (7, B256::repeat_byte(1)));
        assert_eq!(checkpoint.state.root(), state.root());
        assert_eq!(checkpoint.state_root, state.root());
        for hash in (0u8..7).map(|n| keccak256([n + 1; 40])) {
            assert_eq!(checkpoint.state.code(&hash), state.code(&hash));
        }
        assert!(!folder.0.join("7.tmp").exists());
    }
}

#[test]
fn every_altered_byte_is_found_and_named() {
    let folder = Folder::new("altered");
    write_checkpoint(&folder.file(), 7, &B256::ZERO, &state(12, 2, 3), Pace::Full).unwrap();
    let bytes = fs::read(folder.file()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(folder.file()).unwrap();
    for place in 0..bytes.len() {
        let flip = 1 << (place % 8);
        file.write_all_at(&[bytes[place] ^ flip], place as u64).unwrap();
        match verify_checkpoint(&folder.file()) {
            Err(CheckpointError::Corrupt { path, offset, .. }) => {
                assert_eq!(path, folder.file());
                assert!(offset <= bytes.len() as u64);
            }
            other => panic!("byte {place}: {other:?}"),
        }
        // A file of this size is checked as a whole whenever it is opened.
        assert!(matches!(open_checkpoint(&folder.file()), Err(CheckpointError::Corrupt { .. })));
        file.write_all_at(&bytes[place..=place], place as u64).unwrap();
    }
    open_checkpoint(&folder.file()).unwrap();
}

#[test]
fn a_file_cut_short_or_prolonged_is_refused() {
    let folder = Folder::new("cut");
    write_checkpoint(&folder.file(), 7, &B256::ZERO, &state(5, 1, 2), Pace::Full).unwrap();
    let bytes = fs::read(folder.file()).unwrap();
    for end in (0..bytes.len()).step_by(7) {
        fs::write(folder.file(), &bytes[..end]).unwrap();
        assert!(matches!(verify_checkpoint(&folder.file()), Err(CheckpointError::Corrupt { .. })));
    }
    fs::write(folder.file(), [bytes.as_slice(), &[0]].concat()).unwrap();
    assert!(matches!(verify_checkpoint(&folder.file()), Err(CheckpointError::Corrupt { .. })));
}

#[test]
fn code_that_is_not_in_memory_is_said() {
    let folder = Folder::new("code");
    let info = AccountInfo { nonce: 1, balance: U256::ZERO, code_hash: B256::repeat_byte(9) };
    let change = AccountDiff { info: Some(info), ..AccountDiff::default() };
    let mut state = WorldState::new();
    state.apply(&StateDiff::new(vec![(Address::ZERO, change)], Vec::new()));
    let written = write_checkpoint(&folder.file(), 7, &B256::ZERO, &state, Pace::Full);
    assert!(matches!(written, Err(CheckpointError::MissingCode(hash)) if hash == B256::repeat_byte(9)));
    assert!(!folder.file().exists());
    assert!(!folder.0.join("7.tmp").exists());
}

#[test]
fn a_missing_file_is_said() {
    let folder = Folder::new("missing");
    assert!(matches!(verify_checkpoint(&folder.file()), Err(CheckpointError::Io { .. })));
}
