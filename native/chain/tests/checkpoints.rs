//! Checkpoints that are written while blocks go on: the states move onto them, nothing is lost at any moment, and
//! what goes wrong is told.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use fixture::*;
use hansa_chain::{Chain, ChainError, STATES_KEPT, verify_ledger};
use hansa_state::AccountProof;

const DEADLINE: Duration = Duration::from_secs(60);

fn file(scratch: &Scratch, height: u64, ending: &str) -> std::path::PathBuf {
    scratch.0.join("checkpoints").join(format!("{height:012}.{ending}"))
}

fn is_mapped(path: &Path) -> bool {
    fs::read_to_string("/proc/self/maps").unwrap().contains(&path.display().to_string())
}

/// Adds blocks, each of which changes a few accounts and leaves a contract with storage.
fn grow(chain: &Chain, blocks: u64) {
    for _ in 0..blocks {
        let nonce = chain.head().height;
        let to = (nonce % 251) as u8;
        submit(chain, vec![transfer(0, nonce, to), transfer(1, nonce, 7), storing(2, nonce)]);
        add_block(chain);
    }
}

/// Threads that are about to end may hold something for a moment longer.
fn eventually(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < DEADLINE, "it never came to that");
        std::thread::yield_now();
    }
}

fn wait_written(chain: &Chain) {
    eventually(|| !chain.checkpoint_status().writing);
}

/// What clients may ask of a state: its root, and a proof.
type Face = (B256, AccountProof);

fn face(chain: &Chain, height: u64) -> Face {
    let state = chain.state_at(height).unwrap();
    (state.root(), state.proof(&Address::repeat_byte(7), &[U256::ZERO]))
}

fn faces(chain: &Chain) -> Vec<Face> {
    (chain.oldest_state()..=chain.head().height).step_by(9).map(|height| face(chain, height)).collect()
}

/// A chain that keeps no longer all states, and whose checkpoint is that of block 0.
fn long(scratch: &Scratch) -> Chain {
    let chain = Chain::create(Some(&scratch.0), &plain_genesis()).unwrap();
    grow(&chain, STATES_KEPT + 12);
    chain
}

#[test]
fn the_states_move_onto_a_newer_file_while_blocks_go_on() {
    let scratch = Scratch::new();
    let chain = long(&scratch);
    let before = faces(&chain);
    let (first, oldest) = (chain.oldest_state(), chain.head().height);
    // One block is executed and not sealed when the states move, and a reader holds a state.
    let reader = chain.head();
    chain.proof_at(first, &Address::ZERO, &[]).unwrap();
    submit(&chain, vec![transfer(3, 0, 9)]);
    let (refs, count, gas) = chain.propose(&[], limits());
    let next = order(&chain, chain.head().order_hash, chain.head().height + 1, 0, &refs, count, gas);
    let unsealed = chain.add_body(&next.encode(), &refs).unwrap();
    chain.execute(&unsealed).unwrap();
    assert!(is_mapped(&file(&scratch, 0, "ckpt")));
    assert!(chain.begin_checkpoint().unwrap());
    wait_written(&chain);
    chain.check_checkpoint().unwrap();
    let status = chain.checkpoint_status();
    assert_eq!((status.height, status.written), (first, 1));
    assert_eq!(status.bytes, fs::metadata(file(&scratch, first, "ckpt")).unwrap().len());
    assert!(!chain.begin_checkpoint().unwrap(), "that state stands in a file already");
    assert_eq!(faces(&chain), before);
    // The older file lives as long as its reader.
    assert!(is_mapped(&file(&scratch, first, "ckpt")) && is_mapped(&file(&scratch, 0, "ckpt")));
    assert_eq!(reader.state.root(), reader.header.state_root);
    drop(reader);
    eventually(|| !is_mapped(&file(&scratch, 0, "ckpt")));
    seal(&chain, &unsealed);
    assert_eq!(chain.head().height, oldest + 1);
    for _ in 0..5 {
        submit(&chain, vec![transfer(4, chain.head().height - oldest - 1, 9)]);
        add_block(&chain);
    }
    let (now, head) = (faces(&chain), chain.head().sealed_hash);
    chain.sync().unwrap();
    drop(chain);
    let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
    assert_eq!((faces(&chain), chain.head().sealed_hash), (now, head));
    chain.close().unwrap();
    assert_eq!(verify_ledger(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap().findings, []);
}

#[test]
fn blocks_are_sealed_while_checkpoint_follows_checkpoint() {
    let scratch = Scratch::new();
    let chain = long(&scratch);
    for _ in 0..6 {
        grow(&chain, 3);
        assert!(chain.begin_checkpoint().unwrap());
        // How far it gets beside these blocks is chance; what comes out is not.
        grow(&chain, 4);
        wait_written(&chain);
        chain.check_checkpoint().unwrap();
        for height in chain.oldest_state()..=chain.head().height {
            let sealed = chain.block(height).unwrap().unwrap();
            assert_eq!(chain.state_at(height).unwrap().root(), sealed.header.state_root, "block {height}");
        }
    }
    assert_eq!(chain.checkpoint_status().written, 6);
    let newest = file(&scratch, chain.checkpoint_status().height, "ckpt");
    let mapped = || scratch.files().into_iter().filter(|path| is_mapped(path)).collect::<Vec<_>>();
    eventually(|| mapped() == [newest.clone()]);
    let nonce = chain.head().height;
    chain.close().unwrap();
    drop(chain);
    let chain = Chain::open(&scratch.0, &plain_genesis()).unwrap();
    assert_eq!(chain.head().height, nonce);
    grow(&chain, 1);
}

#[test]
fn a_crash_at_any_moment_of_it_loses_nothing() {
    let scratch = Scratch::new();
    let chain = long(&scratch);
    let height = chain.oldest_state();
    assert!(chain.begin_checkpoint().unwrap());
    wait_written(&chain);
    grow(&chain, 3);
    chain.sync().unwrap();
    let (expected, head) = (faces(&chain), chain.head().height);
    drop(chain);
    let finished = fs::read(file(&scratch, height, "ckpt")).unwrap();
    // How far the write had come: bytes of the unfinished file, or none where it has its name.
    let page = 4_096;
    let mut moments: Vec<Option<usize>> = (0..=finished.len()).step_by(page * 3).map(Some).collect();
    moments.extend([Some(finished.len()), None]);
    for moment in moments {
        for older_is_there in [true, false] {
            let crashed = Scratch::new();
            for path in scratch.files() {
                let target = crashed.0.join(path.strip_prefix(&scratch.0).unwrap());
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                fs::copy(path, target).unwrap();
            }
            if let Some(bytes) = moment {
                fs::remove_file(file(&crashed, height, "ckpt")).unwrap();
                fs::write(file(&crashed, height, "tmp"), &finished[..bytes]).unwrap();
            }
            if !older_is_there {
                fs::remove_file(file(&crashed, 0, "ckpt")).unwrap();
            }
            let chain = Chain::open(&crashed.0, &plain_genesis()).unwrap();
            assert_eq!(chain.head().height, head);
            assert_eq!(faces(&chain), expected, "{moment:?} {older_is_there}");
            assert!(!file(&crashed, height, "tmp").exists());
            // The next one is written as if nothing had been.
            grow(&chain, 1);
            if chain.begin_checkpoint().unwrap() {
                wait_written(&chain);
                chain.check_checkpoint().unwrap();
            }
            chain.close().unwrap();
        }
    }
}

fn code_of<T>(result: Result<T, ChainError>) -> &'static str {
    result.err().map_or("no error", |error| error.code())
}

