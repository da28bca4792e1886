//! RLPTests of ethereum/tests through [`RlpItem`].
//!
//! The vectors lie in HANSA_VECTORS (the unpacked ethereum-basic-tests) or in the archive beside the
//! repository; without both the tests say so and pass.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use alloy_primitives::{U256, hex};
use hansa_codec::RlpItem;
use serde_json::{Map, Value};

/// The folder of unpacked vectors: HANSA_VECTORS, or the archive beside the repository; none where
/// both are absent.
fn vectors() -> Option<PathBuf> {
    if let Some(root) = std::env::var_os("HANSA_VECTORS") {
        return Some(root.into());
    }
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/ethereum-basic-tests.tar.xz");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ethereum-basic-tests-rlptests");
    if !archive.is_file() || std::fs::create_dir_all(&target).is_err() {
        eprintln!("skipped: neither HANSA_VECTORS nor ../shared/vectors holds ethereum-basic-tests");
        return None;
    }
    let unpacked = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(&target).status();
    if !unpacked.is_ok_and(|status| status.success()) {
        eprintln!("skipped: tar cannot unpack {}", archive.display());
        return None;
    }
    Some(target)
}

static VECTORS: LazyLock<Option<PathBuf>> = LazyLock::new(vectors);

/// The cases of one file, or none where the vectors are absent.
fn cases(file: &str) -> Option<Map<String, Value>> {
    let root = VECTORS.as_ref()?;
    let content = std::fs::read(root.join("RLPTests").join(file)).unwrap();
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
