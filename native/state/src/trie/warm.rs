//! Asking for memory before it is needed.
//!
//! A state outgrows the caches, and a walk down a trie waits for memory once or twice a level. Many
//! walks side by side wait together: each asks for its next step and lets the others go first.

use alloy_primitives::B256;

use super::node::{Branch, KEY_NIBBLES, nibble};

/// Walks side by side: as many as fit into the cache with what they ask for.
pub(super) const WALKS_MAX: usize = 64;

/// Fewer walks gain nothing from each other.
pub(super) const WALKS_MIN: usize = 4;

/// Bytes that memory moves at a time.
const LINE: usize = 64;

/// Asks for all that changing these keys below `branch` will read; `position` is the nibble that
/// tells its children apart. Takes the first [`WALKS_MAX`] keys.
pub(super) fn warm<'k, V>(branch: &Branch<V>, position: usize, keys: impl Iterator<Item = &'k B256>) {
    let mut walks = [const { None }; WALKS_MAX];
    for (walk, key) in walks.iter_mut().zip(keys) {
        *walk = Some((branch, position, key));
    }
    let mut under_way = true;
    while under_way {
        // The heads of these branches are on their way: ask for what they point to.
        for (branch, position, key) in walks.iter().flatten() {
            branch.ask(nibble(key, *position));
        }
        under_way = false;
        for walk in &mut walks {
            *walk = walk.and_then(|(branch, position, key)| {
                let lower = branch.link(nibble(key, position))?;
                ask_for(std::ptr::from_ref::<Branch<V>>(&lower.branch), 1);
                under_way = true;
                Some((&*lower.branch, position + 1, key))
            });
        }
        // Prefixes have to be read to know the next nibble; most branches have none.
        for (branch, position, _) in walks.iter_mut().flatten() {
            *position += branch.prefix.len();
        }
        for walk in &mut walks {
            walk.take_if(|(_, position, _)| *position >= KEY_NIBBLES);
        }
    }
}

/// Asks for `count` values from an address on. Nothing is read, so that any address will do.
pub(super) fn ask_for<T>(address: *const T, count: usize) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..count * size_of::<T>()).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint; it reads nothing and cannot fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast::<i8>().wrapping_add(offset)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (address, count, LINE);
}
