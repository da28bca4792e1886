//! Answering tasks from a state that somebody holds.

use alloy_primitives::B256;

use super::chunk::{AccountEntry, CHUNK_BYTES, Chunk, PackedLeaf, SLOTS_BESIDE_MAX, Task};
use crate::WorldState;
use crate::trie::View;
use crate::trie::node::{Child, Leaf};

/// What a leaf takes beside its value, about.
const LEAF_BYTES: usize = 36;

/// The answer to a task; none where the state has nothing at that place, or not the code.
///
/// # Complexity
/// Linear in [`CHUNK_BYTES`].
///
/// # Panics
/// Where the file below the state does not hold.
pub fn serve(state: &WorldState, task: &Task) -> Option<Chunk> {
    let accounts = state.trie();
    match task {
        Task::Accounts(place) => {
            let mut bytes = 0;
            let leaves = leaves_at(accounts, place.0.path(), &mut |leaf| {
                let entry = account_entry(accounts, leaf);
                bytes += LEAF_BYTES + entry.packed.len() + slots_bytes(&entry);
                (bytes <= CHUNK_BYTES).then_some(entry)
            });
            answer(accounts, place.0.path(), leaves?, Chunk::Accounts)
        }
        Task::Slots(account, place) => {
            let storage = accounts.nested(accounts.get(account)?);
            let mut bytes = 0;
            let leaves = leaves_at(storage, place.0.path(), &mut |leaf| {
                bytes += LEAF_BYTES + leaf.value.len();
                (bytes <= CHUNK_BYTES).then(|| packed(leaf))
            });
            answer(storage, place.0.path(), leaves?, Chunk::Slots)
        }
        Task::Codes(hashes) => {
            let mut bytes = 0;
            let mut codes = Vec::new();
            for hash in hashes {
                let code = state.code(hash)?;
                bytes += code.len();
                if bytes > CHUNK_BYTES && !codes.is_empty() {
                    break;
                }
                codes.push(code);
            }
            Some(Chunk::Codes(codes))
        }
    }
}

/// All leaves below a path as `take` makes them, or none of them where it makes nothing of one.
fn leaves_at<'a, T>(
    view: View<'a>,
    path: &[u8],
    take: &mut dyn FnMut(Leaf<'a>) -> Option<T>,
) -> Option<Option<Vec<T>>> {
    Some(view.leaves_of(view.at_path(path)?).map(take).collect())
}

/// The leaves, or the node at the path where they are too many.
fn answer<T>(
    view: View<'_>,
    path: &[u8],
    leaves: Option<Vec<T>>,
    of: impl Fn(Vec<T>) -> Chunk,
) -> Option<Chunk> {
    if let Some(leaves) = leaves {
        return Some(of(leaves));
    }
    let Child::Branch(link) = view.at_path(path)? else { return None };
    let (extension, branch) = view.encoded_top(view.node(link)?);
    Some(Chunk::Split(extension, branch))
}

fn packed(leaf: Leaf<'_>) -> PackedLeaf {
    (B256::new(*leaf.key), leaf.value.to_vec())
}

fn account_entry(accounts: View<'_>, leaf: Leaf<'_>) -> AccountEntry {
    let (key, packed_account) = packed(leaf);
    let slots = match leaf.nested.is_none() {
        true => None,
        false => {
            let few: Vec<_> = accounts.nested(leaf).leaves().take(SLOTS_BESIDE_MAX + 1).map(packed).collect();
            (few.len() <= SLOTS_BESIDE_MAX).then_some(few)
        }
    };
    AccountEntry { key, packed: packed_account, slots }
}

fn slots_bytes(entry: &AccountEntry) -> usize {
    entry.slots.iter().flatten().map(|(_, value)| LEAF_BYTES + value.len()).sum()
}
