//! Order blocks, certificates, bundles.

use alloy_primitives::{B256, Bytes};
use hansa_codec::order::{ORDER_VERSION, OrderBlock};
use hansa_codec::{Certificate, decode_bundle, encode_bundle};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::convert;
use crate::error;

/// Fields of an order block without its version.
const ORDER_FIELDS: usize = 13;

#[pyfunction]
pub fn order_encode<'py>(py: Python<'py>, fields: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyBytes>> {
    if fields.len() != ORDER_FIELDS {
        let found = fields.len();
        let message = format!("an order block has {ORDER_FIELDS} fields, got {found}");
        return Err(error::native("ORDER-FIELDS", message, "leave the version out"));
    }
    let number = |nth: usize| fields.get_item(nth)?.extract::<u64>();
    let narrow = |nth: usize| fields.get_item(nth)?.extract::<u32>();
    let hash = |nth: usize| convert::hash("hash", fields.get_item(nth)?.cast::<PyBytes>()?.as_bytes());
    let block = OrderBlock {
        version: ORDER_VERSION,
        epoch: number(0)?,
        view: number(1)?,
        height: number(2)?,
        parent_order_hash: hash(3)?,
        base_height: number(4)?,
        sealed_height: number(5)?,
        sealed_hash: hash(6)?,
        time_ms: number(7)?,
        proposer: narrow(8)?,
        payload_kind: fields.get_item(9)?.extract()?,
        payload_hash: hash(10)?,
        tx_count: narrow(11)?,
        gas: number(12)?,
    };
    Ok(PyBytes::new(py, &block.encode()))
}

#[pyfunction]
pub fn order_decode<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    let block = OrderBlock::decode(data).map_err(error::wire)?;
    let number = |value: u64| value.into_pyobject(py).map(Bound::into_any).map_err(PyErr::from);
    let hash = |value: &B256| PyBytes::new(py, value.as_slice()).into_any();
    let fields = [
        number(block.epoch)?,
        number(block.view)?,
        number(block.height)?,
        hash(&block.parent_order_hash),
        number(block.base_height)?,
        number(block.sealed_height)?,
        hash(&block.sealed_hash),
        number(block.time_ms)?,
        number(u64::from(block.proposer))?,
        number(u64::from(block.payload_kind))?,
        hash(&block.payload_hash),
        number(u64::from(block.tx_count))?,
        number(block.gas)?,
    ];
    PyTuple::new(py, fields)
}

#[pyfunction]
pub fn order_hash<'py>(py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, hansa_crypto::keccak256(data).as_slice())
}

#[pyfunction]
pub fn genesis_order_hash<'py>(py: Python<'py>, genesis_hash: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let hash = convert::hash("genesis_hash", genesis_hash)?;
    Ok(PyBytes::new(py, hansa_codec::genesis_order_hash(&hash).as_slice()))
}

#[pyfunction]
pub fn certificate_encode<'py>(
    py: Python<'py>,
    epoch: u64,
    height: u64,
    sealed_hash: &[u8],
    signatures: Vec<(u32, Bound<'py, PyBytes>)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let sealed_hash = convert::hash("sealed_hash", sealed_hash)?;
    let signatures = signatures
        .iter()
        .map(|(signer, bytes)| Ok((*signer, convert::array("signature", bytes.as_bytes())?)))
        .collect::<PyResult<Vec<_>>>()?;
    let certificate = Certificate::new(epoch, height, sealed_hash, signatures).map_err(error::wire)?;
    Ok(PyBytes::new(py, &certificate.encode()))
}

type CertificateTuple<'py> = (u64, u64, Bound<'py, PyBytes>, Vec<(u32, Bound<'py, PyBytes>)>);

#[pyfunction]
pub fn certificate_decode<'py>(py: Python<'py>, data: &[u8]) -> PyResult<CertificateTuple<'py>> {
    let certificate = Certificate::decode(data).map_err(error::wire)?;
    let signatures = certificate
        .signatures
        .iter()
        .map(|entry| (entry.signer, PyBytes::new(py, entry.signature.as_slice())))
        .collect();
    let sealed_hash = PyBytes::new(py, certificate.sealed_hash.as_slice());
    Ok((certificate.epoch, certificate.height, sealed_hash, signatures))
}

#[pyfunction]
pub fn bundle_encode<'py>(py: Python<'py>, raws: Vec<Bound<'py, PyBytes>>) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &encode_bundle(raws.iter().map(|raw| raw.as_bytes())))
}

#[pyfunction]
pub fn bundle_decode<'py>(py: Python<'py>, bundle: &[u8]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let raws = decode_bundle(&Bytes::copy_from_slice(bundle)).map_err(error::wire)?;
    Ok(raws.iter().map(|raw| PyBytes::new(py, raw)).collect())
}