#[test]
fn a_checkpoint_that_finds_no_room_is_told_and_tried_again() {
    let scratch = Scratch::new();
    let chain = long(&scratch);
    let height = chain.oldest_state();
    // Every byte written to that device finds it full.
    symlink("/dev/full", file(&scratch, height, "tmp")).unwrap();
    assert!(chain.begin_checkpoint().unwrap());
    wait_written(&chain);
    assert_eq!(code_of(chain.check_checkpoint()), "LOG-FULL");
    assert_eq!(code_of(chain.check_checkpoint()), "no error", "told once");
    assert!(!file(&scratch, height, "tmp").is_symlink());
    assert_eq!((chain.checkpoint_status().height, chain.checkpoint_status().written), (0, 0));
    let before = faces(&chain);
    assert!(chain.begin_checkpoint().unwrap());
    wait_written(&chain);
    chain.check_checkpoint().unwrap();
    assert_eq!((chain.checkpoint_status().height, faces(&chain)), (height, before));
}

#[test]
fn what_else_fails_is_told_and_fails_the_stop() {
    let scratch = Scratch::new();
    let chain = long(&scratch);
    fs::create_dir(file(&scratch, chain.oldest_state(), "tmp")).unwrap();
    assert!(chain.begin_checkpoint().unwrap());
    wait_written(&chain);
    assert_eq!(code_of(chain.check_checkpoint()), "CHAIN-CHECKPOINT");
    assert!(chain.begin_checkpoint().unwrap());
    assert_eq!(code_of(chain.close()), "CHAIN-CHECKPOINT");
}

#[test]
fn a_checkpoint_stays_readable_when_newer_ones_take_its_place() {
    let scratch = Scratch::new();
    let chain = long(&scratch);
    let held = chain.newest_checkpoint().unwrap();
    assert_eq!(held.height, 0);
    for _ in 0..2 {
        grow(&chain, 1);
        assert!(chain.begin_checkpoint().unwrap());
        wait_written(&chain);
    }
    assert!(!file(&scratch, 0, "ckpt").exists());
    assert_eq!(chain.newest_checkpoint().unwrap().height, chain.oldest_state());
    let proof = held.state.proof(&account(&user_secret(0)), &[]);
    assert_eq!((held.state.root(), proof.info.unwrap().nonce), (held.state_root, 0));
}
