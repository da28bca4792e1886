//! The body record: an order block and every payload byte it references, as the block log keeps it.
//!
//! Layout, big-endian: `u8 version ‖ u32 length ‖ order block (RLP) ‖ bundle`.

use alloy_primitives::Bytes;

use crate::{OrderBlock, WireError, decode_bundle, encode_bundle};

/// The only version of the encoding.
pub const BODY_VERSION: u8 = 1;

const WHAT: &str = "body";
const HEADER_BYTES: usize = 5;

/// An order block with its raw transactions in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyRecord {
    /// What was ordered.
    pub order: OrderBlock,
    /// The referenced transactions' EIP-2718 bytes, in the order of the references.
    pub raws: Vec<Bytes>,
}

impl BodyRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode_body(&self.order, &self.raws)
    }

    /// Decodes a record; the transactions are views into `bytes`.
    ///
    /// # Errors
    /// Every variant of [`WireError`] except `SignerOrder` and `RefsLength`.
    pub fn decode(bytes: &Bytes) -> Result<Self, WireError> {
        let version = *bytes.first().ok_or(WireError::Truncated { what: WHAT })?;
        if version != BODY_VERSION {
            return Err(WireError::Version { what: WHAT, version });
        }
        let field = bytes.get(1..HEADER_BYTES).and_then(|slice| slice.try_into().ok());
        let length = u32::from_be_bytes(field.ok_or(WireError::Truncated { what: WHAT })?) as usize;
        if length > bytes.len() - HEADER_BYTES {
            return Err(WireError::Truncated { what: WHAT });
        }
        let order = OrderBlock::decode(&bytes[HEADER_BYTES..HEADER_BYTES + length])?;
        let raws = decode_bundle(&bytes.slice(HEADER_BYTES + length..))?;
        Ok(Self { order, raws })
    }
}

/// Encodes a body record from borrowed parts.
pub fn encode_body<T: AsRef<[u8]>>(order: &OrderBlock, raws: &[T]) -> Vec<u8> {
    let order = order.encode();
    let mut out = vec![BODY_VERSION];
    out.extend_from_slice(&(order.len() as u32).to_be_bytes());
    out.extend_from_slice(&order);
    out.extend_from_slice(&encode_bundle(raws));
    out
}
