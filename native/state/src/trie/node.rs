//! Nodes as bytes, the same in memory and in a file.
//!
//! ```text
//! header    leaves u16 · branches u16 · nested u16 · embedded u16 · size u16 · prefix length u8 ·
//!           u8: 1 in memory, 0 in a file
//! links     u64 for each branch below, then for each leaf with a trie of its own
//! refs      32 bytes for each child: its hash, or its RLP where that is shorter ("embedded")
//! prefix    a nibble a byte: the extension above this branch
//! lengths   u8 for each leaf: bytes of its value
//! leaves    key 32 · value, for each leaf
//! ```
//! All numbers are little-endian. The masks have a bit for each of the sixteen places; what is listed
//! stands in order of places. A node has two or more children; the one at the top of a trie may have
//! a single leaf, and stands for it then. All that hashing or copying a node needs lies in one
//! stretch of memory.
//!
//! A node of a file leads into that file alone: whatever its links say, none is taken for a place in
//! memory, and a node that calls itself one of memory is not read ([`NodeRef::is_of_file`]).

use alloy_primitives::B256;

use super::pool::NodeId;
use super::reference::Reference;

/// Nibbles of a key.
pub(super) const KEY_NIBBLES: usize = 64;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

const LINK_BYTES: usize = 8;

/// Where the header has the node's size, and the length of its prefix.
const SIZE_AT: usize = 8;
const PREFIX_AT: usize = 10;

/// Where the header says whether the node lies in memory, and what it says then.
const PLACE_AT: usize = 11;
const MEMORY: u8 = 1;

pub(super) const REF_BYTES: usize = 32;

/// What a leaf can hold.
pub trait LeafValue: Sized + Send + Sync {
    /// Appends the value as the leaf keeps it, at most [`VALUE_BYTES_MAX`] bytes.
    fn pack(&self, out: &mut Vec<u8>);

    /// The value of packed bytes.
    fn unpack(packed: &[u8]) -> Self;

    /// Appends the bytes that stand as the leaf's value in its RLP.
    fn encode_packed(packed: &[u8], out: &mut Vec<u8>);
}

/// Bytes that a packed value has at most.
pub const VALUE_BYTES_MAX: usize = 128;

/// Where a node lies: nowhere, in memory, or at an offset of the file below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link(u64);

const IN_MEMORY: u64 = 1 << 63;

impl Link {
    /// No node.
    pub(crate) const NONE: Self = Self(0);

    pub(super) fn to(id: NodeId) -> Self {
        Self(IN_MEMORY | u64::from(id.0))
    }

    /// The node at an offset of the file; offsets are positive.
    pub(crate) fn at(offset: u64) -> Self {
        Self(offset & !IN_MEMORY)
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(super) fn memory(self) -> Option<NodeId> {
        (self.0 & IN_MEMORY != 0).then_some(NodeId(self.0 as u32))
    }

    /// The offset in the file below; none for a node in memory and for no node.
    pub(crate) fn offset(self) -> Option<u64> {
        (self.0 & IN_MEMORY == 0 && self.0 != 0).then_some(self.0)
    }

    pub(crate) fn to_bytes(self) -> [u8; LINK_BYTES] {
        self.0.to_le_bytes()
    }
}

/// A leaf where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'a> {
    pub(crate) key: &'a [u8; KEY_BYTES],
    /// Packed.
    pub(crate) value: &'a [u8],
    /// The trie that hangs below it.
    pub(crate) nested: Link,
}

/// A child where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Child<'a> {
    Leaf(Leaf<'a>),
    Branch(Link),
}

/// The sets of places in a node's header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) leaves: u16,
    pub(super) branches: u16,
    pub(super) nested: u16,
    pub(super) embedded: u16,
}

impl Masks {
    pub(super) fn children(&self) -> u16 {
        self.leaves | self.branches
    }

    pub(super) fn links(&self) -> usize {
        (self.branches.count_ones() + self.nested.count_ones()) as usize
    }
}

/// Where the sections of a node begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) refs: usize,
    pub(super) prefix: usize,
    pub(super) lengths: usize,
    pub(super) leaves: usize,
}

impl Layout {
    pub(super) fn of(masks: &Masks, prefix: usize) -> Self {
        let refs = NodeRef::HEADER + LINK_BYTES * masks.links();
        let prefix_at = refs + REF_BYTES * masks.children().count_ones() as usize;
        let lengths = prefix_at + prefix;
        Self { refs, prefix: prefix_at, lengths, leaves: lengths + masks.leaves.count_ones() as usize }
    }
}

