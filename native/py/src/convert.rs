//! Bytes and numbers between Python and Rust.

use alloy_primitives::{Address, B256, U256};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use crate::error::{native, wrong_length};

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

/// A non-negative integer below 2^256.
pub fn u256(name: &str, number: &Bound<'_, PyAny>) -> PyResult<U256> {
    let too_large =
        || native("ARGUMENT-RANGE", format!("{name} must be from 0 to 2^256 - 1"), "check the unit: wei");
    let bytes = number.call_method1("to_bytes", (32, "big")).map_err(|_| too_large())?;
    Ok(U256::from_be_slice(bytes.cast::<PyBytes>()?.as_bytes()))
}

/// A Python integer of any size.
pub fn number(py: Python<'_>, value: U256) -> PyResult<Bound<'_, PyAny>> {
    let bytes = PyBytes::new(py, &value.to_be_bytes::<32>());
    py.get_type::<PyInt>().call_method1("from_bytes", (bytes, "big"))
}
