//! The hash and signature suite: a value of the chain, later also of the account.

use alloy_primitives::{Address, B256};

use crate::{CryptoError, recover_batch_addresses, standard};

/// A family of hash and signature algorithms.
///
/// A new family (SM2 with SM3, ML-DSA) is a variant here, its number in [`Suite::from_id`], and a
/// module beside [`standard`]. Sizes are those of the standard family so far, and the Python border
/// knows that family only; ARCHITECTURE.md lists what a further one touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Suite {
    /// keccak-256 and ECDSA over secp256k1, as Ethereum uses them. Number 0.
    #[default]
    Standard,
}

impl Suite {
    /// The number that stands in genesis, votes and typed transactions.
    pub const fn id(self) -> u8 {
        match self {
            Self::Standard => 0,
        }
    }

    /// The suite of that number.
    ///
    /// # Errors
    /// [`CryptoError::UnknownSuite`] when no such suite is active.
    pub const fn from_id(id: u8) -> Result<Self, CryptoError> {
        match id {
            0 => Ok(Self::Standard),
            other => Err(CryptoError::UnknownSuite(other)),
        }
    }

    /// The digest of `data`, 32 bytes.
    pub fn hash(self, data: &[u8]) -> B256 {
        match self {
            Self::Standard => standard::keccak256(data),
        }
    }

    /// Signs a 32-byte digest; 64 bytes, r ‖ s, s in the lower half.
    ///
    /// # Errors
    /// [`CryptoError::InvalidSecret`].
    pub fn sign(self, secret: &[u8; 32], digest: &B256) -> Result<[u8; 64], CryptoError> {
        match self {
            Self::Standard => standard::sign(secret, digest),
        }
    }

    /// Whether `signature` over `digest` was made with the key behind `public`. Never panics.
    pub fn verify(self, public: &[u8], digest: &B256, signature: &[u8; 64]) -> bool {
        match self {
            Self::Standard => standard::verify(public, digest, signature),
        }
    }

    /// The account that signed `digest`; `signature` is r ‖ s ‖ y parity (0 or 1).
    ///
    /// # Errors
    /// [`CryptoError::RecoveryId`], [`CryptoError::HighS`], [`CryptoError::InvalidSignature`].
    pub fn recover(self, digest: &B256, signature: &[u8; 65]) -> Result<Address, CryptoError> {
        match self {
            Self::Standard => standard::recover(digest, signature),
        }
    }

    /// The accounts that signed many digests, in their order; each answer is that of [`Self::recover`].
    pub fn recover_batch(self, signed: &[(B256, [u8; 65])]) -> Vec<Result<Address, CryptoError>> {
        match self {
            Self::Standard => recover_batch_addresses(signed),
        }
    }

    /// The public key of a secret key, in the suite's compact form.
    ///
    /// # Errors
    /// [`CryptoError::InvalidSecret`].
    pub fn public_key(self, secret: &[u8; 32]) -> Result<[u8; 33], CryptoError> {
        match self {
            Self::Standard => standard::public_key(secret),
        }
    }

    /// The account that a public key owns.
    ///
    /// # Errors
    /// [`CryptoError::InvalidPublicKey`].
    pub fn address_of(self, public: &[u8]) -> Result<Address, CryptoError> {
        match self {
            Self::Standard => standard::address_of(public),
        }
    }
}