/// A node's bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeRef<'a>(&'a [u8]);

impl<'a> NodeRef<'a> {
    /// Bytes of the header.
    pub(crate) const HEADER: usize = 12;

    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The size that a header names.
    pub(crate) fn size_of(header: &[u8]) -> usize {
        usize::from(word(header, SIZE_AT))
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn masks(self) -> Masks {
        let Some([a, b, c, d, e, f, g, h]) = self.0.first_chunk::<8>() else {
            return Masks::default();
        };
        let word = |low: &u8, high: &u8| u16::from_le_bytes([*low, *high]);
        Masks { leaves: word(a, b), branches: word(c, d), nested: word(e, f), embedded: word(g, h) }
    }

    pub(super) fn layout(self, masks: &Masks) -> Layout {
        Layout::of(masks, usize::from(self.0[PREFIX_AT]))
    }

    /// The path between the parent's place and this branch.
    pub(crate) fn prefix(self) -> &'a [u8] {
        let at = self.layout(&self.masks()).prefix;
        &self.0[at..at + usize::from(self.0[PREFIX_AT])]
    }

    pub(super) fn prefix_len(self) -> usize {
        usize::from(self.0[PREFIX_AT])
    }

    /// The bytes in which the reference of the child at a place is kept.
    pub(super) fn reference_bytes(self, masks: &Masks, place: u8) -> &'a [u8] {
        let at = self.layout(masks).refs + REF_BYTES * rank(masks.children(), place);
        &self.0[at..at + REF_BYTES]
    }

    /// How many nibbles lie above its children when `depth` lie above it.
    pub(super) fn depth_below(self, depth: usize) -> usize {
        depth + self.prefix_len() + 1
    }

    /// The links to the nodes below, those of nested tries included.
    pub(crate) fn links(self) -> impl Iterator<Item = Link> + 'a {
        (0..self.masks().links()).map(move |nth| self.link_at(nth))
    }

    /// The nth of them.
    pub(super) fn link_at(self, nth: usize) -> Link {
        let at = Self::HEADER + LINK_BYTES * nth;
        let bytes = self.0[at..].first_chunk::<LINK_BYTES>();
        let link = bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if self.0[PLACE_AT] == MEMORY { Link(link) } else { Link::at(link) }
    }

    /// Whether a header is one of a node in a file.
    pub(crate) fn is_of_file(header: &[u8]) -> bool {
        header[PLACE_AT] != MEMORY
    }

    /// Whether the bytes of a node in a file are such as are written there: of the size that its parts
    /// have, its places filled once, all links set and into the file.
    pub(crate) fn is_sound(self) -> bool {
        if self.0.len() < Self::HEADER || self.0[PLACE_AT] != 0 || self.prefix_len() > KEY_NIBBLES {
            return false;
        }
        let (masks, mut size) = (self.masks(), 0);
        let layout = self.layout(&masks);
        if let Some(lengths) = self.0.get(layout.lengths..layout.leaves) {
            size = layout.leaves + lengths.iter().map(|size| KEY_BYTES + usize::from(*size)).sum::<usize>();
        }
        let own_links = || self.0[Self::HEADER..layout.refs].as_chunks::<LINK_BYTES>().0;
        size == self.0.len()
            && masks.children() != 0
            && masks.leaves & masks.branches == 0
            && masks.nested & !masks.leaves == 0
            && masks.embedded & !masks.children() == 0
            && own_links().iter().all(|link| Link(u64::from_le_bytes(*link)).offset().is_some())
    }

    /// The only leaf, of the node at the top of a trie that has no more.
    pub(crate) fn only_leaf(self) -> Option<Leaf<'a>> {
        let masks = self.masks();
        if masks.children().count_ones() != 1 {
            return None;
        }
        // The mask is not empty, so the place is below 16.
        match self.child(masks.children().trailing_zeros() as u8) {
            Some(Child::Leaf(leaf)) => Some(leaf),
            _ => None,
        }
    }

    /// The children with their places, ascending.
    pub(crate) fn children(self) -> impl DoubleEndedIterator<Item = (u8, Child<'a>)> {
        (0..16).filter_map(move |place| self.child(place).map(|child| (place, child)))
    }

    /// The child at a place.
    pub(crate) fn child(self, place: u8) -> Option<Child<'a>> {
        let masks = self.masks();
        let bit = 1u16 << place;
        if masks.branches & bit != 0 {
            return Some(Child::Branch(self.link_at(rank(masks.branches, place))));
        }
        (masks.leaves & bit != 0).then(|| Child::Leaf(self.leaf(&masks, place)))
    }

    /// The leaf at a place that has one.
    pub(super) fn leaf(self, masks: &Masks, place: u8) -> Leaf<'a> {
        let nested = match masks.nested & (1 << place) {
            0 => Link::NONE,
            _ => self.link_at(masks.branches.count_ones() as usize + rank(masks.nested, place)),
        };
        let (at, size) = self.leaf_at(masks, place);
        let (key, value) = self.0[at..at + KEY_BYTES + size].split_at(KEY_BYTES);
        // The split leaves as many bytes as a key has.
        let (key, _) = key.as_chunks::<KEY_BYTES>();
        Leaf { key: &key[0], value, nested }
    }

    /// Where the leaf at a place begins, and how long its value is.
    pub(super) fn leaf_at(self, masks: &Masks, place: u8) -> (usize, usize) {
        let layout = self.layout(masks);
        let lengths = &self.0[layout.lengths..layout.leaves];
        let nth = rank(masks.leaves, place);
        let before: usize = lengths[..nth].iter().map(|length| KEY_BYTES + usize::from(*length)).sum();
        (layout.leaves + before, usize::from(lengths[nth]))
    }

    /// How this branch names the child at a place that has one.
    pub(super) fn reference(self, masks: &Masks, place: u8) -> Reference {
        Reference::stored(self.reference_bytes(masks, place), masks.embedded & (1 << place) != 0)
    }

    /// All references, in order of places.
    pub(super) fn references(self, masks: &Masks) -> &'a [u8] {
        let layout = self.layout(masks);
        &self.0[layout.refs..layout.prefix]
    }
}

