//! `hansa._native`: what Python sees of the native core. This crate only converts arguments, releases the
//! interpreter lock around the work and maps errors; the stub is `src/hansa/_native.pyi`.

mod convert;
mod crypto;
mod error;
mod rlp;

use pyo3::prelude::*;

/// The native core of Hansa.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::crypto::{
        address_of, crc32c, generate_secret, keccak256, public_key, recover, sign, sign_recoverable, verify,
    };
    #[pymodule_export]
    use super::error::NativeError;
    #[pymodule_export]
    use super::rlp::rlp_encode;
}
