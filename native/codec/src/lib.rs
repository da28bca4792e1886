//! Bytes ↔ values: transactions, order blocks, block facts, certificates, bundles, block bodies.
//!
//! Every decoder is total and bounded: any input gives a value or a typed error, memory stays
//! within a small multiple of the input, and only the canonical encoding of a value is accepted, so
//! `encode(decode(bytes)) == bytes` wherever decoding succeeds.
//!
//! * [`transaction`]: EIP-2718 transactions; [`own`]: our own type 0x48.
//! * [`recover`]: senders, in parallel batches, each signature once per node.
//! * [`intrinsic`]: what a transaction costs before its first instruction.
//! * [`order`], [`facts`], [`certificate`]: what consensus hashes, signs and stores.
//! * [`bundle`], [`body`]: transactions on the wire and in the block log.
//! * [`rlp`]: nested RLP items for callers without a type of their own.

pub mod body;
pub mod bundle;
pub mod certificate;
pub mod error;
pub mod facts;
pub mod intrinsic;
pub mod limits;
pub mod order;
pub mod own;
pub mod recover;
pub mod rlp;
pub mod transaction;

pub use body::BodyRecord;
pub use bundle::{decode_bundle, encode_bundle};
pub use certificate::Certificate;
pub use error::{TxError, WireError};
pub use facts::BlockFacts;
pub use intrinsic::{GasRules, IntrinsicGas, intrinsic_gas};
pub use limits::TxLimits;
pub use order::{OrderBlock, genesis_order_hash, mix_hash, split_refs};
pub use own::{OWN_TRANSACTION_TYPE, OwnTransaction, ReplayKey};
pub use recover::{
    authorities, decode_batch, decode_many, recover_batch, recover_decoded, recover_once, recover_sender,
    recover_senders,
};
pub use rlp::RlpItem;
pub use transaction::{
    Envelope, Recovered, Transaction, decode_transaction, sign_own_transaction, sign_transaction,
};
