//! The fixed multiples of the generator: 64 KiB, made at first use.

use std::sync::OnceLock;

use secp256k1::{PublicKey, SECP256K1, SecretKey};

use super::scalar::{HALF_BITS, from_bytes};
use crate::CryptoError;

/// Bits of a digit of the generator's factor.
pub(super) const WINDOW: u32 = 10;

/// Odd multiples 1, 3, … 1023.
pub(super) const ROWS: usize = 1 << (WINDOW - 1);

/// x and y of a point, four words each, least significant first.
type Row = [u64; 8];

/// Odd multiples of G, and of 2^130·G.
pub(super) struct Generator {
    pub(super) low: Box<[Row; ROWS]>,
    pub(super) high: Box<[Row; ROWS]>,
}

/// The table; none if the library could not compute it, which its constants rule out.
pub(super) fn generator() -> Option<&'static Generator> {
    static TABLE: OnceLock<Option<Generator>> = OnceLock::new();
    TABLE.get_or_init(|| make().ok()).as_ref()
}

fn make() -> Result<Generator, CryptoError> {
    let mut power = [0u8; 32];
    power[31 - HALF_BITS as usize / 8] = 1 << (HALF_BITS % 8);
    let mut one = [0u8; 32];
    one[31] = 1;
    Ok(Generator { low: odd_multiples(one)?, high: odd_multiples(power)? })
}

fn odd_multiples(scalar: [u8; 32]) -> Result<Box<[Row; ROWS]>, CryptoError> {
    let secret = SecretKey::from_byte_array(scalar).map_err(|_| CryptoError::InvalidSecret)?;
    let mut point = PublicKey::from_secret_key(SECP256K1, &secret);
    let step = point.combine(&point).map_err(|_| CryptoError::InvalidPublicKey)?;
    let mut rows = Box::new([[0; 8]; ROWS]);
    for row in rows.iter_mut() {
        *row = row_of(&point);
        point = point.combine(&step).map_err(|_| CryptoError::InvalidPublicKey)?;
    }
    Ok(rows)
}

fn row_of(point: &PublicKey) -> Row {
    let bytes = point.serialize_uncompressed();
    let (mut x, mut y) = ([0; 32], [0; 32]);
    x.copy_from_slice(&bytes[1..33]);
    y.copy_from_slice(&bytes[33..]);
    let mut row = [0; 8];
    row[..4].copy_from_slice(&from_bytes(&x));
    row[4..].copy_from_slice(&from_bytes(&y));
    row
}
