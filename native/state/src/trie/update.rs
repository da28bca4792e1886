//! Applying a sorted batch of changes: one walk over the changed paths.

use std::sync::Arc;

use alloy_primitives::B256;
use hansa_crypto::workers;

use super::node::{Branch, Child, KEY_NIBBLES, Leaf, LeafValue, Slots, empty_slots, nibble};
use super::{PARALLEL_CHANGES_MIN, Trie};

/// What becomes of a value.
pub trait Change<V>: Send {
    /// The new value in place of the old one; none removes the key.
    fn apply(self, old: Option<V>) -> Option<V>;
}

/// Sets or removes a value whatever it was.
impl<V: Send> Change<V> for Option<V> {
    fn apply(self, _old: Option<V>) -> Option<V> {
        self
    }
}

/// One change on its way to its leaf; taken when it arrives.
type Item<C> = (B256, Option<C>);

impl<V: LeafValue> Trie<V> {
    /// Applies a batch. Keys may come in any order; where one comes twice the later change sees the
    /// result of the earlier.
    pub fn update<C: Change<V>>(&mut self, changes: Vec<(B256, C)>) {
        let mut items: Vec<Item<C>> = changes.into_iter().map(|(key, change)| (key, Some(change))).collect();
        // Sorting hashes by their first eight bytes decides all but crafted pairs.
        if !items.is_sorted_by(|a, b| a.0 < b.0) {
            items.sort_by_key(|item| item.0);
        }
        let mut rest = items.as_mut_slice();
        // A repeated key starts the next round, so that a round never holds a key twice.
        while !rest.is_empty() {
            let end = 1 + rest.windows(2).position(|pair| pair[0].0 == pair[1].0).unwrap_or(rest.len() - 1);
            let (round, later) = rest.split_at_mut(end);
            self.root = update(self.root.take(), 0, round);
            rest = later;
        }
    }
}

/// Applies distinct sorted changes below `depth` nibbles.
fn update<V: LeafValue, C: Change<V>>(
    node: Option<Child<V>>,
    depth: usize,
    items: &mut [Item<C>],
) -> Option<Child<V>> {
    match node {
        None => build(depth, items),
        Some(Child::Leaf(leaf)) => update_leaf(leaf, depth, items),
        Some(Child::Branch(branch)) => update_branch(branch, depth, items),
    }
}

/// A subtree of nothing but the changes.
fn build<V: LeafValue, C: Change<V>>(depth: usize, items: &mut [Item<C>]) -> Option<Child<V>> {
    match items {
        [] => None,
        [(key, change)] => {
            let value = change.take().and_then(|change| change.apply(None))?;
            Some(Child::Leaf(Arc::new(Leaf::new(*key, value))))
        }
        [first, .., last] => {
            let fork = common_end(&first.0, &last.0, depth);
            let prefix = nibbles(&first.0, depth, fork);
            let slots = descend(empty_slots(), fork, items);
            finish(prefix, slots)
        }
    }
}

fn update_leaf<V: LeafValue, C: Change<V>>(
    leaf: Arc<Leaf<V>>,
    depth: usize,
    items: &mut [Item<C>],
) -> Option<Child<V>> {
    if let [(key, change)] = items
        && *key == leaf.key
    {
        let old = match Arc::try_unwrap(leaf) {
            Ok(own) => own.value,
            Err(shared) => shared.value.clone(),
        };
        let value = change.take().and_then(|change| change.apply(Some(old)))?;
        return Some(Child::Leaf(Arc::new(Leaf::new(*key, value))));
    }
    let Some(fork) = fork_of(items, depth, |key, from| common_end(key, &leaf.key, from)) else {
        return Some(Child::Leaf(leaf));
    };
    let prefix = nibbles(&leaf.key, depth, fork);
    let place = nibble(&leaf.key, fork);
    let mut slots = empty_slots();
    slots[usize::from(place)] = Some(Child::Leaf(Leaf::moved(leaf)));
    finish(prefix, descend(slots, fork, items))
}

