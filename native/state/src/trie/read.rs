//! Looking up, iterating in key order, proving.

use alloy_primitives::{B256, Bytes};

use super::Trie;
use super::node::{Child, LeafValue, Node, nibble};
use super::reference::{HASHED_MIN, Reference};
use super::rlp::{encode_branch, encode_extension, encode_leaf};

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
