//! JSON-RPC as the core answers it alone: one call takes a body (a request or a batch) and returns the answer's bytes.
//!
//! [`request`] takes bodies apart, [`params`] reads parameters, [`methods`] is the table, [`rpc`] the front over it;
//! [`blocks`], [`logs`], [`fees`], [`pool`] and [`facts`] hold the methods by subject. [`ledger`] is what they read.

pub mod answer;
pub mod blocks;
pub mod error;
pub mod facts;
pub mod fees;
pub mod ledger;
pub mod logs;
pub mod methods;
pub mod params;
pub mod pool;
pub mod request;
pub mod rpc;

pub use error::RpcError;
pub use rpc::{Part, Rpc, RpcOptions};
