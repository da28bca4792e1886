//! Applying a sorted batch of changes: one walk over the changed paths, which writes them anew.

use alloy_primitives::B256;
use hansa_crypto::workers;

use super::build::{Kid, Kids};
use super::hash::{keep_references, settle};
use super::node::{Child, KEY_BYTES, KEY_NIBBLES, Leaf, LeafValue, Link, NodeRef, key_of, nibble};
use super::warm::{WALKS_MAX, WALKS_MIN, warm};
use super::{Base, resolve, root_of};

/// Batches with fewer changes fit into the cache as a whole, and are not worth spreading over threads.
const SPREAD_MIN: usize = 256;

/// What becomes of the trie below a changed leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nested {
    /// There is none any more.
    None,
    /// It stays. The packed value comes without its root, which is taken over from the old one.
    Keep,
    /// This one, whose root the packed value ends with. It is handed over with its count.
    New(Link),
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'v> {
    pub(crate) key: B256,
    /// The packed value; none removes the key.
    pub(crate) value: Option<&'v [u8]>,
    pub(crate) nested: Nested,
}

/// Applies items to the trie at `top`, which somebody holds. The answer is a new trie, held once for
/// the caller, and its root hash.
pub(crate) fn update<V: LeafValue>(base: &Base, top: Link, mut items: Vec<Item<'_>>) -> (Link, B256) {
    order(&mut items);
    let update = Update { base };
    let top = match items.len() >= SPREAD_MIN {
        true => update.spread::<V>(top, &items),
        false => update.trie(top, &items),
    }
    .into_top();
    // SAFETY: nobody has seen the new nodes yet.
    let references = unsafe { settle::<V>(&[(top, 0)]) };
    (top, root_of(references[0]))
}

/// As [`update`] for several tries over the same file, whose nodes are hashed together.
pub(crate) fn update_many<V: LeafValue>(base: &Base, tries: Vec<(Link, Vec<Item<'_>>)>) -> Vec<(Link, B256)> {
    if tries.len() == 1 || workers::threads_in_force() > 1 {
        // Tries are spread over threads; a single one spreads itself.
        return workers::map(tries, |(top, items)| update::<V>(base, top, items));
    }
    let tops: Vec<(Link, usize)> = (tries.into_iter())
        .map(|(top, mut items)| {
            order(&mut items);
            (Update { base }.trie(top, &items).into_top(), 0)
        })
        .collect();
    // SAFETY: nobody has seen the new nodes yet.
    let references = unsafe { settle::<V>(&tops) };
    tops.into_iter().zip(references).map(|((top, _), reference)| (top, root_of(reference))).collect()
}

/// Sorts by key; where a key comes twice the last item stays.
fn order(items: &mut Vec<Item<'_>>) {
    if items.is_sorted_by(|a, b| a.key < b.key) {
        return;
    }
    items.sort_by_key(|item| item.key);
    items.reverse();
    items.dedup_by_key(|item| item.key);
    items.reverse();
}

struct Update<'a> {
    base: &'a Base,
}

