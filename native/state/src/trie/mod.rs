//! A persistent Merkle-Patricia trie over 32-byte keys that are already hashed ("secure" trie).
//!
//! Nodes are shared between versions by reference counts: a clone of a trie is one pointer, an
//! update copies only the nodes on the changed paths, and changes in place what nobody else holds.
//! Each node keeps its RLP reference once computed, so a root costs the changed nodes only.
//! An extension node is not a node of its own here but the prefix of the branch below it.
//!
//! * [`node`]: the nodes and what a branch holds of its children.
//! * [`rlp`], [`reference`]: how they are encoded, and how a parent names them.
//! * [`shared`]: counted pointers to branches, made for copying them.
//! * [`warm`]: asking for memory before it is needed.
//! * [`hash`]: the references of all changed nodes, level by level.
//! * [`update`]: applying a sorted batch of changes.
//! * [`read`]: look-up, iteration in key order, proofs.
//!
//! # Source
//! Yellow paper, appendix D. Keys of equal length never end inside a branch, so branches here have
//! no value of their own.

mod hash;
pub mod node;
pub mod read;
mod reference;
mod rlp;
mod shared;
pub mod update;
mod warm;

use std::sync::Arc;

use alloy_primitives::B256;
use alloy_trie::EMPTY_ROOT_HASH;

pub use node::LeafValue;
use node::Node;
pub use read::Leaves;
pub use update::Change;

/// Batches with fewer changes are not worth spreading over threads.
const PARALLEL_CHANGES_MIN: usize = 256;

/// One version of a trie. Cloning costs one reference count.
#[derive(Debug)]
pub struct Trie<V> {
    root: Option<Arc<Node<V>>>,
}

impl<V> Clone for Trie<V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone() }
    }
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<V: LeafValue> Trie<V> {
    /// An empty trie.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The root hash; only nodes changed since the last call are hashed. A version that is shared
    /// keeps what is computed here for all its holders.
    pub fn root(&self) -> B256 {
        let Some(root) = &self.root else { return EMPTY_ROOT_HASH };
        Self::settle(std::iter::once(self));
        root.as_child().reference(0).root()
    }

    /// Brings the hashes of several tries up to date together.
    pub(crate) fn settle<'a>(tries: impl Iterator<Item = &'a Self>)
    where
        V: 'a,
    {
        hash::settle(tries.filter_map(|trie| trie.root.as_deref()).filter(|root| !root.is_settled()));
    }
}
