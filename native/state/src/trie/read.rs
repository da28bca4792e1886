//! Looking up, iterating in key order, proving.

use alloy_primitives::{B256, Bytes};

use super::node::{Child, KEY_BYTES, Leaf, LeafValue, Link, NodeRef, key_of, nibble};
use super::reference::{HASHED_MIN, Reference};
use super::rlp::{encode_branch, encode_extension, encode_leaf};
use super::warm::{WALKS_MAX, ask_head, ask_leaf, ask_lengths};
use super::{Base, resolve};
use crate::CheckpointError;

/// A walk on its way to a key: the child reached and the nibbles above it.
type Walk<'a, 'k> = Option<(Child<'a>, usize, &'k [u8; KEY_BYTES])>;

/// A trie that somebody holds, for reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    top: Link,
    base: &'a Base,
}

impl<'a> View<'a> {
    /// The trie at `top`, which must be held for as long as the view lives.
    pub(super) fn new(top: Link, base: &'a Base) -> Self {
        Self { top, base }
    }

    /// The trie that hangs below a leaf of this one.
    pub(crate) fn nested(&self, leaf: Leaf<'a>) -> Self {
        Self { top: leaf.nested, base: self.base }
    }

    /// Has every page of the file below checked again when it is read next.
    pub(crate) fn distrust_file(&self) {
        self.base.iter().for_each(|file| file.check_again());
    }

    pub(crate) fn top(&self) -> Link {
        self.top
    }

    /// A node of this trie or of one nested in it.
    pub(crate) fn node(&self, link: Link) -> Option<NodeRef<'a>> {
        // SAFETY: the version is held for 'a, and one that has a node has those below it.
        unsafe { resolve(self.base, link) }
    }

    /// A node of this trie that lies in the file below, or what does not hold of it.
    pub(super) fn file_node(&self, link: Link) -> Result<Option<NodeRef<'a>>, CheckpointError> {
        match (self.base, link.offset()) {
            (Some(file), Some(offset)) => file.try_node(offset).map(Some),
            _ => Ok(None),
        }
    }

    /// The leaf of a key.
    pub(crate) fn get(&self, key: &B256) -> Option<Leaf<'a>> {
        let key = key_of(key);
        let mut node = self.node(self.top)?;
        let mut depth = 0;
        loop {
            // The prefix need not be compared: the leaf at the end decides.
            depth += node.prefix_len();
            match node.child(nibble(key, depth))? {
                Child::Leaf(leaf) => return (leaf.key == key).then_some(leaf),
                Child::Branch(link) => node = self.node(link)?,
            }
            depth += 1;
        }
    }

    /// The leaves of several keys, in the order of the keys. The walks go side by side, so that they
    /// wait for memory together.
    pub(crate) fn get_each(&self, keys: &[B256], mut found: impl FnMut(Option<Leaf<'a>>)) {
        for keys in keys.chunks(WALKS_MAX) {
            let mut walks = [const { None }; WALKS_MAX];
            for (walk, key) in walks.iter_mut().zip(keys) {
                *walk = Some((Child::Branch(self.top), 0, key_of(key)));
            }
            while self.step(&mut walks) {}
            for (walk, key) in walks.iter().zip(keys) {
                found(match walk {
                    Some((Child::Leaf(leaf), ..)) if leaf.key == key_of(key) => Some(*leaf),
                    _ => None,
                });
            }
        }
    }

    /// Takes each walk one level down; says whether any is still under way. Memory is asked for
    /// everything that the next reads touch before the first of them waits for it.
    fn step(&self, walks: &mut [Walk<'a, '_>]) -> bool {
        let mut nodes = [const { None }; WALKS_MAX];
        for (node, walk) in nodes.iter_mut().zip(walks.iter()) {
            let Some((Child::Branch(link), depth, key)) = walk else { continue };
            *node = self.node(*link).map(|node| {
                let below = node.depth_below(*depth);
                (node, below, nibble(key, below - 1))
            });
        }
        for ask in [ask_lengths, ask_leaf] {
            nodes.iter().flatten().for_each(|(node, _, place)| ask(*node, *place));
        }
        let mut under_way = false;
        for (node, walk) in nodes.iter().zip(walks.iter_mut()) {
            let Some((Child::Branch(_), _, key)) = walk else { continue };
            // The prefix need not be compared: the leaf at the end decides.
            *walk = node.and_then(|(node, below, place)| Some((node.child(place)?, below, *key)));
            if let Some((Child::Branch(lower), ..)) = walk {
                ask_head(self.base, *lower);
                under_way = true;
            }
        }
        under_way
    }

    /// All leaves, in key order.
    pub(crate) fn leaves(self) -> Leaves<'a> {
        let stack = if self.top.is_none() { Vec::new() } else { vec![Child::Branch(self.top)] };
        Leaves { view: self, stack }
    }

    /// All leaves below a child, in key order.
    pub(crate) fn leaves_of(self, child: Child<'a>) -> Leaves<'a> {
        Leaves { view: self, stack: vec![child] }
    }

    /// The nodes from the root towards a key, as RLP.
    pub(crate) fn proof<V: LeafValue>(&self, key: &B256) -> Vec<Bytes> {
        let key = key_of(key);
        let mut nodes = Vec::new();
        let mut next = self.node(self.top);
        if let Some(leaf) = next.and_then(NodeRef::only_leaf) {
            push_leaf::<V>(leaf, 0, &mut nodes);
            return nodes;
        }
        let mut depth = 0;
        while let Some(node) = next.take() {
            let mut own = Vec::new();
            encode_branch(node, &mut own);
            let prefix = node.prefix();
            if !prefix.is_empty() {
                let mut extension = Vec::new();
                encode_extension(prefix, &Reference::of(&own), &mut extension);
                push_node(extension, &mut nodes);
            }
            if prefix.iter().enumerate().any(|(i, step)| nibble(key, depth + i) != *step) {
                break;
            }
            push_node(own, &mut nodes);
            depth += prefix.len();
            match node.child(nibble(key, depth)) {
                Some(Child::Leaf(leaf)) => push_leaf::<V>(leaf, depth + 1, &mut nodes),
                Some(Child::Branch(link)) => next = self.node(link),
                None => {}
            }
            depth += 1;
        }
        nodes
    }
}

fn push_leaf<V: LeafValue>(leaf: Leaf<'_>, depth: usize, nodes: &mut Vec<Bytes>) {
    let mut encoded = Vec::new();
    encode_leaf::<V>(leaf, depth, &mut Vec::new(), &mut encoded);
    push_node(encoded, nodes);
}

/// A node stands in a proof when its parent names it by hash, and the root always.
fn push_node(encoded: Vec<u8>, nodes: &mut Vec<Bytes>) {
    if nodes.is_empty() || encoded.len() >= HASHED_MIN {
        nodes.push(encoded.into());
    }
}

/// Iterates over a trie in key order.
#[derive(Debug)]
pub(crate) struct Leaves<'a> {
    view: View<'a>,
    stack: Vec<Child<'a>>,
}

impl<'a> Iterator for Leaves<'a> {
    type Item = Leaf<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.stack.pop()? {
                Child::Leaf(leaf) => return Some(leaf),
                Child::Branch(link) => {
                    let node = self.view.node(link)?;
                    self.stack.extend(node.children().rev().map(|(_, child)| child));
                }
            }
        }
    }
}
