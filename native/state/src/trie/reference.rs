//! How a parent names a node.

use alloy_primitives::B256;
use hansa_crypto::keccak256;

use super::node::REF_BYTES;
use super::rlp::{RLP_HASH, RLP_LIST};

/// Nodes of at least this many bytes are named by their hash, smaller ones stand in their parent.
pub(super) const HASHED_MIN: usize = 32;

/// The RLP item that stands for a node in its parent: a hash, or the node itself where that is
/// shorter. Both say by their first byte how long they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference([u8; 33]);

impl Reference {
    /// The reference of a node with that RLP.
    pub(super) fn of(encoded: &[u8]) -> Self {
        if encoded.len() < HASHED_MIN { Self::embedded(encoded) } else { Self::hash(&keccak256(encoded)) }
    }

    /// The reference of a node with that hash.
    pub(super) fn hash(hash: &B256) -> Self {
        let mut bytes = [0; 33];
        bytes[0] = RLP_HASH;
        bytes[1..].copy_from_slice(hash.as_slice());
        Self(bytes)
    }

    /// The reference of a node of fewer than 32 bytes.
    pub(super) fn embedded(encoded: &[u8]) -> Self {
        let mut bytes = [0; 33];
        bytes[..encoded.len()].copy_from_slice(encoded);
        Self(bytes)
    }

    /// The reference that a branch keeps in [`REF_BYTES`].
    pub(super) fn stored(bytes: &[u8], embedded: bool) -> Self {
        let mut reference = [0; 33];
        if embedded {
            reference[..REF_BYTES].copy_from_slice(bytes);
        } else {
            reference[0] = RLP_HASH;
            reference[1..].copy_from_slice(bytes);
        }
        Self(reference)
    }

    /// Writes it as a branch keeps it; whether it is embedded.
    pub(super) fn write_to(&self, out: &mut [u8]) -> bool {
        let embedded = self.0[0] != RLP_HASH;
        out.copy_from_slice(if embedded { &self.0[..REF_BYTES] } else { &self.0[1..] });
        embedded
    }

    /// How many bytes stand in the parent.
    pub(super) fn len(&self) -> usize {
        match self.0[0] {
            RLP_HASH => 33,
            // A node is a list, and one that short has its length in the first byte.
            head => 1 + usize::from(head.saturating_sub(RLP_LIST)),
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0[..self.len()]
    }

    pub(super) fn push_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.len();
        // A copy of fixed size is a few instructions; what is too much goes again.
        out.extend_from_slice(&self.0);
        out.truncate(end);
    }

    /// The root hash of the trie whose top node this names.
    pub(super) fn root(&self) -> B256 {
        match self.0[0] {
            RLP_HASH => B256::from_slice(&self.0[1..]),
            _ => keccak256(self.as_slice()),
        }
    }
}
