//! TrieTests of ethereum/tests: those with hashed keys, as the state has none other.
//!
//! The vectors lie in HANSA_VECTORS (the unpacked ethereum-basic-tests) or in the archive beside the
//! repository; without both the test says so and passes. Left out: trieanyorder, trietest and
//! trietestnextprev, whose keys are not hashed and of any length.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use alloy_primitives::{B256, hex, keccak256};
use alloy_trie::Nibbles;
use alloy_trie::proof::verify_proof;
use hansa_state::trie::{LeafValue, Trie};
use serde_json::Value;

#[derive(Debug, Clone)]
struct Raw(Vec<u8>);

impl LeafValue for Raw {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn unpack(packed: &[u8]) -> Self {
        Self(packed.to_vec())
    }

    fn encode_packed(packed: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(packed);
    }
}

/// The folder of unpacked vectors: HANSA_VECTORS, or the archive beside the repository; none where
/// both are absent.
fn vectors() -> Option<PathBuf> {
    if let Some(root) = std::env::var_os("HANSA_VECTORS") {
        return Some(root.into());
    }
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/ethereum-basic-tests.tar.xz");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ethereum-basic-tests-trietests");
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

/// Text as it stands, or the bytes behind 0x.
fn bytes(text: &str) -> Vec<u8> {
    text.strip_prefix("0x").map_or_else(|| text.as_bytes().to_vec(), |digits| hex::decode(digits).unwrap())
}

/// Changes in the order of the file; the "any order" files give an object, the others pairs.
fn changes(case: &Value) -> Vec<(B256, Option<Raw>)> {
    let change =
        |key: &str, value: &Value| (keccak256(bytes(key)), value.as_str().map(|text| Raw(bytes(text))));
    match &case["in"] {
        Value::Object(entries) => entries.iter().map(|(key, value)| change(key, value)).collect(),
        Value::Array(pairs) => pairs.iter().map(|pair| change(pair[0].as_str().unwrap(), &pair[1])).collect(),
        other => panic!("neither an object nor pairs: {other}"),
    }
}

#[test]
fn trie_tests() {
    let Some(root) = vectors() else { return };
    let mut cases = 0;
    for file in
        ["trieanyorder_secureTrie.json", "trietest_secureTrie.json", "hex_encoded_securetrie_test.json"]
    {
        let text = std::fs::read(root.join("TrieTests").join(file)).unwrap();
        let file_cases: serde_json::Map<String, Value> = serde_json::from_slice(&text).unwrap();
        for (name, case) in &file_cases {
            let expected: B256 = case["root"].as_str().unwrap().parse().unwrap();
            let mut at_once = Trie::<Raw>::new();
            at_once.update(changes(case));
            let mut one_by_one = Trie::<Raw>::new();
            for change in changes(case) {
                one_by_one.update(vec![change]);
            }
            assert_eq!(at_once.root(), expected, "{file} {name}");
            assert_eq!(one_by_one.root(), expected, "{file} {name}");
            for (key, value) in at_once.iter() {
                let proof = at_once.proof(&key);
                verify_proof(expected, Nibbles::unpack(key), Some(value.0.clone()), &proof).unwrap();
            }
            cases += 1;
        }
    }
    assert!(cases >= 10, "{cases} cases");
}
