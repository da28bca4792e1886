//! The state after a block: accounts, their storage and code, committed to by Ethereum's state root.
//!
//! * [`view`]: the traits that everything above programs against.
//! * [`world`]: [`WorldState`], the engine: a mapped file, and what changed since in memory. A clone is
//!   O(1), so historic states, proofs at old blocks and checkpoints without a pause are nothing but
//!   clones that somebody holds.
//! * [`diff`]: [`StateDiff`], the new values that a block leaves behind, as stored in the log.
//! * [`checkpoint`]: a state as a file in which every byte is verified, and used where it lies.
//! * [`snapshot`]: a state in chunks, each checked against the root, for a node that is far behind.
//! * [`trie`]: the persistent Merkle-Patricia trie underneath.
//!
//! Keys are kept hashed, as the root wants them. Addresses and slot numbers ("preimages") are not
//! stored: proofs and reads start from them, verification needs none, and logged diffs carry them.

pub mod account;
pub mod checkpoint;
pub mod codes;
pub mod diff;
pub mod error;
mod mapping;
mod past;
pub mod proof;
pub mod snapshot;
pub mod trie;
pub mod view;
pub mod world;

pub use account::AccountInfo;
pub use checkpoint::{
    Checkpoint, Pace, open_checkpoint, open_checkpoint_checked, verify_checkpoint, write_checkpoint,
};
pub use diff::{AccountDiff, StateDiff};
pub use error::{CheckpointError, DamagedState, DiffError};
pub use proof::{AccountProof, StorageProof};
pub use view::{StateStore, StateView};
pub use world::WorldState;
