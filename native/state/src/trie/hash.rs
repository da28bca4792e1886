//! References of all new nodes, level by level from below, many at once.
//!
//! A node's hash needs those of its children and nothing else, so all nodes of one depth, of however
//! many tries, go through [`HashLanes`] together. Leaves need nobody and come first.

use hansa_crypto::HashLanes;

use super::node::{KEY_NIBBLES, LeafValue, Link, NodeMut, NodeRef, places, rank};
use super::pool::{self, NodeId};
use super::reference::{HASHED_MIN, Reference};
use super::rlp::{NODE_BYTES, encode_branch, encode_extension, encode_leaf};
use super::warm::ask_node;

/// Nodes that are encoded before they are hashed: enough to fill lanes, few enough for the cache.
const CHUNK: usize = 64;

/// How many nodes before its turn memory is asked for one.
const AHEAD: usize = 8;

/// A new node and where its reference goes: a place of its parent, or the nth top.
#[derive(Debug, Clone, Copy)]
struct New {
    node: NodeId,
    parent: Result<(NodeId, u8), usize>,
}

/// A leaf whose reference is to be computed, by its branch and place there.
#[derive(Debug, Clone, Copy)]
struct NewLeaf {
    branch: NodeId,
    place: u8,
    depth: u8,
}

struct Changed {
    leaves: Vec<NewLeaf>,
    /// By the number of nibbles above.
    levels: Vec<Vec<New>>,
}

/// Gives every node that an update made its reference; those of the tops are the answer.
///
/// # Safety
/// `tops` are links to what one update made, each with the depth at which it hangs, and nobody else
/// can see that yet.
pub(super) unsafe fn settle<V: LeafValue>(tops: &[(Link, usize)]) -> Vec<Option<Reference>> {
    let levels = (0..KEY_NIBBLES).map(|_| Vec::new()).collect();
    let mut changed = Changed { leaves: Vec::new(), levels };
    for (nth, (top, depth)) in tops.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { changed.collect(*top, *depth, Err(nth)) };
    }
    let mut references = vec![None; tops.len()];
    let mut keep = |parent: Result<(NodeId, u8), usize>, reference: &Reference| match parent {
        // SAFETY: the parent was made by the same update, and this is the only thread that has it.
        Ok((parent, place)) => unsafe { put(parent, place, reference) },
        Err(nth) => references[nth] = Some(*reference),
    };
    hash_leaves::<V>(&changed.leaves, &mut keep);
    for level in changed.levels.iter().rev() {
        hash_branches(level, &mut keep);
    }
    for (nth, (top, _)) in tops.iter().enumerate() {
        references[nth] = references[nth].or_else(|| only_reference(*top));
    }
    references
}

/// The reference of a trie's only leaf.
fn only_reference(top: Link) -> Option<Reference> {
    // SAFETY: the caller of `settle` holds the top.
    let node = unsafe { pool::node(top.memory()?) };
    node.only_leaf()?;
    let masks = node.masks();
    Some(node.reference(&masks, masks.leaves.trailing_zeros() as u8))
}

/// # Safety
/// The node was made by the update under way, and nobody else reads or writes it meanwhile.
unsafe fn put(node: NodeId, place: u8, reference: &Reference) {
    // SAFETY: the caller's promise; the size is the node's own.
    unsafe {
        let size = pool::node(node).bytes().len();
        NodeMut(pool::node_mut(node, size)).put_reference(place, reference);
    }
}

/// Gives a new top the references of children that were settled before it was made.
///
/// # Safety
/// As for [`settle`].
pub(super) unsafe fn keep_references(top: NodeId, references: impl Iterator<Item = (u8, Option<Reference>)>) {
    for (place, reference) in references {
        // SAFETY: the caller's promise.
        unsafe {
            let masks = pool::node(top).masks();
            if let Some(reference) = reference.filter(|_| masks.stale & masks.branches & (1 << place) != 0) {
                put(top, place, &reference);
            }
        }
    }
}

