//! Locally admitted transactions on their way to the other members.

use std::collections::VecDeque;

use alloy_primitives::B256;

/// First wait before a transaction that is still here is sent again: a member may have restarted
/// and lost its pool. Each further wait is three times as long.
const RESEND_FIRST_MS: u64 = 10_000;

/// How often a transaction is sent in all.
const SENDS_MAX: u8 = 4;

/// How many are sent again per call, so that an overloaded alliance is not loaded further.
const RESEND_PER_CALL_MAX: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Sent {
    hash: B256,
    sends: u8,
    again_at_ms: u64,
}

pub(crate) struct Outgoing {
    fresh: VecDeque<(B256, u8)>,
    sent: VecDeque<Sent>,
    capacity: usize,
}

impl Outgoing {
    /// `capacity` bounds each of the two queues; the oldest gives way.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { fresh: VecDeque::new(), sent: VecDeque::new(), capacity: capacity.max(1) }
    }

    pub(crate) fn push(&mut self, hash: B256) {
        if self.fresh.len() >= self.capacity {
            self.fresh.pop_front();
        }
        self.fresh.push_back((hash, 0));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.is_empty()
    }

    /// The next hash to send, left in the queue.
    pub(crate) fn peek(&self) -> Option<B256> {
        self.fresh.front().map(|(hash, _)| *hash)
    }

    /// Removes the next hash because it has left the pool.
    pub(crate) fn discard(&mut self) {
        self.fresh.pop_front();
    }

    /// Removes the next hash because it is being sent now.
    pub(crate) fn mark_sent(&mut self, now_ms: u64) {
        let Some((hash, sends)) = self.fresh.pop_front() else { return };
        let sends = sends + 1;
        if sends < SENDS_MAX {
            if self.sent.len() >= self.capacity {
                self.sent.pop_front();
            }
            let wait = RESEND_FIRST_MS * 3u64.pow(u32::from(sends) - 1);
            self.sent.push_back(Sent { hash, sends, again_at_ms: now_ms + wait });
        }
    }

    /// Queues again what was sent long ago and is still here.
    pub(crate) fn resend(&mut self, now_ms: u64, is_here: impl Fn(&B256) -> bool) {
        let mut queued = 0;
        // Waits differ by attempt, so the queue is only roughly sorted; each call looks at it once.
        for _ in 0..self.sent.len() {
            let Some(sent) = self.sent.pop_front() else { return };
            if sent.again_at_ms > now_ms || queued >= RESEND_PER_CALL_MAX {
                self.sent.push_back(sent);
            } else if is_here(&sent.hash) {
                self.fresh.push_back((sent.hash, sent.sends));
                queued += 1;
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.fresh.clear();
        self.sent.clear();
    }
}
