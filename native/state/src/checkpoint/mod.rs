//! A state as a file.
//!
//! ```text
//! header   magic "HANSACKP" 8 · version u32 · height u64 · block hash 32 · state root 32 ·
//!          accounts u64 · slots u64 · codes u64 · crc32c u32 of all before
//! chunk*   kind u8 (1 leaves, 2 codes) · index u32 · length u32 · payload · crc32c u32 of all before
//! trailer  the same frame, kind 3, no payload
//! ```
//! All numbers are big-endian; nothing follows the trailer. Leaves stand in key order: an account
//! (tag 1) with its hashed address, nonce, balance and code hash, then its slots (tag 2) with their
//! hashed numbers and values, which may run on into the next chunk. Codes stand in order of their
//! hashes, exactly those that the leaves refer to.
//!
//! Every byte is under a checksum, and the root of the rebuilt state must be the header's.

mod read;
mod write;

pub use read::read_checkpoint;
pub use write::write_checkpoint;

use alloy_primitives::B256;

use crate::WorldState;

/// The only version of the format.
pub const CHECKPOINT_VERSION: u32 = 1;

/// Payload bytes after which a chunk is closed.
const CHUNK_TARGET: usize = 256 * 1024;

/// More bytes than any chunk's payload has: the target and one entry, a code at most.
const CHUNK_BYTES_MAX: usize = 64 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"HANSACKP";
const HEADER_BYTES: usize = 8 + 4 + 8 + 32 + 32 + 8 + 8 + 8 + 4;
const FRAME_BYTES: usize = 1 + 4 + 4;
const CRC_BYTES: usize = 4;

const KIND_LEAVES: u8 = 1;
const KIND_CODES: u8 = 2;
const KIND_TRAILER: u8 = 3;

const TAG_ACCOUNT: u8 = 1;
const TAG_SLOT: u8 = 2;

/// What a checkpoint's header says, and the state.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Number of the block after which the state stands.
    pub height: u64,
    /// Hash of that block's sealed header.
    pub block_hash: B256,
    /// The state's root, as rebuilt.
    pub state_root: B256,
    /// The state.
    pub state: WorldState,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    accounts: u64,
    slots: u64,
    codes: u64,
}
