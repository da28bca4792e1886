//! Hashes, signatures, the cache of recovered senders and the bounded worker pool.
//!
//! What stands where:
//! * [`suite`]: which hash and signature scheme a chain (later: an account) uses. Only
//!   [`Suite::Standard`] is filled in; SM2/SM3 and post-quantum suites get their own variant there.
//! * [`standard`]: keccak-256 and ECDSA over secp256k1, by libsecp256k1.
//! * [`batch`]: the senders of many signatures, eight at once where the processor can (`ifma`).
//! * [`lanes`]: keccak-256 of many messages at once, in vector registers.
//! * [`sender_cache`]: transaction hash → sender, so that a node checks each signature once.
//! * [`workers`]: the one bounded thread pool for work that is the same for many items.

pub mod batch;
pub mod error;
#[cfg(target_arch = "x86_64")]
mod ifma;
pub mod lanes;
pub mod sender_cache;
pub mod standard;
pub mod suite;
pub mod workers;

pub use alloy_primitives::{Address, B256};
pub use batch::{recover_batch_addresses, recovers_in_lanes};
pub use error::CryptoError;
pub use lanes::{HashLanes, keccak256_many, keccak256_many_into};
pub use sender_cache::SenderCache;
pub use standard::{
    address_of, generate_secret, keccak256, public_key, recover, sign, sign_recoverable, verify,
};
pub use suite::Suite;
