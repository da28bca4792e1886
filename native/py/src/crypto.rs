//! Hashes, keys and signatures.

use hansa_crypto as native;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert;
use crate::error;

/// Inputs longer than this are hashed without the interpreter lock.
const DETACH_BYTES_MIN: usize = 4096;

type Out<'py> = PyResult<Bound<'py, PyBytes>>;

#[pyfunction]
pub fn keccak256<'py>(py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    let hash = if data.len() < DETACH_BYTES_MIN {
        native::keccak256(data)
    } else {
        py.detach(|| native::keccak256(data))
    };
    PyBytes::new(py, hash.as_slice())
}

#[pyfunction]
pub fn crc32c(py: Python<'_>, data: &[u8]) -> u32 {
    if data.len() < DETACH_BYTES_MIN { ::crc32c::crc32c(data) } else { py.detach(|| ::crc32c::crc32c(data)) }
}

#[pyfunction]
pub fn generate_secret(py: Python<'_>) -> Out<'_> {
    native::generate_secret().map(|secret| PyBytes::new(py, &secret)).map_err(error::crypto)
}

#[pyfunction]
pub fn public_key<'py>(py: Python<'py>, secret: &[u8]) -> Out<'py> {
    let secret = convert::array("secret", secret)?;
    native::public_key(&secret).map(|public| PyBytes::new(py, &public)).map_err(error::crypto)
}

#[pyfunction]
pub fn address_of<'py>(py: Python<'py>, public: &[u8]) -> Out<'py> {
    native::address_of(public).map(|address| PyBytes::new(py, address.as_slice())).map_err(error::crypto)
}

#[pyfunction]
pub fn sign<'py>(py: Python<'py>, secret: &[u8], digest: &[u8]) -> Out<'py> {
    let (secret, digest) = (convert::array("secret", secret)?, convert::hash("digest", digest)?);
    let signature = py.detach(|| native::sign(&secret, &digest)).map_err(error::crypto)?;
    Ok(PyBytes::new(py, &signature))
}

#[pyfunction]
pub fn sign_recoverable<'py>(py: Python<'py>, secret: &[u8], digest: &[u8]) -> Out<'py> {
    let (secret, digest) = (convert::array("secret", secret)?, convert::hash("digest", digest)?);
    let signature = py.detach(|| native::sign_recoverable(&secret, &digest)).map_err(error::crypto)?;
    Ok(PyBytes::new(py, &signature))
}

#[pyfunction]
pub fn verify(py: Python<'_>, public: &[u8], digest: &[u8], signature: &[u8]) -> PyResult<bool> {
    let digest = convert::hash("digest", digest)?;
    let Ok(signature) = <[u8; 64]>::try_from(signature) else { return Ok(false) };
    Ok(py.detach(|| native::verify(public, &digest, &signature)))
}

#[pyfunction]
pub fn recover<'py>(py: Python<'py>, digest: &[u8], signature: &[u8]) -> Out<'py> {
    let digest = convert::hash("digest", digest)?;
    let signature = convert::array("signature", signature)?;
    let address = py.detach(|| native::recover(&digest, &signature)).map_err(error::crypto)?;
    Ok(PyBytes::new(py, address.as_slice()))
}

#[pyfunction]
#[pyo3(signature = (threads, nodes_on_host=1))]
pub fn configure_workers(py: Python<'_>, threads: usize, nodes_on_host: usize) -> PyResult<usize> {
    let wanted = if threads == 0 { native::workers::threads_for(nodes_on_host) } else { threads };
    py.detach(|| native::workers::configure(wanted)).map_err(error::crypto)
}
