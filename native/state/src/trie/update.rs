//! Applying a sorted batch of changes: one walk over the changed paths, which writes them anew.

use alloy_primitives::B256;
use hansa_crypto::workers;

use super::build::{Kid, Kids, recast};
use super::hash::{Made, keep_references, settle};
use super::node::{Child, KEY_BYTES, KEY_NIBBLES, Leaf, LeafValue, Link, NodeRef, key_of, nibble};
use super::versions::{Draft, Replaced};
use super::warm::{WALKS_MAX, WALKS_MIN, warm};
use super::{Base, resolve, root_of};

/// Batches with fewer changes fit into the cache as a whole, and are not worth spreading over threads.
const SPREAD_MIN: usize = 256;

/// What becomes of the trie below a changed leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nested {
    /// There is none any more. The draft knows of one that there was.
    None,
    /// It stays. The packed value comes without its root, which is taken over from the old one.
    Keep,
    /// This one, made for the same draft, whose root the packed value ends with.
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

/// Applies items to the trie at `top`, which is part of the version that the draft is made from, or of
/// the draft. The answer is the new trie and its root hash.
pub(crate) fn update<V: LeafValue>(
    base: &Base,
    draft: &mut Draft,
    top: Link,
    items: Vec<Item<'_>>,
) -> (Link, B256) {
    let (top, root, replaced) = changed::<V>(base, draft.number(), top, items);
    draft.note_replaced(replaced);
    (top, root)
}