/// Writes into a node that is being made.
pub(super) struct NodeMut<'a>(pub(super) &'a mut [u8]);

impl NodeMut<'_> {
    pub(super) fn put_header(&mut self, masks: &Masks, prefix: usize) {
        let size = self.0.len();
        for (nth, mask) in [masks.leaves, masks.branches, masks.nested, masks.embedded].iter().enumerate() {
            self.put_word(2 * nth, *mask);
        }
        // Sizes stay below NODE_BYTES_MAX, prefixes below KEY_NIBBLES.
        self.put_word(SIZE_AT, size as u16);
        self.0[PREFIX_AT] = prefix as u8;
        self.0[PLACE_AT] = MEMORY;
    }

    /// Makes this node of memory a copy of another one of the same size.
    pub(super) fn copy(&mut self, node: NodeRef<'_>) {
        self.0.copy_from_slice(node.bytes());
        self.keep_links(node);
    }

    /// Takes over the links of a node whose header this one has, as links of a node of memory.
    pub(super) fn keep_links(&mut self, node: NodeRef<'_>) {
        self.0[PLACE_AT] = MEMORY;
        if node.0[PLACE_AT] != MEMORY {
            (0..node.masks().links()).for_each(|nth| self.put_link(nth, node.link_at(nth)));
        }
    }

    /// Makes the copy of a node one of a file, which has its links there.
    pub(super) fn put_into_file(&mut self) {
        self.0[PLACE_AT] = 0;
    }

    pub(super) fn put_link(&mut self, nth: usize, link: Link) {
        let at = NodeRef::HEADER + LINK_BYTES * nth;
        self.0[at..at + LINK_BYTES].copy_from_slice(&link.to_bytes());
    }

    /// Sets the reference of the child at a place.
    pub(super) fn put_reference(&mut self, place: u8, reference: &Reference) {
        let masks = NodeRef(self.0).masks();
        let at = NodeRef(self.0).layout(&masks).refs + REF_BYTES * rank(masks.children(), place);
        let bit = 1u16 << place;
        let embedded = reference.write_to(&mut self.0[at..at + REF_BYTES]);
        self.put_word(6, if embedded { masks.embedded | bit } else { masks.embedded & !bit });
    }

    fn put_word(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// How many places below this one are filled.
pub(super) fn rank(mask: u16, place: u8) -> usize {
    (mask & ((1u16 << place) - 1)).count_ones() as usize
}

/// The filled places, ascending.
pub(super) fn places(mask: u16) -> impl Iterator<Item = u8> {
    (0..16).filter(move |place| mask & (1 << place) != 0)
}

/// The nibble of a key at a position.
pub(super) fn nibble(key: &[u8; KEY_BYTES], position: usize) -> u8 {
    let byte = key[position / 2];
    if position.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}

/// The key of a hash.
pub(super) fn key_of(hash: &B256) -> &[u8; KEY_BYTES] {
    &hash.0
}
