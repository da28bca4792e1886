//! JSON-RPC as the core answers it alone: one call takes a body (a request or a batch) and returns the answer's bytes.
//!
//! [`request`] takes bodies apart, [`params`] reads parameters, [`error`] is what callers are told.

pub mod error;
pub mod ledger;
pub mod params;
pub mod request;

pub use error::RpcError;
