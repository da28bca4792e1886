//! `hansa._native`: what Python sees of the native core. This crate only converts arguments, releases the
//! interpreter lock around the work and maps errors; the stub is `src/hansa/_native.pyi`.

mod abi;
mod chain;
mod codec;
mod convert;
mod crypto;
mod dev;
mod ending;
mod error;
mod rlp;
mod rpc;
mod snapshot;
mod state_test;
mod transactions;

use pyo3::prelude::*;

/// Blocks are allocated by one thread and freed by another, all day: see docs/decisions/0014-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The native core of Hansa.
#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::ending::end_on_damage();
        Ok(())
    }

    #[pymodule_export]
    use super::abi::{
        abi_decode_log, abi_decode_output, abi_encode_arguments, abi_encode_call, abi_event_topic,
    };
    #[pymodule_export]
    use super::chain::{Chain, epoch_keys, genesis_hash, repair_folder, verify_ledger};
    #[pymodule_export]
    use super::codec::{
        bundle_decode, bundle_encode, certificate_decode, certificate_encode, genesis_order_hash,
        order_decode, order_encode, order_hash,
    };
    #[pymodule_export]
    use super::crypto::{
        address_of, configure_workers, crc32c, generate_secret, keccak256, public_key, recover, sign,
        sign_recoverable, verify,
    };
    #[pymodule_export]
    use super::error::NativeError;
    #[pymodule_export]
    use super::rlp::rlp_encode;
    #[pymodule_export]
    use super::rpc::Rpc;
    #[pymodule_export]
    use super::snapshot::Snapshot;
    #[pymodule_export]
    use super::state_test::run_state_test;
    #[pymodule_export]
    use super::transactions::{decode_transaction, sign_many, sign_transaction};
}
