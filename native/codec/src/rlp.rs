//! Nested RLP items, for callers that have no type of their own.

use alloy_rlp::{BufMut, Encodable, Header};

use crate::WireError;

/// Deeper nesting than any value of ours has.
pub const RLP_DEPTH_MAX: usize = 64;

/// More bytes than an item may have.
pub const RLP_BYTES_MAX: usize = 16 * 1024 * 1024;

const WHAT: &str = "rlp item";

/// A string of bytes or a list of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RlpItem {
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<RlpItem>),
}

impl RlpItem {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        Encodable::encode(self, &mut out);
        out
    }

    /// Decodes one canonical item and nothing after it.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] for bytes or nesting, [`WireError::Rlp`],
    /// [`WireError::TrailingBytes`].
    pub fn decode(mut bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > RLP_BYTES_MAX {
            return Err(WireError::TooLarge { what: WHAT, size: bytes.len(), max: RLP_BYTES_MAX });
        }
        let item = decode_item(&mut bytes, 0)?;
        match bytes.len() {
            0 => Ok(item),
            count => Err(WireError::TrailingBytes { what: WHAT, count }),
        }
    }
}

impl Encodable for RlpItem {
    fn encode(&self, out: &mut dyn BufMut) {
        match self {
            Self::Bytes(bytes) => bytes.as_slice().encode(out),
            Self::List(items) => alloy_rlp::encode_list(items, out),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_slice().length(),
            Self::List(items) => alloy_rlp::list_length(items),
        }
    }
}

fn decode_item(bytes: &mut &[u8], depth: usize) -> Result<RlpItem, WireError> {
    if depth > RLP_DEPTH_MAX {
        return Err(WireError::TooLarge { what: WHAT, size: depth, max: RLP_DEPTH_MAX });
    }
    let header = Header::decode(bytes).map_err(|error| WireError::Rlp { what: WHAT, error })?;
    let (mut payload, rest) = bytes.split_at(header.payload_length);
    *bytes = rest;
    if !header.list {
        return Ok(RlpItem::Bytes(payload.to_vec()));
    }
    let mut items = Vec::new();
    while !payload.is_empty() {
        items.push(decode_item(&mut payload, depth + 1)?);
    }
    Ok(RlpItem::List(items))
}
