//! Transactions fetched for a proposal that the pool did not take.
//!
//! The pool's answer depends on this node (its limits, quotas, what it has sealed); whether a body is valid must
//! not. So what decodes is kept here, bounded, until a body claims it or newer ones push it out.

use std::collections::VecDeque;

use alloy_primitives::B256;
use alloy_primitives::map::B256Map;
use hansa_codec::Recovered;

/// Raw bytes kept at most.
const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// Queued hashes below which sweeping is not worth it.
const SWEEP_MIN: usize = 4_096;

/// A bounded store, oldest out first.
#[derive(Debug, Default)]
pub struct Payloads {
    by_hash: B256Map<Recovered>,
    order: VecDeque<B256>,
    bytes: usize,
}

impl Payloads {
    /// Keeps a transaction.
    pub fn insert(&mut self, tx: Recovered) {
        let (hash, size) = (tx.tx.hash, tx.tx.raw.len());
        if self.by_hash.insert(hash, tx).is_none() {
            self.order.push_back(hash);
            self.bytes += size;
        }
        while self.bytes > PAYLOAD_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(gone) = self.by_hash.remove(&oldest) {
                self.bytes -= gone.tx.raw.len();
            }
        }
    }

    /// A kept transaction.
    pub fn get(&self, hash: &B256) -> Option<&Recovered> {
        self.by_hash.get(hash)
    }

    /// Forgets a transaction that a body holds now.
    pub fn remove(&mut self, hash: &B256) {
        if let Some(gone) = self.by_hash.remove(hash) {
            self.bytes -= gone.tx.raw.len();
        }
        // Removed hashes stay queued; sweep them before they outnumber the rest.
        if self.order.len() > 2 * self.by_hash.len() + SWEEP_MIN {
            self.order.retain(|kept| self.by_hash.contains_key(kept));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use alloy_consensus::{EthereumTypedTransaction, TxLegacy};
    use alloy_primitives::Bytes;

    use super::*;

    fn sized(nonce: u64, bytes: usize) -> Recovered {
        let fields =
            TxLegacy { chain_id: Some(1), nonce, input: Bytes::from(vec![1; bytes]), ..TxLegacy::default() };
        let tx = hansa_codec::sign_transaction(EthereumTypedTransaction::Legacy(fields), &[1; 32]).unwrap();
        Recovered { tx: Arc::new(tx), sender: Default::default() }
    }

    #[test]
    fn the_oldest_give_way_when_the_bytes_run_out() {
        let mut payloads = Payloads::default();
        let all: Vec<Recovered> = (0..5).map(|nonce| sized(nonce, PAYLOAD_BYTES_MAX / 4)).collect();
        for tx in &all {
            payloads.insert(tx.clone());
            payloads.insert(tx.clone());
        }
        let kept: Vec<bool> = all.iter().map(|tx| payloads.get(&tx.tx.hash).is_some()).collect();
        assert_eq!(kept, [false, false, true, true, true]);
        payloads.remove(&all[3].tx.hash);
        assert!(payloads.get(&all[3].tx.hash).is_none() && payloads.bytes < PAYLOAD_BYTES_MAX);
    }
}
