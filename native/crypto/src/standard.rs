//! The standard suite: keccak-256 and ECDSA over secp256k1 (SEC 2, EIP-2, RFC 6979).

use alloy_primitives::{Address, B256};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};

use crate::CryptoError;

/// Half of the curve order, big-endian: the largest s that EIP-2 allows.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// The curve order, big-endian: r lies below it.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
    0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// How often key generation draws again; one draw fails with probability 2^-128.
const SECRET_DRAWS_MAX: usize = 8;

/// keccak-256 of `data`, the hash of Ethereum.
#[inline]
pub fn keccak256(data: impl AsRef<[u8]>) -> B256 {
    alloy_primitives::keccak256(data)
}

/// A fresh secret key from the operating system's generator; 32 bytes, big-endian.
///
/// # Errors
/// [`CryptoError::Entropy`].
pub fn generate_secret() -> Result<[u8; 32], CryptoError> {
    let mut secret = [0u8; 32];
    for _ in 0..SECRET_DRAWS_MAX {
        getrandom::fill(&mut secret).map_err(|_| CryptoError::Entropy)?;
        if SecretKey::from_byte_array(secret).is_ok() {
            return Ok(secret);
        }
    }
    Err(CryptoError::Entropy)
}

/// The compressed public key (33 bytes) of a secret key.
///
/// # Errors
/// [`CryptoError::InvalidSecret`].
pub fn public_key(secret: &[u8; 32]) -> Result<[u8; 33], CryptoError> {
    with_secret(secret, |key| PublicKey::from_secret_key(SECP256K1, key).serialize())
}

/// The account of a compressed public key: the last 20 bytes of keccak-256 of its coordinates.
///
/// # Errors
/// [`CryptoError::InvalidPublicKey`].
pub fn address_of(public: &[u8]) -> Result<Address, CryptoError> {
    let compressed: [u8; 33] = public.try_into().map_err(|_| CryptoError::InvalidPublicKey)?;
    let key = PublicKey::from_byte_array_compressed(compressed).map_err(|_| CryptoError::InvalidPublicKey)?;
    Ok(address_of_key(&key))
}

/// Signs a digest: r ‖ s, 64 bytes, s in the lower half, nonce by RFC 6979.
///
/// # Errors
/// [`CryptoError::InvalidSecret`].
pub fn sign(secret: &[u8; 32], digest: &B256) -> Result<[u8; 64], CryptoError> {
    with_secret(secret, |key| SECP256K1.sign_ecdsa(Message::from_digest(digest.0), key).serialize_compact())
}

/// Signs a digest so that the signer can be recovered: r ‖ s ‖ y parity (0 or 1), 65 bytes.
///
/// # Errors
/// [`CryptoError::InvalidSecret`]; [`CryptoError::RecoveryId`] in the one case of 2^128 where r
/// overflows the curve order, which no Ethereum signature can express.
pub fn sign_recoverable(secret: &[u8; 32], digest: &B256) -> Result<[u8; 65], CryptoError> {
    let (id, compact) = with_secret(secret, |key| {
        SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), key).serialize_compact()
    })?;
    let parity = match id {
        RecoveryId::Zero => 0,
        RecoveryId::One => 1,
        RecoveryId::Two => return Err(CryptoError::RecoveryId(2)),
        RecoveryId::Three => return Err(CryptoError::RecoveryId(3)),
    };
    let mut signature = [0u8; 65];
    signature[..64].copy_from_slice(&compact);
    signature[64] = parity;
    Ok(signature)
}

/// Whether `signature` (r ‖ s, s in the lower half) over `digest` was made with the key behind
/// `public` (33 bytes, compressed). Malformed input is simply not a valid signature.
pub fn verify(public: &[u8], digest: &B256, signature: &[u8; 64]) -> bool {
    let Ok(compressed) = <[u8; 33]>::try_from(public) else { return false };
    let Ok(key) = PublicKey::from_byte_array_compressed(compressed) else { return false };
    // from_compact refuses r or s at or above the order; verify_ecdsa refuses an upper-half s.
    let Ok(parsed) = Signature::from_compact(signature) else { return false };
    SECP256K1.verify_ecdsa(Message::from_digest(digest.0), &parsed, &key).is_ok()
}

/// The account that signed `digest`; `signature` is r ‖ s ‖ y parity.
///
/// # Errors
/// [`CryptoError::RecoveryId`] for a parity other than 0 or 1, [`CryptoError::HighS`] for the
/// mirrored twin of a signature, [`CryptoError::InvalidSignature`] for everything else.
pub fn recover(digest: &B256, signature: &[u8; 65]) -> Result<Address, CryptoError> {
    check_form(signature)?;
    let id = if signature[64] == 0 { RecoveryId::Zero } else { RecoveryId::One };
    let parsed = RecoverableSignature::from_compact(&signature[..64], id)
        .map_err(|_| CryptoError::InvalidSignature)?;
    let key = SECP256K1
        .recover_ecdsa(Message::from_digest(digest.0), &parsed)
        .map_err(|_| CryptoError::InvalidSignature)?;
    Ok(address_of_key(&key))
}

/// What can be said of a signature without a point: its recovery id and the ranges of s and r.
pub(crate) fn check_form(signature: &[u8; 65]) -> Result<(), CryptoError> {
    let (r, s) = (&signature[..32], &signature[32..64]);
    if signature[64] > 1 {
        return Err(CryptoError::RecoveryId(signature[64]));
    }
    if *s > HALF_ORDER[..] {
        return Err(CryptoError::HighS);
    }
    if *r >= ORDER[..] || r.iter().all(|byte| *byte == 0) || s.iter().all(|byte| *byte == 0) {
        return Err(CryptoError::InvalidSignature);
    }
    Ok(())
}

fn address_of_key(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}

/// Runs `work` with the parsed key and overwrites the parsed copy afterwards.
fn with_secret<T>(secret: &[u8; 32], work: impl FnOnce(&SecretKey) -> T) -> Result<T, CryptoError> {
    let mut key = SecretKey::from_byte_array(*secret).map_err(|_| CryptoError::InvalidSecret)?;
    let result = work(&key);
    key.non_secure_erase();
    Ok(result)
}
