//! Sealed blocks as readers see them, and the bounded store in front of the log.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use alloy_consensus::{Header, Receipt};
use alloy_primitives::{B256, Bytes};
use hansa_codec::{BlockFacts, Recovered};
use parking_lot::Mutex;

/// Bytes of newest blocks kept decoded.
const RECENT_BYTES_MAX: usize = 64 << 20;
/// Older blocks kept after a read.
const OLDER_BLOCKS_MAX: usize = 16;
/// What a decoded transaction with its receipt takes beside its raw bytes, about.
const TRANSACTION_OVERHEAD_BYTES: usize = 800;

/// One sealed block with all that was computed for it.
#[derive(Debug)]
pub struct SealedBlock {
    /// Hash of the sealed header.
    pub hash: B256,
    /// The sealed Ethereum header.
    pub header: Header,
    /// Included transactions in order (skipped ones are not among them).
    pub transactions: Vec<Recovered>,
    /// One receipt per included transaction.
    pub receipts: Vec<Receipt>,
    /// Transactions of the order block that were skipped, with the reason's stable code.
    pub skipped: Vec<(B256, &'static str)>,
    /// Preimage of `header.extra_data` (at genesis: of nothing).
    pub facts: BlockFacts,
    /// Canonical RLP of the SEAL certificate; empty at genesis.
    pub certificate: Bytes,
}

impl SealedBlock {
    fn bytes(&self) -> usize {
        let raws: usize =
            self.transactions.iter().map(|tx| tx.tx.raw.len() + TRANSACTION_OVERHEAD_BYTES).sum();
        let logs = self.receipts.iter().flat_map(|receipt| &receipt.logs);
        raws + logs.map(|log| log.data.data.len() + 200).sum::<usize>() + 2_048
    }
}

#[derive(Default)]
struct Kept {
    by_height: HashMap<u64, Arc<SealedBlock>>,
    recent: VecDeque<u64>,
    recent_bytes: usize,
    older: VecDeque<u64>,
}

/// Decoded blocks: the newest up to a number of bytes, a few older ones; all of them where nothing is on disk.
#[derive(Default)]
pub struct BlockCache {
    keep_all: bool,
    kept: Mutex<Kept>,
}

impl BlockCache {
    /// A cache that drops nothing when `keep_all` is set.
    pub fn new(keep_all: bool) -> Self {
        Self { keep_all, kept: Mutex::default() }
    }

    /// Adds a block that was just sealed.
    pub fn push(&self, block: Arc<SealedBlock>) {
        let mut kept = self.kept.lock();
        let height = block.header.number;
        kept.recent_bytes += block.bytes();
        kept.recent.push_back(height);
        kept.by_height.insert(height, block);
        while !self.keep_all && kept.recent_bytes > RECENT_BYTES_MAX && kept.recent.len() > 1 {
            let Some(oldest) = kept.recent.pop_front() else { break };
            if let Some(gone) = kept.by_height.remove(&oldest) {
                kept.recent_bytes -= gone.bytes();
            }
        }
    }

    /// Keeps a block that was read from the log.
    pub fn keep(&self, block: Arc<SealedBlock>) {
        let mut kept = self.kept.lock();
        let height = block.header.number;
        if kept.by_height.insert(height, block).is_some() {
            return;
        }
        kept.older.push_back(height);
        if kept.older.len() > OLDER_BLOCKS_MAX
            && let Some(oldest) = kept.older.pop_front()
        {
            kept.by_height.remove(&oldest);
        }
    }

    /// A kept block.
    pub fn get(&self, height: u64) -> Option<Arc<SealedBlock>> {
        self.kept.lock().by_height.get(&height).cloned()
    }

    /// Forgets blocks above `height` (development chains only).
    pub fn truncate(&self, height: u64) {
        let mut kept = self.kept.lock();
        kept.recent.retain(|held| *held <= height);
        kept.older.retain(|held| *held <= height);
        kept.by_height.retain(|held, _| *held <= height);
        kept.recent_bytes =
            kept.recent.iter().filter_map(|at| kept.by_height.get(at)).map(|b| b.bytes()).sum();
    }
}
