//! JSON-RPC as the core answers it alone: one call takes a body (a request or a batch) and returns the answer's bytes.
//!
//! [`request`] takes bodies and parameters apart, [`methods`] is the table, [`rpc`] the front over it;
//! [`accounts`], [`blocks`], [`call`], [`facts`], [`fees`], [`logs`] and [`pool`] hold the methods by subject; [`reads`] is
//! how they look at the chain. [`typed_data`] builds and signs for development nodes.

pub mod accounts;
pub mod answer;
pub mod blocks;
pub mod call;
pub mod error;
pub mod facts;
pub mod fees;
pub mod logs;
pub mod methods;
pub mod pool;
pub mod reads;
pub mod request;
pub mod rpc;
pub mod typed_data;

pub use error::RpcError;
pub use rpc::{Part, Rpc, RpcOptions};
