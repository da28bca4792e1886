//! The state against a plain model: values, roots, proofs, diffs.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::proof::verify_proof;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use hansa_state::{
    AccountDiff, AccountInfo, DiffError, Pace, StateDiff, WorldState, open_checkpoint, verify_checkpoint,
    write_checkpoint,
};
use proptest::prelude::*;

#[derive(Debug, Clone, Default)]
struct ModelAccount {
    info: AccountInfo,
    storage: BTreeMap<U256, U256>,
}

type Model = BTreeMap<Address, ModelAccount>;

fn root_of(leaves: BTreeMap<B256, Vec<u8>>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), &value);
    }
    builder.root()
}

fn storage_root(account: &ModelAccount) -> B256 {
    let slots = account.storage.iter();
    root_of(
        slots.map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), alloy_rlp::encode(value))).collect(),
    )
}

fn account_rlp(account: &ModelAccount) -> Vec<u8> {
    let AccountInfo { nonce, balance, code_hash } = account.info;
    alloy_rlp::encode(TrieAccount { nonce, balance, storage_root: storage_root(account), code_hash })
}

fn model_root(model: &Model) -> B256 {
    root_of(model.iter().map(|(address, account)| (keccak256(address), account_rlp(account))).collect())
}

fn apply_to_model(model: &mut Model, diff: &StateDiff) {
    for (address, change) in diff.accounts() {
        let Some(info) = change.info else {
            model.remove(address);
            continue;
        };
        let account = model.entry(*address).or_default();
        account.info = info;
        if change.storage_wiped {
            account.storage.clear();
        }
        for (slot, value) in &change.storage {
            match value.is_zero() {
                true => account.storage.remove(slot),
                false => account.storage.insert(*slot, *value),
            };
        }
    }
}

fn number() -> impl Strategy<Value = U256> {
    prop_oneof![
        Just(U256::ZERO),
        (1u64..300).prop_map(U256::from),
        any::<[u8; 32]>().prop_map(U256::from_be_bytes)
    ]
}

/// The codes that accounts of these tests refer to.
fn codes() -> StateDiff {
    StateDiff::new(Vec::new(), (0u8..4).map(|n| Bytes::from(vec![n; 3])).collect())
}

fn account_diff() -> impl Strategy<Value = AccountDiff> {
    let code_hash = prop_oneof![Just(KECCAK256_EMPTY), (0u8..4).prop_map(|n| keccak256([n; 3]))];
    let info = (any::<u64>(), number(), code_hash).prop_map(|(nonce, balance, code_hash)| AccountInfo {
        nonce,
        balance,
        code_hash,
    });
    let storage = prop::collection::vec(((0u64..20).prop_map(U256::from), number()), 0..8);
    (prop::option::weighted(0.8, info), any::<bool>(), storage)
        .prop_map(|(info, storage_wiped, storage)| AccountDiff { info, storage_wiped, storage })
}

