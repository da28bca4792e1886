//! Applying a sorted batch of changes: one walk over the changed paths.

use std::sync::{Arc, OnceLock};

use alloy_primitives::B256;
use hansa_crypto::workers;

use super::node::{Branch, KEY_NIBBLES, Leaf, LeafValue, Link, Node, nibble};
use super::shared::Shared;
use super::warm::{WALKS_MAX, WALKS_MIN, warm};
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
            let root = self.root.take().map(Arc::unwrap_or_clone);
            self.root = update(root, 0, round).map(Arc::new);
            rest = later;
        }
    }
}

/// Applies distinct sorted changes below `depth` nibbles.
fn update<V: LeafValue, C: Change<V>>(
    node: Option<Node<V>>,
    depth: usize,
    items: &mut [Item<C>],
) -> Option<Node<V>> {
    match node {
        None => build(depth, items),
        Some(Node::Leaf(leaf)) => update_leaf(leaf, depth, items),
        Some(Node::Branch(mut link)) => match update_branch(&mut link, depth, items) {
            Left::Branch => Some(Node::Branch(link)),
            Left::Leaf(leaf) => Some(Node::Leaf(leaf)),
            Left::Nothing => None,
        },
    }
}

/// A subtree of nothing but the changes.
fn build<V: LeafValue, C: Change<V>>(depth: usize, items: &mut [Item<C>]) -> Option<Node<V>> {
    match items {
        [] => None,
        [(key, change)] => {
            let value = change.take().and_then(|change| change.apply(None))?;
            Some(Node::Leaf(Leaf::new(*key, value)))
        }
        [first, .., last] => {
            let fork = common_end(&first.0, &last.0, depth);
            let mut branch = Branch::empty(nibbles(&first.0, depth, fork));
            descend(&mut branch, fork, items);
            finish(branch)
        }
    }
}

fn update_leaf<V: LeafValue, C: Change<V>>(
    leaf: Leaf<V>,
    depth: usize,
    items: &mut [Item<C>],
) -> Option<Node<V>> {
    if let [(key, change)] = items
        && *key == leaf.key
    {
        let value = change.take().and_then(|change| change.apply(Some(leaf.value)))?;
        return Some(Node::Leaf(Leaf::new(*key, value)));
    }
    let Some(fork) = fork_of(items, depth, |key, from| common_end(key, &leaf.key, from)) else {
        return Some(Node::Leaf(leaf));
    };
    let mut branch = Branch::empty(nibbles(&leaf.key, depth, fork));
    branch.put(nibble(&leaf.key, fork), Node::Leaf(leaf.moved()));
    descend(&mut branch, fork, items);
    finish(branch)
}

/// What is left of a branch that was changed in its place.
enum Left<V> {
    /// A branch, in the same place.
    Branch,
    /// One leaf, to be put in its place.
    Leaf(Leaf<V>),
    Nothing,
}

/// Changes a branch where it hangs: in place what nobody else holds, a copy otherwise.
fn update_branch<V: LeafValue, C: Change<V>>(
    link: &mut Link<V>,
    depth: usize,
    items: &mut [Item<C>],
) -> Left<V> {
    let prefix = &link.branch.prefix;
    let end = depth + prefix.len();
    let Some(fork) = fork_of(items, depth, |key, from| common_with_prefix(key, prefix, from)) else {
        return Left::Branch;
    };
    if fork < end {
        let (above, place) = (prefix[..fork - depth].into(), prefix[fork - depth]);
        let below = prefix[fork - depth + 1..].into();
        let mut lower = std::mem::replace(link, Link::new(Shared::new(Branch::empty(above))));
        lower.reference = OnceLock::new();
        Shared::make_mut(&mut lower.branch).prefix = below;
        Shared::make_mut(&mut link.branch).put(place, Node::Branch(lower));
    }
    let settled = link.reference.take().is_some();
    let branch = Shared::make_mut(&mut link.branch);
    if settled {
        branch.set_settled();
    }
    descend(branch, fork, items);
    if branch.len() == 0 {
        return Left::Nothing;
    }
    match branch.take_only() {
        None => Left::Branch,
        Some((_, Node::Leaf(leaf))) => Left::Leaf(leaf.moved()),
        Some((place, Node::Branch(only))) => {
            *link = joined(&branch.prefix, place, only);
            Left::Branch
        }
    }
}

/// Hands each place its share of the changes; `position` is the nibble that tells places apart.
fn descend<V: LeafValue, C: Change<V>>(branch: &mut Branch<V>, position: usize, items: &mut [Item<C>]) {
    let spread = position == 0 && items.len() >= PARALLEL_CHANGES_MIN && workers::threads_in_force() > 1;
    let before = branch.len();
    if (WALKS_MIN..=WALKS_MAX).contains(&items.len()) {
        warm(branch, position, items.iter().map(|item| &item.0));
    }
    let groups = items.chunk_by_mut(|a, b| nibble(&a.0, position) == nibble(&b.0, position));
    if spread {
        let mut work = Vec::with_capacity(16);
        for group in groups {
            let place = nibble(&group[0].0, position);
            work.push((place, branch.take(place), group));
        }
        let done = workers::map(work, |(place, node, group)| (place, update(node, position + 1, group)));
        for (place, node) in done {
            node.into_iter().for_each(|node| branch.put(place, node));
        }
    } else {
        for group in groups {
            change_place(branch, nibble(&group[0].0, position), position + 1, group);
        }
    }
    if branch.len() != before {
        branch.trim();
    }
}

/// Applies the changes of one place, `depth` nibbles down; what stays of its kind stays where it is.
fn change_place<V: LeafValue, C: Change<V>>(
    branch: &mut Branch<V>,
    place: u8,
    depth: usize,
    items: &mut [Item<C>],
) {
    if let [(key, change)] = items
        && let Some(leaf) = branch.leaf_mut(place).filter(|leaf| leaf.key == *key)
    {
        // Values are a few words; most of what they hold is shared.
        match change.take().and_then(|change| change.apply(Some(leaf.value.clone()))) {
            Some(value) => *leaf = Leaf::new(*key, value),
            None => drop(branch.take(place)),
        }
        return;
    }
    let left = match branch.link_mut(place) {
        Some(link) => match update_branch(link, depth, items) {
            Left::Branch => return,
            Left::Leaf(leaf) => {
                branch.take(place);
                Some(Node::Leaf(leaf))
            }
            Left::Nothing => {
                branch.take(place);
                None
            }
        },
        None => update(branch.take(place), depth, items),
    };
    left.into_iter().for_each(|node| branch.put(place, node));
}

/// The node that a fresh branch makes: itself, its only child, or nothing.
fn finish<V: LeafValue>(mut branch: Branch<V>) -> Option<Node<V>> {
    if branch.len() == 0 {
        return None;
    }
    Some(match branch.take_only() {
        None => Node::Branch(Link::new(Shared::new(branch))),
        Some((_, Node::Leaf(leaf))) => Node::Leaf(leaf.moved()),
        Some((place, Node::Branch(only))) => Node::Branch(joined(&branch.prefix, place, only)),
    })
}

/// A branch that takes over the path of the one above it, whose only child it was.
fn joined<V: Clone>(above: &[u8], place: u8, mut only: Link<V>) -> Link<V> {
    let branch = Shared::make_mut(&mut only.branch);
    branch.prefix = [above, &[place], &branch.prefix].concat().into();
    Link::new(only.branch)
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
