//! Order blocks, facts, certificates, bundles, bodies and RLP items.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{B256, Bytes, b256};
use alloy_rlp::Encodable;
use hansa_codec::bundle::BUNDLE_BYTES_MAX;
use hansa_codec::order::{ORDER_VERSION, PAYLOAD_HASHES};
use hansa_codec::rlp::RLP_DEPTH_MAX;
use hansa_codec::{
    BlockFacts, BodyRecord, Certificate, OrderBlock, RlpItem, WireError, decode_bundle, encode_bundle,
    genesis_order_hash, mix_hash, split_refs,
};
use hansa_crypto::keccak256;
use proptest::prelude::*;

fn order() -> OrderBlock {
    OrderBlock {
        version: ORDER_VERSION,
        epoch: 0,
        view: 3,
        height: 17,
        parent_order_hash: B256::repeat_byte(1),
        base_height: 16,
        sealed_height: 12,
        sealed_hash: B256::repeat_byte(2),
        time_ms: 1_800_000_000_123,
        proposer: 2,
        payload_kind: PAYLOAD_HASHES,
        payload_hash: keccak256([]),
        tx_count: 0,
        gas: 0,
    }
}

#[test]
fn an_order_block_has_a_frozen_form() {
    let block = order();
    assert_eq!(OrderBlock::decode(&block.encode()), Ok(block.clone()));
    assert_eq!(block.hash(), keccak256(block.encode()));
    // A change of this value is a change of the protocol.
    assert_eq!(block.hash(), b256!("1acfc3073efa215ac0bb88440de2a561fcd37b6c113f4b49892530468a81d8b8"));
}

#[test]
fn order_blocks_of_other_forms_are_refused() {
    let code = |block: OrderBlock| OrderBlock::decode(&block.encode()).unwrap_err().code();
    assert_eq!(code(OrderBlock { version: 2, ..order() }), "WIRE-VERSION");
    assert_eq!(code(OrderBlock { payload_kind: 2, ..order() }), "WIRE-PAYLOAD-KIND");
    assert_eq!(code(OrderBlock { tx_count: 65_537, ..order() }), "WIRE-TOO-LARGE");
    let trailing = [&order().encode()[..], &[0]].concat();
    assert_eq!(OrderBlock::decode(&trailing).unwrap_err().code(), "WIRE-TRAILING-BYTES");
    assert_eq!(OrderBlock::decode(&[0; 513]).unwrap_err().code(), "WIRE-TOO-LARGE");
}

#[test]
fn the_derived_hashes_are_prefixed() {
    let hash = B256::repeat_byte(5);
    assert_eq!(
        genesis_order_hash(&hash),
        keccak256([b"hansa/genesis-order".as_slice(), hash.as_slice()].concat())
    );
    assert_eq!(mix_hash(&hash), keccak256([b"hansa/prevrandao".as_slice(), hash.as_slice()].concat()));
}

#[test]
fn references_are_whole_hashes() {
    let hashes = [B256::repeat_byte(1), B256::repeat_byte(2)];
    assert_eq!(split_refs(&hashes.concat()).unwrap(), hashes);
    assert_eq!(split_refs(&[0; 33]), Err(WireError::RefsLength(33)));
    assert_eq!(split_refs(&vec![0; 32 * 65_537]).unwrap_err().code(), "WIRE-TOO-LARGE");
}

#[test]
fn facts_make_the_round_trip() {
    let facts = BlockFacts {
        order_hash: B256::repeat_byte(3),
        epoch: 0,
        view: 1,
        time_ms: 5,
        next_set_hash: B256::ZERO,
        skip_list: vec![],
    };
    assert_eq!(BlockFacts::decode(&facts.encode()), Ok(facts.clone()));
    assert_eq!(facts.extra_data(), keccak256(facts.encode()));
    let many = BlockFacts { skip_list: vec![0; 1_025], ..facts };
    assert_eq!(BlockFacts::decode(&many.encode()).unwrap_err().code(), "WIRE-TOO-LARGE");
}

#[test]
fn a_certificate_orders_its_signers_and_allows_each_once() {
    let signatures = vec![(3, [3; 64]), (0, [1; 64]), (2, [2; 64])];
    let certificate = Certificate::new(0, 9, B256::repeat_byte(4), signatures).unwrap();
    assert_eq!(certificate.signatures.iter().map(|one| one.signer).collect::<Vec<_>>(), vec![0, 2, 3]);
    assert_eq!(Certificate::decode(&certificate.encode()), Ok(certificate.clone()));
    assert_eq!(Certificate::new(0, 9, B256::ZERO, vec![(1, [0; 64]); 2]), Err(WireError::SignerOrder(1)));
    let mut swapped = certificate.clone();
    swapped.signatures.swap(0, 1);
    assert_eq!(Certificate::decode(&swapped.encode()), Err(WireError::SignerOrder(0)));
    let future = Certificate { version: 2, ..certificate };
    assert_eq!(Certificate::decode(&future.encode()).unwrap_err().code(), "WIRE-VERSION");
}

