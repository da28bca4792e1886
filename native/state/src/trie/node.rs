//! Leaves and branches, their hashes and their RLP.

use std::sync::{Arc, OnceLock};

use alloy_primitives::B256;
use hansa_crypto::keccak256;

/// Nibbles of a key.
pub(super) const KEY_NIBBLES: usize = 64;

const RLP_STRING: u8 = 0x80;
const RLP_LIST: u8 = 0xc0;
const RLP_SHORT_MAX: usize = 55;
const RLP_HASH: u8 = 0xa0;

/// What a leaf can hold.
pub trait LeafValue: Clone + Send + Sync {
    /// Appends the bytes that stand as the leaf's value.
    fn encode_value(&self, out: &mut Vec<u8>);
}

/// How a parent names a node: by hash, or by the node itself where its RLP is shorter than a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    Hash(B256),
    Embedded(Embedded),
}

/// At most 31 bytes of RLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Embedded {
    len: u8,
    bytes: [u8; 31],
}

impl Embedded {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Reference {
    /// The reference of a node with that RLP.
    pub(super) fn of(encoded: &[u8]) -> Self {
        match u8::try_from(encoded.len()) {
            Ok(len) if len < 32 => {
                let mut bytes = [0u8; 31];
                bytes[..encoded.len()].copy_from_slice(encoded);
                Self::Embedded(Embedded { len, bytes })
            }
            _ => Self::Hash(keccak256(encoded)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Hash(_) => 33,
            Self::Embedded(embedded) => usize::from(embedded.len),
        }
    }

    fn push_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hash(hash) => {
                out.push(RLP_HASH);
                out.extend_from_slice(hash.as_slice());
            }
            Self::Embedded(embedded) => out.extend_from_slice(embedded.as_slice()),
        }
    }
}

/// A key with its value. The reference depends on the depth the leaf hangs at.
#[derive(Debug)]
pub(super) struct Leaf<V> {
    pub(super) key: B256,
    reference: OnceLock<Reference>,
    pub(super) value: V,
}

/// Two or more children, below an optional common prefix (an extension node in Ethereum's terms).
#[derive(Debug)]
pub(super) struct Branch<V> {
    prefix: Box<[u8]>,
    children: Box<[Child<V>]>,
    mask: u16,
    reference: OnceLock<Reference>,
}

/// A shared pointer to a node.
#[derive(Debug)]
pub(super) enum Child<V> {
    Leaf(Arc<Leaf<V>>),
    Branch(Arc<Branch<V>>),
}

impl<V> Clone for Child<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
            Self::Branch(branch) => Self::Branch(Arc::clone(branch)),
        }
    }
}

impl<V> Leaf<V> {
    pub(super) fn new(key: B256, value: V) -> Self {
        Self { key, reference: OnceLock::new(), value }
    }

    /// Forgets the hash: the leaf hangs at another depth from now on.
    pub(super) fn moved(mut leaf: Arc<Self>) -> Arc<Self>
    where
        V: Clone,
    {
        match Arc::get_mut(&mut leaf) {
            Some(own) => {
                own.reference = OnceLock::new();
                leaf
            }
            None => Arc::new(Self::new(leaf.key, leaf.value.clone())),
        }
    }
}

impl<V> Branch<V> {
    /// A branch of the filled slots; the caller has made sure that there are at least two.
    pub(super) fn new(prefix: Box<[u8]>, slots: Slots<V>) -> Self {
        let mut mask = 0u16;
        for (nibble, slot) in slots.iter().enumerate() {
            mask |= u16::from(slot.is_some()) << nibble;
        }
        let mut children = Vec::with_capacity(mask.count_ones() as usize);
        children.extend(slots.into_iter().flatten());
        Self { prefix, children: children.into_boxed_slice(), mask, reference: OnceLock::new() }
    }

    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    pub(super) fn children(&self) -> &[Child<V>] {
        &self.children
    }

    pub(super) fn is_hashed(&self) -> bool {
        self.reference.get().is_some()
    }

    /// The child at a nibble.
    pub(super) fn child(&self, nibble: u8) -> Option<&Child<V>> {
        let bit = 1u16 << nibble;
        if self.mask & bit == 0 {
            return None;
        }
        self.children.get((self.mask & (bit - 1)).count_ones() as usize)
    }

    /// Takes the branch apart: moved where nobody else holds it, otherwise by new references.
    pub(super) fn open(branch: Arc<Self>) -> (Box<[u8]>, Slots<V>) {
        match Arc::try_unwrap(branch) {
            Ok(own) => (own.prefix, fill(own.mask, own.children.into_iter())),
            Err(shared) => (shared.prefix.clone(), fill(shared.mask, shared.children.iter().cloned())),
        }
    }

    /// The same children below another prefix.
    pub(super) fn with_prefix(branch: Arc<Self>, prefix: Box<[u8]>) -> Self {
        let (children, mask) = match Arc::try_unwrap(branch) {
            Ok(own) => (own.children, own.mask),
            Err(shared) => (shared.children.clone(), shared.mask),
        };
        Self { prefix, children, mask, reference: OnceLock::new() }
    }
}

/// A branch's sixteen places.
pub(super) type Slots<V> = [Option<Child<V>>; 16];

/// Sixteen empty places.
pub(super) fn empty_slots<V>() -> Slots<V> {
    std::array::from_fn(|_| None)
}

