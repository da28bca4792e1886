//! Roots of tries whose keys are the RLP of 0, 1, 2, …: the transactions and the receipts of a block.
//!
//! All values are known at once, so the trie is never kept: its shape follows from their number, all
//! leaves are encoded and hashed together, then the branches level by level from below.
//!
//! # Source
//! Yellow paper, appendix D.

use alloy_primitives::B256;
use alloy_rlp::{Encodable, Header};
use alloy_trie::EMPTY_ROOT_HASH;
use hansa_crypto::{HashLanes, keccak256};

/// Byte strings, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Strings {
    pub(crate) fn with_capacity(count: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// Adds what `write` appends as one string.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }
}

/// Nibbles of the longest key: nine bytes.
const KEY_NIBBLES_MAX: usize = 18;

/// Room for a branch whose children are all named by hash.
const BRANCH_BYTES: usize = 532;

/// How a parent names a node: the node itself where it is shorter than a hash, else its hash.
#[derive(Clone, Copy)]
struct Reference {
    bytes: [u8; 33],
    len: u8,
}

impl Reference {
    const NONE: Self = Self { bytes: [0x80; 33], len: 1 };

    fn of(encoded: &[u8], hash: &B256) -> Self {
        let mut bytes = [0; 33];
        if encoded.len() < 32 {
            bytes[..encoded.len()].copy_from_slice(encoded);
            // Below 32.
            return Self { bytes, len: encoded.len() as u8 };
        }
        bytes[0] = 0x80 + 32;
        bytes[1..].copy_from_slice(hash.as_slice());
        Self { bytes, len: 33 }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The RLP of an index in nibbles.
#[derive(Clone, Copy)]
struct Key {
    nibbles: [u8; KEY_NIBBLES_MAX],
    len: u8,
}

impl Key {
    fn of(index: usize) -> Self {
        let mut key = Self { nibbles: [0; KEY_NIBBLES_MAX], len: 0 };
        match u8::try_from(index) {
            Ok(0) => key.push(0x80),
            Ok(small @ ..0x80) => key.push(small),
            _ => {
                let bytes = index.to_be_bytes();
                let zeros = (index.leading_zeros() / 8) as usize;
                key.push(0x80 + (bytes.len() - zeros) as u8);
                bytes[zeros..].iter().for_each(|byte| key.push(*byte));
            }
        }
        key
    }

    fn push(&mut self, byte: u8) {
        let at = usize::from(self.len);
        self.nibbles[at] = byte >> 4;
        self.nibbles[at + 1] = byte & 0x0f;
        self.len += 2;
    }

    fn from(&self, depth: usize) -> &[u8] {
        &self.nibbles[depth..usize::from(self.len)]
    }
}

#[derive(Clone, Copy)]
enum Child {
    None,
    /// Position in the order of keys.
    Leaf(usize),
    Branch(usize),
}

struct Branch {
    children: [Child; 16],
    /// Nibbles above its children's that its parent does not stand for.
    prefix: Vec<u8>,
    level: usize,
}

/// The shape of a trie, and what its nodes are named by.
struct Shape {
    /// The index of the value at each position.
    order: Vec<usize>,
    keys: Vec<Key>,
    /// How many nibbles lie above each leaf.
    leaf_depths: Vec<usize>,
    branches: Vec<Branch>,
    levels: usize,
}

impl Shape {
    fn new(count: usize) -> Self {
        // Keys ascend so: 01 … 7f, 80 (which is zero), 8180 … 81ff, 820100 …
        let order: Vec<usize> = (1..count.min(0x80)).chain(0..count.min(1)).chain(0x80..count).collect();
        let keys = order.iter().map(|index| Key::of(*index)).collect();
        Self { order, keys, leaf_depths: vec![0; count], branches: Vec::with_capacity(count / 8), levels: 0 }
    }

    /// Builds what hangs below `depth` nibbles; `first..end` are positions, at least one.
    fn build(&mut self, first: usize, end: usize, depth: usize, level: usize) -> Child {
        if end - first == 1 {
            self.leaf_depths[first] = depth;
            return Child::Leaf(first);
        }
        let (low, high) = (self.keys[first].from(depth), self.keys[end - 1].from(depth));
        let common = low.iter().zip(high).take_while(|(low, high)| low == high).count();
        let fork = depth + common;
        let branch = self.branches.len();
        self.levels = self.levels.max(level + 1);
        self.branches.push(Branch { children: [Child::None; 16], prefix: low[..common].to_vec(), level });
        let mut start = first;
        while start < end {
            let place = self.keys[start].nibbles[fork];
            let same = self.keys[start..end].partition_point(|key| key.nibbles[fork] == place);
            let child = self.build(start, start + same, fork + 1, level + 1);
            self.branches[branch].children[usize::from(place)] = child;
            start += same;
        }
        Child::Branch(branch)
    }
}

/// The root of the trie that holds the values under the RLP of their indexes.
pub(crate) fn ordered_root(values: &Strings) -> B256 {
    if values.len() == 0 {
        return EMPTY_ROOT_HASH;
    }
    let mut shape = Shape::new(values.len());
    shape.build(0, values.len(), 0, 0);
    let (leaves, encoded) = leaf_references(&shape, values);
    let mut branches = vec![Reference::NONE; shape.branches.len()];
    // A single value is the whole trie; otherwise the last level below is the top alone. A root is a hash, however
    // short the node.
    let mut root = if shape.levels == 0 { keccak256(encoded.get(0)) } else { B256::ZERO };
    for level in (0..shape.levels).rev() {
        let here: Vec<usize> =
            (0..shape.branches.len()).filter(|branch| shape.branches[*branch].level == level).collect();
        let mut nodes = Strings::with_capacity(here.len(), here.len() * BRANCH_BYTES);
        for branch in &here {
            nodes.push(|out| encode_branch(&shape.branches[*branch], &leaves, &branches, out));
        }
        hash_strings(&nodes, |position, hash| {
            let branch = here[position];
            let encoded = nodes.get(position);
            let prefix = &shape.branches[branch].prefix;
            (root, branches[branch]) = if prefix.is_empty() {
                (hash, Reference::of(encoded, &hash))
            } else {
                extend(prefix, &Reference::of(encoded, &hash))
            };
        });
    }
    root
}

fn leaf_references(shape: &Shape, values: &Strings) -> (Vec<Reference>, Strings) {
    let count = values.len();
    let mut encoded = Strings::with_capacity(count, values.bytes.len() + count * 16);
    for (position, index) in shape.order.iter().enumerate() {
        let rest = shape.keys[position].from(shape.leaf_depths[position]);
        encoded.push(|out| encode_short(rest, true, values.get(*index), out));
    }
    let mut references = vec![Reference::NONE; count];
    hash_strings(&encoded, |position, hash| {
        references[position] = Reference::of(encoded.get(position), &hash);
    });
    (references, encoded)
}

fn hash_strings(strings: &Strings, output: impl FnMut(usize, B256)) {
    HashLanes::best().hash(strings.len(), |index| strings.get(index), output);
}

/// A leaf: the RLP of \[path, value\].
fn encode_short(path: &[u8], leaf: bool, value: &[u8], out: &mut Vec<u8>) {
    let mut compact = [0u8; KEY_NIBBLES_MAX / 2 + 1];
    let compact = compact_path(path, leaf, &mut compact);
    Header { list: true, payload_length: compact.length() + value.length() }.encode(out);
    compact.encode(out);
    value.encode(out);
}

/// An extension above a branch: the hash and the name of the RLP of \[path, name of the branch\].
fn extend(path: &[u8], below: &Reference) -> (B256, Reference) {
    let mut compact = [0u8; KEY_NIBBLES_MAX / 2 + 1];
    let compact = compact_path(path, false, &mut compact);
    let below = below.as_slice();
    let mut out = Vec::with_capacity(64);
    Header { list: true, payload_length: compact.length() + below.len() }.encode(&mut out);
    compact.encode(&mut out);
    out.extend_from_slice(below);
    let hash = keccak256(&out);
    (hash, Reference::of(&out, &hash))
}

/// Hex-prefix encoding.
fn compact_path<'a>(path: &[u8], leaf: bool, out: &'a mut [u8]) -> &'a [u8] {
    let odd = path.len() % 2;
    out[0] = (u8::from(leaf) << 5) | (odd as u8) << 4 | if odd == 1 { path[0] } else { 0 };
    for (byte, pair) in out[1..].iter_mut().zip(path[odd..].chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    &out[..1 + path.len() / 2]
}

fn encode_branch(branch: &Branch, leaves: &[Reference], branches: &[Reference], out: &mut Vec<u8>) {
    let name = |child: &Child| match child {
        Child::None => Reference::NONE,
        Child::Leaf(position) => leaves[*position],
        Child::Branch(branch) => branches[*branch],
    };
    let payload: usize = branch.children.iter().map(|child| usize::from(name(child).len)).sum();
    Header { list: true, payload_length: payload + 1 }.encode(out);
    for child in &branch.children {
        out.extend_from_slice(name(child).as_slice());
    }
    out.push(0x80);
}

#[cfg(test)]
mod tests {
    use alloy_trie::root::ordered_trie_root_with_encoder;

    use super::*;

    fn check(values: &[Vec<u8>]) {
        let mut strings = Strings::default();
        values.iter().for_each(|value| strings.push(|out| out.extend_from_slice(value)));
        let expected =
            ordered_trie_root_with_encoder(values, |value: &Vec<u8>, out| out.extend_from_slice(value));
        assert_eq!(ordered_root(&strings), expected, "{} values", values.len());
    }

    #[test]
    fn roots_equal_the_library_s_for_every_size() {
        for count in (0..300).chain([511, 512, 4_095, 4_096, 4_097, 65_537, 66_000]) {
            let value = |index: usize| vec![(index * 7) as u8; 40 + index % 300];
            check(&(0..count).map(value).collect::<Vec<_>>());
        }
    }

    #[test]
    fn short_values_stay_in_their_parents() {
        for count in (0..40).chain([127, 128, 129, 300]) {
            for size in [0, 1, 2, 20, 27, 28, 29, 30, 31] {
                check(&(0..count).map(|index| vec![(index % 200) as u8; size]).collect::<Vec<_>>());
            }
        }
    }
}
