//! When a checkpoint is due: once a start would have much to do behind the last one.
//!
//! A start applies the diffs since then, and executes nothing; so their bytes count and their number, not what their
//! blocks cost.

use std::ops::AddAssign;

/// Bytes of diffs that are never worth a checkpoint of their own while running: a start applies them in about two
/// seconds.
const BYTES_MIN: u64 = 64 << 20;
/// Bytes of diffs that are always worth one, whatever the state's size.
const BYTES_MAX: u64 = 160 << 20;
/// A checkpoint is due when the diffs since the last exceed its size divided by this (rules.md 4.4).
const STATE_SHARE: u64 = 4;
/// Blocks that are worth one however little they changed.
const BLOCKS: u64 = 20_000;
/// Blocks until the next attempt after one that found no room.
const BLOCKS_AFTER_FULL: u64 = 256;

/// What was sealed behind a checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Since {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of their diffs.
    pub bytes: u64,
}

impl Since {
    /// One block with a diff of so many bytes.
    pub fn block(bytes: u64) -> Self {
        Self { blocks: 1, bytes }
    }
}

impl AddAssign for Since {
    fn add_assign(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.bytes += other.bytes;
    }
}

/// A node's turn among those of its alliance. All have the same diffs, and some may share a disk; so each waits up
/// to half as long again, and they do not write together.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Index of the node.
    pub nth: u64,
    /// How many there are, at least 1.
    pub of: u64,
}

impl Turn {
    /// Whether a checkpoint is due behind one of `size` bytes.
    pub fn is_due(self, since: Since, size: u64) -> bool {
        since.blocks >= self.stretch(BLOCKS)
            || since.bytes >= self.stretch((size / STATE_SHARE).clamp(BYTES_MIN, BYTES_MAX))
    }

    fn stretch(self, amount: u64) -> u64 {
        amount + amount * (self.nth % self.of) / (2 * self.of)
    }
}

/// Blocks behind the last checkpoint at which to try again, after an attempt that found no room.
pub fn after_full(since: Since) -> u64 {
    since.blocks + BLOCKS_AFTER_FULL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_make_a_checkpoint_due_by_the_size_of_the_state() {
        let first = Turn { nth: 0, of: 4 };
        for (size, due) in [(0, BYTES_MIN), (400 << 20, 100 << 20), (u64::MAX, BYTES_MAX)] {
            assert!(first.is_due(Since { blocks: 1, bytes: due }, size));
            assert!(!first.is_due(Since { blocks: 1, bytes: due - 1 }, size));
        }
        assert!(first.is_due(Since { blocks: BLOCKS, bytes: 0 }, 0));
        assert!(!first.is_due(Since { blocks: BLOCKS - 1, bytes: 0 }, 0));
    }

    #[test]
    fn nodes_take_turns() {
        for of in [1, 4, 100] {
            let due = |nth| Turn { nth, of }.stretch(BYTES_MAX);
            assert!((1..of).all(|nth| due(nth - 1) < due(nth) && due(nth) < BYTES_MAX * 3 / 2));
            assert_eq!(due(of), due(0));
        }
    }

    #[test]
    fn diffs_add_up() {
        let mut since = Since::block(5);
        since += Since::block(7);
        assert_eq!(since, Since { blocks: 2, bytes: 12 });
        assert_eq!(after_full(since), 2 + BLOCKS_AFTER_FULL);
    }
}