fn fill<V>(mask: u16, mut children: impl Iterator<Item = Child<V>>) -> Slots<V> {
    std::array::from_fn(|nibble| if mask & (1 << nibble) == 0 { None } else { children.next() })
}

/// The nibble of a key at a position.
pub(super) fn nibble(key: &B256, position: usize) -> u8 {
    let byte = key.0[position / 2];
    if position.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}

impl<V: LeafValue> Child<V> {
    /// Whether this is a branch without a hash.
    pub(super) fn is_changed_branch(&self) -> bool {
        matches!(self, Self::Branch(branch) if !branch.is_hashed())
    }

    /// The node's reference, computed once per version; `depth` nibbles of the key lie above it.
    pub(super) fn reference(&self, depth: usize, scratch: &mut Vec<u8>) -> Reference {
        match self {
            Self::Leaf(leaf) => *leaf.reference.get_or_init(|| {
                scratch.clear();
                encode_leaf(leaf, depth, scratch);
                Reference::of(scratch)
            }),
            Self::Branch(branch) => *branch.reference.get_or_init(|| {
                let below = depth + branch.prefix.len() + 1;
                for child in &branch.children {
                    child.reference(below, scratch);
                }
                scratch.clear();
                encode_branch(branch, depth, scratch);
                extended(branch, scratch)
            }),
        }
    }
}

fn extended<V>(branch: &Branch<V>, scratch: &mut Vec<u8>) -> Reference {
    let inner = Reference::of(scratch);
    if branch.prefix.is_empty() {
        return inner;
    }
    scratch.clear();
    encode_extension(&branch.prefix, &inner, scratch);
    Reference::of(scratch)
}

/// Appends a leaf's RLP: \[path, value\].
pub(super) fn encode_leaf<V: LeafValue>(leaf: &Leaf<V>, depth: usize, out: &mut Vec<u8>) {
    let mut path = [0u8; 33];
    let path = encode_key_path(&leaf.key, depth, &mut path);
    let mut value = Vec::with_capacity(112);
    leaf.value.encode_value(&mut value);
    push_list_header(string_len(path) + string_len(&value), out);
    push_string(path, out);
    push_string(&value, out);
}

/// Appends a branch's own RLP, without its prefix: sixteen references and an empty value.
pub(super) fn encode_branch<V: LeafValue>(branch: &Branch<V>, depth: usize, out: &mut Vec<u8>) {
    let below = depth + branch.prefix.len() + 1;
    // Every child has been asked before when this runs for a hash; a proof may come first.
    let mut scratch = Vec::new();
    let references: Vec<Reference> =
        branch.children.iter().map(|child| child.reference(below, &mut scratch)).collect();
    let filled: usize = references.iter().map(Reference::len).sum();
    push_list_header(filled + 17 - references.len(), out);
    let mut next = references.iter();
    for nibble in 0..16 {
        match branch.mask & (1 << nibble) {
            0 => out.push(RLP_STRING),
            _ => next.next().into_iter().for_each(|reference| reference.push_to(out)),
        }
    }
    out.push(RLP_STRING);
}

/// Appends an extension's RLP: \[path, reference\].
pub(super) fn encode_extension(prefix: &[u8], inner: &Reference, out: &mut Vec<u8>) {
    let mut path = Vec::with_capacity(1 + prefix.len() / 2);
    let odd = !prefix.len().is_multiple_of(2);
    path.push(if odd { 0x10 | prefix[0] } else { 0x00 });
    path.extend(prefix[usize::from(odd)..].chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]));
    push_list_header(string_len(&path) + inner.len(), out);
    push_string(&path, out);
    inner.push_to(out);
}

/// The hex-prefix encoding of a leaf's remaining path.
fn encode_key_path<'a>(key: &B256, depth: usize, out: &'a mut [u8; 33]) -> &'a [u8] {
    if depth.is_multiple_of(2) {
        let rest = &key.0[depth / 2..];
        out[0] = 0x20;
        out[1..=rest.len()].copy_from_slice(rest);
        &out[..=rest.len()]
    } else {
        let rest = &key.0[depth / 2..];
        out[..rest.len()].copy_from_slice(rest);
        out[0] = 0x30 | (rest[0] & 0x0f);
        &out[..rest.len()]
    }
}

fn string_len(bytes: &[u8]) -> usize {
    match bytes {
        [byte] if *byte < RLP_STRING => 1,
        _ => header_len(bytes.len()) + bytes.len(),
    }
}

fn header_len(len: usize) -> usize {
    if len <= RLP_SHORT_MAX { 1 } else { 1 + significant_bytes(len) }
}

fn significant_bytes(len: usize) -> usize {
    (usize::BITS - len.leading_zeros()).div_ceil(8) as usize
}

fn push_string(bytes: &[u8], out: &mut Vec<u8>) {
    if !matches!(bytes, [byte] if *byte < RLP_STRING) {
        push_header(RLP_STRING, bytes.len(), out);
    }
    out.extend_from_slice(bytes);
}

fn push_list_header(len: usize, out: &mut Vec<u8>) {
    push_header(RLP_LIST, len, out);
}

fn push_header(base: u8, len: usize, out: &mut Vec<u8>) {
    let size = significant_bytes(len);
    match len {
        // Both casts keep values below 56 and at most 8.
        0..=RLP_SHORT_MAX => out.push(base + len as u8),
        _ => {
            out.push(base + RLP_SHORT_MAX as u8 + size as u8);
            out.extend_from_slice(&len.to_be_bytes()[8 - size..]);
        }
    }
}
