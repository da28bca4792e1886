//! A state as a file, which is used where it lies: mapped, each page checked when it is first read.
//!
//! ```text
//! page 0   magic "HANSACKP" 8 · version u32 · height u64 · block hash 32 · state root 32 · top u64 ·
//!          accounts u64 · slots u64 · codes u64 · codes at u64 · pages u64 · table crc u32 ·
//!          zeros · crc32c u32 of all before in the page
//! pages    nodes, each behind those below it (`trie::node` says how a node looks; links are offsets in
//!          this file); then, at "codes at", the codes: length u32 · bytes, in order of their hashes,
//!          exactly those that accounts refer to; then zeros up to the page's end
//! table    crc32c u32 of each page behind the first
//! ```
//! All numbers are little-endian; nothing follows the table. "top" is the offset of the top node of the
//! trie of accounts, zero where there are none; "pages" counts those behind the first.
//!
//! Every byte is under a checksum. Opening reads the first page, the table and the codes, and holds the
//! top node against the root; verifying reads everything and computes every reference anew.

mod read;
#[cfg(test)]
mod tests;
mod verify;
mod write;

pub use read::{open_checkpoint, open_checkpoint_checked};
pub use verify::verify_checkpoint;
pub use write::{Pace, write_checkpoint};

use alloy_primitives::B256;

use crate::WorldState;

/// The only version of the format.
pub const CHECKPOINT_VERSION: u32 = 3;

const MAGIC: &[u8; 8] = b"HANSACKP";

/// Bytes of the first page in front of the zeros.
const HEADER_BYTES: usize = 8 + 4 + 8 + 32 + 32 + 8 * 6 + 4;

/// What a checkpoint's first page says, and the state.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Number of the block after which the state stands.
    pub height: u64,
    /// Hash of that block's sealed header.
    pub block_hash: B256,
    /// The state's root.
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

/// The first page.
#[derive(Debug, Clone, Copy)]
struct Header {
    height: u64,
    block_hash: B256,
    state_root: B256,
    top: u64,
    counts: Counts,
    codes_at: u64,
    pages: u64,
    table_crc: u32,
}
