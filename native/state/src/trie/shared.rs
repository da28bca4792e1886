//! Shared nodes whose counts of holders lie close together.
//!
//! Copying a branch adds one holder to each of its children. With `Arc` that is a write to a line
//! of memory in each child, all over the heap, and it was half of what a state root cost. Here the
//! counts live in blocks of their own, four bytes each, so that those of a million branches stay in
//! the processor's cache. Otherwise this is `Arc` without weak references.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use parking_lot::Mutex;

/// Counts that are made at a time. Blocks are never given back: a block serves again and again, so
/// that they come to four bytes for each node of the moment that had the most.
const BLOCK: usize = 1_024;

/// More holders than any node can have; beyond it a count could turn over.
const HOLDERS_MAX: u32 = u32::MAX / 2;

/// Counts that nobody uses.
static FREE: Mutex<Vec<&'static AtomicU32>> = Mutex::new(Vec::new());

/// A pointer to a value that all its clones share; the last one drops it.
///
/// Invariant: `value` came from a `Box`, `holders` is used by the clones of this pointer alone and
/// says how many there are.
#[derive(Debug)]
pub(super) struct Shared<T> {
    value: NonNull<T>,
    holders: &'static AtomicU32,
}

// SAFETY: like Arc: a pointer hands out `&T` on any thread and drops the value on any thread, so
// both are asked of the value; the count is atomic.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        let holders = take_count();
        holders.store(1, Ordering::Relaxed);
        Self { value: NonNull::from(Box::leak(Box::new(value))), holders }
    }
}

impl<T: Clone> Shared<T> {
    /// The value for changing: itself where nobody else holds it, a copy otherwise.
    pub(super) fn make_mut(this: &mut Self) -> &mut T {
        // Acquire: what former holders did with the value happened before this.
        if this.holders.load(Ordering::Acquire) != 1 {
            *this = Self::new((**this).clone());
        }
        // SAFETY: either the count was one, which by the invariant makes this the only pointer, and
        // nobody can clone it while it is borrowed mutably; or it has just been made here.
        unsafe { this.value.as_mut() }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the invariant the value lives as long as any pointer to it, and it is changed
        // through the only pointer only, borrowed mutably.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        // Relaxed: whoever clones holds the value already.
        if self.holders.fetch_add(1, Ordering::Relaxed) > HOLDERS_MAX {
            // Only leaked pointers can come to that many; going on would free what is in use.
            std::process::abort();
        }
        Self { value: self.value, holders: self.holders }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Release, and acquire for the last: all that holders did happens before the drop.
        if self.holders.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        // SAFETY: the count has come to zero, so no other pointer is left, and by the invariant
        // the value came from a Box.
        drop(unsafe { Box::from_raw(self.value.as_ptr()) });
        FREE.lock().push(self.holders);
    }
}

/// A count that nobody uses.
fn take_count() -> &'static AtomicU32 {
    let mut free = FREE.lock();
    if let Some(count) = free.pop() {
        return count;
    }
    let block: &'static [AtomicU32] = Box::leak((0..BLOCK).map(|_| AtomicU32::new(0)).collect());
    let (first, rest) = (&block[0], &block[1..]);
    free.extend(rest.iter().rev());
    first
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_last_holder_drops_the_value() {
        let witness = Arc::new(());
        let first = Shared::new(Arc::clone(&witness));
        let second = first.clone();
        drop(first);
        assert_eq!(Arc::strong_count(&witness), 2);
        drop(second);
        assert_eq!(Arc::strong_count(&witness), 1);
    }

    #[test]
    fn what_others_hold_is_copied_before_it_changes() {
        let mut first = Shared::new(vec![1]);
        let second = first.clone();
        Shared::make_mut(&mut first).push(2);
        assert_eq!((&*first, &*second), (&vec![1, 2], &vec![1]));
        let place = first.as_ptr();
        Shared::make_mut(&mut first)[0] = 3;
        assert_eq!((place, &*first), (first.as_ptr(), &vec![3, 2]));
    }

    #[test]
    fn threads_share_and_drop() {
        let witness = Arc::new(());
        let shared: Vec<_> = (0..3_000).map(|_| Shared::new(Arc::clone(&witness))).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mut mine = shared.clone();
                scope.spawn(move || mine.iter_mut().for_each(|one| drop(Shared::make_mut(one).clone())));
            }
            drop(shared);
        });
        assert_eq!(Arc::strong_count(&witness), 1);
    }
}