fn update_branch<V: LeafValue, C: Change<V>>(
    branch: Arc<Branch<V>>,
    depth: usize,
    items: &mut [Item<C>],
) -> Option<Child<V>> {
    let end = depth + branch.prefix().len();
    let fork = fork_of(items, depth, |key, from| common_with_prefix(key, branch.prefix(), from));
    match fork {
        None => Some(Child::Branch(branch)),
        Some(fork) if fork == end => {
            let (prefix, slots) = Branch::open(branch);
            finish(prefix, descend(slots, end, items))
        }
        Some(fork) => {
            let prefix = branch.prefix();
            let (above, place) = (prefix[..fork - depth].into(), prefix[fork - depth]);
            let below = prefix[fork - depth + 1..].into();
            let mut slots = empty_slots();
            slots[usize::from(place)] = Some(Child::Branch(Arc::new(Branch::with_prefix(branch, below))));
            finish(above, descend(slots, fork, items))
        }
    }
}

/// Hands each place its share of the changes; `position` is the nibble that tells places apart.
fn descend<V: LeafValue, C: Change<V>>(
    mut slots: Slots<V>,
    position: usize,
    items: &mut [Item<C>],
) -> Slots<V> {
    let spread = position == 0 && items.len() >= PARALLEL_CHANGES_MIN && workers::threads_in_force() > 1;
    let groups = items.chunk_by_mut(|a, b| nibble(&a.0, position) == nibble(&b.0, position));
    if !spread {
        for group in groups {
            let place = usize::from(nibble(&group[0].0, position));
            slots[place] = update(slots[place].take(), position + 1, group);
        }
        return slots;
    }
    let mut work = Vec::with_capacity(slots.len());
    for group in groups {
        let place = usize::from(nibble(&group[0].0, position));
        work.push((place, slots[place].take(), group));
    }
    let done = workers::map(work, |(place, node, group)| (place, update(node, position + 1, group)));
    for (place, node) in done {
        slots[place] = node;
    }
    slots
}

/// The node of the slots below a prefix: a branch, its only child, or nothing.
fn finish<V: LeafValue>(prefix: Box<[u8]>, mut slots: Slots<V>) -> Option<Child<V>> {
    let mut filled = slots.iter().enumerate().filter(|(_, slot)| slot.is_some()).map(|(place, _)| place);
    let first = filled.next()?;
    if filled.next().is_some() {
        return Some(Child::Branch(Arc::new(Branch::new(prefix, slots))));
    }
    match slots[first].take()? {
        Child::Leaf(leaf) => Some(Child::Leaf(Leaf::moved(leaf))),
        Child::Branch(branch) => {
            let mut joined = prefix.into_vec();
            // A place is below 16.
            joined.push(first as u8);
            joined.extend_from_slice(branch.prefix());
            Some(Child::Branch(Arc::new(Branch::with_prefix(branch, joined.into()))))
        }
    }
}

/// Where sorted changes part from a node's path: the nearer of the first's and the last's point;
/// all between them share at least that much. None without changes.
fn fork_of<C>(items: &[Item<C>], depth: usize, end: impl Fn(&B256, usize) -> usize) -> Option<usize> {
    let (first, last) = (items.first()?, items.last()?);
    Some(end(&first.0, depth).min(end(&last.0, depth)))
}

/// The first position from `from` on at which two keys differ.
fn common_end(a: &B256, b: &B256, from: usize) -> usize {
    (from..KEY_NIBBLES).find(|position| nibble(a, *position) != nibble(b, *position)).unwrap_or(KEY_NIBBLES)
}

fn common_with_prefix(key: &B256, prefix: &[u8], from: usize) -> usize {
    let same = prefix.iter().enumerate().take_while(|(i, step)| nibble(key, from + i) == **step).count();
    from + same
}

fn nibbles(key: &B256, from: usize, to: usize) -> Box<[u8]> {
    (from..to).map(|position| nibble(key, position)).collect()
}