impl Changed {
    /// # Safety
    /// As for [`settle`].
    unsafe fn collect(&mut self, link: Link, depth: usize, parent: Result<(NodeId, u8), usize>) {
        let Some(id) = link.memory() else { return };
        // SAFETY: the caller's promise.
        let node = unsafe { pool::node(id) };
        let masks = node.masks();
        let alone = masks.children().count_ones() == 1;
        // A leaf that is the whole trie hangs below nothing.
        let below = if alone { 0 } else { node.depth_below(depth) };
        for place in places(masks.stale) {
            if masks.branches & (1 << place) == 0 {
                // Depths stay below KEY_NIBBLES + 1.
                self.leaves.push(NewLeaf { branch: id, place, depth: below as u8 });
            } else {
                let lower = node.link_at(rank(masks.branches, place));
                // SAFETY: a stale branch below a new node is new.
                unsafe { self.collect(lower, below, Ok((id, place))) };
            }
        }
        if alone {
            return;
        }
        self.levels[depth].push(New { node: id, parent });
    }
}

fn hash_leaves<V: LeafValue>(
    leaves: &[NewLeaf],
    keep: &mut impl FnMut(Result<(NodeId, u8), usize>, &Reference),
) {
    let mut value = Vec::with_capacity(NODE_BYTES);
    references(
        leaves,
        |leaf| leaf.branch,
        |leaf, branch, out| {
            let found = branch.leaf(&branch.masks(), leaf.place);
            encode_leaf::<V>(found, usize::from(leaf.depth), &mut value, out);
        },
        |leaf, reference| keep(Ok((leaf.branch, leaf.place)), &reference),
    );
}

fn hash_branches(level: &[New], keep: &mut impl FnMut(Result<(NodeId, u8), usize>, &Reference)) {
    let mut prefixed = Vec::new();
    references(
        level,
        |new| new.node,
        |_, node, out| encode_branch(node, out),
        |new, reference| {
            // SAFETY: the node is held by the update under way.
            match unsafe { pool::node(new.node) }.prefix_len() {
                0 => keep(new.parent, &reference),
                _ => prefixed.push((*new, reference)),
            }
        },
    );
    references(
        &prefixed,
        |(new, _)| new.node,
        |(_, inner), node, out| encode_extension(node.prefix(), inner, out),
        |(new, _), reference| keep(new.parent, &reference),
    );
}

/// Encodes nodes and hashes them in lanes; one short enough to be embedded needs no hash.
fn references<T>(
    nodes: &[T],
    id: impl Fn(&T) -> NodeId,
    mut encode: impl FnMut(&T, NodeRef<'_>, &mut Vec<u8>),
    mut done: impl FnMut(&T, Reference),
) {
    // SAFETY: the nodes are held by the update under way, and written in `done` only.
    let node = |item: &T| unsafe { pool::node(id(item)) };
    let lanes = HashLanes::best();
    let mut bytes = Vec::with_capacity(CHUNK.min(nodes.len()) * NODE_BYTES);
    let mut hashed: Vec<(usize, std::ops::Range<usize>)> = Vec::with_capacity(CHUNK.min(nodes.len()));
    for (first, chunk) in nodes.chunks(CHUNK).enumerate() {
        bytes.clear();
        hashed.clear();
        for (index, item) in chunk.iter().enumerate() {
            nodes.get(first * CHUNK + index + AHEAD).into_iter().for_each(|later| ask_node(node(later)));
            let from = bytes.len();
            encode(item, node(item), &mut bytes);
            if bytes.len() - from < HASHED_MIN {
                done(item, Reference::embedded(&bytes[from..]));
            } else {
                hashed.push((index, from..bytes.len()));
            }
        }
        lanes.hash(
            hashed.len(),
            |place| &bytes[hashed[place].1.clone()],
            |place, hash| done(&chunk[hashed[place].0], Reference::hash(&hash)),
        );
    }
}