fn diff() -> impl Strategy<Value = StateDiff> {
    let account = ((0u8..12).prop_map(Address::repeat_byte), account_diff());
    let codes = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from), 0..3);
    (prop::collection::vec(account, 0..10), codes)
        .prop_map(|(accounts, codes)| StateDiff::new(accounts, codes))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn diffs_give_the_model_s_values_roots_and_proofs(diffs in prop::collection::vec(diff(), 1..6)) {
        let mut state = WorldState::new();
        let mut model = Model::new();
        for diff in &diffs {
            state.apply(diff);
            apply_to_model(&mut model, diff);
            assert_eq!(state.root(), model_root(&model));
            for (hash, code) in diff.codes() {
                assert_eq!(state.code(hash), Some(code.clone()));
            }
        }
        let slots: Vec<U256> = (0u64..20).map(U256::from).collect();
        for address in (0u8..12).map(Address::repeat_byte) {
            let known = model.get(&address);
            assert_eq!(state.account(&address), known.map(|account| account.info));
            let proof = state.proof(&address, &slots);
            let path = Nibbles::unpack(keccak256(address));
            verify_proof(state.root(), path, known.map(account_rlp), &proof.proof).unwrap();
            for entry in &proof.storage {
                let value = known.and_then(|account| account.storage.get(&entry.slot)).copied().unwrap_or_default();
                assert_eq!(state.storage(&address, entry.slot), value);
                assert_eq!(entry.value, value);
                let stored = (!value.is_zero()).then(|| alloy_rlp::encode(value));
                let path = Nibbles::unpack(keccak256(entry.slot.to_be_bytes::<32>()));
                verify_proof(proof.storage_root, path, stored, &entry.proof).unwrap();
            }
        }
    }

    /// Diffs go on over a mapped file, written at random points from random earlier versions; every
    /// version that was held stays what it was.
    #[test]
    fn a_state_over_a_file_equals_one_in_memory(
        diffs in prop::collection::vec((diff(), prop::option::weighted(0.5, any::<prop::sample::Index>())), 2..8),
    ) {
        let path = std::env::temp_dir().join(format!("hansa-world-{}.ckpt", std::process::id()));
        let mut start = WorldState::new();
        start.apply(&codes());
        let mut held: Vec<(WorldState, WorldState, Model)> = vec![(start.clone(), start, Model::new())];
        for (diff, written) in &diffs {
            let (mut memory, mut mapped, mut model) = held[held.len() - 1].clone();
            if let Some(of) = written {
                // From an earlier version and the diffs since, as a start does.
                let at = of.index(held.len());
                write_checkpoint(&path, 7, &B256::ZERO, &held[at].1, Pace::Full).unwrap();
                let verified = verify_checkpoint(&path).unwrap();
                assert_eq!(verified.state_root, model_root(&held[at].2));
                mapped = open_checkpoint(&path).unwrap().state;
                mapped.apply(&codes());
                diffs[at..held.len() - 1].iter().for_each(|(diff, _)| mapped.apply(diff));
            }
            memory.apply(diff);
            mapped.apply(diff);
            apply_to_model(&mut model, diff);
            held.push((memory, mapped, model));
        }
        let _ = std::fs::remove_file(&path);
        let slots: Vec<U256> = (0u64..20).map(U256::from).collect();
        let addresses: Vec<Address> = (0u8..12).map(Address::repeat_byte).collect();
        for (memory, mapped, model) in &held {
            assert_eq!(mapped.root(), model_root(model));
            assert_eq!(mapped.accounts(&addresses), memory.accounts(&addresses));
            for address in &addresses {
                assert_eq!(mapped.account(address), model.get(address).map(|account| account.info));
                assert_eq!(mapped.proof(address, &slots), memory.proof(address, &slots));
            }
        }
    }

    #[test]
    fn what_blocks_replaced_gives_earlier_states_back(diffs in prop::collection::vec(diff(), 2..10)) {
        let mut states = vec![WorldState::new()];
        let mut replaced = Vec::new();
        for diff in &diffs {
            let mut state = states[states.len() - 1].clone();
            replaced.push(state.replaced_by(diff).map(Arc::new));
            state.apply(diff);
            states.push(state);
        }
        let slots: Vec<U256> = (0u64..20).map(U256::from).collect();
        let addresses: Vec<Address> = (0u8..12).map(Address::repeat_byte).collect();
        for (height, expected) in states.iter().enumerate() {
            let told: Vec<_> = replaced[height..].iter().map_while(Clone::clone).collect();
            let earlier = states[height + told.len()].clone().before(told);
            assert_eq!(earlier.accounts(&addresses), expected.accounts(&addresses));
            for address in &addresses {
                for slot in &slots {
                    assert_eq!(earlier.storage(address, *slot), expected.storage(address, *slot));
                }
                assert_eq!(earlier.proof(address, &slots[..2]), expected.proof(address, &slots[..2]));
            }
            assert_eq!(earlier.root(), expected.root());
            let (mut on, mut expected) = (earlier, expected.clone());
            on.apply(&diffs[0]);
            expected.apply(&diffs[0]);
            assert_eq!(on.root(), expected.root());
        }
    }

    #[test]
    fn a_diff_survives_its_encoding(diff in diff()) {
        let bytes = diff.encode();
        assert_eq!(StateDiff::decode(&bytes), Ok(diff));
    }

    #[test]
    fn what_decodes_is_canonical(diff in diff(), flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4)) {
        let mut bytes = diff.encode();
        for (place, byte) in flips {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        if let Ok(decoded) = StateDiff::decode(&bytes) {
            assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn decoding_is_total(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(decoded) = StateDiff::decode(&bytes) {
            assert_eq!(decoded.encode(), bytes);
        }
    }
}

#[test]
fn a_diff_cut_short_or_prolonged_is_refused() {
    let info = Some(AccountInfo { nonce: 1, ..AccountInfo::default() });
    let change = AccountDiff { info, storage_wiped: false, storage: vec![(U256::ONE, U256::ONE)] };
    let bytes = StateDiff::new(vec![(Address::ZERO, change)], vec![Bytes::from_static(b"code")]).encode();
    for end in 0..bytes.len() {
        assert!(matches!(StateDiff::decode(&bytes[..end]), Err(DiffError::Truncated(_))));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(StateDiff::decode(&longer), Err(DiffError::TrailingBytes(1)));
}

#[test]
fn huge_counts_do_not_allocate() {
    let bytes = [&[1u8][..], &u32::MAX.to_be_bytes()].concat();
    assert!(matches!(StateDiff::decode(&bytes), Err(DiffError::Truncated(_))));
}

#[test]
fn the_last_of_equal_keys_counts() {
    let with_nonce = |nonce| AccountDiff {
        info: Some(AccountInfo { nonce, ..AccountInfo::default() }),
        ..AccountDiff::default()
    };
    let diff =
        StateDiff::new(vec![(Address::ZERO, with_nonce(1)), (Address::ZERO, with_nonce(2))], Vec::new());
    assert_eq!(diff.accounts(), &[(Address::ZERO, with_nonce(2))]);
}

#[test]
fn a_state_before_many_changes_is_rebuilt_in_parts() {
    let changed = |nonce| {
        let info = AccountInfo { nonce, ..AccountInfo::default() };
        let change = AccountDiff { info: Some(info), ..AccountDiff::default() };
        let account = |number: u64| Address::from_slice(&keccak256(number.to_be_bytes())[..20]);
        StateDiff::new((0..70_000).map(|number| (account(number), change.clone())).collect(), Vec::new())
    };
    let mut first = WorldState::new();
    first.apply(&changed(1));
    let (mut last, mut replaced) = (first.clone(), Vec::new());
    for nonce in 2..4 {
        let diff = changed(nonce);
        replaced.push(Arc::new(last.replaced_by(&diff).unwrap()));
        last.apply(&diff);
    }
    let rebuilt = last.clone().before(replaced).whole();
    assert_eq!(rebuilt.root(), first.root());
    assert_ne!(last.root(), first.root());
}
