//! Leaves and branches.
//!
//! A branch holds its leaves by value, one beside the other, and its lower branches by shared
//! pointers. Both carry, beside the child, the reference by which the branch names it. Copying the
//! lowest branch of a path, whose children are leaves, so touches one stretch of memory and no
//! count of references, and hashing a branch touches none of its children.

use std::sync::OnceLock;

use alloy_primitives::B256;

use super::reference::Reference;
use super::rlp::{NODE_BYTES, encode_branch, encode_extension, encode_leaf};
use super::shared::Shared;
use super::warm::ask_for;

/// Nibbles of a key.
pub(super) const KEY_NIBBLES: usize = 64;

/// What a leaf can hold.
pub trait LeafValue: Clone + Send + Sync {
    /// Appends the bytes that stand as the leaf's value.
    fn encode_value(&self, out: &mut Vec<u8>);

    /// Told before these values are encoded: the chance to do together what encoding would do one
    /// by one.
    fn prepare<'a>(_values: impl Iterator<Item = &'a Self>)
    where
        Self: 'a,
    {
    }
}

/// A key with its value. The reference depends on the depth the leaf hangs at.
#[derive(Debug, Clone)]
pub(super) struct Leaf<V> {
    pub(super) key: B256,
    pub(super) value: V,
    pub(super) reference: OnceLock<Reference>,
}

/// A branch as its parent has it.
#[derive(Debug)]
pub(super) struct Link<V> {
    pub(super) branch: Shared<Branch<V>>,
    pub(super) reference: OnceLock<Reference>,
}

/// Two or more children, below an optional common prefix (an extension node in Ethereum's terms).
#[derive(Debug)]
pub(super) struct Branch<V> {
    pub(super) prefix: Box<[u8]>,
    leaf_mask: u16,
    link_mask: u16,
    /// Places that may lack a reference; all others have theirs.
    changed: u16,
    leaves: Vec<Leaf<V>>,
    links: Vec<Link<V>>,
}

/// A node on its way, or the top of a trie.
#[derive(Debug, Clone)]
pub(super) enum Node<V> {
    Leaf(Leaf<V>),
    Branch(Link<V>),
}

/// A node where it stands.
#[derive(Debug)]
pub(super) enum Child<'a, V> {
    Leaf(&'a Leaf<V>),
    Branch(&'a Link<V>),
}

impl<V> Clone for Child<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Child<'_, V> {}

impl<V> Clone for Link<V> {
    fn clone(&self) -> Self {
        Self { branch: self.branch.clone(), reference: self.reference.clone() }
    }
}

impl<V: Clone> Clone for Branch<V> {
    fn clone(&self) -> Self {
        Self {
            prefix: self.prefix.clone(),
            leaf_mask: self.leaf_mask,
            link_mask: self.link_mask,
            changed: self.changed,
            leaves: self.leaves.clone(),
            links: self.links.clone(),
        }
    }
}

impl<V> Leaf<V> {
    pub(super) fn new(key: B256, value: V) -> Self {
        Self { key, value, reference: OnceLock::new() }
    }

    /// Forgets the reference: the leaf hangs at another depth from now on.
    pub(super) fn moved(self) -> Self {
        Self { reference: OnceLock::new(), ..self }
    }
}

impl<V> Link<V> {
    pub(super) fn new(branch: Shared<Branch<V>>) -> Self {
        Self { branch, reference: OnceLock::new() }
    }
}

impl<V> Node<V> {
    /// Whether it has a reference, and with it all below.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.reference.get().is_some(),
            Self::Branch(link) => link.reference.get().is_some(),
        }
    }

    pub(super) fn as_child(&self) -> Child<'_, V> {
        match self {
            Self::Leaf(leaf) => Child::Leaf(leaf),
            Self::Branch(link) => Child::Branch(link),
        }
    }
}

impl<'a, V: LeafValue> Child<'a, V> {
    /// The node's reference, computed once per version; `depth` nibbles of the key lie above it.
    pub(super) fn reference(self, depth: usize) -> &'a Reference {
        match self {
            Child::Leaf(leaf) => leaf.reference.get_or_init(|| {
                let mut out = Vec::with_capacity(NODE_BYTES);
                encode_leaf(leaf, depth, &mut Vec::new(), &mut out);
                Reference::of(&out)
            }),
            Child::Branch(link) => link.reference.get_or_init(|| {
                let mut out = Vec::with_capacity(NODE_BYTES);
                encode_branch(&link.branch, depth, &mut out);
                let inner = Reference::of(&out);
                if link.branch.prefix.is_empty() {
                    return inner;
                }
                out.clear();
                encode_extension(&link.branch.prefix, &inner, &mut out);
                Reference::of(&out)
            }),
        }
    }
}

impl<V> Branch<V> {
    /// A branch without children; the caller gives it two or more before it is part of a trie.
    pub(super) fn empty(prefix: Box<[u8]>) -> Self {
        Self { prefix, leaf_mask: 0, link_mask: 0, changed: 0, leaves: Vec::new(), links: Vec::new() }
    }

