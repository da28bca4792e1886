//! References of all new nodes, level by level from below, many at once.
//!
//! A node's hash needs those of its children and nothing else, so all nodes of one depth, of however
//! many tries, go through [`HashLanes`] together. Leaves need nobody and come first.

use hansa_crypto::HashLanes;

use super::build::Kid;
use super::node::{Child, KEY_NIBBLES, LeafValue, Link, NodeMut, NodeRef};
use super::pool::{self, NodeId};
use super::reference::{HASHED_MIN, Reference};
use super::rlp::{NODE_BYTES, encode_branch, encode_extension, encode_leaf};
use super::warm::ask_node;

/// Nodes that are encoded before they are hashed: enough to fill lanes, few enough for the cache.
const CHUNK: usize = 64;

/// How many nodes before its turn memory is asked for one.
const AHEAD: usize = 8;

/// A new node and where its reference goes: a place of another new one, or the nth top.
#[derive(Debug, Clone, Copy)]
struct New {
    node: NodeId,
    /// Nibbles above it; [`ALONE`] where it is nothing but the leaf that is the whole trie.
    depth: u8,
    parent: Result<(u32, u8), u32>,
}

/// More nibbles than a key has.
const ALONE: u8 = u8::MAX;

/// A leaf whose reference is to be computed, by its branch and place there.
#[derive(Debug, Clone, Copy)]
struct NewLeaf {
    branch: u32,
    place: u8,
}

/// What an update has made, in the order in which it came, to be named by its parents.
#[derive(Debug, Default)]
pub(super) struct Made {
    nodes: Vec<New>,
    leaves: Vec<NewLeaf>,
}

impl Made {
    /// Takes note of a node with some new children, `depth` nibbles down. The answer names it here.
    pub(super) fn push<'k>(
        &mut self,
        node: NodeId,
        depth: usize,
        kids: impl Iterator<Item = (u8, &'k Kid<'k>)>,
    ) -> u32 {
        // An update makes fewer nodes than memory has places, and depths stay below KEY_NIBBLES + 1.
        let index = self.nodes.len() as u32;
        self.nodes.push(New { node, depth: depth as u8, parent: Err(0) });
        for (place, kid) in kids {
            match kid {
                Kid::New(_, None) | Kid::Nothing | Kid::Old(_) => {}
                Kid::New(_, Some(lower)) => self.nodes[*lower as usize].parent = Ok((index, place)),
                Kid::Leaf(_) | Kid::Item(..) => self.leaves.push(NewLeaf { branch: index, place }),
            }
        }
        index
    }

    /// Takes note of the node of a trie that has nothing but a leaf, the nth top.
    pub(super) fn push_alone(&mut self, node: NodeId, place: u8, nth: usize) {
        self.leaves.push(NewLeaf { branch: self.nodes.len() as u32, place });
        self.nodes.push(New { node, depth: ALONE, parent: Err(nth as u32) });
    }

    /// Another node, `depth` nibbles down, has the children of one that was made before.
    pub(super) fn replace(&mut self, index: u32, node: NodeId, depth: usize) {
        self.nodes[index as usize] = New { node, depth: depth as u8, parent: Err(0) };
    }

    /// The node is the nth top.
    pub(super) fn set_top(&mut self, index: u32, nth: usize) {
        self.nodes[index as usize].parent = Err(nth as u32);
    }

    /// Nodes by the number of nibbles above.
    fn levels(&self) -> Vec<Vec<New>> {
        let mut levels = vec![Vec::new(); KEY_NIBBLES];
        for new in self.nodes.iter().filter(|new| new.depth != ALONE) {
            levels[usize::from(new.depth)].push(*new);
        }
        levels
    }
}

/// Gives every node that an update made its reference; those of its `tops` are the answer, none for an empty trie.
///
/// # Safety
/// One update made all of this, and nobody else can see it yet.
pub(super) unsafe fn settle<V: LeafValue>(made: &Made, tops: usize) -> Vec<Option<Reference>> {
    let mut references = vec![None; tops];
    let mut keep = |parent: Result<(u32, u8), u32>, reference: &Reference| match parent {
        // SAFETY: the parent was made by the same update, and this is the only thread that has it.
        Ok((parent, place)) => unsafe { put(made.nodes[parent as usize].node, place, reference) },
        Err(nth) => references[nth as usize] = Some(*reference),
    };
    hash_leaves::<V>(made, &mut keep);
    for level in made.levels().iter().rev() {
        hash_branches(level, &mut keep);
    }
    references
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
pub(super) unsafe fn keep_references<'k>(
    top: NodeId,
    settled: impl Iterator<Item = (u8, Kid<'k>, Option<Reference>)>,
) {
    for (place, kid, reference) in settled {
        // SAFETY: the caller's promise.
        unsafe {
            // A child that became the top itself has its own children there.
            let found = pool::node(top).child(place);
            if let (Kid::New(id, _), Some(Child::Branch(link)), Some(reference)) = (kid, found, reference)
                && link == Link::to(id)
            {
                put(top, place, &reference);
            }
        }
    }
}

fn hash_leaves<V: LeafValue>(made: &Made, keep: &mut impl FnMut(Result<(u32, u8), u32>, &Reference)) {
    let mut value = Vec::with_capacity(NODE_BYTES);
    let branch = |leaf: &NewLeaf| &made.nodes[leaf.branch as usize];
    references(
        &made.leaves,
        |leaf| branch(leaf).node,
        |leaf, node, out| {
            let found = node.leaf(&node.masks(), leaf.place);
            // A leaf that is the whole trie hangs below nothing.
            let depth = match branch(leaf).depth {
                ALONE => 0,
                above => node.depth_below(usize::from(above)),
            };
            encode_leaf::<V>(found, depth, &mut value, out);
        },
        |leaf, reference| {
            keep(Ok((leaf.branch, leaf.place)), &reference);
            // Such a leaf names the whole trie, too.
            if branch(leaf).depth == ALONE {
                keep(branch(leaf).parent, &reference);
            }
        },
    );
}

fn hash_branches(level: &[New], keep: &mut impl FnMut(Result<(u32, u8), u32>, &Reference)) {
    let mut prefixed = Vec::new();
    references(
        level,
        |new| new.node,
        |_, node, out| encode_branch(node, out),
        |new, reference| {
            // SAFETY: the update under way made the node.
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
    // SAFETY: the update under way made the nodes, and writes them in `done` only.
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
