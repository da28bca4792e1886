//! What is served is taken over whole; what is altered is refused.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};

use super::{Chunk, StateBuilder, Task, check, serve};
use crate::{AccountDiff, AccountInfo, StateDiff, WorldState};

fn address(n: u64) -> Address {
    Address::from_slice(&keccak256(n.to_be_bytes())[..20])
}

/// Accounts, some with a few slots, two with very many; every fiftieth with code.
fn filled(accounts: u64) -> WorldState {
    let code = |n: u64| Bytes::from(vec![(n % 7) as u8; 100 + (n % 7) as usize]);
    let mut codes = Vec::new();
    let changes = (0..accounts).map(|n| {
        let code_hash = if n % 50 == 0 {
            codes.push(code(n));
            keccak256(code(n))
        } else {
            KECCAK256_EMPTY
        };
        let slots = match n {
            3 | 4 => 20_000,
            _ => n % 4,
        };
        let storage = (1..=slots).map(|slot| (U256::from(slot), U256::from(n * 31 + slot))).collect();
        let info = Some(AccountInfo { nonce: n, balance: U256::from(n) << (n % 200), code_hash });
        (address(n), AccountDiff { info, storage_wiped: false, storage })
    });
    let changes = changes.collect();
    let mut state = WorldState::new();
    state.apply(&StateDiff::new(changes, codes));
    state
}

/// Every task with its answer, as a node that takes all of it over asks.
fn take_over(state: &WorldState) -> Vec<(Task, Chunk)> {
    let mut tasks = VecDeque::from([Task::whole(&state.root())]);
    let mut taken = Vec::new();
    while let Some(task) = tasks.pop_front() {
        let asked = Task::decode(&task.encode()).unwrap();
        assert_eq!(asked, task);
        let chunk = Chunk::decode(&serve(state, &asked).unwrap().encode()).unwrap();
        tasks.extend(check(&task, &chunk).unwrap());
        taken.push((task, chunk));
    }
    taken
}

fn build(taken: &[(Task, Chunk)]) -> WorldState {
    let mut slots: HashMap<B256, Vec<_>> = HashMap::new();
    let mut builder = StateBuilder::default();
    for (task, chunk) in taken {
        match (task, chunk) {
            (Task::Slots(account, _), Chunk::Slots(part)) => {
                slots.entry(*account).or_default().push(part.clone());
            }
            (_, Chunk::Codes(codes)) => codes.iter().for_each(|code| builder.add_code(code.clone())),
            _ => {}
        }
    }
    for (_, chunk) in taken {
        let Chunk::Accounts(entries) = chunk else { continue };
        let Ok(()) = builder.add_accounts(entries, |key| Ok::<_, Infallible>(slots[key].clone()));
    }
    builder.finish()
}

#[test]
fn a_state_is_taken_over_whole() {
    for accounts in [1, 2, 17, 30_000] {
        let state = filled(accounts);
        let taken = take_over(&state);
        let built = build(&taken);
        assert_eq!(built.root(), state.root());
        for n in (0..accounts).step_by(97).chain(0..accounts.min(5)) {
            assert_eq!(built.account(&address(n)), state.account(&address(n)));
            let code = state.account(&address(n)).unwrap().code_hash;
            assert_eq!(built.code(&code), state.code(&code));
            for slot in [0, 1, 3, 19_999, 20_000, 20_001].map(U256::from) {
                assert_eq!(built.storage(&address(n), slot), state.storage(&address(n), slot));
            }
        }
        let is_split =
            |(task, chunk): &&(Task, Chunk)| matches!((task, chunk), (Task::Accounts(_), Chunk::Split(..)));
        let splits = taken.iter().filter(is_split).count();
        assert_eq!(splits > 0, accounts == 30_000, "{splits} nodes of {accounts} accounts");
    }
}

#[test]
fn what_is_altered_or_left_out_is_refused() {
    let state = filled(30_000);
    for (nth, (task, chunk)) in take_over(&state).into_iter().enumerate() {
        let good = chunk.encode();
        for at in (0..good.len()).step_by(good.len() / 40 + 1) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            let refused = Chunk::decode(&bad).is_none_or(|chunk| check(&task, &chunk).is_err());
            assert!(refused, "chunk {nth} byte {at}");
        }
        match chunk {
            Chunk::Accounts(mut entries) => {
                entries.remove(entries.len() / 2);
                check(&task, &Chunk::Accounts(entries)).unwrap_err();
            }
            Chunk::Slots(mut slots) => {
                slots.pop();
                check(&task, &Chunk::Slots(slots)).unwrap_err();
            }
            Chunk::Codes(_) | Chunk::Split(..) => {}
        }
    }
}

#[test]
fn nothing_is_served_of_what_is_not_there() {
    let state = filled(20);
    let absent = Task::Codes(vec![B256::repeat_byte(7)]);
    assert_eq!(serve(&state, &absent), None);
    let Task::Accounts(place) = Task::whole(&state.root()) else { unreachable!() };
    assert_eq!(serve(&state, &Task::Slots(B256::ZERO, place)), None);
    let mut deep = Task::whole(&state.root()).encode();
    *deep.last_mut().unwrap() = 63;
    deep.extend([9; 63]);
    assert_eq!(serve(&state, &Task::decode(&deep).unwrap()), None);
    *deep.last_mut().unwrap() = 16;
    assert_eq!(Task::decode(&deep), None);
    assert_eq!((Task::decode(&[]), Chunk::decode(&[3, 0])), (None, None));
}