    /// How many nibbles lie above its children when `depth` lie above it.
    pub(super) fn depth_below(&self, depth: usize) -> usize {
        depth + self.prefix.len() + 1
    }

    /// The children that may lack a reference.
    pub(super) fn changed(&self) -> impl Iterator<Item = Child<'_, V>> {
        let places = (0..16).filter(|place| self.changed & (1 << place) != 0);
        places.filter_map(|place| self.child(place))
    }

    /// Says that every child has its reference.
    pub(super) fn set_settled(&mut self) {
        self.changed = 0;
    }

    /// The branch at a place.
    pub(super) fn link(&self, place: u8) -> Option<&Link<V>> {
        let held = self.link_mask & (1 << place) != 0;
        if held { self.links.get(rank(self.link_mask, place)) } else { None }
    }

    /// Asks memory for what changing the child at a place reads of this branch.
    pub(super) fn ask(&self, place: u8) {
        if self.link_mask & (1 << place) != 0 {
            ask_for(self.links.as_ptr().wrapping_add(rank(self.link_mask, place)), 1);
        }
        self.ask_all();
    }

    /// Asks memory for the child at a place.
    pub(super) fn ask_child(&self, place: u8) {
        if self.link_mask & (1 << place) != 0 {
            ask_for(self.links.as_ptr().wrapping_add(rank(self.link_mask, place)), 1);
        } else {
            ask_for(self.leaves.as_ptr().wrapping_add(rank(self.leaf_mask, place)), 1);
        }
    }

    /// Asks memory for what encoding or copying this branch reads.
    pub(super) fn ask_all(&self) {
        ask_for(self.links.as_ptr(), self.links.len());
        ask_for(self.leaves.as_ptr(), self.leaves.len());
    }

    /// How many children it has.
    pub(super) fn len(&self) -> usize {
        self.leaves.len() + self.links.len()
    }

    /// The children with their places, ascending.
    pub(super) fn children(&self) -> impl DoubleEndedIterator<Item = (u8, Child<'_, V>)> {
        (0..16).filter_map(|place| self.child(place).map(|child| (place, child)))
    }

    /// The child at a place.
    pub(super) fn child(&self, place: u8) -> Option<Child<'_, V>> {
        if self.leaf_mask & (1 << place) != 0 {
            return self.leaves.get(rank(self.leaf_mask, place)).map(Child::Leaf);
        }
        if self.link_mask & (1 << place) != 0 {
            return self.links.get(rank(self.link_mask, place)).map(Child::Branch);
        }
        None
    }

    pub(super) fn leaf_mut(&mut self, place: u8) -> Option<&mut Leaf<V>> {
        let held = self.leaf_mask & (1 << place) != 0;
        self.changed |= 1 << place;
        if held { self.leaves.get_mut(rank(self.leaf_mask, place)) } else { None }
    }

    pub(super) fn link_mut(&mut self, place: u8) -> Option<&mut Link<V>> {
        let held = self.link_mask & (1 << place) != 0;
        self.changed |= 1 << place;
        if held { self.links.get_mut(rank(self.link_mask, place)) } else { None }
    }

    /// Takes the child at a place out.
    pub(super) fn take(&mut self, place: u8) -> Option<Node<V>> {
        let bit = 1u16 << place;
        if self.leaf_mask & bit != 0 {
            self.leaf_mask &= !bit;
            return Some(Node::Leaf(self.leaves.remove(rank(self.leaf_mask, place))));
        }
        if self.link_mask & bit != 0 {
            self.link_mask &= !bit;
            return Some(Node::Branch(self.links.remove(rank(self.link_mask, place))));
        }
        None
    }

    /// Puts a child at a place that is empty.
    pub(super) fn put(&mut self, place: u8, node: Node<V>) {
        let bit = 1u16 << place;
        self.changed |= bit;
        match node {
            Node::Leaf(leaf) => {
                self.leaves.insert(rank(self.leaf_mask, place), leaf);
                self.leaf_mask |= bit;
            }
            Node::Branch(link) => {
                self.links.insert(rank(self.link_mask, place), link);
                self.link_mask |= bit;
            }
        }
    }

    /// Gives back room that growing left over.
    pub(super) fn trim(&mut self) {
        self.leaves.shrink_to_fit();
        self.links.shrink_to_fit();
    }

    /// Takes the only child out, where there is one only, with its place.
    pub(super) fn take_only(&mut self) -> Option<(u8, Node<V>)> {
        if self.len() != 1 {
            return None;
        }
        // The mask is not empty, so the place is below 16.
        let place = (self.leaf_mask | self.link_mask).trailing_zeros() as u8;
        self.take(place).map(|node| (place, node))
    }
}

/// How many places below this one are filled.
fn rank(mask: u16, place: u8) -> usize {
    (mask & ((1u16 << place) - 1)).count_ones() as usize
}

/// The nibble of a key at a position.
pub(super) fn nibble(key: &B256, position: usize) -> u8 {
    let byte = key.0[position / 2];
    if position.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}
