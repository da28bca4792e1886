//! Versions that part, are held and let go in any order: each keeps what it was, and the last leaves no node
//! behind. Tests of this process come one after the other, since they count its nodes. A debug build finds nodes that
//! are read after they were freed, and such as are freed twice.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use hansa_state::{
    AccountDiff, AccountInfo, Pace, StateDiff, WorldState, open_checkpoint, trie, verify_checkpoint,
    write_checkpoint,
};
use proptest::prelude::*;
use proptest::sample::Index;

static ONE: Mutex<()> = Mutex::new(());

/// Until it is dropped no other test of this process runs, whatever became of those before.
fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

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
    assert_eq!(trie::bytes_in_use(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn versions_keep_what_they_are_and_leave_nothing(steps in prop::collection::vec(step(), 1..40)) {
        let _one = alone();
        let folder = Folder::new();
        run(&folder.0, &steps);
    }
}

/// Accounts that exist afterwards, of so many at first: batches that are spread over the children of the top.
fn shrunk(first: u64, stays: impl Fn(u64) -> bool) -> (WorldState, Vec<Address>) {
    let info = AccountInfo { nonce: 1, balance: U256::from(7), code_hash: KECCAK256_EMPTY };
    let added = AccountDiff { info: Some(info), ..AccountDiff::default() };
    let all = (0..first).map(|number| (account(number), added.clone())).collect();
    let mut state = WorldState::new();
    state.apply(&StateDiff::new(all, Vec::new()));
    let gone = (0..first).filter(|number| !stays(*number));
    let removed = gone.map(|number| (account(number), AccountDiff::removed())).collect();
    state.apply(&StateDiff::new(removed, Vec::new()));
    (state, (0..first).filter(|number| stays(*number)).map(account).collect())
}

#[test]
fn a_large_batch_that_leaves_little_leaves_no_node_behind() {
    let _one = alone();
    let nibbles = |number: u64, count: u32| keccak256(account(number)).0[0] >> (8 - 4 * count);
    // All, those below two places, below one, below one of those, a single one, none.
    let cases: [&dyn Fn(u64) -> bool; 6] = [
        &|_| true,
        &|number| nibbles(number, 1) < 2,
        &|number| nibbles(number, 1) == 3,
        &|number| nibbles(number, 2) == 0x35,
        &|number| number == 17,
        &|_| false,
    ];
    for stays in cases {
        let (state, left) = shrunk(3_000, stays);
        let mut expected = WorldState::new();
        for address in &left {
            let info = state.account(address);
            let change = AccountDiff { info, ..AccountDiff::default() };
            expected.apply(&StateDiff::new(vec![(*address, change)], Vec::new()));
        }
        assert_eq!(state.root(), expected.root());
        drop((state, expected));
        assert_eq!(trie::bytes_in_use(), 0);
    }
}

#[test]
fn versions_go_on_other_threads_while_new_ones_are_made() {
    let _one = alone();
    let mut newest = first();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (give, take) = channel::<Held>();
            (give, thread::spawn(move || take.iter().for_each(|held| held.check())))
        })
        .collect();
    for round in 0..400u64 {
        let change = AccountDiff {
            info: Some(AccountInfo { nonce: round, balance: U256::from(7), code_hash: KECCAK256_EMPTY }),
            storage_wiped: round % 7 == 0,
            storage: vec![(U256::from(round % SLOTS), U256::from(round % 3))],
        };
        // Two from each: the one that nobody goes on with is let go of elsewhere, as is the one before.
        let mut aside = newest.clone();
        aside.apply(&StateDiff::new(vec![(account(round * 13 % ACCOUNTS), change.clone())], Vec::new()));
        let mut next = newest.clone();
        next.apply(&StateDiff::new(vec![(account(round * 7 % ACCOUNTS), change)], Vec::new()));
        threads[0].0.send(aside).unwrap();
        threads[1].0.send(std::mem::replace(&mut newest, next)).unwrap();
    }
    for (give, thread) in threads {
        drop(give);
        thread.join().unwrap();
    }
    newest.check();
    drop(newest);
    assert_eq!(trie::bytes_in_use(), 0);
}
