//! A persistent Merkle-Patricia trie over 32-byte keys that are already hashed ("secure" trie).
//!
//! Nodes are shared between versions by reference counts: a clone of a trie is one pointer, an
//! update copies only the nodes on the changed paths, and changes in place what nobody else holds.
//! Each node keeps its RLP reference once computed, so a root costs the changed nodes only.
//! An extension node is not a node of its own here but the prefix of the branch below it.
//!
//! * [`node`]: the nodes and how they are encoded.
//! * [`update`]: applying a sorted batch of changes.
//! * [`read`]: look-up, iteration in key order, proofs.
//!
//! # Source
//! Yellow paper, appendix D. Keys of equal length never end inside a branch, so branches here have
//! no value of their own.

pub mod node;
pub mod read;
pub mod update;

use std::sync::Arc;

use alloy_primitives::B256;
use alloy_trie::EMPTY_ROOT_HASH;
use hansa_crypto::{keccak256, workers};

pub use node::LeafValue;
use node::{Child, Reference};
pub use read::Leaves;
pub use update::Change;

/// Batches with fewer changes are not worth spreading over threads.
const PARALLEL_CHANGES_MIN: usize = 256;

/// One version of a trie. Cloning costs one reference count.
#[derive(Debug)]
pub struct Trie<V> {
    root: Option<Child<V>>,
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
        if let Child::Branch(branch) = root
            && !branch.is_hashed()
        {
            hash_children_in_parallel(branch);
        }
        match root.reference(0, &mut Vec::new()) {
            Reference::Hash(hash) => hash,
            Reference::Embedded(embedded) => keccak256(embedded.as_slice()),
        }
    }
}

/// Spreads the children of a changed root over the worker pool; a no-op with one worker.
fn hash_children_in_parallel<V: LeafValue>(root: &Arc<node::Branch<V>>) {
    if workers::threads_in_force() < 2 {
        return;
    }
    let dirty: Vec<&Child<V>> = root.children().iter().filter(|child| child.is_changed_branch()).collect();
    let depth = root.prefix().len() + 1;
    workers::map(dirty, |child| {
        child.reference(depth, &mut Vec::new());
    });
}
