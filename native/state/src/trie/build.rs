//! Writing nodes: an old one with some children replaced, or one from children alone.

use super::node::{
    KEY_BYTES, Layout, Leaf, Link, Masks, NodeMut, NodeRef, REF_BYTES, VALUE_BYTES_MAX, nibble, places, rank,
};
use super::pool::{self, NODE_BYTES_MAX, NodeId};
use super::update::{Item, Nested, Update, old_kid};

/// Set in the first byte of a packed value that ends with the root of a nested trie.
pub(crate) const NESTED_FLAG: u8 = 0x80;

/// Bytes of a root.
pub(crate) const ROOT_BYTES: usize = 32;

/// A child on its way into a branch. Its reference is still to be computed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kid<'a> {
    Nothing,
    /// A leaf of the old trie.
    Leaf(Leaf<'a>),
    /// A changed leaf, with the old one where its nested trie stays.
    Item(&'a Item<'a>, Option<Leaf<'a>>),
    /// A branch of the old trie, which the new one is going to have, too.
    Old(Link),
    /// A branch that this update made, and what [`Made`](super::hash::Made) calls it; none where its
    /// reference was computed before its parent is made.
    New(NodeId, Option<u32>),
}

impl<'a> Kid<'a> {
    /// What an item makes of its leaf.
    pub(super) fn of_item(item: &'a Item<'a>, old: Option<Leaf<'a>>) -> Self {
        match item.value {
            None => Self::Nothing,
            Some(_) => {
                let stays = |leaf: &Leaf<'_>| item.nested == Nested::Keep && !leaf.nested.is_none();
                Self::Item(item, old.filter(stays))
            }
        }
    }

    fn is_branch(&self) -> bool {
        matches!(self, Self::Old(..) | Self::New(..))
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    fn link(&self) -> Link {
        match self {
            Self::Old(link) => *link,
            Self::New(id, _) => Link::to(*id),
            _ => Link::NONE,
        }
    }

    /// The trie nested below a leaf.
    fn nested(&self) -> Link {
        match self {
            Self::Leaf(leaf) | Self::Item(_, Some(leaf)) => leaf.nested,
            Self::Item(Item { nested: Nested::New(link), .. }, None) => *link,
            _ => Link::NONE,
        }
    }

    fn has_nested(&self) -> bool {
        match self {
            Self::Leaf(leaf) => !leaf.nested.is_none(),
            Self::Item(_, Some(_)) => true,
            Self::Item(item, None) => matches!(item.nested, Nested::New(link) if !link.is_none()),
            _ => false,
        }
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.value.len(),
            Self::Item(item, old) => {
                item.value.map_or(0, <[u8]>::len) + if old.is_some() { ROOT_BYTES } else { 0 }
            }
            _ => 0,
        }
    }

    /// Writes a leaf, key and value.
    fn write_leaf(&self, out: &mut [u8]) {
        let (key, value) = out.split_at_mut(KEY_BYTES);
        match self {
            Self::Leaf(leaf) => {
                key.copy_from_slice(leaf.key);
                value.copy_from_slice(leaf.value);
            }
            Self::Item(item, old) => {
                key.copy_from_slice(item.key.as_slice());
                let own = item.value.unwrap_or_default();
                value[..own.len()].copy_from_slice(own);
                if let Some(old) = old {
                    value[0] |= NESTED_FLAG;
                    value[own.len()..].copy_from_slice(&old.value[old.value.len() - ROOT_BYTES..]);
                }
            }
            _ => {}
        }
    }

    /// The link to a whole trie that consists of this child, the nth of those that the update makes.
    pub(super) fn into_top(self, update: &mut Update<'a>, nth: usize) -> Link {
        match self {
            Self::Nothing => Link::NONE,
            Self::Old(link) => link,
            Self::New(id, index) => {
                index.into_iter().for_each(|index| update.made.set_top(index, nth));
                Link::to(id)
            }
            Self::Leaf(Leaf { key, .. }) => alone(update, self, nibble(key, 0), nth),
            Self::Item(item, _) => alone(update, self, nibble(&item.key.0, 0), nth),
        }
    }
}

/// The top of a trie of one leaf, the nth of those that the update makes.
fn alone<'a>(update: &mut Update<'a>, leaf: Kid<'a>, place: u8, nth: usize) -> Link {
    let mut kids = Kids::over(None, 0);
    kids.put(place, leaf);
    let id = kids.write(&[], update.born);
    update.made.push_alone(id, place, nth);
    Link::to(id)
}

