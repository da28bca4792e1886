//! RLP encoding of Python values, for rare uses (tests, tools); blocks are encoded natively.

use alloy_rlp::{Encodable, Header};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyTuple};

use crate::error::native;

/// Nesting that an item may have.
const DEPTH_MAX: usize = 16;

#[pyfunction]
pub fn rlp_encode<'py>(py: Python<'py>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::new();
    encode(item, 0, &mut out)?;
    Ok(PyBytes::new(py, &out))
}

fn encode(item: &Bound<'_, PyAny>, depth: usize, out: &mut Vec<u8>) -> PyResult<()> {
    if depth > DEPTH_MAX {
        return Err(native("RLP-DEPTH", "an item is nested too deeply", "flatten the value"));
    }
    if let Ok(bytes) = item.cast::<PyBytes>() {
        bytes.as_bytes().encode(out);
        return Ok(());
    }
    if let Ok(number) = item.cast::<PyInt>() {
        return encode_int(number, out);
    }
    let mut payload = Vec::new();
    if let Ok(list) = item.cast::<PyList>() {
        for element in list.iter() {
            encode(&element, depth + 1, &mut payload)?;
        }
    } else if let Ok(tuple) = item.cast::<PyTuple>() {
        for element in tuple.iter() {
            encode(&element, depth + 1, &mut payload)?;
        }
    } else {
        return Err(native(
            "RLP-TYPE",
            "RLP holds bytes, non-negative integers and lists of them",
            "convert first",
        ));
    }
    Header { list: true, payload_length: payload.len() }.encode(out);
    out.extend_from_slice(&payload);
    Ok(())
}

fn encode_int(number: &Bound<'_, PyInt>, out: &mut Vec<u8>) -> PyResult<()> {
    if let Ok(small) = number.extract::<u64>() {
        small.encode(out);
        return Ok(());
    }
    let bits: usize = number.call_method0("bit_length")?.extract()?;
    let bytes = number
        .call_method1("to_bytes", (bits.div_ceil(8), "big"))
        .map_err(|_| native("RLP-NEGATIVE", "RLP has no negative integers", "encode the magnitude"))?;
    bytes.cast::<PyBytes>()?.as_bytes().encode(out);
    Ok(())
}
