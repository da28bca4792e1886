//! Asking for memory before it is needed.
//!
//! A state outgrows the caches, and a walk down a trie waits for memory at each level. Many walks
//! side by side wait together: each asks for its next step and lets the others go first.

use super::node::{Child, KEY_BYTES, KEY_NIBBLES, Link, NodeRef, nibble};
use super::update::Item;
use super::{Base, pool, resolve};

/// Walks side by side: as many as fit into the cache with what they ask for.
pub(super) const WALKS_MAX: usize = 64;

/// Fewer walks gain nothing from each other.
pub(super) const WALKS_MIN: usize = 4;

/// Bytes that memory moves at a time.
const LINE: usize = 64;

/// Bytes of a node that are asked for before its size is known.
const HEAD: usize = 128;

/// Asks for all that changing these items below `node` will read; `position` is the nibble that tells
/// its children apart. Takes the first [`WALKS_MAX`] items.
///
/// # Safety
/// Somebody holds a version that has the node for the time of the call.
pub(super) unsafe fn warm<'a>(base: &'a Base, node: NodeRef<'a>, position: usize, items: &[Item<'_>]) {
    let mut walks = [const { None }; WALKS_MAX];
    let mut next = [const { None }; WALKS_MAX];
    for (walk, item) in walks.iter_mut().zip(items) {
        *walk = Some((node, position, &item.key.0));
    }
    loop {
        let mut under_way = false;
        for (walk, next) in walks.iter_mut().zip(&mut next) {
            *next =
                walk.take().and_then(|(node, position, key)| match node.child(nibble(key, position))? {
                    Child::Branch(link) => {
                        ask_head(base, link);
                        under_way = true;
                        Some((link, position + 1, key))
                    }
                    Child::Leaf(_) => None,
                });
        }
        if !under_way {
            return;
        }
        for (walk, next) in walks.iter_mut().zip(&mut next) {
            *walk = next.take().and_then(|(link, position, key)| {
                // SAFETY: a version that has the node above has this one.
                let node = unsafe { resolve(base, link) }?;
                ask_for(
                    node.bytes()[HEAD.min(node.bytes().len())..].as_ptr(),
                    node.bytes().len().saturating_sub(HEAD),
                );
                let position = position + node.prefix_len();
                (position < KEY_NIBBLES).then_some((node, position, key))
            });
        }
    }
}

/// Asks for the beginning of a node, without touching it.
pub(super) fn ask_head(base: &Base, link: Link) {
    match (link.memory(), link.offset(), base) {
        (Some(id), ..) => ask_for(pool::place(id), HEAD),
        (None, Some(offset), Some(file)) => ask_for(file.place(offset), HEAD),
        _ => {}
    }
}

/// Asks for what tells where the leaf at a place lies in a node whose header has been read.
pub(super) fn ask_lengths(node: NodeRef<'_>, place: u8) {
    let masks = node.masks();
    if masks.leaves & (1 << place) != 0 {
        let layout = node.layout(&masks);
        ask_for(node.bytes()[layout.lengths..].as_ptr(), layout.leaves - layout.lengths);
    }
}

/// Asks for the leaf at a place, after [`ask_lengths`].
pub(super) fn ask_leaf(node: NodeRef<'_>, place: u8) {
    let masks = node.masks();
    if masks.leaves & (1 << place) != 0 {
        let (at, size) = node.leaf_at(&masks, place);
        ask_for(node.bytes()[at..].as_ptr(), KEY_BYTES + size);
    }
}

/// Asks for a node whose header has been read.
pub(super) fn ask_node(node: NodeRef<'_>) {
    ask_for(node.bytes().as_ptr(), node.bytes().len());
}

/// Asks for `count` bytes from an address on. Nothing is read, so that any address will do.
pub(super) fn ask_for(address: *const u8, count: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // The first and the last line may be touched at one end only.
        let into = address.addr() % LINE;
        let first = address.cast::<i8>().wrapping_sub(into);
        for offset in (0..into + count).step_by(LINE) {
            // SAFETY: a prefetch is a hint; it reads nothing and cannot fault, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (address, count, LINE);
}