/// The children that a branch is going to have: those of an old one unless they were replaced.
pub(super) struct Kids<'a> {
    old: Option<NodeRef<'a>>,
    /// Whether the old branch keeps its whole prefix.
    whole: bool,
    replaced: u16,
    kids: [Kid<'a>; 16],
}

impl<'a> Kids<'a> {
    /// Over an old branch of which `skip` nibbles of the prefix go elsewhere, or over nothing.
    pub(super) fn over(old: Option<NodeRef<'a>>, skip: usize) -> Self {
        Self { old, whole: skip == 0, replaced: 0, kids: [Kid::Nothing; 16] }
    }

    pub(super) fn put(&mut self, place: u8, kid: Kid<'a>) {
        self.replaced |= 1 << place;
        self.kids[usize::from(place)] = kid;
    }

    pub(super) fn get(&self, place: u8) -> Kid<'a> {
        match self.old {
            Some(old) if self.replaced & (1 << place) == 0 => old_kid(old, place),
            _ => self.kids[usize::from(place)],
        }
    }

    /// The branch that they make `depth` nibbles down, or what is left of it.
    pub(super) fn finish(self, update: &mut Update<'a>, depth: usize, prefix: &[u8]) -> Kid<'a> {
        if let Some(id) = self.patch(update.born) {
            return self.made(update, id, depth);
        }
        let mut filled = self.old.map_or(0, |old| old.masks().children()) & !self.replaced;
        for place in places(self.replaced) {
            filled |= u16::from(!self.kids[usize::from(place)].is_nothing()) << place;
        }
        if filled.count_ones() > 1 {
            let id = self.write(prefix, update.born);
            return self.made(update, id, depth);
        }
        // The mask has one bit at most, so the place is below 16.
        let place = filled.trailing_zeros() as u8;
        match (filled != 0).then(|| self.get(place)) {
            None | Some(Kid::Nothing) => Kid::Nothing,
            Some(leaf @ (Kid::Leaf(..) | Kid::Item(..))) => leaf,
            Some(branch) => joined(update, depth, prefix, place, branch),
        }
    }

    /// A new branch with these children.
    fn made(&self, update: &mut Update<'a>, id: NodeId, depth: usize) -> Kid<'a> {
        let replaced = places(self.replaced).map(|place| (place, &self.kids[usize::from(place)]));
        Kid::New(id, Some(update.made.push(id, depth, replaced)))
    }

    /// The common case: the old branch with children of the same kinds and sizes, a copy in which a
    /// few bytes are written over.
    fn patch(&self, born: u64) -> Option<NodeId> {
        let old = self.old.filter(|_| self.whole)?;
        let masks = old.masks();
        for place in places(self.replaced) {
            let kid = &self.kids[usize::from(place)];
            let bit = 1u16 << place;
            let same = match kid {
                Kid::Old(..) | Kid::New(..) => masks.branches & bit != 0,
                Kid::Nothing => masks.children() & bit == 0,
                leaf => {
                    masks.leaves & !masks.nested & bit != 0
                        && !leaf.has_nested()
                        && old.leaf_at(&masks, place).1 == leaf.value_len()
                }
            };
            if !same {
                return None;
            }
        }
        let size = old.bytes().len();
        let id = pool::allocate(size, born);
        // SAFETY: the place was allocated for that size here, and nobody else knows of it.
        let mut node = NodeMut(unsafe { pool::node_mut(id, size) });
        node.copy(old);
        for place in places(self.replaced & masks.children()) {
            let kid = &self.kids[usize::from(place)];
            if kid.is_branch() {
                node.put_link(rank(masks.branches, place), kid.link());
            } else {
                let (at, length) = old.leaf_at(&masks, place);
                kid.write_leaf(&mut node.0[at..at + KEY_BYTES + length]);
            }
        }
        Some(id)
    }

    /// Writes the branch.
    fn write(&self, prefix: &[u8], born: u64) -> NodeId {
        let mut masks = Masks::default();
        let mut values = 0;
        let mut kids = [Kid::Nothing; 16];
        for (place, kid) in (0..16u8).map(|place| (place, self.get(place))) {
            let bit = 1u16 << place;
            if kid.is_nothing() {
                continue;
            }
            if kid.is_branch() {
                masks.branches |= bit;
            } else {
                masks.leaves |= bit;
                masks.nested |= if kid.has_nested() { bit } else { 0 };
                assert!(kid.value_len() <= VALUE_BYTES_MAX, "a packed value exceeds its limit");
                values += KEY_BYTES + kid.value_len();
            }
            kids[usize::from(place)] = kid;
        }
        let old_masks = self.old.map(|old| old.masks()).unwrap_or_default();
        masks.embedded = old_masks.embedded & !self.replaced;
        let layout = Layout::of(&masks, prefix.len());
        let size = layout.leaves + values;
        debug_assert!(size <= NODE_BYTES_MAX);
        let id = pool::allocate(size, born);
        // SAFETY: the place was allocated for that size here, and nobody else knows of it.
        let mut node = NodeMut(unsafe { pool::node_mut(id, size) });
        node.put_header(&masks, prefix.len());
        node.0[layout.refs..layout.prefix].fill(0);
        node.0[layout.prefix..layout.lengths].copy_from_slice(prefix);
        let mut leaf_at = layout.leaves;
        for place in places(masks.children()) {
            let kid = &kids[usize::from(place)];
            if kid.is_branch() {
                node.put_link(rank(masks.branches, place), kid.link());
            } else {
                if kid.has_nested() {
                    let nth = masks.branches.count_ones() as usize + rank(masks.nested, place);
                    node.put_link(nth, kid.nested());
                }
                let size = kid.value_len();
                // At most VALUE_BYTES_MAX.
                node.0[layout.lengths + rank(masks.leaves, place)] = size as u8;
                kid.write_leaf(&mut node.0[leaf_at..leaf_at + KEY_BYTES + size]);
                leaf_at += KEY_BYTES + size;
            }
            if let Some(old) = self.old.filter(|_| self.replaced & (1 << place) == 0) {
                let at = layout.refs + REF_BYTES * rank(masks.children(), place);
                node.0[at..at + REF_BYTES].copy_from_slice(old.reference_bytes(&old_masks, place));
            }
        }
        id
    }
}

/// A branch that takes over the path of the one above it, whose only child it was, `depth` nibbles down.
fn joined<'a>(update: &mut Update<'a>, depth: usize, above: &[u8], place: u8, only: Kid<'a>) -> Kid<'a> {
    let link = only.link();
    let Some(node) = update.node(link) else { return only };
    let prefix = [above, &[place], node.prefix()].concat();
    update.note_replaced(link);
    match only {
        Kid::New(_, Some(index)) => {
            let id = copy_below(node, &prefix, update.born);
            update.made.replace(index, id, depth);
            Kid::New(id, Some(index))
        }
        _ => recast(update, node, depth, &prefix),
    }
}

/// A branch below another path, `depth` nibbles down.
pub(super) fn recast<'a>(update: &mut Update<'a>, node: NodeRef<'_>, depth: usize, prefix: &[u8]) -> Kid<'a> {
    let id = copy_below(node, prefix, update.born);
    Kid::New(id, Some(update.made.push(id, depth, std::iter::empty())))
}

fn copy_below(node: NodeRef<'_>, prefix: &[u8], born: u64) -> NodeId {
    let masks = node.masks();
    let (from, to) = (node.layout(&masks), Layout::of(&masks, prefix.len()));
    let bytes = node.bytes();
    let size = bytes.len() - node.prefix_len() + prefix.len();
    let id = pool::allocate(size, born);
    // SAFETY: the place was allocated for that size here, and nobody else knows of it.
    let mut copy = NodeMut(unsafe { pool::node_mut(id, size) });
    copy.0[..to.prefix].copy_from_slice(&bytes[..from.prefix]);
    copy.0[to.prefix..to.lengths].copy_from_slice(prefix);
    copy.0[to.lengths..].copy_from_slice(&bytes[from.lengths..]);
    copy.put_header(&masks, prefix.len());
    copy.keep_links(node);
    debug_assert_eq!(copy.0[to.refs..to.prefix].len() % REF_BYTES, 0);
    id
}
