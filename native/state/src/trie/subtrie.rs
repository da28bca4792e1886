//! The part of a trie below a path: its leaves, or the node at its top, either held against the name that the parent
//! gives it.

use alloy_primitives::B256;
use hansa_crypto::keccak256;

use super::node::{Child, KEY_BYTES, KEY_NIBBLES, Leaf, LeafValue, NodeRef, key_of, nibble};
use super::reference::{HASHED_MIN, Reference};
use super::rlp::{RLP_HASH, RLP_LIST, RLP_STRING, encode_branch, encode_extension, encode_leaf};
use super::update::{Item, Nested};
use super::{Trie, View};

/// Bytes of a name.
pub(crate) const NAME_BYTES: usize = 33;
/// Places of a branch and its empty value.
const BRANCH_ITEMS: usize = 17;

/// Where a part of a trie hangs, and what its parent calls it: the RLP item that stands for it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    path: [u8; KEY_NIBBLES],
    depth: usize,
    name: [u8; NAME_BYTES],
}

impl Place {
    /// A whole trie.
    pub(crate) fn whole(root: &B256) -> Self {
        let mut name = [0; NAME_BYTES];
        name[0] = RLP_HASH;
        name[1..].copy_from_slice(root.as_slice());
        Self { path: [0; KEY_NIBBLES], depth: 0, name }
    }

    /// What lies below `path` and has that name; none where no node can hang so deep.
    pub(crate) fn below(path: &[u8], name: [u8; NAME_BYTES]) -> Option<Self> {
        if path.len() >= KEY_NIBBLES || path.iter().any(|step| *step > 15) {
            return None;
        }
        let mut place = Self { path: [0; KEY_NIBBLES], depth: path.len(), name };
        place.path[..path.len()].copy_from_slice(path);
        Some(place)
    }

    /// The nibbles above it.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path[..self.depth]
    }

    /// What its parent calls it.
    pub(crate) fn name(&self) -> &[u8; NAME_BYTES] {
        &self.name
    }

    /// Whether a key lies below it.
    fn holds(&self, key: &[u8; KEY_BYTES]) -> bool {
        self.path().iter().enumerate().all(|(position, step)| nibble(key, position) == *step)
    }

    /// Whether this is the name of a node with that RLP. The top of a whole trie is named by its hash however short.
    fn is_name_of(&self, encoded: &[u8]) -> bool {
        match self.depth {
            0 => self.name[0] == RLP_HASH && keccak256(encoded).as_slice() == &self.name[1..],
            _ => Reference::of(encoded).as_slice() == &self.name[..Reference::of(encoded).len()],
        }
    }
}

impl<'a> View<'a> {
    /// What hangs below a path; none where nothing does.
    pub(crate) fn at_path(&self, path: &[u8]) -> Option<Child<'a>> {
        let top = self.top();
        if path.is_empty() {
            return (!top.is_none()).then_some(Child::Branch(top));
        }
        let mut node = self.node(top)?;
        let mut depth = 0;
        loop {
            let prefix = node.prefix();
            let steps = path.get(depth..depth + prefix.len())?;
            if steps != prefix {
                return None;
            }
            depth += prefix.len();
            let child = node.child(*path.get(depth)?)?;
            depth += 1;
            match child {
                child if depth == path.len() => return Some(child),
                Child::Branch(link) => node = self.node(link)?,
                Child::Leaf(_) => return None,
            }
        }
    }

    /// The RLP of the node at a link: its extension, empty where there is none, and the branch below.
    pub(crate) fn encoded_top(&self, node: NodeRef<'a>) -> (Vec<u8>, Vec<u8>) {
        let (mut extension, mut branch) = (Vec::new(), Vec::new());
        encode_branch(node, &mut branch);
        if node.prefix_len() > 0 {
            encode_extension(node.prefix(), &Reference::of(&branch), &mut extension);
        }
        (extension, branch)
    }
}

