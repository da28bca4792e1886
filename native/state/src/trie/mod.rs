//! A persistent Merkle-Patricia trie over 32-byte keys that are already hashed ("secure" trie).
//!
//! Nodes are bytes, the same in memory and in a file that is mapped below: a version is a link to its
//! top node, and its nodes lie in memory where they changed since the file was written, in the file
//! where they did not. Versions share the nodes that they have in common. An update makes new nodes
//! along the changed paths and their references, and never changes a node that somebody can see; so a
//! clone of a trie is a count or two, and reading takes no locks.
//! An extension node is not a node of its own here but the prefix of the branch below it.
//!
//! * [`node`]: nodes as bytes.
//! * [`pool`]: the memory in which they lie.
//! * [`versions`]: which of them go with which version.
//! * [`rlp`], [`reference`]: how they are encoded, and how a parent names them.
//! * [`warm`]: asking for memory before it is needed.
//! * [`update`], [`build`]: applying a sorted batch of changes, and writing the nodes that result.
//! * [`hash`]: the references of all new nodes, level by level.
//! * [`read`]: look-up, iteration in key order, proofs.
//! * [`transfer`]: moving a version onto a newer file.
//! * [`verify`]: holding a trie in a file against its root.
//! * [`subtrie`]: holding a part of a trie against what its parent calls it.
//!
//! # Source
//! Yellow paper, appendix D. Keys of equal length never end inside a branch, so branches here have
//! no value of their own.

mod build;
mod hash;
pub(crate) mod node;
mod pool;
mod read;
mod reference;
mod rlp;
pub(crate) mod subtrie;
mod transfer;
pub(crate) mod update;
mod verify;
mod versions;
mod warm;

use std::marker::PhantomData;
use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use alloy_trie::EMPTY_ROOT_HASH;

use crate::mapping::Mapping;
pub(crate) use build::NESTED_FLAG;
pub use node::{LeafValue, VALUE_BYTES_MAX};
use node::{Link, NodeRef};
pub use pool::{bytes_in_use, retire};
pub(crate) use read::View;
use reference::Reference;
use transfer::Transfer;
use update::{Item, Nested};
pub(crate) use verify::{Flaw, root_at, verify_trie};
pub(crate) use versions::Draft;
use versions::Version;

/// The file that links to offsets refer to.
pub(crate) type Base = Option<Arc<Mapping>>;

/// One version of a trie. Cloning costs a count for the file and one for the version.
#[derive(Debug)]
pub struct Trie<V> {
    top: Link,
    root: B256,
    base: Base,
    /// None before the first change; all of it lies in the file then.
    version: Option<Arc<Version>>,
    values: PhantomData<V>,
}

impl<V> Clone for Trie<V> {
    fn clone(&self) -> Self {
        Self { base: self.base.clone(), version: self.version.clone(), ..*self }
    }
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { top: Link::NONE, root: EMPTY_ROOT_HASH, base: None, version: None, values: PhantomData }
    }
}

impl<V: LeafValue> Trie<V> {
    /// An empty trie.
    pub fn new() -> Self {
        Self::default()
    }

    /// The trie whose top node lies at `top` of a file.
    pub(crate) fn mapped(top: Link, root: B256, base: Arc<Mapping>) -> Self {
        Self { top, root, base: Some(base), version: None, values: PhantomData }
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.top.is_none()
    }

    /// The root hash.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// The value of a key.
    pub fn get(&self, key: &B256) -> Option<V> {
        self.view().get(key).map(|leaf| V::unpack(leaf.value))
    }

