//! Moving a version onto a newer file.
//!
//! Once a version stands in a file of its own, later versions need the older file no more: whatever
//! they share with that version has its place in the newer file, too. A walk down both finds where
//! they part. What they share becomes a link into the newer file; the rest is copied with other links,
//! so that no node stays where it was and the memory of before can go as a whole. Nothing is hashed,
//! since the references by which nodes name each other stay as they are. The work is that of the
//! changes between the two versions.

use alloy_primitives::B256;

use super::node::{Child, Leaf, Link, NodeMut, NodeRef};
use super::{Base, View, pool, resolve};

/// A version over the older file and the same one over the newer: tries of the same shape.
pub(super) struct Transfer<'a> {
    /// The older file.
    pub(super) from: &'a Base,
    /// The newer file.
    pub(super) to: &'a Base,
    pub(super) known: Link,
    pub(super) moved: Link,
    /// The version that new nodes are made for.
    pub(super) born: u64,
    /// Where it leads into the moved version.
    pub(super) shared: Vec<Link>,
}

/// A place in both tries of the known version: `skip` nibbles into the prefix of a node.
#[derive(Debug, Clone, Copy)]
struct At {
    known: Link,
    moved: Link,
    skip: usize,
}

impl<'a> Transfer<'a> {
    /// The trie at `top` over the newer file. The caller holds it and both tries of the known version.
    pub(super) fn trie(&mut self, top: Link) -> Link {
        self.subtree(top, Some(At { known: self.known, moved: self.moved, skip: 0 }))
    }

    /// What hangs at `link`; `at` is the same path in the known version, where that leads anywhere.
    fn subtree(&mut self, link: Link, at: Option<At>) -> Link {
        if link.is_none() {
            return Link::NONE;
        }
        // What is shared is not looked at.
        if let Some(at) = at.filter(|at| at.skip == 0 && at.known == link) {
            self.shared.push(at.moved);
            return at.moved;
        }
        let Some(node) = self.older(link) else { return Link::NONE };
        let mut links = Vec::with_capacity(node.masks().links());
        for (place, child) in node.children() {
            if let Child::Branch(lower) = child {
                links.push(self.subtree(lower, self.down(at, node.prefix(), place)));
            }
        }
        for (_, child) in node.children() {
            if let Child::Leaf(leaf) = child
                && !leaf.nested.is_none()
            {
                links.push(self.nested(leaf));
            }
        }
        let size = node.bytes().len();
        let id = pool::allocate(size, self.born);
        // SAFETY: the place was allocated for that size here, and nobody else knows of it.
        let mut copy = NodeMut(unsafe { pool::node_mut(id, size) });
        copy.copy(node);
        links.iter().enumerate().for_each(|(nth, link)| copy.put_link(nth, *link));
        Link::to(id)
    }

    /// The trie below a leaf.
    fn nested(&mut self, leaf: Leaf<'_>) -> Link {
        let key = B256::new(*leaf.key);
        let find = |top, base| View::new(top, base).get(&key).map_or(Link::NONE, |leaf| leaf.nested);
        let (known, moved) = (find(self.known, self.from), find(self.moved, self.to));
        self.subtree(leaf.nested, Some(At { known, moved, skip: 0 }))
    }

    /// The place that a path leads to from another one.
    fn down(&self, at: Option<At>, prefix: &[u8], place: u8) -> Option<At> {
        let mut at = at?;
        for step in prefix.iter().chain([&place]) {
            let known = self.older(at.known)?;
            if let Some(within) = known.prefix().get(at.skip) {
                at.skip += 1;
                if within != step {
                    return None;
                }
                continue;
            }
            let (Child::Branch(lower), Child::Branch(same)) =
                (known.child(*step)?, self.newer(at.moved)?.child(*step)?)
            else {
                return None;
            };
            at = At { known: lower, moved: same, skip: 0 };
        }
        Some(at)
    }

    fn older(&self, link: Link) -> Option<NodeRef<'a>> {
        // SAFETY: the caller of `trie` holds the versions over the older file.
        unsafe { resolve(self.from, link) }
    }

    fn newer(&self, link: Link) -> Option<NodeRef<'a>> {
        // SAFETY: the caller of `trie` holds the known version over the newer file.
        unsafe { resolve(self.to, link) }
    }
}
