//! Execution: one ordered block of transactions over one state gives one sealed header.
//!
//! revm does the work inside; nothing above this crate sees it. What a chain may choose stands in
//! one value, [`ChainRules`].
//!
//! * [`rules`]: the facts of a protocol version.
//! * [`block`]: what execution is told of a block.
//! * [`execute`] (of which [`execute_block`] is all that others need): one after the other ([`serial`]) or side by
//!   side ([`parallel`]); [`transfer`]: what needs no EVM.
//! * [`header`]: the sealed header and its roots ([`ordered_root`]).
//! * [`skip`]: why a transaction was passed over.
//! * [`call`]: execution for answers, without effect: calls, gas estimates, access lists, overrides of
//!   state, what a revert says.
//! * [`genesis`]: block 0; [`account_range`]: accounts that it makes by a rule.
//! * [`state_test`]: Ethereum's GeneralStateTests against the same executor.
//! * [`database`], [`environment`]: the two sides that face revm; [`codes`]: code made ready for it.

pub mod account_range;
pub mod block;
pub mod call;
mod codes;
mod database;
mod environment;
pub mod error;
pub mod execute;
pub mod genesis;
pub mod header;
mod ordered_root;
mod parallel;
pub mod rules;
mod serial;
pub mod skip;
pub mod state_test;
mod transfer;

pub use account_range::{AccountRange, Holding};
pub use block::{BlockContext, BlockHashes};
pub use call::access::{AccessListOutcome, create_access_list};
pub use call::estimate::estimate_gas;
pub use call::overrides::{AccountOverride, StateOverrides};
pub use call::revert::{RevertReason, decode_revert};
pub use call::{CallOutcome, CallRequest, CallStatus, call};
pub use error::{CallError, ExecuteError};
pub use execute::{BlockOutcome, ExecutionMode, execute_block, execute_block_by};
pub use genesis::{Genesis, GenesisAccount, GenesisSettings, build_genesis};
pub use rules::{ChainRules, Fees, Spec};
pub use skip::SkipReason;
pub use state_test::blocks::{StateBlocksReport, compare_state_test_file};
pub use state_test::{StateTestReport, run_state_test_file};
