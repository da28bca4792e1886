//! Looking up, iterating in key order, proving.

use alloy_primitives::{B256, Bytes};

use super::Trie;
use super::node::{Child, LeafValue, Node, nibble};
use super::reference::{HASHED_MIN, Reference};
use super::rlp::{encode_branch, encode_extension, encode_leaf};
use super::warm::{WALKS_MAX, ask_for};

impl<V: LeafValue> Trie<V> {
    /// The value of a key.
    pub fn get(&self, key: &B256) -> Option<&V> {
        let mut node = self.top()?;
        let mut depth = 0;
        loop {
            match node {
                Child::Leaf(leaf) => return (leaf.key == *key).then_some(&leaf.value),
                Child::Branch(link) => {
                    // The prefix need not be compared: the leaf at the end decides.
                    depth += link.branch.prefix.len();
                    node = link.branch.child(nibble(key, depth))?;
                    depth += 1;
                }
            }
        }
    }

    /// The values of several keys, in the order of the keys. The walks go side by side, so that they wait for
    /// memory together.
    pub fn get_each<'a>(&'a self, keys: &[B256], mut found: impl FnMut(Option<&'a V>)) {
        for keys in keys.chunks(WALKS_MAX) {
            let mut walks = [const { None }; WALKS_MAX];
            for (walk, key) in walks.iter_mut().zip(keys) {
                *walk = self.top().map(|node| (node, 0, key));
            }
            while step(&mut walks) {}
            for (walk, key) in walks.iter().zip(keys) {
                found(match walk {
                    Some((Child::Leaf(leaf), ..)) if leaf.key == *key => Some(&leaf.value),
                    _ => None,
                });
            }
        }
    }

    /// All keys and values, in key order.
    pub fn iter(&self) -> Leaves<'_, V> {
        Leaves { stack: self.top().into_iter().collect() }
    }

    /// The nodes from the root towards a key, as RLP: proof of its value or of its absence. Nodes
    /// embedded in their parent are not listed again. Empty for an empty trie.
    pub fn proof(&self, key: &B256) -> Vec<Bytes> {
        let mut nodes = Vec::new();
        let mut next = self.top();
        let mut depth = 0;
        while let Some(node) = next {
            next = match node {
                Child::Leaf(leaf) => {
                    let mut encoded = Vec::new();
                    encode_leaf(leaf, depth, &mut Vec::new(), &mut encoded);
                    push_node(encoded, &mut nodes);
                    None
                }
                Child::Branch(link) => {
                    let branch = &link.branch;
                    let mut own = Vec::new();
                    encode_branch(branch, depth, &mut own);
                    let prefix = &branch.prefix;
                    if !prefix.is_empty() {
                        let mut extension = Vec::new();
                        encode_extension(prefix, &Reference::of(&own), &mut extension);
                        push_node(extension, &mut nodes);
                    }
                    let follows = (0..prefix.len()).all(|i| nibble(key, depth + i) == prefix[i]);
                    depth += prefix.len();
                    if follows {
                        push_node(own, &mut nodes);
                        let child = branch.child(nibble(key, depth));
                        depth += 1;
                        child
                    } else {
                        None
                    }
                }
            };
        }
        nodes
    }

    /// The node at the top.
    fn top(&self) -> Option<Child<'_, V>> {
        self.root.as_deref().map(Node::as_child)
    }
}

/// A walk on its way to a key: the node reached and the nibbles above it.
type Walk<'a, 'k, V> = Option<(Child<'a, V>, usize, &'k B256)>;

/// Takes each walk one level down; says whether any is still under way. Memory is asked for everything that the
/// next reads touch before the first of them waits for it.
fn step<V: LeafValue>(walks: &mut [Walk<'_, '_, V>]) -> bool {
    for (node, depth, key) in walks.iter().flatten() {
        if let Child::Branch(link) = node {
            link.branch.ask_child(nibble(key, depth + link.branch.prefix.len()));
        }
    }
    let mut under_way = false;
    for walk in walks.iter_mut() {
        let Some((Child::Branch(link), depth, key)) = walk else { continue };
        // The prefix need not be compared: the leaf at the end decides.
        let below = link.branch.depth_below(*depth);
        *walk = link.branch.child(nibble(key, below - 1)).map(|child| (child, below, *key));
        match walk {
            Some((Child::Branch(lower), ..)) => {
                ask_for(std::ptr::from_ref(&*lower.branch), 1);
                under_way = true;
            }
            Some((Child::Leaf(leaf), ..)) => ask_for(std::ptr::from_ref(*leaf), 1),
            None => {}
        }
    }
    under_way
}

/// A node stands in a proof when its parent names it by hash, and the root always.
fn push_node(encoded: Vec<u8>, nodes: &mut Vec<Bytes>) {
    if nodes.is_empty() || encoded.len() >= HASHED_MIN {
        nodes.push(encoded.into());
    }
}

/// Iterates over a trie in key order.
#[derive(Debug)]
pub struct Leaves<'a, V> {
    stack: Vec<Child<'a, V>>,
}

impl<'a, V> Iterator for Leaves<'a, V> {
    type Item = (&'a B256, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.stack.pop()? {
                Child::Leaf(leaf) => return Some((&leaf.key, &leaf.value)),
                Child::Branch(link) => {
                    self.stack.extend(link.branch.children().rev().map(|(_, child)| child))
                }
            }
        }
    }
}
