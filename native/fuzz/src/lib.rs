//! Every decoder of the core as a function of bytes that must return, whatever they are.
//!
//! A target panics where the decoder breaks its promise: it panics itself, or accepts bytes that are not the
//! encoding of what it returned. `tests/corpus.rs` plays the kept inputs and changes of them on every test
//! run; the program of this crate, built by `tools/fuzz.sh`, looks for new ones with coverage.

mod files;

use alloy_primitives::{Address, Bytes};
use hansa_chain::membership::SetRecord;
use hansa_chain::records::{BirthRecord, ResultRecord};
use hansa_chain::{EpochEnd, ExportedBlock, Genesis};
use hansa_codec::{
    BlockFacts, BodyRecord, Certificate, GasRules, OrderBlock, RlpItem, TxLimits, decode_bundle,
    decode_transaction, encode_bundle, intrinsic_gas, recover_sender, split_refs,
};
use hansa_crypto::SenderCache;
use hansa_rpc::logs::parse_filter;
use hansa_rpc::request::Body;
use hansa_rpc::typed_data::typed_data_digest;
use hansa_state::StateDiff;

/// One decoder.
pub type Target = fn(&[u8]);

/// All of them; the name is that of the file in `tests/fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("transaction", transaction),
    ("rlp", rlp),
    ("bundle", bundle),
    ("certificate", certificate),
    ("order", order),
    ("order_payload", order_payload),
    ("facts", facts),
    ("body", body),
    ("birth", birth),
    ("result", result),
    ("state_diff", state_diff),
    ("exported_block", exported_block),
    ("epoch_end", epoch_end),
    ("genesis", genesis),
    ("log_segment", files::log_segment),
    ("checkpoint", files::checkpoint),
    ("rpc_body", rpc_body),
    ("rpc_filter", rpc_filter),
    ("typed_data", typed_data),
];

/// The target of that name.
pub fn find_target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

fn transaction(data: &[u8]) {
    for limits in [&TxLimits::STANDARD, &TxLimits::ETHEREUM] {
        let Ok(tx) = decode_transaction(data, limits) else { continue };
        assert_eq!(tx.raw.as_ref(), data, "a transaction with two encodings");
        assert!(intrinsic_gas(&tx, GasRules::PRAGUE).required() >= 21_000);
        let cache = SenderCache::new(16);
        let found = recover_sender(&tx, &cache).ok();
        assert_eq!(found, recover_sender(&tx, &cache).ok(), "a sender that changes");
        assert_ne!(found, Some(Address::ZERO));
    }
}

fn rlp(data: &[u8]) {
    if let Ok(item) = RlpItem::decode(data) {
        assert_eq!(item.encode(), data);
    }
}

fn bundle(data: &[u8]) {
    if let Ok(raws) = decode_bundle(&Bytes::copy_from_slice(data)) {
        assert_eq!(encode_bundle(raws), data);
    }
}

fn certificate(data: &[u8]) {
    if let Ok(found) = Certificate::decode(data) {
        assert_eq!(found.encode(), data);
    }
}

fn order(data: &[u8]) {
    if let Ok(found) = OrderBlock::decode(data) {
        assert_eq!(found.encode(), data);
    }
}

fn order_payload(data: &[u8]) {
    if let Ok(found) = split_refs(data) {
        assert_eq!(found.concat(), data);
    }
}

fn facts(data: &[u8]) {
    if let Ok(found) = BlockFacts::decode(data) {
        assert_eq!(found.encode(), data);
    }
}

fn body(data: &[u8]) {
    if let Ok(found) = BodyRecord::decode(&Bytes::copy_from_slice(data)) {
        assert_eq!(found.encode(), data);
    }
}

fn birth(data: &[u8]) {
    if let Ok(found) = BirthRecord::decode(data) {
        assert_eq!(BirthRecord::decode(&found.encode()).ok(), Some(found));
    }
}

fn result(data: &[u8]) {
    // The log checks these records by its checksums: another spelling of a length is no second record there.
    if let Ok(found) = ResultRecord::decode(data) {
        assert_eq!(ResultRecord::decode(&found.encode()).ok(), Some(found));
    }
}

fn state_diff(data: &[u8]) {
    if let Ok(found) = StateDiff::decode(data) {
        assert_eq!(found.encode(), data);
    }
}

fn exported_block(data: &[u8]) {
    if let Ok(found) = ExportedBlock::decode(data) {
        assert_eq!(found.certificate.encode(), found.certificate_bytes);
    }
}

fn epoch_end(data: &[u8]) {
    if let Ok(found) = EpochEnd::read(data) {
        assert_eq!(found.to_bytes(), data);
        let _ = SetRecord::read(&found.next_set);
    }
}

fn genesis(data: &[u8]) {
    if let Ok(found) = Genesis::parse(data) {
        let _ = found.alloc();
    }
}

fn rpc_body(data: &[u8]) {
    if let Ok(found) = Body::parse(data) {
        assert!(found.elements().len() <= hansa_rpc::request::BATCH_ITEMS_MAX);
    }
}

fn rpc_filter(data: &[u8]) {
    let _ = parse_filter(data);
}

fn typed_data(data: &[u8]) {
    let _ = typed_data_digest(data);
}
