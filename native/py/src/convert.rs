//! Bytes and numbers between Python and Rust.

use alloy_primitives::{Address, B256};
use pyo3::prelude::*;

use crate::error::wrong_length;

/// A fixed number of bytes.
pub fn array<const N: usize>(name: &str, bytes: &[u8]) -> PyResult<[u8; N]> {
    bytes.try_into().map_err(|_| wrong_length(name, N, bytes.len()))
}

/// A 32-byte hash.
pub fn hash(name: &str, bytes: &[u8]) -> PyResult<B256> {
    array(name, bytes).map(B256::new)
}

/// A 20-byte address.
pub fn address(name: &str, bytes: &[u8]) -> PyResult<Address> {
    array(name, bytes).map(Address::new)
}
