//! The trie against alloy's HashBuilder and proof verifier, over keys crafted to share long prefixes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use alloy_primitives::B256;
use alloy_trie::proof::verify_proof;
use alloy_trie::{HashBuilder, Nibbles};
use hansa_state::trie::{LeafValue, Trie};
use proptest::prelude::*;

/// A value of any bytes, so that nodes shorter than a hash (embedded ones) occur.
#[derive(Debug, Clone, PartialEq, Eq)]
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

type Model = BTreeMap<B256, Vec<u8>>;

fn model_root(model: &Model) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in model {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

/// Keys of few distinct nibbles: zeros with a few bytes set, so that they part late and often.
fn key() -> impl Strategy<Value = B256> {
    let byte = prop_oneof![Just(0u8), Just(0x01), Just(0x10), Just(0x11), any::<u8>()];
    prop::collection::vec((0usize..32, byte), 0..4).prop_map(|bytes| {
        let mut key = B256::ZERO;
        for (place, byte) in bytes {
            key.0[place] = byte;
        }
        key
    })
}

fn change() -> impl Strategy<Value = (B256, Option<Vec<u8>>)> {
    let value = prop::collection::vec(any::<u8>(), 1..40);
    let short = prop::collection::vec(any::<u8>(), 1..3);
    (key(), prop_oneof![Just(None), value.prop_map(Some), short.prop_map(Some)])
}

fn check(trie: &Trie<Raw>, model: &Model, probes: &[B256]) {
    assert_eq!(trie.root(), model_root(model));
    let listed: Vec<_> = trie.iter().map(|(key, value)| (key, value.0)).collect();
    let expected: Vec<_> = model.iter().map(|(key, value)| (*key, value.clone())).collect();
    assert_eq!(listed, expected);
    for key in probes.iter().chain(model.keys()) {
        assert_eq!(trie.get(key).map(|raw| raw.0).as_ref(), model.get(key));
        let proof = trie.proof(key);
        verify_proof(trie.root(), Nibbles::unpack(key), model.get(key).cloned(), &proof).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn batches_give_the_root_of_what_is_left(
        batches in prop::collection::vec(prop::collection::vec(change(), 0..12), 1..8),
        hash_between in prop::collection::vec(any::<bool>(), 8),
    ) {
        let mut trie = Trie::<Raw>::new();
        let mut model = Model::new();
        let mut versions = Vec::new();
        for (batch, hash) in batches.iter().zip(hash_between) {
            for (key, value) in batch {
                match value {
                    Some(value) => model.insert(*key, value.clone()),
                    None => model.remove(key),
                };
            }
            trie.update(batch.iter().map(|(key, value)| (*key, value.clone().map(Raw))).collect());
            if hash {
                check(&trie, &model, &batch.iter().map(|(key, _)| *key).collect::<Vec<_>>());
                versions.push((trie.clone(), model.clone()));
            }
        }
        check(&trie, &model, &[]);
        // Later batches must not have touched the versions that were held.
        for (old, model) in versions {
            check(&old, &model, &[]);
        }
    }
}

#[test]
fn an_empty_trie_has_the_empty_root_and_an_empty_proof() {
    let trie = Trie::<Raw>::new();
    assert_eq!(trie.root(), alloy_trie::EMPTY_ROOT_HASH);
    assert!(trie.proof(&B256::ZERO).is_empty());
    assert!(trie.is_empty());
}

#[test]
fn removing_everything_leaves_nothing() {
    let keys: Vec<B256> = (0..2_000u64).map(|n| alloy_primitives::keccak256(n.to_be_bytes())).collect();
    let mut trie = Trie::<Raw>::new();
    trie.update(keys.iter().map(|key| (*key, Some(Raw(vec![1])))).collect());
    let full = trie.clone();
    trie.update(keys.iter().map(|key| (*key, None)).collect());
    assert!(trie.is_empty());
    assert_eq!(full.iter().count(), keys.len());
}

#[test]
fn a_large_batch_gives_the_same_root_as_single_changes() {
    let entries: Vec<(B256, Option<Raw>)> = (0..5_000u64)
        .map(|n| (alloy_primitives::keccak256(n.to_be_bytes()), Some(Raw(n.to_be_bytes().to_vec()))))
        .collect();
    let mut at_once = Trie::<Raw>::new();
    at_once.update(entries.clone());
    let mut one_by_one = Trie::<Raw>::new();
    for entry in entries {
        one_by_one.update(vec![entry]);
    }
    assert_eq!(at_once.root(), one_by_one.root());
}