#[test]
fn bundles_are_bounded_before_anything_is_reserved() {
    let bytes = |data: &[u8]| Bytes::copy_from_slice(data);
    let code = |data: &[u8]| decode_bundle(&bytes(data)).unwrap_err().code();
    assert_eq!(decode_bundle(&bytes(&[0; 4])), Ok(vec![]));
    assert_eq!(code(&[]), "WIRE-TRUNCATED");
    assert_eq!(code(&[0, 0, 255, 255]), "WIRE-TRUNCATED");
    assert_eq!(code(&[255; 4]), "WIRE-TOO-LARGE");
    assert_eq!(code(&[0, 0, 0, 1, 0, 0, 0, 2, 9]), "WIRE-TRUNCATED");
    assert_eq!(code(&[0, 0, 0, 1, 0, 0, 0, 1, 9, 9]), "WIRE-TRAILING-BYTES");
    assert_eq!(code(&vec![0; BUNDLE_BYTES_MAX + 1]), "WIRE-TOO-LARGE");
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let nested = |depth: usize| {
        let mut item = RlpItem::List(vec![]);
        for _ in 0..depth {
            item = RlpItem::List(vec![item]);
        }
        item.encode()
    };
    assert!(RlpItem::decode(&nested(RLP_DEPTH_MAX)).is_ok());
    assert_eq!(RlpItem::decode(&nested(RLP_DEPTH_MAX + 1)).unwrap_err().code(), "WIRE-TOO-LARGE");
    let bomb = vec![0xc1; 100_000];
    assert!(RlpItem::decode(&bomb).is_err());
}

fn any_item() -> impl Strategy<Value = RlpItem> {
    let leaf = prop::collection::vec(any::<u8>(), 0..80).prop_map(RlpItem::Bytes);
    leaf.prop_recursive(5, 40, 6, |inner| prop::collection::vec(inner, 0..6).prop_map(RlpItem::List))
}

proptest! {
    #[test]
    fn items_make_the_round_trip(item in any_item()) {
        let bytes = item.encode();
        prop_assert_eq!(bytes.len(), item.length());
        prop_assert_eq!(RlpItem::decode(&bytes), Ok(item));
    }

    #[test]
    fn bundles_and_bodies_make_the_round_trip(raws in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20)) {
        let raws: Vec<Bytes> = raws.into_iter().map(Bytes::from).collect();
        let bundle = Bytes::from(encode_bundle(&raws));
        prop_assert_eq!(decode_bundle(&bundle).unwrap(), raws.clone());
        let body = BodyRecord { order: order(), raws };
        prop_assert_eq!(BodyRecord::decode(&Bytes::from(body.encode())).unwrap(), body);
    }

    /// Any bytes: an error, or a value whose encoding is exactly these bytes.
    #[test]
    fn arbitrary_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = Bytes::from(data.clone());
        if let Ok(item) = RlpItem::decode(&data) { prop_assert_eq!(item.encode(), data.clone()); }
        if let Ok(block) = OrderBlock::decode(&data) { prop_assert_eq!(block.encode(), data.clone()); }
        if let Ok(facts) = BlockFacts::decode(&data) { prop_assert_eq!(facts.encode(), data.clone()); }
        if let Ok(certificate) = Certificate::decode(&data) { prop_assert_eq!(certificate.encode(), data.clone()); }
        if let Ok(raws) = decode_bundle(&bytes) { prop_assert_eq!(encode_bundle(raws), data.clone()); }
        if let Ok(body) = BodyRecord::decode(&bytes) { prop_assert_eq!(body.encode(), data); }
    }

    #[test]
    fn a_changed_byte_is_refused_or_canonical(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let certificate = Certificate::new(1, 300, B256::repeat_byte(4), vec![(0, [1; 64]), (200, [2; 64])]).unwrap();
        let body = BodyRecord { order: order(), raws: vec![Bytes::from_static(b"one"), Bytes::new()] };
        let mut encoded = certificate.encode();
        let index = at.index(encoded.len());
        encoded[index] = byte;
        if let Ok(other) = Certificate::decode(&encoded) { prop_assert_eq!(other.encode(), encoded); }
        let mut encoded = body.encode();
        let index = at.index(encoded.len());
        encoded[index] = byte;
        if let Ok(other) = BodyRecord::decode(&Bytes::from(encoded.clone())) { prop_assert_eq!(other.encode(), encoded); }
    }
}
