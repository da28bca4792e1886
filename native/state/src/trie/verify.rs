//! Holding a trie in a file against its root: every node and leaf is encoded and hashed again.

use alloy_primitives::B256;

use super::node::{Child, KEY_NIBBLES, Leaf, LeafValue, Link, NodeRef, nibble};
use super::reference::Reference;
use super::rlp::{encode_branch, encode_extension, encode_leaf};
use super::{Base, Trie, View, resolve, root_of};

/// What does not hold, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flaw {
    pub(crate) offset: u64,
    pub(crate) what: &'static str,
}

/// Hears each leaf with the trie below it.
type OnLeaf<'a, V> = &'a mut dyn FnMut(V, Link) -> Result<(), Flaw>;

/// Checks a whole trie.
pub(crate) fn verify_trie<V: LeafValue>(trie: &Trie<V>, on_leaf: OnLeaf<'_, V>) -> Result<(), Flaw> {
    let view = trie.view();
    let reference = match sound(view, trie.top)? {
        None => None,
        Some(node) => Some(match node.only_leaf() {
            Some(leaf) => check_leaf(leaf, &[], 0, on_leaf)?,
            None => Walk { view, path: Vec::with_capacity(KEY_NIBBLES) }.branch(trie.top, node, on_leaf)?,
        }),
    };
    match root_of(reference) == trie.root {
        true => Ok(()),
        false => Err(Flaw { offset: trie.top.offset().unwrap_or(0), what: "a trie has another root" }),
    }
}

/// The root of the trie whose top node lies at an offset, from what that node says of its children.
pub(crate) fn root_at(base: &Base, top: Link) -> B256 {
    // SAFETY: the link is into the file, which the caller holds.
    let Some(node) = (unsafe { resolve(base, top) }) else { return root_of(None) };
    match node.only_leaf() {
        Some(_) => {
            let masks = node.masks();
            node.reference(&masks, masks.leaves.trailing_zeros() as u8).root()
        }
        None => reference_of(node).root(),
    }
}

/// A node of a file, looked at before any part of it is used.
fn sound(view: View<'_>, link: Link) -> Result<Option<NodeRef<'_>>, Flaw> {
    let flaw = |offset| Flaw { offset, what: "a node is malformed, or out of reach" };
    view.file_node(link).map_err(|_| flaw(link.offset().unwrap_or(0)))
}

struct Walk<'a> {
    view: View<'a>,
    path: Vec<u8>,
}

impl Walk<'_> {
    /// Checks what lies below a branch; its reference.
    fn branch<V: LeafValue>(
        &mut self,
        link: Link,
        node: NodeRef<'_>,
        on_leaf: OnLeaf<'_, V>,
    ) -> Result<Reference, Flaw> {
        let flaw = |what| Flaw { offset: link.offset().unwrap_or(0), what };
        let masks = node.masks();
        let above = self.path.len();
        self.path.extend_from_slice(node.prefix());
        if masks.children().count_ones() < 2 {
            return Err(flaw("a node is malformed"));
        }
        if self.path.len() >= KEY_NIBBLES {
            return Err(flaw("a path is longer than a key"));
        }
        for (place, child) in node.children() {
            self.path.push(place);
            let found = match child {
                Child::Leaf(leaf) => check_leaf(leaf, &self.path, self.path.len(), on_leaf)?,
                Child::Branch(lower) => {
                    let below = sound(self.view, lower)?.ok_or_else(|| flaw("a child is missing"))?;
                    self.branch(lower, below, on_leaf)?
                }
            };
            self.path.pop();
            if found != node.reference(&masks, place) {
                return Err(flaw("a child has another hash"));
            }
        }
        self.path.truncate(above);
        Ok(reference_of(node))
    }
}

/// Checks that a leaf hangs where its key says; its reference.
fn check_leaf<V: LeafValue>(
    leaf: Leaf<'_>,
    path: &[u8],
    depth: usize,
    on_leaf: OnLeaf<'_, V>,
) -> Result<Reference, Flaw> {
    if path.iter().enumerate().any(|(position, step)| nibble(leaf.key, position) != *step) {
        return Err(Flaw { offset: 0, what: "a leaf hangs below another path than its key's" });
    }
    on_leaf(V::unpack(leaf.value), leaf.nested)?;
    let mut encoded = Vec::new();
    encode_leaf::<V>(leaf, depth, &mut Vec::new(), &mut encoded);
    Ok(Reference::of(&encoded))
}

/// The reference of a branch whose own references are up to date.
fn reference_of(node: NodeRef<'_>) -> Reference {
    let mut encoded = Vec::new();
    encode_branch(node, &mut encoded);
    let inner = Reference::of(&encoded);
    if node.prefix_len() == 0 {
        return inner;
    }
    encoded.clear();
    encode_extension(node.prefix(), &inner, &mut encoded);
    Reference::of(&encoded)
}