/// Whether `items`, packed leaves in ascending order of their keys, are all that hangs at a place.
pub(crate) fn is_all_below<V: LeafValue>(place: &Place, items: &[(B256, Vec<u8>)]) -> bool {
    let ascending = items.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if items.is_empty() || !ascending || !items.iter().all(|(key, _)| place.holds(key_of(key))) {
        return false;
    }
    let mut encoded = Vec::new();
    if let [(key, value)] = items {
        let leaf = Leaf { key: key_of(key), value, nested: super::node::Link::NONE };
        encode_leaf::<V>(leaf, place.depth, &mut Vec::new(), &mut encoded);
        return place.is_name_of(&encoded);
    }
    let mut trie = Trie::<V>::new();
    let changes =
        items.iter().map(|(key, value)| Item { key: *key, value: Some(value), nested: Nested::None });
    trie.change(trie.draft(), changes.collect());
    let view = trie.view();
    let Some(node) = view.node(view.top()) else { return false };
    encode_branch(node, &mut encoded);
    // All keys share the path, so that the prefix of the one branch above them begins with it.
    let Some(prefix) = node.prefix().get(place.depth..) else { return false };
    if !prefix.is_empty() {
        let inner = Reference::of(&encoded);
        encoded.clear();
        encode_extension(prefix, &inner, &mut encoded);
    }
    place.is_name_of(&encoded)
}

/// The places below a node given as RLP (`extension` may be empty), ascending; none where it is not the node at `place`
/// or no branch.
pub(crate) fn split(place: &Place, extension: &[u8], branch: &[u8]) -> Option<Vec<Place>> {
    let mut path = place.path().to_vec();
    if extension.is_empty() {
        place.is_name_of(branch).then_some(())?;
    } else {
        place.is_name_of(extension).then_some(())?;
        let mut items = list_items(extension)?.into_iter();
        let (steps, inner) = (items.next()?, items.next()?);
        if items.next().is_some() || inner != Reference::of(branch).as_slice() {
            return None;
        }
        path.extend(extension_path(string_of(steps)?)?);
    }
    let items = list_items(branch)?;
    if items.len() != BRANCH_ITEMS || items[BRANCH_ITEMS - 1] != [RLP_STRING] {
        return None;
    }
    let mut below = Vec::new();
    for (step, item) in
        items[..BRANCH_ITEMS - 1].iter().enumerate().filter(|(_, item)| **item != [RLP_STRING])
    {
        let is_name =
            item[0] == RLP_HASH && item.len() == NAME_BYTES || item[0] >= RLP_LIST && item.len() < HASHED_MIN;
        let mut name = [0; NAME_BYTES];
        name.get_mut(..item.len()).filter(|_| is_name)?.copy_from_slice(item);
        // There are sixteen places.
        path.push(step as u8);
        below.push(Place::below(&path, name)?);
        path.pop();
    }
    (below.len() > 1).then_some(below)
}

/// The items of an RLP list, each with its own header; none where the bytes are no list of that length.
fn list_items(encoded: &[u8]) -> Option<Vec<&[u8]>> {
    let (&first, _) = encoded.split_first()?;
    let (header, length) = span_of(encoded)?;
    if first < RLP_LIST || header + length != encoded.len() {
        return None;
    }
    let mut rest = &encoded[header..];
    let mut items = Vec::with_capacity(BRANCH_ITEMS);
    while !rest.is_empty() {
        let (header, length) = span_of(rest)?;
        let (item, behind) = rest.split_at_checked(header + length)?;
        if items.len() == BRANCH_ITEMS {
            return None;
        }
        items.push(item);
        rest = behind;
    }
    Some(items)
}

/// Bytes of an item's header and of what follows it.
fn span_of(encoded: &[u8]) -> Option<(usize, usize)> {
    const SHORT: usize = 55;
    let first = *encoded.first()?;
    let base = match first {
        ..RLP_STRING => return Some((0, 1)),
        RLP_STRING..RLP_LIST => RLP_STRING,
        RLP_LIST.. => RLP_LIST,
    };
    let count = usize::from(first - base);
    if count <= SHORT {
        return Some((1, count));
    }
    let size = encoded.get(1..1 + count - SHORT).filter(|size| size.len() <= 4)?;
    Some((1 + size.len(), size.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))))
}

/// The bytes of a string item.
fn string_of(item: &[u8]) -> Option<&[u8]> {
    let (header, _) = span_of(item)?;
    (item[0] < RLP_LIST).then_some(&item[header..])
}

/// The nibbles of an extension's path in hex-prefix encoding.
fn extension_path(encoded: &[u8]) -> Option<Vec<u8>> {
    let (&first, rest) = encoded.split_first()?;
    let mut steps = match first >> 4 {
        0 if first == 0 => Vec::new(),
        1 => vec![first & 0x0f],
        _ => return None,
    };
    steps.extend(rest.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]));
    (!steps.is_empty() && steps.len() < KEY_NIBBLES).then_some(steps)
}