    /// All keys and values, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (B256, V)> {
        self.view().leaves().map(|leaf| (B256::new(*leaf.key), V::unpack(leaf.value)))
    }

    /// The nodes from the root towards a key, as RLP: proof of its value or of its absence. Nodes
    /// embedded in their parent are not listed again. Empty for an empty trie.
    pub fn proof(&self, key: &B256) -> Vec<Bytes> {
        self.view().proof::<V>(key)
    }

    /// Sets and removes values. Keys may come in any order; where one comes twice the last counts.
    pub fn update(&mut self, changes: Vec<(B256, Option<V>)>) {
        let mut packed = Vec::new();
        let ends: Vec<usize> = (changes.iter())
            .map(|(_, value)| {
                value.iter().for_each(|value| value.pack(&mut packed));
                packed.len()
            })
            .collect();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let items = changes.iter().zip(starts.zip(&ends)).map(|((key, value), (from, to))| Item {
            key: *key,
            value: value.is_some().then(|| &packed[from..*to]),
            nested: Nested::None,
        });
        self.change(self.draft(), items.collect());
    }

    /// What the next version is made with.
    pub(crate) fn draft(&self) -> Draft {
        Draft::on(self.version.clone())
    }

    /// Sets and removes packed values. Nested tries that items bring were made with the same draft, which
    /// is one of this version.
    pub(crate) fn change(&mut self, mut draft: Draft, items: Vec<Item<'_>>) {
        debug_assert!(draft.is_on(&self.version));
        if items.is_empty() {
            return;
        }
        let (top, root) = update::update::<V>(&self.base, &mut draft, self.top, items);
        // The version of before goes when the new one is known to be made from it.
        self.version = Some(Arc::new(draft.commit(top)));
        (self.top, self.root) = (top, root);
    }

    /// Changes tries that are nested in this one, or in the draft, or new ones, by their tops.
    pub(crate) fn change_nested<N: LeafValue>(
        &self,
        draft: &mut Draft,
        tries: Vec<(Link, Vec<Item<'_>>)>,
    ) -> Vec<(Link, B256)> {
        update::update_many::<N>(&self.base, draft, tries)
    }

    /// The same version over the file below `moved`, which is the version `known` once more.
    pub(crate) fn moved_onto(&self, known: &Self, moved: &Self) -> Self {
        let (from, to) = (&self.base, &moved.base);
        // Offsets into another file say nothing about this one: all is copied.
        let known = if file(from) == file(&known.base) { known.top } else { Link::NONE };
        let mut draft = moved.draft();
        let (born, shared) = (draft.number(), Vec::new());
        let mut transfer = Transfer { from, to, known, moved: moved.top, born, shared };
        let top = transfer.trie(self.top);
        draft.note_gone(moved.top, &transfer.shared);
        let version = Some(Arc::new(draft.commit(top)));
        Self { top, root: self.root, base: to.clone(), version, values: PhantomData }
    }

    /// Whether both are one version, not only equal ones.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.top == other.top && file(&self.base) == file(&other.base)
    }

    /// For reading, without a count.
    pub(crate) fn view(&self) -> View<'_> {
        View::new(self.top, &self.base)
    }
}

/// Which file it is.
fn file(base: &Base) -> Option<*const Mapping> {
    base.as_ref().map(Arc::as_ptr)
}

/// A node's bytes.
///
/// # Safety
/// Somebody holds a version that has the node for as long as the caller uses the answer.
unsafe fn resolve(base: &Base, link: Link) -> Option<NodeRef<'_>> {
    match link.memory() {
        // SAFETY: the caller's promise.
        Some(id) => Some(unsafe { pool::node(id) }),
        None => Some(base.as_ref()?.node(link.offset()?)),
    }
}

/// A node's bytes for a file, with other links, as many as it has.
pub(crate) fn linked_copy(node: NodeRef<'_>, links: &[Link]) -> Vec<u8> {
    let mut bytes = node.bytes().to_vec();
    let mut copy = node::NodeMut(&mut bytes);
    links.iter().enumerate().for_each(|(nth, link)| copy.put_link(nth, *link));
    copy.put_into_file();
    bytes
}

/// The root hash that a reference of a top node stands for.
fn root_of(reference: Option<Reference>) -> B256 {
    reference.map_or(EMPTY_ROOT_HASH, |reference| reference.root())
}
