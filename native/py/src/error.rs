//! Every native error becomes `NativeError(code, message, hint)` here and nowhere else.

use hansa_chain::ChainError;
use hansa_codec::{TxError, WireError};
use hansa_crypto::CryptoError;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(
    _native,
    NativeError,
    PyException,
    "A typed failure of the native core: (code, message, hint)."
);

/// Builds the exception from its three parts.
pub fn native(code: &str, message: impl Into<String>, hint: &str) -> PyErr {
    NativeError::new_err((code.to_owned(), message.into(), hint.to_owned()))
}

/// An argument of the wrong length.
pub fn wrong_length(name: &str, expected: usize, found: usize) -> PyErr {
    native(
        "ARGUMENT-LENGTH",
        format!("{name} must be {expected} bytes, got {found}"),
        "pass the raw bytes, not hex",
    )
}

/// Maps a failure of keys or signatures.
pub fn crypto(error: CryptoError) -> PyErr {
    native(error.code(), error.to_string(), error.hint())
}

/// Maps refused bytes of an order block, certificate, bundle or body.
pub fn wire(error: WireError) -> PyErr {
    native(error.code(), error.to_string(), error.hint())
}

/// Maps a refused transaction.
pub fn transaction(error: TxError) -> PyErr {
    native(error.code(), error.to_string(), error.hint())
}

/// Maps a failure of the chain.
pub fn chain(error: ChainError) -> PyErr {
    native(error.code(), error.to_string(), error.hint())
}
