//! Bundles: raw transactions on their way between nodes.
//!
//! Layout, big-endian: `u32 count`, then per transaction `u32 length ‖ bytes`.

use alloy_primitives::Bytes;

use crate::WireError;
use crate::order::BLOCK_TRANSACTIONS_MAX;

/// More bytes than any bundle may have.
pub const BUNDLE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a bundle adds to each transaction's bytes; its own header is as long.
pub const BUNDLE_ENTRY_BYTES: usize = 4;

const WHAT: &str = "bundle";

/// Encodes raw transactions; the caller keeps within the limits that decoding enforces.
pub fn encode_bundle<T: AsRef<[u8]>>(raws: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut out = vec![0u8; 4];
    let mut count: u32 = 0;
    for raw in raws {
        let raw = raw.as_ref();
        out.extend_from_slice(&(raw.len() as u32).to_be_bytes());
        out.extend_from_slice(raw);
        count += 1;
    }
    out[..4].copy_from_slice(&count.to_be_bytes());
    out
}

/// The raw transactions of a bundle, as views into its bytes; nothing is copied.
///
/// # Errors
/// [`WireError::TooLarge`], [`WireError::Truncated`], [`WireError::TrailingBytes`].
pub fn decode_bundle(bundle: &Bytes) -> Result<Vec<Bytes>, WireError> {
    if bundle.len() > BUNDLE_BYTES_MAX {
        return Err(WireError::TooLarge { what: WHAT, size: bundle.len(), max: BUNDLE_BYTES_MAX });
    }
    let mut at = 0;
    let count = take_u32(bundle, &mut at)? as usize;
    if count > BLOCK_TRANSACTIONS_MAX {
        return Err(WireError::TooLarge { what: WHAT, size: count, max: BLOCK_TRANSACTIONS_MAX });
    }
    // Each entry takes four bytes at least, so an announced count reserves no more than arrived.
    if count > bundle.len() / 4 {
        return Err(WireError::Truncated { what: WHAT });
    }
    let mut raws = Vec::with_capacity(count);
    for _ in 0..count {
        let length = take_u32(bundle, &mut at)? as usize;
        if length > bundle.len() - at {
            return Err(WireError::Truncated { what: WHAT });
        }
        raws.push(bundle.slice(at..at + length));
        at += length;
    }
    match bundle.len() - at {
        0 => Ok(raws),
        count => Err(WireError::TrailingBytes { what: WHAT, count }),
    }
}

fn take_u32(bytes: &[u8], at: &mut usize) -> Result<u32, WireError> {
    let field = bytes.get(*at..*at + 4).and_then(|slice| slice.try_into().ok());
    let field: [u8; 4] = field.ok_or(WireError::Truncated { what: WHAT })?;
    *at += 4;
    Ok(u32::from_be_bytes(field))
}
