//! The transaction pool: what waits to be ordered.
//!
//! The path of a transaction: [`check::prepare_batch`] decodes it, recovers its sender and checks
//! everything that needs no state, over the worker pool and outside any lock · [`Pool::admit`]
//! checks it against the sender's account, queue and quotas and files it · [`Pool::select`] offers
//! it to the leader · [`Pool::remove_included`] and [`Pool::update_accounts`] follow each sealed
//! block. [`SharedPool`] is the pool behind its lock, with the batch entrances.
//!
//! The pool knows no clock (time comes in as `now_ms`), draws no randomness and never iterates a
//! hash map where the order could be seen: the same calls give the same answers.
//!
//! A transaction is *executable* when the sender's nonces up to it are all here (of our own type: always) and the
//! sender can pay for the run; otherwise it *waits*. Both kinds count for the pending nonce as long as there
//! is no gap. A transaction leaves the pool when it is sealed, replaced, expired, evicted or
//! refused by the executor; every departure but the first leaves its reason behind.

pub mod account;
pub mod check;
mod departure;
pub mod error;
mod history;
mod outgoing;
mod pool;
mod queue;
mod quota;
mod ring;
pub mod rules;
mod select;
pub mod shared;
mod view;

pub use account::{AccountCode, AccountFacts, AccountView, Live};
pub use check::{Prepared, check_static, prepare, prepare_batch};
pub use error::{DropReason, PoolError};
pub use pool::{Origin, Pool, PoolStatistics};
pub use rules::{FeeMode, PoolLimits, PoolRules, Quota};
pub use select::{Ancestors, SelectLimits};
pub use shared::SharedPool;
pub use view::{SenderContent, TxPlace};
