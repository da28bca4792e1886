//! Contract calls from words, for the command line; results leave as JSON text.

use alloy_primitives::B256;
use hansa_abi::AbiError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert;
use crate::error::native;

fn refused(error: AbiError) -> PyErr {
    let (code, hint) = match error {
        AbiError::Signature(..) => ("ABI-SIGNATURE", "write it like transfer(address,uint256)"),
        AbiError::Count { .. } => ("ABI-COUNT", "give one argument per parameter"),
        AbiError::Argument { .. } => ("ABI-ARGUMENT", "lists are written [1,2], tuples (1,true)"),
        AbiError::Data(..) => ("ABI-DATA", "do the outputs in the signature fit the contract?"),
    };
    native(code, error.to_string(), hint)
}

#[pyfunction]
pub fn abi_encode_call<'py>(
    py: Python<'py>,
    signature: &str,
    arguments: Vec<String>,
) -> PyResult<Bound<'py, PyBytes>> {
    hansa_abi::encode_call(signature, &arguments).map(|data| PyBytes::new(py, &data)).map_err(refused)
}

#[pyfunction]
pub fn abi_encode_arguments<'py>(
    py: Python<'py>,
    types: &str,
    arguments: Vec<String>,
) -> PyResult<Bound<'py, PyBytes>> {
    hansa_abi::encode_arguments(types, &arguments).map(|data| PyBytes::new(py, &data)).map_err(refused)
}

#[pyfunction]
pub fn abi_decode_output(signature: &str, data: &[u8]) -> PyResult<String> {
    hansa_abi::decode_output(signature, data).map(|value| value.to_string()).map_err(refused)
}

#[pyfunction]
pub fn abi_decode_log(signature: &str, topics: Vec<Bound<'_, PyBytes>>, data: &[u8]) -> PyResult<String> {
    let topics = topics
        .iter()
        .map(|topic| convert::hash("topic", topic.as_bytes()))
        .collect::<PyResult<Vec<B256>>>()?;
    hansa_abi::decode_log(signature, &topics, data).map(|value| value.to_string()).map_err(refused)
}

#[pyfunction]
pub fn abi_event_topic<'py>(py: Python<'py>, signature: &str) -> PyResult<Bound<'py, PyBytes>> {
    hansa_abi::event_topic(signature).map(|topic| PyBytes::new(py, topic.as_slice())).map_err(refused)
}
