//! What others may ask the pool.

use alloy_primitives::{Address, B256};
use hansa_codec::bundle::BUNDLE_BYTES_MAX;
use hansa_codec::order::BLOCK_TRANSACTIONS_MAX;
use hansa_codec::{Recovered, encode_bundle};

use crate::DropReason;
use crate::pool::{Pool, PoolStatistics};
use crate::queue::SenderQueue;

/// Whether a transaction could be ordered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxPlace {
    /// Its nonce is next, or follows others of the sender that are here.
    Executable,
    /// A nonce before it is missing, or the sender cannot pay for it.
    Waiting,
}

/// One sender's transactions, for `txpool_content` and its kin.
#[derive(Debug, Clone)]
pub struct SenderContent {
    /// The sender.
    pub sender: Address,
    /// Executable ones: nonces ascending, then those of our own type as they came.
    pub pending: Vec<Recovered>,
    /// The others, in the same order.
    pub queued: Vec<Recovered>,
}

impl SenderContent {
    fn join(&mut self, other: Self) {
        self.pending.extend(other.pending);
        self.queued.extend(other.queued);
    }
}

impl Pool {
    /// How many are executable and how many wait.
    pub fn status(&self) -> (usize, usize) {
        (self.executable, self.by_hash.len() - self.executable)
    }

    /// How many raw bytes are here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counters since the start.
    pub fn statistics(&self) -> PoolStatistics {
        self.statistics
    }

    /// The transaction with that hash.
    pub fn get(&self, hash: &B256) -> Option<&Recovered> {
        self.by_hash.get(hash).map(|located| &located.recovered)
    }

    /// Whether the transaction with that hash is here.
    pub fn contains(&self, hash: &B256) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// Whether the transaction with that hash could be ordered now; none if it is not here.
    pub fn place(&self, hash: &B256) -> Option<TxPlace> {
        let located = self.by_hash.get(hash)?;
        Some(if self.is_executable(located) { TxPlace::Executable } else { TxPlace::Waiting })
    }

    /// Why the transaction with that hash left, while that is remembered.
    pub fn drop_reason(&self, hash: &B256) -> Option<&DropReason> {
        self.reasons.get(hash)
    }

    /// The nonce that the sender should use next; none if nothing of it is here, when the account's
    /// own nonce is the answer.
    pub fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        self.queue(self.by_sender.get(sender).copied()).map(SenderQueue::pending_nonce)
    }

    /// The content by sender in ascending order of address, at most `transactions_max` transactions.
    ///
    /// Complexity: sorts all senders; for people's eyes, not for the hot path.
    pub fn content(&self, transactions_max: usize) -> Vec<SenderContent> {
        let mut queues: Vec<&SenderQueue> = self.slots.iter().flatten().collect();
        queues.sort_unstable_by_key(|queue| (queue.address, queue.is_own()));
        let mut left = transactions_max;
        let mut contents: Vec<SenderContent> = Vec::new();
        for queue in queues {
            if left == 0 {
                break;
            }
            let content = content_of(queue, left);
            left -= content.pending.len() + content.queued.len();
            match contents.last_mut().filter(|last| last.sender == content.sender) {
                Some(last) => last.join(content),
                None => contents.push(content),
            }
        }
        contents
    }

    /// One sender's content; none if nothing of it is here.
    pub fn content_from(&self, sender: &Address) -> Option<SenderContent> {
        let (sequence, arrivals) = self.slots_of(sender, false);
        let queues = [sequence, arrivals].into_iter().filter_map(|slot| self.queue(slot));
        let contents = queues.map(|queue| content_of(queue, queue.entries.len()));
        contents.reduce(|mut first, second| {
            first.join(second);
            first
        })
    }

    /// Hashes that became executable since `cursor` (at most `max`), and the next cursor. Begin
    /// with [`Self::feed_end`].
    pub fn pending_hashes_since(&self, cursor: u64, max: usize) -> (u64, Vec<B256>) {
        self.feed.since(cursor, max)
    }

    /// The cursor after the newest hash of the feed.
    pub fn feed_end(&self) -> u64 {
        self.feed.end()
    }

    /// Whether anything waits to be sent to the other members.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The next bundle for the other members: locally admitted transactions that they have not
    /// got yet, at most `bytes_max` bytes of bundle, but always one transaction.
    pub fn take_outgoing(&mut self, bytes_max: usize) -> Option<Vec<u8>> {
        // The receivers' decoder has these limits, whatever the caller asks for.
        let bytes_max = bytes_max.min(BUNDLE_BYTES_MAX);
        let mut raws = Vec::new();
        let mut size = 4;
        while raws.len() < BLOCK_TRANSACTIONS_MAX
            && let Some(hash) = self.outgoing.peek()
        {
            let Some(located) = self.by_hash.get(&hash) else {
                self.outgoing.discard();
                continue;
            };
            let raw = &located.recovered.tx.raw;
            if !raws.is_empty() && size + 4 + raw.len() > bytes_max {
                break;
            }
            size += 4 + raw.len();
            raws.push(raw.clone());
            self.outgoing.mark_sent(self.now_ms);
        }
        if raws.is_empty() { None } else { Some(encode_bundle(raws)) }
    }
}

fn content_of(queue: &SenderQueue, max: usize) -> SenderContent {
    let all = || queue.entries.iter().take(max).map(|entry| entry.recovered.clone());
    SenderContent {
        sender: queue.address,
        pending: all().take(queue.ready).collect(),
        queued: all().skip(queue.ready).collect(),
    }
}
