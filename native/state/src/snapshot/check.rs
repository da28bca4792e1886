//! Holding an answer against its task; the tasks that follow from it.

use alloy_primitives::{B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use hansa_crypto::keccak256;

use super::chunk::{AccountEntry, CODES_MAX, Chunk, PackedLeaf, Task, TriePlace};
use crate::account::AccountLeaf;
use crate::trie::LeafValue;
use crate::trie::subtrie::{Place, is_all_below, split};

/// Checks a chunk against the task that it answers; the tasks that remain because of it, with every code that its
/// accounts name (also those known already).
///
/// # Errors
/// What does not hold: the chunk is not of the state whose root the first task named.
pub fn check(task: &Task, chunk: &Chunk) -> Result<Vec<Task>, &'static str> {
    match (task, chunk) {
        (Task::Accounts(place), Chunk::Accounts(entries)) => accounts(place, entries),
        (Task::Slots(_, place), Chunk::Slots(slots)) => match holds_slots(&place.0, slots) {
            true => Ok(Vec::new()),
            false => Err("the slots are not all those of the account at that place"),
        },
        (Task::Accounts(place), Chunk::Split(extension, branch)) => {
            let below = split(&place.0, extension, branch).ok_or("not the node at that place")?;
            Ok(below.into_iter().map(|place| Task::Accounts(TriePlace(place))).collect())
        }
        (Task::Slots(account, place), Chunk::Split(extension, branch)) => {
            let below = split(&place.0, extension, branch).ok_or("not the node at that place")?;
            Ok(below.into_iter().map(|place| Task::Slots(*account, TriePlace(place))).collect())
        }
        (Task::Codes(hashes), Chunk::Codes(codes)) => {
            let right = hashes.iter().zip(codes).all(|(hash, code)| keccak256(code) == *hash);
            if codes.is_empty() || codes.len() > hashes.len() || !right {
                return Err("the codes have other hashes");
            }
            let rest = hashes[codes.len()..].to_vec();
            Ok(if rest.is_empty() { Vec::new() } else { vec![Task::Codes(rest)] })
        }
        _ => Err("an answer to another kind of question"),
    }
}

fn accounts(place: &TriePlace, entries: &[AccountEntry]) -> Result<Vec<Task>, &'static str> {
    let mut leaves = Vec::with_capacity(entries.len());
    let mut tasks = Vec::new();
    let mut codes = Vec::new();
    for entry in entries {
        let leaf = canonical(&entry.packed).ok_or("an account is malformed")?;
        let stores = leaf.storage_root != EMPTY_ROOT_HASH;
        match &entry.slots {
            Some(slots) if stores && holds_slots(&Place::whole(&leaf.storage_root), slots) => {}
            Some(_) => return Err("the slots beside an account are not all of its own"),
            None if stores => {
                tasks.push(Task::Slots(entry.key, TriePlace(Place::whole(&leaf.storage_root))));
            }
            None => {}
        }
        if leaf.info.has_code() {
            codes.push(leaf.info.code_hash);
        }
        leaves.push((entry.key, entry.packed.clone()));
    }
    if !is_all_below::<AccountLeaf>(&place.0, &leaves) {
        return Err("the accounts are not all those of the state at that place");
    }
    codes.sort_unstable();
    codes.dedup();
    tasks.extend(codes.chunks(CODES_MAX).map(|hashes| Task::Codes(hashes.to_vec())));
    Ok(tasks)
}

/// The account of packed bytes that are just as this release packs it.
fn canonical(packed: &[u8]) -> Option<AccountLeaf> {
    let leaf = AccountLeaf::unpack(packed);
    let mut again = Vec::with_capacity(packed.len());
    leaf.pack(&mut again);
    (again == packed).then_some(leaf)
}

fn holds_slots(place: &Place, slots: &[PackedLeaf]) -> bool {
    let canonical = |value: &[u8]| (1..=32).contains(&value.len()) && value[0] != 0;
    slots.iter().all(|(_, value)| canonical(value)) && is_all_below::<U256>(place, slots)
}

/// The hashes of all codes that a chunk's accounts name, ascending.
pub fn codes_of(tasks: &[Task]) -> Vec<B256> {
    let hashes = tasks.iter().filter_map(|task| match task {
        Task::Codes(hashes) => Some(hashes.iter().copied()),
        _ => None,
    });
    hashes.flatten().collect()
}
