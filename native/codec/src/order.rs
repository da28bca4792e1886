//! The order block: what consensus agrees on before anything is executed.

use alloy_primitives::B256;
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use hansa_crypto::keccak256;

use crate::WireError;

/// The only version of the encoding.
pub const ORDER_VERSION: u8 = 1;

/// More bytes than any order block has: 14 fields of at most 33 bytes.
pub const ORDER_BYTES_MAX: usize = 512;

/// Payload references are concatenated 32-byte transaction hashes. Kinds 0 (inline), 2 (bundle) and
/// 3 (lane certificate) are reserved.
pub const PAYLOAD_HASHES: u8 = 1;

/// More transactions than a block may ever reference; bounds memory, not policy.
pub const BLOCK_TRANSACTIONS_MAX: usize = 65_536;

const WHAT: &str = "order block";
const GENESIS_PREFIX: &[u8] = b"hansa/genesis-order";
const RANDAO_PREFIX: &[u8] = b"hansa/prevrandao";

/// One order block. Its hash commits to the full payload references.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct OrderBlock {
    /// [`ORDER_VERSION`].
    pub version: u8,
    /// 0 in this release.
    pub epoch: u64,
    /// The view it was first proposed in.
    pub view: u64,
    /// Block number; the genesis is 0.
    pub height: u64,
    /// Hash of the order block one height below.
    pub parent_order_hash: B256,
    /// Height of the base that the proposing view extends.
    pub base_height: u64,
    /// The sealed height that ordering read limits and sets at.
    pub sealed_height: u64,
    /// Hash of the sealed header at `sealed_height`.
    pub sealed_hash: B256,
    /// The proposer's clock, milliseconds since 1970.
    pub time_ms: u64,
    /// Index of the proposer in the epoch's validator list.
    pub proposer: u32,
    /// [`PAYLOAD_HASHES`].
    pub payload_kind: u8,
    /// keccak-256 of the payload references.
    pub payload_hash: B256,
    /// Transactions referenced.
    pub tx_count: u32,
    /// Sum of their gas limits.
    pub gas: u64,
}

impl OrderBlock {
    /// The canonical RLP.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Encodable::length(self));
        Encodable::encode(self, &mut out);
        out
    }

    /// Decodes the canonical RLP and nothing after it.
    ///
    /// # Errors
    /// [`WireError::TooLarge`], [`WireError::Rlp`], [`WireError::TrailingBytes`],
    /// [`WireError::Version`], [`WireError::PayloadKind`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > ORDER_BYTES_MAX {
            return Err(WireError::TooLarge { what: WHAT, size: bytes.len(), max: ORDER_BYTES_MAX });
        }
        let block: Self = decode_exact(bytes, WHAT)?;
        if block.version != ORDER_VERSION {
            return Err(WireError::Version { what: WHAT, version: block.version });
        }
        if block.payload_kind != PAYLOAD_HASHES {
            return Err(WireError::PayloadKind(block.payload_kind));
        }
        let count = block.tx_count as usize;
        if count > BLOCK_TRANSACTIONS_MAX {
            return Err(WireError::TooLarge { what: WHAT, size: count, max: BLOCK_TRANSACTIONS_MAX });
        }
        Ok(block)
    }

    /// The order hash: keccak-256 of the canonical RLP.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}

/// The order hash of height 0.
pub fn genesis_order_hash(genesis_hash: &B256) -> B256 {
    keccak256([GENESIS_PREFIX, genesis_hash.as_slice()].concat())
}

/// The header's mixHash (PREVRANDAO) of the block with that order hash. The proposer can bias it.
pub fn mix_hash(order_hash: &B256) -> B256 {
    keccak256([RANDAO_PREFIX, order_hash.as_slice()].concat())
}

/// The 32-byte transaction hashes of payload references.
///
/// # Errors
/// [`WireError::RefsLength`], [`WireError::TooLarge`].
pub fn split_refs(refs: &[u8]) -> Result<Vec<B256>, WireError> {
    if !refs.len().is_multiple_of(32) {
        return Err(WireError::RefsLength(refs.len()));
    }
    let count = refs.len() / 32;
    if count > BLOCK_TRANSACTIONS_MAX {
        return Err(WireError::TooLarge {
            what: "payload references",
            size: count,
            max: BLOCK_TRANSACTIONS_MAX,
        });
    }
    Ok(refs.chunks_exact(32).map(B256::from_slice).collect())
}

/// Decodes one RLP value that must fill the bytes.
pub(crate) fn decode_exact<T: Decodable>(mut bytes: &[u8], what: &'static str) -> Result<T, WireError> {
    let value = T::decode(&mut bytes).map_err(|error| WireError::Rlp { what, error })?;
    match bytes.len() {
        0 => Ok(value),
        count => Err(WireError::TrailingBytes { what, count }),
    }
}
