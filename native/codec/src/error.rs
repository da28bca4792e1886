//! Why bytes are refused.

use hansa_crypto::CryptoError;

/// Why a transaction's bytes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// No bytes at all.
    #[error("the transaction is empty")]
    Empty,
    /// More raw bytes than the limits allow.
    #[error("oversized data: transaction size {size}, limit {max}")]
    TooLarge { size: usize, max: usize },
    /// Not the canonical RLP of a transaction of its type.
    #[error("rlp: {0}")]
    Rlp(alloy_rlp::Error),
    /// Bytes after the end of the transaction.
    #[error("rlp: {0} bytes after the end of the transaction")]
    TrailingBytes(usize),
    /// No transaction has this EIP-2718 type.
    #[error("transaction type not supported: 0x{0:02x}")]
    UnknownType(u8),
    /// An EIP-4844 transaction; this chain carries no blobs.
    #[error("transaction type not supported: blob transactions (EIP-4844) are refused")]
    BlobRefused,
    /// A legacy transaction without a chain id (before EIP-155).
    #[error("only replay-protected (EIP-155) transactions allowed")]
    Unprotected,
    /// More addresses or keys in the access list than the limits allow.
    #[error("the access list has {count} {what}, limit {max}")]
    AccessListTooLong { what: &'static str, count: usize, max: usize },
    /// More EIP-7702 authorisations than the limits allow.
    #[error("the authorization list has {count} entries, limit {max}")]
    AuthorizationListTooLong { count: usize, max: usize },
    /// More blob hashes than the limits allow.
    #[error("the transaction names {count} blobs, limit {max}")]
    TooManyBlobs { count: usize, max: usize },
    /// The signature gives no sender.
    #[error("invalid sender: {0}")]
    Signature(#[from] CryptoError),
}

impl TxError {
    /// The stable code that clients and logs see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "TX-EMPTY",
            Self::TooLarge { .. } => "TX-TOO-LARGE",
            Self::Rlp(_) => "TX-RLP",
            Self::TrailingBytes(_) => "TX-TRAILING-BYTES",
            Self::UnknownType(_) => "TX-TYPE",
            Self::BlobRefused => "TX-BLOB",
            Self::Unprotected => "TX-UNPROTECTED",
            Self::AccessListTooLong { .. } => "TX-ACCESS-LIST",
            Self::AuthorizationListTooLong { .. } => "TX-AUTHORIZATIONS",
            Self::TooManyBlobs { .. } => "TX-BLOBS",
            Self::Signature(_) => "TX-SIGNATURE",
        }
    }

    /// The next step for whoever sent it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "send the signed transaction as 0x-prefixed hex",
            Self::TooLarge { .. } => "split the data over several transactions or store a hash of it",
            Self::Rlp(_) | Self::TrailingBytes(_) => {
                "send exactly one signed transaction, EIP-2718 encoded as wallets and libraries make it"
            }
            Self::UnknownType(_) => "use a legacy, 0x1, 0x2, 0x4 or 0x48 transaction",
            Self::BlobRefused => "put the data into the transaction's input, or its hash",
            Self::Unprotected => "sign with the chain id (EIP-155); eth_chainId tells it",
            Self::AccessListTooLong { .. } => "shorten the access list; it only lowers cost",
            Self::AuthorizationListTooLong { .. } => "spread the authorizations over several transactions",
            Self::TooManyBlobs { .. } => "name fewer blobs",
            Self::Signature(cause) => cause.hint(),
        }
    }
}

impl From<alloy_rlp::Error> for TxError {
    fn from(error: alloy_rlp::Error) -> Self {
        Self::Rlp(error)
    }
}

/// Why the bytes of an order block, certificate, bundle or body are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// More bytes, entries or levels than any valid value has.
    #[error("{what}: {size} is above the limit of {max}")]
    TooLarge { what: &'static str, size: usize, max: usize },
    /// Fewer bytes than the encoding announces.
    #[error("{what}: the bytes end too early")]
    Truncated { what: &'static str },
    /// Bytes after the end of the value.
    #[error("{what}: {count} bytes after the end")]
    TrailingBytes { what: &'static str, count: usize },
    /// Not the canonical RLP of the value.
    #[error("{what}: rlp: {error}")]
    Rlp { what: &'static str, error: alloy_rlp::Error },
    /// A format version that this program does not know.
    #[error("{what}: version {version} is not supported")]
    Version { what: &'static str, version: u8 },
    /// A kind of payload reference that is reserved but not active.
    #[error("order block: payload kind {0} is not active")]
    PayloadKind(u8),
    /// Signers that are not strictly ascending: repeated or out of order.
    #[error("certificate: signer {0} is repeated or out of order")]
    SignerOrder(u32),
    /// A payload reference that is no whole number of 32-byte hashes.
    #[error("payload references: {0} bytes are not a multiple of 32")]
    RefsLength(usize),
}

impl WireError {
    /// The stable code that peers and logs see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "WIRE-TOO-LARGE",
            Self::Truncated { .. } => "WIRE-TRUNCATED",
            Self::TrailingBytes { .. } => "WIRE-TRAILING-BYTES",
            Self::Rlp { .. } => "WIRE-RLP",
            Self::Version { .. } => "WIRE-VERSION",
            Self::PayloadKind(_) => "WIRE-PAYLOAD-KIND",
            Self::SignerOrder(_) => "WIRE-SIGNER-ORDER",
            Self::RefsLength(_) => "WIRE-REFS-LENGTH",
        }
    }

    /// The next step for whoever reads it: the sender is another node.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Version { .. } | Self::PayloadKind(_) => {
                "run the same release on every node of the alliance"
            }
            _ => "the sender is faulty or runs another release; compare `hansa --version` on both nodes",
        }
    }
}
