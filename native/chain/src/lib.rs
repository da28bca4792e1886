//! The chain: state, log, pool and executor put together, with the indexes that readers need.
//!
//! One value, [`Chain`], owns all of it. The life of a block here:
//! [`Chain::propose`] chooses pooled transactions · [`Chain::add_body`] checks an order block with its payload and
//! appends it to the log · [`Chain::sync`] makes it durable, before this node votes for it · [`Chain::execute`] runs
//! it on its parent's state, speculatively if need be · [`Chain::seal`] takes the quorum's certificate: result and
//! diff go to the log, the head moves, pool and indexes follow.
//!
//! * [`genesis`], [`birth`]: what the alliance agreed on, and block 0; [`membership`]: what it agreed on since.
//! * [`ordering`], [`candidates`], [`payloads`]: bodies before they are sealed.
//! * [`engine`], [`execution`], [`executed`]: executing and sealing.
//! * [`records`], [`index`], [`stored`], [`sealed`], [`history`], [`rebuilt`]: what is kept, where, and how it is read back.
//! * [`recovery`], [`checkpoints`], [`folder`]: starting and stopping.
//! * [`exchange`], [`quorum`]: blocks between nodes; [`snapshot`]: a whole state for a node that is far behind.
//! * [`epochs`]: who signed in which epoch, provable from genesis alone.
//! * [`base`], [`prune`]: a ledger that does not begin at genesis, and how it becomes one.
//! * [`verify`], [`repair`]: the offline check and what heals.
//! * [`status`], [`refusals`]: transactions; [`replay`]: numbers that those of our own type used lately.
//! * [`dev`]: the playground of `hansa dev`.

mod base;
pub mod birth;
mod candidates;
mod chain;
pub mod checkpoints;
pub mod dev;
pub mod engine;
mod epochs;
mod error;
mod exchange;
mod executed;
pub mod execution;
pub mod folder;
pub mod genesis;
mod head;
mod history;
mod index;
pub mod membership;
mod ordering;
mod payloads;
mod prune;
pub mod quorum;
mod rebuilt;
pub mod records;
mod recovery;
mod refusals;
mod repair;
mod replay;
mod sealed;
mod skips;
pub mod snapshot;
mod status;
mod stored;
mod verify;

pub use candidates::CANDIDATES_MAX;
pub use chain::Chain;
pub use checkpoints::CheckpointStatus;
pub use engine::NextBlock;
pub use epochs::{EPOCHS_MAX, EpochEnd, EpochEnds, ProvenSets};
pub use error::ChainError;
pub use exchange::{ExportedBlock, Imported};
pub use execution::Execution;
pub use genesis::Genesis;
pub use head::Head;
pub use history::STATES_KEPT;
pub use membership::{EpochFacts, EpochNode, Membership};
pub use ordering::{BODY_BYTES_MAX, PAYLOAD_BYTES_MAX};
pub use prune::{BLOCKS_FORGOTTEN_MAX, BLOCKS_KEPT_MIN, Pruned};
pub use quorum::Quorum;
pub use repair::{Repaired, repair_folder};
pub use sealed::SealedBlock;
pub use status::Status;
pub use verify::{Finding, Report, verify_ledger};
