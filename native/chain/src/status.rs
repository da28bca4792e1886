//! Submitting, and where a transaction stands.

use alloy_primitives::{B256, Bytes};
use hansa_crypto::keccak256;
use hansa_pool::{Origin, PoolError};

use crate::ChainError;
use crate::chain::{Chain, now_ms};

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Never seen, or forgotten.
    Unknown,
    /// In the pool.
    Pending,
    /// In an unsealed block.
    Ordered,
    /// In a sealed block.
    Final,
    /// Refused when sent.
    Refused,
    /// Left the pool without being sealed.
    Dropped,
}

impl Status {
    /// The word that clients see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Ordered => "ordered",
            Self::Final => "final",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

/// Organisation index under which this node's own senders are counted.
const LOCAL_ORGANISATION: u32 = u32::MAX;

impl Chain {
    /// Admits transactions sent to this node; answers in order.
    pub fn submit(&self, raws: Vec<Bytes>) -> Vec<Result<B256, PoolError>> {
        let origin = Origin::Local { organisation: LOCAL_ORGANISATION };
        let answers = self.pool.submit(raws.clone(), origin, &self.live(), now_ms());
        let mut refusals = None;
        for (raw, answer) in raws.iter().zip(&answers) {
            match answer {
                Ok(_) | Err(PoolError::AlreadyKnown) => {}
                Err(error) => {
                    let refusals = refusals.get_or_insert_with(|| self.refusals.lock());
                    refusals.note(keccak256(raw), error.code());
                }
            }
        }
        answers
    }

    /// The next bundle for the other members, at most `bytes_max` bytes.
    pub fn take_outgoing(&self, bytes_max: usize) -> Option<Vec<u8>> {
        self.pool.lock().take_outgoing(bytes_max)
    }

    /// Drops what is too old; how many.
    pub fn expire(&self, now_ms: u64) -> usize {
        self.pool.lock().expire(now_ms)
    }

    /// Where a transaction stands, and why if it was refused, dropped or skipped.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn status_of(&self, hash: &B256) -> Result<(Status, Option<String>), ChainError> {
        if self.locate(hash)?.is_some() {
            return Ok((Status::Final, None));
        }
        if self.ordering.lock().candidates.is_ordered(hash) {
            return Ok((Status::Ordered, None));
        }
        let pool = self.pool.lock();
        if pool.contains(hash) {
            return Ok((Status::Pending, None));
        }
        if let Some(reason) = pool.drop_reason(hash) {
            return Ok((Status::Dropped, Some(format!("{}: {reason}", reason.code()))));
        }
        drop(pool);
        match self.refusals.lock().get(hash) {
            Some(code) => Ok((Status::Refused, Some(code.to_owned()))),
            None => Ok((Status::Unknown, None)),
        }
    }
}
