//! The alliance's facts of a block, hashed into the header's extraData.

use alloy_primitives::B256;
use alloy_rlp::{Encodable, RlpDecodable, RlpEncodable};
use hansa_crypto::keccak256;

use crate::WireError;
use crate::order::decode_exact;

/// More skipped leaders than an epoch can have validators.
pub const SKIP_LIST_MAX: usize = 1_024;

/// More bytes than any facts have.
pub const FACTS_BYTES_MAX: usize = 16 * 1024;

const WHAT: &str = "block facts";

/// The preimage of a sealed header's extraData (rules.md 2.2).
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct BlockFacts {
    /// Hash of the order block that was executed.
    pub order_hash: B256,
    /// The order block's epoch.
    pub epoch: u64,
    /// The order block's view.
    pub view: u64,
    /// The order block's time in milliseconds; the header has whole seconds only.
    pub time_ms: u64,
    /// Hash of the next epoch's set in an epoch's last block; zero in all others.
    pub next_set_hash: B256,
    /// Validator indexes that do not lead in the next epoch: none under protocol 1.
    pub skip_list: Vec<u32>,
}

impl BlockFacts {
    /// The canonical RLP.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Encodable::length(self));
        Encodable::encode(self, &mut out);
        out
    }

    /// Decodes the canonical RLP and nothing after it.
    ///
    /// # Errors
    /// [`WireError::TooLarge`], [`WireError::Rlp`], [`WireError::TrailingBytes`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > FACTS_BYTES_MAX {
            return Err(WireError::TooLarge { what: WHAT, size: bytes.len(), max: FACTS_BYTES_MAX });
        }
        let facts: Self = decode_exact(bytes, WHAT)?;
        let size = facts.skip_list.len();
        if size > SKIP_LIST_MAX {
            return Err(WireError::TooLarge { what: WHAT, size, max: SKIP_LIST_MAX });
        }
        Ok(facts)
    }

    /// The header's extraData: keccak-256 of the canonical RLP, 32 bytes.
    pub fn extra_data(&self) -> B256 {
        keccak256(self.encode())
    }
}
