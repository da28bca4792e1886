//! RLPTests of ethereum/tests through [`RlpItem`].
//!
//! HANSA_VECTORS names the folder that holds `RLPTests/` (the unpacked ethereum-basic-tests);
//! without it the tests say so and pass. `tests/differential/test_codec_ethereum.py` runs the
//! encoding half through the Python border.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use alloy_primitives::{U256, hex};
use hansa_codec::RlpItem;
use serde_json::{Map, Value};

/// The cases of one file, or none where the vectors are absent.
fn cases(file: &str) -> Option<Map<String, Value>> {
    let Some(root) = std::env::var_os("HANSA_VECTORS") else {
        eprintln!("skipped: HANSA_VECTORS does not name a folder with RLPTests/");
        return None;
    };
    let content = std::fs::read(Path::new(&root).join("RLPTests").join(file)).unwrap();
    Some(serde_json::from_slice(&content).unwrap())
}

fn number(value: U256) -> RlpItem {
    RlpItem::Bytes(value.to_be_bytes_trimmed_vec())
}

/// The item that a test's `in` describes: text, numbers (big ones as "#decimal"), lists.
fn described(value: &Value) -> RlpItem {
    match value {
        Value::Array(items) => RlpItem::List(items.iter().map(described).collect()),
        Value::Number(small) => number(U256::from(small.as_u64().unwrap())),
        Value::String(text) => match text.strip_prefix('#') {
            Some(digits) => match digits.parse::<U256>() {
                Ok(value) => number(value),
                // 2^256 is in the tests; it is a number of 33 bytes.
                Err(_) => RlpItem::Bytes([&[1u8][..], &[0; 32]].concat()),
            },
            None => RlpItem::Bytes(text.as_bytes().to_vec()),
        },
        other => panic!("unknown form {other}"),
    }
}

#[test]
fn valid_items_encode_and_decode_as_described() {
    let Some(cases) = cases("rlptest.json") else { return };
    assert!(cases.len() > 20);
    for (name, case) in cases {
        let bytes = hex::decode(case["out"].as_str().unwrap()).unwrap();
        let item = described(&case["in"]);
        assert_eq!(hex::encode(item.encode()), hex::encode(&bytes), "{name}");
        assert_eq!(RlpItem::decode(&bytes), Ok(item), "{name}");
    }
}

#[test]
fn random_items_decode_and_encode_back() {
    let Some(cases) = cases("RandomRLPTests/example.json") else { return };
    for (name, case) in cases {
        let bytes = hex::decode(case["out"].as_str().unwrap()).unwrap();
        match (RlpItem::decode(&bytes), case["in"].as_str()) {
            (Ok(item), Some("VALID")) => assert_eq!(item.encode(), bytes, "{name}"),
            (Err(_), Some("INVALID")) => {}
            (found, expected) => panic!("{name}: {found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn invalid_items_are_refused() {
    let Some(cases) = cases("invalidRLPTest.json") else { return };
    assert!(cases.len() > 20);
    for (name, case) in cases {
        let text = case["out"].as_str().unwrap();
        let bytes = hex::decode(text).unwrap();
        assert!(RlpItem::decode(&bytes).is_err(), "{name}: {text}");
    }
}
