//! Taking over a state from other nodes, for a node that is too far behind to execute everything again, and serving one.
//!
//! A snapshot of block h is: the sealed header of h with its certificate, and how the epochs before it ended, so that its
//! signers are proven from genesis on; the state after h in chunks that prove
//! themselves against that header (`hansa_state::snapshot`); the [`WINDOW_BLOCKS`] blocks up to h, each with its
//! certificate, for replays of type 0x48, for BLOCKHASH, and so that this node can serve others. Nothing is kept before
//! it was checked. What the window's blocks used of numbers of type 0x48 is no part of any header: the hashes of these
//! lists come with the header, and whoever takes them over wants them said alike by more members than may lie.
//!
//! * [`parts`]: what is asked for and answered.
//! * [`serve`]: answering, from a state that is held for that.
//! * [`stage`]: what was taken over so far, on disk, and what is still missing.
//! * [`install`]: the data folder of a snapshot that is complete, and putting it in its place at the next start.

pub mod install;
pub mod parts;
pub mod serve;
pub mod stage;

use hansa_codec::own::BLOCK_LIMIT_HORIZON;

pub use install::{REPLACED_NAME, adopt};
pub use serve::{Offer, Pins};
pub use stage::Stage;

/// Blocks that come with a state: no block beyond the next can be told a replay without them.
pub const WINDOW_BLOCKS: u64 = BLOCK_LIMIT_HORIZON - 1;

/// The first block that comes with the state after block `height`.
pub fn window_first(height: u64) -> u64 {
    (height + 1).saturating_sub(WINDOW_BLOCKS).max(1)
}
