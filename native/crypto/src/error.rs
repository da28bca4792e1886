//! What can go wrong with keys and signatures.

/// A failure of a cryptographic operation, with a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The 32 bytes are zero or not below the order of the curve.
    #[error("the secret key is not a number from 1 to the curve order - 1")]
    InvalidSecret,
    /// The 33 bytes are no compressed point of the curve.
    #[error("the public key is not a compressed point of secp256k1")]
    InvalidPublicKey,
    /// r or s is zero or out of range, or no key fits the signature.
    #[error("the signature does not hold for any key")]
    InvalidSignature,
    /// s lies in the upper half (EIP-2): the mirrored twin of a valid signature.
    #[error("the signature's s value is in the upper half of the curve order")]
    HighS,
    /// The recovery id is not 0 or 1. Ids 2 and 3 exist in the library but never in Ethereum.
    #[error("recovery id {0} is not 0 or 1")]
    RecoveryId(u8),
    /// No suite has this number.
    #[error("signature suite {0} is not active")]
    UnknownSuite(u8),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Entropy,
    /// The worker threads could not be started.
    #[error("worker threads could not be started")]
    Workers,
}

impl CryptoError {
    /// The stable code that clients and logs see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidSecret => "CRYPTO-SECRET",
            Self::InvalidPublicKey => "CRYPTO-PUBLIC-KEY",
            Self::InvalidSignature => "CRYPTO-SIGNATURE",
            Self::HighS => "CRYPTO-HIGH-S",
            Self::RecoveryId(_) => "CRYPTO-RECOVERY-ID",
            Self::UnknownSuite(_) => "CRYPTO-SUITE",
            Self::Entropy => "CRYPTO-ENTROPY",
            Self::Workers => "CRYPTO-WORKERS",
        }
    }

    /// The next step for whoever caused it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::InvalidSecret => "create a key with `hansa account new`",
            Self::InvalidPublicKey => "give 33 bytes that begin with 02 or 03",
            Self::InvalidSignature => "sign the transaction again with a current wallet or library",
            Self::HighS => "normalise the signature: replace s by the curve order - s and flip the parity",
            Self::RecoveryId(_) => "use the y parity, 0 or 1",
            Self::UnknownSuite(_) => "use suite 0, the standard one",
            Self::Entropy => "check that the process may call getrandom",
            Self::Workers => "raise the limit on threads or use fewer workers",
        }
    }
}
