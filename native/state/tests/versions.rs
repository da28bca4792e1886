//! Versions that part, are held and let go in any order: each keeps what it was, and the last leaves no node
//! behind. The only test of its process, whose nodes it counts. A debug build finds nodes that are read after they
//! were freed, and such as are freed twice.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use hansa_state::{
    AccountDiff, AccountInfo, Pace, StateDiff, WorldState, open_checkpoint, trie, verify_checkpoint,
    write_checkpoint,
};
use proptest::prelude::*;
use proptest::sample::Index;

const ACCOUNTS: u64 = 60;
const SLOTS: u64 = 30;
/// Accounts and slots with which a history begins: enough for branches below branches.
const FIRST: u64 = 50;

#[derive(Debug, Clone)]
enum Step {
    /// A version is made from one that is held.
    Apply(Index, StateDiff),
    Clone(Index),
    LetGo(Index),
    /// A version is written to a file, and some, as a node's states, move onto it one after the other.
    Move(Index, Vec<Index>),
    /// All memory in use is set apart.
    Retire,
}

/// A version and what it holds.
#[derive(Clone)]
struct Held {
    state: WorldState,
    model: BTreeMap<u64, (u64, BTreeMap<u64, u64>)>,
}

impl Held {
    fn apply(&mut self, diff: &StateDiff) {
        self.state.apply(diff);
        for number in 0..ACCOUNTS {
            let Some((_, change)) = diff.accounts().iter().find(|(address, _)| *address == account(number))
            else {
                continue;
            };
            let Some(info) = change.info else {
                self.model.remove(&number);
                continue;
            };
            let (nonce, slots) = self.model.entry(number).or_default();
            *nonce = info.nonce;
            if change.storage_wiped {
                slots.clear();
            }
            slots.extend(change.storage.iter().map(|(slot, value)| (slot.to::<u64>(), value.to::<u64>())));
        }
    }

    fn check(&self) {
        for number in 0..ACCOUNTS {
            let (address, known) = (account(number), self.model.get(&number));
            assert_eq!(self.state.account(&address).map(|info| info.nonce), known.map(|(nonce, _)| *nonce));
            for slot in 0..SLOTS {
                let value = known.and_then(|(_, slots)| slots.get(&slot)).copied().unwrap_or_default();
                assert_eq!(self.state.storage(&address, U256::from(slot)), U256::from(value));
            }
        }
    }
}

fn account(number: u64) -> Address {
    Address::from_slice(&keccak256(number.to_be_bytes())[..20])
}

fn change() -> impl Strategy<Value = AccountDiff> {
    let info = any::<u64>().prop_map(|nonce| AccountInfo {
        nonce,
        balance: U256::from(7),
        code_hash: KECCAK256_EMPTY,
    });
    let slot = ((0..SLOTS).prop_map(U256::from), (0u64..3).prop_map(U256::from));
    (prop::option::weighted(0.8, info), prop::bool::weighted(0.15), prop::collection::vec(slot, 0..10))
        .prop_map(|(info, storage_wiped, storage)| AccountDiff { info, storage_wiped, storage })
}

fn diff() -> impl Strategy<Value = StateDiff> {
    let account = ((0..ACCOUNTS).prop_map(account), change());
    prop::collection::vec(account, 0..14).prop_map(|accounts| StateDiff::new(accounts, Vec::new()))
}

fn step() -> impl Strategy<Value = Step> {
    let some = prop::collection::vec(any::<Index>(), 0..4);
    prop_oneof![
        8 => (any::<Index>(), diff()).prop_map(|(of, diff)| Step::Apply(of, diff)),
        2 => any::<Index>().prop_map(Step::Clone),
        7 => any::<Index>().prop_map(Step::LetGo),
        1 => (any::<Index>(), some).prop_map(|(of, moved)| Step::Move(of, moved)),
        1 => Just(Step::Retire),
    ]
}

fn first() -> Held {
    let mut held = Held { state: WorldState::new(), model: BTreeMap::new() };
    let slots = || (0..FIRST / 2).map(|slot| (U256::from(slot), U256::from(slot % 2 + 1))).collect();
    let info = AccountInfo { nonce: 1, balance: U256::from(7), code_hash: KECCAK256_EMPTY };
    let change = |number: u64| AccountDiff {
        info: Some(info),
        storage: if number.is_multiple_of(3) { slots() } else { Vec::new() },
        ..AccountDiff::default()
    };
    let accounts = (0..FIRST).map(|number| (account(number), change(number))).collect();
    held.apply(&StateDiff::new(accounts, Vec::new()));
    held
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = Self(std::env::temp_dir().join(format!("hansa-versions-{}", std::process::id())));
        fs::create_dir_all(&folder.0).unwrap();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn filed(path: &Path, state: &WorldState) -> WorldState {
    write_checkpoint(path, 7, &B256::ZERO, state, Pace::Full).unwrap();
    open_checkpoint(path).unwrap().state
}

/// Moves versions onto the file of one of them, each from the one that moved before it.
fn move_onto(held: &mut [Held], path: &Path, of: Index, which: &[Index]) {
    let mut known = held[of.index(held.len())].state.clone();
    let mut moved = filed(path, &known);
    for nth in which {
        let state = &mut nth.get_mut(held).state;
        let next = state.moved_onto(&known, &moved);
        known = std::mem::replace(state, next.clone());
        moved = next;
    }
}

fn run(folder: &Path, steps: &[Step]) {
    let mut held = vec![first()];
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Apply(of, diff) if !held.is_empty() => {
                let mut next = held[of.index(held.len())].clone();
                next.apply(diff);
                held.push(next);
            }
            Step::Clone(of) if !held.is_empty() => held.push(held[of.index(held.len())].clone()),
            Step::LetGo(of) if held.len() > 1 => drop(held.swap_remove(of.index(held.len()))),
            Step::Move(of, which) => {
                move_onto(&mut held, &folder.join(format!("{number}.ckpt")), *of, which);
            }
            Step::Retire => trie::retire(1),
            _ => {}
        }
    }
    held.iter().for_each(Held::check);
    // Every node holds: written, each reference is computed anew.
    let path = folder.join("last.ckpt");
    for one in &held {
        write_checkpoint(&path, 8, &B256::ZERO, &one.state, Pace::Full).unwrap();
        assert_eq!(verify_checkpoint(&path).unwrap().state_root, one.state.root());
    }
    drop(held);
    assert_eq!(trie::in_use(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn versions_keep_what_they_are_and_leave_nothing(steps in prop::collection::vec(step(), 1..40)) {
        let folder = Folder::new();
        run(&folder.0, &steps);
    }
}
