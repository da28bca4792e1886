//! What a transaction may weigh before anything else is looked at.

/// Bounds on a transaction's bytes and lists, and which kinds are admitted.
///
/// The same decoder serves admission ([`TxLimits::STANDARD`]) and the execution of foreign test
/// vectors ([`TxLimits::ETHEREUM`]); only these limits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxLimits {
    /// Raw EIP-2718 bytes.
    pub raw_bytes_max: usize,
    /// Addresses in an access list.
    pub access_addresses_max: usize,
    /// Storage keys in an access list, over all addresses.
    pub access_keys_max: usize,
    /// EIP-7702 authorisations; each costs a signature recovery.
    pub authorizations_max: usize,
    /// Blob hashes of an EIP-4844 transaction.
    pub blobs_max: usize,
    /// Whether EIP-4844 transactions pass.
    pub blobs_allowed: bool,
    /// Whether legacy transactions without a chain id pass.
    pub unprotected_allowed: bool,
}

impl TxLimits {
    /// What an alliance admits.
    pub const STANDARD: Self = Self {
        raw_bytes_max: 128 * 1024,
        access_addresses_max: 1_024,
        access_keys_max: 3_072,
        authorizations_max: 64,
        blobs_max: 0,
        blobs_allowed: false,
        unprotected_allowed: false,
    };

    /// Everything that Ethereum's own test vectors execute.
    pub const ETHEREUM: Self = Self {
        raw_bytes_max: 16 * 1024 * 1024,
        access_addresses_max: usize::MAX,
        access_keys_max: usize::MAX,
        authorizations_max: usize::MAX,
        blobs_max: usize::MAX,
        blobs_allowed: true,
        unprotected_allowed: true,
    };
}

impl Default for TxLimits {
    fn default() -> Self {
        Self::STANDARD
    }
}
