//! Why recently refused transactions were refused, for `hansa_getTransactionStatus`.

use std::collections::{HashMap, VecDeque};

use alloy_primitives::B256;

/// Refusals remembered.
const REFUSALS_MAX: usize = 16_384;

/// Hash → reason, oldest out first.
#[derive(Debug, Default)]
pub struct Refusals {
    reasons: HashMap<B256, &'static str>,
    order: VecDeque<B256>,
}

impl Refusals {
    /// Remembers the stable code of a refusal.
    pub fn note(&mut self, hash: B256, code: &'static str) {
        if self.reasons.insert(hash, code).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > REFUSALS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.reasons.remove(&oldest);
        }
    }

    /// The code of the last refusal.
    pub fn get(&self, hash: &B256) -> Option<&'static str> {
        self.reasons.get(hash).copied()
    }
}