impl<'a> Update<'a> {
    fn node(&self, link: Link) -> Option<NodeRef<'a>> {
        // SAFETY: the caller of `update` holds the old trie, of which all nodes that are asked for
        // are part.
        unsafe { resolve(self.base, link) }
    }

    /// The whole trie. Its only leaf has a reference made for the top, which counts nowhere else.
    fn trie(&self, top: Link, items: &'a [Item<'a>]) -> Kid<'a> {
        match self.node(top) {
            None => self.build(0, items),
            Some(node) => match node.only_leaf() {
                Some(leaf) => self.leaf(leaf, 0, items),
                None if items.is_empty() => Kid::Old(top),
                None => self.branch(node, 0, 0, items),
            },
        }
    }

    /// The whole trie, each child of its top by itself, where there are threads by one of its own: new
    /// nodes are hashed while the cache still has them.
    fn spread<V: LeafValue>(&self, top: Link, items: &'a [Item<'a>]) -> Kid<'a> {
        let old = self.node(top);
        if old.is_some_and(|node| node.prefix_len() > 0 || node.only_leaf().is_some()) {
            return self.trie(top, items);
        }
        let groups: Vec<&[Item<'_>]> =
            items.chunk_by(|a, b| nibble(&a.key.0, 0) == nibble(&b.key.0, 0)).collect();
        let done = workers::map(groups, |group| {
            let place = nibble(&group[0].key.0, 0);
            let kid = self.kid(old.map_or(Kid::Nothing, |node| old_kid(node, place)), 1, group);
            let Kid::New(id) = kid else { return (place, kid, None) };
            // SAFETY: the node is part of this update, and nobody else has it. It hangs below one nibble.
            (place, kid, unsafe { settle::<V>(&[(Link::to(id), 1)]) }[0])
        });
        let mut kids = Kids::over(old, 0);
        done.iter().for_each(|(place, kid, _)| kids.put(*place, *kid));
        let top = kids.finish(self.base, &[]);
        if let Kid::New(id) = top {
            // A child that became the top itself gets its reference with all else.
            // SAFETY: as above.
            unsafe { keep_references(id, done.iter().map(|(place, _, reference)| (*place, *reference))) };
        }
        top
    }

    /// What becomes of a child, `depth` nibbles down.
    fn kid(&self, kid: Kid<'a>, depth: usize, items: &'a [Item<'a>]) -> Kid<'a> {
        match kid {
            Kid::Leaf(leaf) => self.leaf(leaf, depth, items),
            Kid::Old(link) => match self.node(link) {
                Some(node) => self.branch(node, 0, depth, items),
                None => Kid::Nothing,
            },
            // Nothing else stands in an old branch.
            _ => self.build(depth, items),
        }
    }

    /// A subtree of nothing but the items.
    fn build(&self, depth: usize, items: &'a [Item<'a>]) -> Kid<'a> {
        match items {
            [] => Kid::Nothing,
            [item] => Kid::of_item(item, None),
            [first, .., last] => {
                let fork = common_end(key_of(&first.key), key_of(&last.key), depth);
                let mut kids = Kids::over(None, 0);
                self.descend(&mut kids, fork, items);
                kids.finish(self.base, &path(&first.key.0, depth, fork)[..fork - depth])
            }
        }
    }

    fn leaf(&self, leaf: Leaf<'a>, depth: usize, items: &'a [Item<'a>]) -> Kid<'a> {
        if let [item] = items
            && item.key.0 == *leaf.key
        {
            return Kid::of_item(item, Some(leaf));
        }
        let Some(fork) = fork_of(items, depth, |key, from| common_end(key, leaf.key, from)) else {
            return Kid::Leaf(leaf);
        };
        let mut kids = Kids::over(None, 0);
        kids.put(nibble(leaf.key, fork), Kid::Leaf(leaf));
        self.descend(&mut kids, fork, items);
        kids.finish(self.base, &path(leaf.key, depth, fork)[..fork - depth])
    }

    /// A branch of which the first `skip` nibbles of the prefix lie above `depth`.
    fn branch(&self, node: NodeRef<'a>, skip: usize, depth: usize, items: &'a [Item<'a>]) -> Kid<'a> {
        let prefix = &node.prefix()[skip..];
        let end = depth + prefix.len();
        let fork = fork_of(items, depth, |key, from| common_with_prefix(key, prefix, from)).unwrap_or(end);
        if fork == end {
            if (WALKS_MIN..=WALKS_MAX).contains(&items.len()) {
                // SAFETY: the old trie, which somebody holds, holds the node.
                unsafe { warm(self.base, node, end, items) };
            }
            let mut kids = Kids::over(Some(node), skip);
            self.descend(&mut kids, end, items);
            return kids.finish(self.base, prefix);
        }
        let (above, place) = (&prefix[..fork - depth], prefix[fork - depth]);
        let below = skip + above.len() + 1;
        let mut kids = Kids::over(None, 0);
        let (mut start, mut stop) = (items.len(), items.len());
        for (index, item) in items.iter().enumerate() {
            if nibble(&item.key.0, fork) == place {
                start = start.min(index);
                stop = index + 1;
            }
        }
        let lower = match &items[start..stop] {
            [] => Kid::recast(node, &node.prefix()[below..]),
            within => self.branch(node, below, fork + 1, within),
        };
        kids.put(place, lower);
        self.descend(&mut kids, fork, &items[..start]);
        self.descend(&mut kids, fork, &items[stop..]);
        kids.finish(self.base, above)
    }

    /// Hands each place its share of the items; `position` is the nibble that tells places apart.
    fn descend(&self, kids: &mut Kids<'a>, position: usize, items: &'a [Item<'a>]) {
        for group in items.chunk_by(|a, b| nibble(&a.key.0, position) == nibble(&b.key.0, position)) {
            let place = nibble(&group[0].key.0, position);
            kids.put(place, self.kid(kids.get(place), position + 1, group));
        }
    }
}

/// The child of an old branch at a place.
pub(super) fn old_kid(node: NodeRef<'_>, place: u8) -> Kid<'_> {
    match node.child(place) {
        None => Kid::Nothing,
        Some(Child::Leaf(leaf)) => Kid::Leaf(leaf),
        Some(Child::Branch(link)) => Kid::Old(link),
    }
}

/// Where sorted items part from a node's path: the nearer of the first's and the last's point; all
/// between them share at least that much. None without items.
fn fork_of(
    items: &[Item<'_>],
    depth: usize,
    end: impl Fn(&[u8; KEY_BYTES], usize) -> usize,
) -> Option<usize> {
    let (first, last) = (items.first()?, items.last()?);
    Some(end(&first.key.0, depth).min(end(&last.key.0, depth)))
}

/// The first position from `from` on at which two keys differ.
fn common_end(a: &[u8; KEY_BYTES], b: &[u8; KEY_BYTES], from: usize) -> usize {
    (from..KEY_NIBBLES).find(|position| nibble(a, *position) != nibble(b, *position)).unwrap_or(KEY_NIBBLES)
}

fn common_with_prefix(key: &[u8; KEY_BYTES], prefix: &[u8], from: usize) -> usize {
    let same = prefix.iter().enumerate().take_while(|(i, step)| nibble(key, from + i) == **step).count();
    from + same
}

/// The nibbles of a key from one position to another, at the beginning of the answer.
fn path(key: &[u8; KEY_BYTES], from: usize, to: usize) -> [u8; KEY_NIBBLES] {
    let mut path = [0; KEY_NIBBLES];
    path.iter_mut().zip(from..to).for_each(|(step, position)| *step = nibble(key, position));
    path
}