/// As [`update`] for several tries, whose nodes are hashed together.
pub(crate) fn update_many<V: LeafValue>(
    base: &Base,
    draft: &mut Draft,
    mut tries: Vec<(Link, Vec<Item<'_>>)>,
) -> Vec<(Link, B256)> {
    let born = draft.number();
    if tries.len() == 1 || workers::threads_in_force() > 1 {
        // Tries are spread over threads; a single one spreads itself.
        let done = workers::map(tries, |(top, items)| changed::<V>(base, born, top, items));
        let keep = |(top, root, replaced)| {
            draft.note_replaced(replaced);
            (top, root)
        };
        return done.into_iter().map(keep).collect();
    }
    tries.iter_mut().for_each(|(_, items)| order(items));
    let mut update = Update::new(base, born);
    let tops: Vec<Link> = (tries.iter().enumerate())
        .map(|(nth, (top, items))| update.trie(*top, items).into_top(&mut update, nth))
        .collect();
    draft.note_replaced(update.replaced);
    // SAFETY: nobody has seen the new nodes yet.
    let references = unsafe { settle::<V>(&update.made, tops.len()) };
    tops.into_iter().zip(references).map(|(top, reference)| (top, root_of(reference))).collect()
}

/// The trie with items applied, its root hash, and the nodes that it has others for.
fn changed<V: LeafValue>(
    base: &Base,
    born: u64,
    top: Link,
    mut items: Vec<Item<'_>>,
) -> (Link, B256, Vec<Replaced>) {
    order(&mut items);
    let mut update = Update::new(base, born);
    let top = match items.len() >= SPREAD_MIN {
        true => update.spread::<V>(top, &items),
        false => update.trie(top, &items),
    }
    .into_top(&mut update, 0);
    // SAFETY: nobody has seen the new nodes yet.
    let references = unsafe { settle::<V>(&update.made, 1) };
    (top, root_of(references[0]), update.replaced)
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

/// A walk over changed paths.
pub(super) struct Update<'a> {
    base: &'a Base,
    /// The version that it makes.
    pub(super) born: u64,
    pub(super) made: Made,
    replaced: Vec<Replaced>,
}

impl<'a> Update<'a> {
    fn new(base: &'a Base, born: u64) -> Self {
        Self { base, born, made: Made::default(), replaced: Vec::new() }
    }

    pub(super) fn node(&self, link: Link) -> Option<NodeRef<'a>> {
        // SAFETY: the draft holds the version that it is made from. Its nodes, and those of the draft, are
        // all that is asked for.
        unsafe { resolve(self.base, link) }
    }

    /// Takes note that another node comes in place of this one, or none.
    pub(super) fn note_replaced(&mut self, link: Link) {
        // SAFETY: as above.
        self.replaced.extend(unsafe { Replaced::at(link) });
    }

    /// The whole trie. Its only leaf has a reference made for the top, which counts nowhere else.
    fn trie(&mut self, top: Link, items: &'a [Item<'a>]) -> Kid<'a> {
        let Some(node) = self.node(top) else { return self.build(0, items) };
        self.note_replaced(top);
        match node.only_leaf() {
            Some(leaf) => self.leaf(leaf, 0, items),
            None => self.branch(node, 0, 0, items),
        }
    }

    /// The whole trie, each child of its top by itself, where there are threads by one of its own: new
    /// nodes are hashed while the cache still has them.
    fn spread<V: LeafValue>(&mut self, top: Link, items: &'a [Item<'a>]) -> Kid<'a> {
        let old = self.node(top);
        if old.is_some_and(|node| node.prefix_len() > 0 || node.only_leaf().is_some()) {
            return self.trie(top, items);
        }
        self.note_replaced(top);
        let groups: Vec<&[Item<'_>]> =
            items.chunk_by(|a, b| nibble(&a.key.0, 0) == nibble(&b.key.0, 0)).collect();
        let (base, born) = (self.base, self.born);
        let done = workers::map(groups, |group| {
            let place = nibble(&group[0].key.0, 0);
            let mut part = Update::new(base, born);
            let kid = part.kid(old.map_or(Kid::Nothing, |node| old_kid(node, place)), 1, group);
            let Kid::New(id, _) = kid else { return (place, kid, None, part.replaced) };
            // SAFETY: the nodes are part of this update, and nobody else has them.
            let reference = unsafe { settle::<V>(&part.made, 1)[0] };
            (place, Kid::New(id, None), reference, part.replaced)
        });
        let mut kids = Kids::over(old, 0);
        for (place, kid, _, replaced) in &done {
            kids.put(*place, *kid);
            self.replaced.extend_from_slice(replaced);
        }
        let top = kids.finish(self, 0, &[]);
        if let Kid::New(id, _) = top {
            // SAFETY: as above.
            unsafe {
                keep_references(id, done.iter().map(|(place, kid, reference, _)| (*place, *kid, *reference)))
            };
        }
        top
    }

    /// What becomes of a child, `depth` nibbles down.
    fn kid(&mut self, kid: Kid<'a>, depth: usize, items: &'a [Item<'a>]) -> Kid<'a> {
        match kid {
            Kid::Leaf(leaf) => self.leaf(leaf, depth, items),
            Kid::Old(link) => match self.node(link) {
                Some(node) => {
                    self.note_replaced(link);
                    self.branch(node, 0, depth, items)
                }
                None => Kid::Nothing,
            },
            // Nothing else stands in an old branch.
            _ => self.build(depth, items),
        }
    }

    /// A subtree of nothing but the items.
    fn build(&mut self, depth: usize, items: &'a [Item<'a>]) -> Kid<'a> {
        match items {
            [] => Kid::Nothing,
            [item] => Kid::of_item(item, None),
            [first, .., last] => {
                let fork = common_end(key_of(&first.key), key_of(&last.key), depth);
                let mut kids = Kids::over(None, 0);
                self.descend(&mut kids, fork, items);
                kids.finish(self, depth, &path(&first.key.0, depth, fork)[..fork - depth])
            }
        }
    }

    fn leaf(&mut self, leaf: Leaf<'a>, depth: usize, items: &'a [Item<'a>]) -> Kid<'a> {
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
        kids.finish(self, depth, &path(leaf.key, depth, fork)[..fork - depth])
    }

    /// A branch of which the first `skip` nibbles of the prefix lie above `depth`.
    fn branch(&mut self, node: NodeRef<'a>, skip: usize, depth: usize, items: &'a [Item<'a>]) -> Kid<'a> {
        let prefix = &node.prefix()[skip..];
        let end = depth + prefix.len();
        let fork = fork_of(items, depth, |key, from| common_with_prefix(key, prefix, from)).unwrap_or(end);
        if fork == end {
            if (WALKS_MIN..=WALKS_MAX).contains(&items.len()) {
                // SAFETY: as in `node`.
                unsafe { warm(self.base, node, end, items) };
            }
            let mut kids = Kids::over(Some(node), skip);
            self.descend(&mut kids, end, items);
            return kids.finish(self, depth, prefix);
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
            [] => recast(self, node, fork + 1, &node.prefix()[below..]),
            within => self.branch(node, below, fork + 1, within),
        };
        kids.put(place, lower);
        self.descend(&mut kids, fork, &items[..start]);
        self.descend(&mut kids, fork, &items[stop..]);
        kids.finish(self, depth, above)
    }

    /// Hands each place its share of the items; `position` is the nibble that tells places apart.
    fn descend(&mut self, kids: &mut Kids<'a>, position: usize, items: &'a [Item<'a>]) {
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
