//! References of all changed nodes, level by level from below, many at once.
//!
//! A node's hash needs those of its children and nothing else, so all nodes of one depth, of however
//! many tries, go through [`HashLanes`] together. Leaves need nobody and come first.

use std::sync::OnceLock;

use hansa_crypto::{HashLanes, workers};

use super::node::{Branch, Child, KEY_NIBBLES, Leaf, LeafValue, Link, Node};
use super::reference::{HASHED_MIN, Reference};
use super::rlp::{NODE_BYTES, encode_branch, encode_extension, encode_leaf};
use super::warm::ask_for;

/// Nodes that are encoded before they are hashed: enough to fill lanes, few enough for the cache.
const CHUNK: usize = 64;

/// How many nodes before its turn memory is asked for one.
const AHEAD: usize = 8;

/// Nodes that one thread takes at a time.
const PER_THREAD: usize = 512;

/// What has no reference yet.
struct Changed<'a, V> {
    leaves: Vec<(&'a Leaf<V>, usize)>,
    /// By the number of nibbles above.
    levels: Vec<Vec<&'a Link<V>>>,
}

/// Gives every node of these tries its reference.
pub(super) fn settle<'a, V: LeafValue + 'a>(roots: impl Iterator<Item = &'a Node<V>>) {
    let mut roots = roots.peekable();
    if roots.peek().is_none() {
        return;
    }
    let levels = (0..KEY_NIBBLES).map(|_| Vec::new()).collect();
    let mut changed = Changed { leaves: Vec::new(), levels };
    for root in roots {
        match root.as_child() {
            Child::Leaf(leaf) => changed.leaf(leaf, 0),
            Child::Branch(link) => changed.branch(link, 0),
        }
    }
    V::prepare(changed.leaves.iter().map(|(leaf, _)| &leaf.value));
    hash_leaves(&changed.leaves);
    for (depth, level) in changed.levels.iter().enumerate().rev() {
        hash_branches(level, depth);
    }
}

impl<'a, V> Changed<'a, V> {
    fn leaf(&mut self, leaf: &'a Leaf<V>, depth: usize) {
        if leaf.reference.get().is_none() {
            self.leaves.push((leaf, depth));
        }
    }

    fn branch(&mut self, link: &'a Link<V>, depth: usize) {
        if link.reference.get().is_some() {
            return;
        }
        let branch: &'a Branch<V> = &link.branch;
        let below = branch.depth_below(depth);
        for child in branch.changed() {
            match child {
                Child::Leaf(leaf) => self.leaf(leaf, below),
                Child::Branch(lower) => self.branch(lower, below),
            }
        }
        self.levels.get_mut(depth).into_iter().for_each(|level| level.push(link));
    }
}

fn hash_leaves<V: LeafValue>(leaves: &[(&Leaf<V>, usize)]) {
    spread(leaves, |leaves| {
        let mut value = Vec::with_capacity(NODE_BYTES);
        references(
            leaves,
            |(leaf, _)| ask_for(std::ptr::from_ref::<Leaf<V>>(leaf), 1),
            |(leaf, depth), out| encode_leaf(leaf, *depth, &mut value, out),
            |(leaf, _), reference| keep(&leaf.reference, reference),
        );
    });
}

fn hash_branches<V: LeafValue>(level: &[&Link<V>], depth: usize) {
    spread(level, |links| {
        let mut prefixed = Vec::new();
        references(
            links,
            |link| link.branch.ask_all(),
            |link, out| encode_branch(&link.branch, depth, out),
            |link, reference| match link.branch.prefix.is_empty() {
                true => keep(&link.reference, reference),
                false => prefixed.push((*link, reference)),
            },
        );
        references(
            &prefixed,
            |_| (),
            |(link, inner), out| encode_extension(&link.branch.prefix, inner, out),
            |(link, _), reference| keep(&link.reference, reference),
        );
    });
}

/// Hands the nodes of a level to the worker pool, where there is one.
fn spread<T: Sync>(nodes: &[T], work: impl Fn(&[T]) + Sync + Send) {
    if workers::threads_in_force() < 2 || nodes.len() <= PER_THREAD {
        work(nodes);
    } else {
        workers::map(nodes.chunks(PER_THREAD).collect(), work);
    }
}

/// Encodes nodes and hashes them in lanes; one short enough to be embedded needs no hash. `ask` is
/// called for a node some time before `encode` reads it.
fn references<T>(
    nodes: &[T],
    ask: impl Fn(&T),
    mut encode: impl FnMut(&T, &mut Vec<u8>),
    mut done: impl FnMut(&T, Reference),
) {
    let lanes = HashLanes::best();
    let mut bytes = Vec::with_capacity(CHUNK.min(nodes.len()) * NODE_BYTES);
    let mut hashed: Vec<(usize, std::ops::Range<usize>)> = Vec::with_capacity(CHUNK.min(nodes.len()));
    nodes.iter().take(AHEAD).for_each(&ask);
    for (first, chunk) in nodes.chunks(CHUNK).enumerate() {
        bytes.clear();
        hashed.clear();
        for (index, node) in chunk.iter().enumerate() {
            nodes.get(first * CHUNK + index + AHEAD).into_iter().for_each(&ask);
            let from = bytes.len();
            encode(node, &mut bytes);
            if bytes.len() - from < HASHED_MIN {
                done(node, Reference::embedded(&bytes[from..]));
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

/// Another thread that hashes the same version may have been faster; then it has set the same.
fn keep(place: &OnceLock<Reference>, reference: Reference) {
    let _ = place.set(reference);
}
