//! Transactions: every type, every refusal, round trips, and bytes that are none.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use alloy_consensus::transaction::RlpEcdsaEncodableTx;
use alloy_consensus::{
    EthereumTypedTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant, TxEip7702, TxLegacy,
};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex};
use hansa_codec::{
    Envelope, GasRules, OwnTransaction, Transaction, TxError, TxLimits, authorities, decode_batch,
    decode_transaction, intrinsic_gas, recover_batch, recover_sender, sign_own_transaction, sign_transaction,
};
use hansa_crypto::{CryptoError, SenderCache, Suite, address_of, keccak256, public_key, sign_recoverable};
use proptest::prelude::*;

type Blob = TxEip4844Variant;
type Unsigned = EthereumTypedTransaction<TxEip4844Variant>;

const SECRET: [u8; 32] = [7; 32];

fn owner() -> Address {
    address_of(&public_key(&SECRET).unwrap()).unwrap()
}

fn signed(tx: impl Into<Unsigned>) -> Transaction {
    sign_transaction(tx.into(), &SECRET).unwrap()
}

fn access(addresses: usize, keys: usize) -> AccessList {
    let item =
        AccessListItem { address: Address::repeat_byte(3), storage_keys: vec![B256::repeat_byte(4); keys] };
    AccessList(vec![item; addresses])
}

fn authorization() -> alloy_eips::eip7702::SignedAuthorization {
    let inner = Authorization { chain_id: U256::from(5), address: Address::repeat_byte(9), nonce: 1 };
    let compact = sign_recoverable(&SECRET, &inner.signature_hash()).unwrap();
    inner.into_signed(Signature::from_bytes_and_parity(&compact[..64], compact[64] == 1))
}

fn own(nonce: u64) -> OwnTransaction {
    OwnTransaction {
        chain_id: 5,
        suite: Suite::Standard,
        nonce,
        block_limit: 1_000,
        expires_at: 1_700_000_000,
        max_priority_fee_per_gas: 1,
        max_fee_per_gas: 9,
        gas_limit: 50_000,
        to: Address::repeat_byte(2),
        value: U256::from(3),
        input: Bytes::from_static(b"\0\x01\x02"),
        access_list: access(2, 3),
    }
}

/// The bytes that a decoded transaction stands for, encoded anew.
fn encoded(tx: &Transaction) -> Vec<u8> {
    match &tx.envelope {
        Envelope::Ethereum(envelope) => Transaction::from_envelope(envelope.clone()).raw.to_vec(),
        Envelope::Own(signed) => {
            let mut raw = Vec::new();
            signed.tx().eip2718_encode(signed.signature(), &mut raw);
            raw
        }
    }
}

fn one_of_each() -> Vec<Transaction> {
    let to = Address::repeat_byte(2);
    let input = Bytes::from_static(b"\0\x01\x02");
    let legacy = TxLegacy {
        chain_id: Some(5),
        nonce: 1,
        gas_limit: 50_000,
        to: to.into(),
        input,
        ..Default::default()
    };
    let listed =
        TxEip2930 { chain_id: 5, access_list: access(2, 3), to: TxKind::Create, ..Default::default() };
    let dynamic = TxEip1559 { chain_id: 5, max_fee_per_gas: 9, to: to.into(), ..Default::default() };
    let blob =
        TxEip4844 { chain_id: 5, blob_versioned_hashes: vec![B256::repeat_byte(1)], ..Default::default() };
    let setter = TxEip7702 { chain_id: 5, authorization_list: vec![authorization()], ..Default::default() };
    vec![signed(legacy), signed(listed), signed(dynamic), signed(Blob::TxEip4844(blob)), signed(setter)]
}

#[test]
fn every_type_makes_the_round_trip_with_hash_and_sender() {
    let cache = SenderCache::new(16);
    for (kind, tx) in one_of_each().into_iter().enumerate() {
        let decoded = decode_transaction(&tx.raw, &TxLimits::ETHEREUM).unwrap();
        assert_eq!(decoded, tx);
        assert_eq!(decoded.kind_id() as usize, kind);
        assert_eq!(decoded.hash, keccak256(&tx.raw));
        assert_eq!(*decoded.ethereum().unwrap().hash(), decoded.hash);
        assert_eq!(decoded.chain_id(), Some(5));
        assert_eq!(recover_sender(&decoded, &cache).unwrap(), owner());
        assert_eq!(cache.get(&tx.hash), Some(owner()));
    }
}

#[test]
fn our_own_type_answers_like_the_others() {
    let tx = sign_own_transaction(own(u64::MAX), &SECRET).unwrap();
    let decoded = decode_transaction(&tx.raw, &TxLimits::STANDARD).unwrap();
    assert_eq!(decoded, tx);
    assert_eq!((decoded.kind_id(), decoded.hash, decoded.nonce()), (0x48, keccak256(&tx.raw), u64::MAX));
    assert_eq!((decoded.chain_id(), decoded.to()), (Some(5), Some(Address::repeat_byte(2))));
    assert_eq!((decoded.max_fee_per_gas(), decoded.max_priority_fee_per_gas()), (9, 1));
    let cache = SenderCache::new(16);
    assert_eq!(recover_sender(&decoded, &cache).unwrap(), owner());
    let batch: Vec<Arc<Transaction>> = (0..40)
        .map(|nonce| match nonce % 2 {
            0 => sign_own_transaction(own(nonce), &SECRET).unwrap(),
            _ => signed(TxEip1559 { nonce, ..Default::default() }),
        })
        .map(Arc::new)
        .collect();
    let recovered = recover_batch(batch, &cache);
    assert!(recovered.iter().all(|one| one.as_ref().unwrap().sender == owner()));
    assert_eq!(
        recovered[2].as_ref().unwrap().replay_key().map(|key| (key.sender, key.nonce)),
        Some((owner(), 2))
    );
    assert_eq!(recovered[3].as_ref().unwrap().replay_key(), None);
    let same = TxEip1559 {
        input: own(0).input,
        access_list: access(2, 3),
        to: own(0).to.into(),
        ..Default::default()
    };
    assert_eq!(intrinsic_gas(&decoded, GasRules::PRAGUE), intrinsic_gas(&signed(same), GasRules::PRAGUE));
    let limits = TxLimits { access_keys_max: 5, ..TxLimits::STANDARD };
    assert_eq!(decode_transaction(&tx.raw, &limits).unwrap_err().code(), "TX-ACCESS-LIST");
}

#[test]
fn refusals_have_codes() {
    let each = one_of_each();
    let bare = signed(TxLegacy { chain_id: None, ..Default::default() });
    let mut trailing = each[2].raw.to_vec();
    trailing.push(0);
    let mut own = each[2].raw.to_vec();
    own[0] = 0x48;
    let mut unknown = each[2].raw.to_vec();
    unknown[0] = 0x05;
    let wrapped = alloy_rlp::encode(&each[2].raw);
    let large = vec![0xc0; 131_073];
    let cases: [(&[u8], &str); 10] = [
        (&[], "TX-EMPTY"),
        (&large, "TX-TOO-LARGE"),
        (&bare.raw, "TX-UNPROTECTED"),
        (&each[3].raw, "TX-BLOB"),
        (&own, "TX-RLP"),
        (&unknown, "TX-TYPE"),
        (&trailing, "TX-TRAILING-BYTES"),
        (&wrapped, "TX-RLP"),
        (&each[2].raw[..40], "TX-RLP"),
        (&[0x00, 0xc0], "TX-TYPE"),
    ];
    for (raw, code) in cases {
        let error = decode_transaction(raw, &TxLimits::STANDARD).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.hint().is_empty() && !error.to_string().is_empty());
    }
}

#[test]
fn lists_are_limited() {
    let limits =
        TxLimits { access_addresses_max: 2, access_keys_max: 5, authorizations_max: 1, ..TxLimits::STANDARD };
    let listed =
        |addresses, keys| signed(TxEip2930 { access_list: access(addresses, keys), ..Default::default() });
    assert!(decode_transaction(&listed(2, 2).raw, &limits).is_ok());
    for tx in [listed(3, 0), listed(2, 3)] {
        assert_eq!(decode_transaction(&tx.raw, &limits).unwrap_err().code(), "TX-ACCESS-LIST");
    }
    let setter = signed(TxEip7702 { authorization_list: vec![authorization(); 2], ..Default::default() });
    assert_eq!(decode_transaction(&setter.raw, &limits).unwrap_err().code(), "TX-AUTHORIZATIONS");
    let blob = TxEip4844 { blob_versioned_hashes: vec![B256::ZERO; 3], ..Default::default() };
    let limits = TxLimits { blobs_allowed: true, blobs_max: 2, ..limits };
    let blob = signed(Blob::TxEip4844(blob));
    assert_eq!(decode_transaction(&blob.raw, &limits).unwrap_err().code(), "TX-BLOBS");
}

#[test]
fn crafted_signatures_give_no_sender() {
    let cache = SenderCache::new(16);
    let tx = one_of_each().remove(2);
    let good = *tx.ethereum().unwrap().signature();
    let unsigned = tx.ethereum().unwrap().clone().into_typed_transaction();
    let order = U256::from_be_bytes(hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
    let high = Signature::new(good.r(), order - good.s(), !good.v());
    let zero = Signature::new(U256::ZERO, good.s(), good.v());
    for (crafted, cause) in [(high, CryptoError::HighS), (zero, CryptoError::InvalidSignature)] {
        let envelope = alloy_consensus::TxEnvelope::new_unhashed(unsigned.clone(), crafted);
        let tx = Transaction::from_envelope(envelope);
        let decoded = decode_transaction(&tx.raw, &TxLimits::STANDARD).unwrap();
        assert_eq!(recover_sender(&decoded, &cache), Err(TxError::Signature(cause)));
    }
    assert!(cache.is_empty(), "a failure is not remembered as a sender");
}

#[test]
fn batches_keep_their_order_and_share_the_cache() {
    let cache = SenderCache::new(1_024);
    let txs: Vec<Transaction> =
        (0..50).map(|nonce| signed(TxEip1559 { nonce, ..Default::default() })).collect();
    let shared: Vec<Arc<Transaction>> = txs.iter().cloned().map(Arc::new).collect();
    let recovered = recover_batch(shared, &cache);
    assert!(recovered.iter().zip(&txs).all(|(one, tx)| {
        let one = one.as_ref().unwrap();
        one.sender == owner() && *one.hash() == tx.hash
    }));
    assert_eq!(cache.len(), 50);
    let mut raws: Vec<Bytes> = txs.iter().map(|tx| tx.raw.clone()).collect();
    raws.insert(7, Bytes::from_static(&[0x48]));
    let decoded = decode_batch(raws, &TxLimits::STANDARD, &cache);
    assert_eq!(decoded[7].as_ref().unwrap_err().code(), "TX-RLP");
    assert_eq!(decoded[8].as_ref().unwrap().tx.nonce(), 7);
}

#[test]
fn a_batch_of_every_type_gives_each_its_hash_and_sender() {
    let cache = SenderCache::new(16);
    let mut txs = one_of_each();
    txs.push(signed(TxLegacy { nonce: 3, ..Default::default() }));
    let raws = txs.iter().map(|tx| tx.raw.clone()).collect();
    for (answer, tx) in decode_batch(raws, &TxLimits::ETHEREUM, &cache).into_iter().zip(txs) {
        let one = answer.unwrap();
        assert_eq!((one.sender, &*one.tx), (owner(), &tx));
    }
}

#[test]
fn cached_fresh_and_crafted_signatures_share_a_batch() {
    let cache = SenderCache::new(1_024);
    let order = U256::from_be_bytes(hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
    let txs: Vec<Arc<Transaction>> = (0..100)
        .map(|nonce| {
            let tx = signed(TxEip1559 { nonce, ..Default::default() });
            if nonce % 7 != 3 {
                return Arc::new(tx);
            }
            let good = *tx.ethereum().unwrap().signature();
            let high = Signature::new(good.r(), order - good.s(), !good.v());
            let unsigned = tx.ethereum().unwrap().clone().into_typed_transaction();
            Arc::new(Transaction::from_envelope(alloy_consensus::TxEnvelope::new_unhashed(unsigned, high)))
        })
        .collect();
    for tx in txs.iter().step_by(2) {
        let _ = recover_sender(tx, &cache);
    }
    for _ in 0..2 {
        let answers = recover_batch(txs.clone(), &cache);
        for ((nonce, answer), tx) in answers.iter().enumerate().zip(&txs) {
            match answer {
                Ok(one) => assert!(nonce % 7 != 3 && one.sender == owner() && one.tx == *tx),
                Err(error) => assert!(nonce % 7 == 3 && *error == TxError::Signature(CryptoError::HighS)),
            }
        }
    }
    let crafted = (0..100).filter(|nonce| nonce % 7 == 3).count();
    assert_eq!(cache.len(), 100 - crafted, "a failure is not remembered as a sender");
}

#[test]
fn authorities_are_recovered_and_bad_ones_named() {
    let good = authorization();
    let parity = good.y_parity() ^ 1;
    let flipped =
        alloy_eips::eip7702::SignedAuthorization::new_unchecked(good.inner().clone(), 9, good.r(), good.s());
    let other = alloy_eips::eip7702::SignedAuthorization::new_unchecked(
        good.inner().clone(),
        parity,
        good.r(),
        good.s(),
    );
    let tx = signed(TxEip7702 { authorization_list: vec![good, flipped, other], ..Default::default() });
    let found = authorities(&tx);
    assert_eq!(found[0], Ok(owner()));
    assert_eq!(found[1], Err(CryptoError::RecoveryId(9)));
    assert_ne!(found[2], Ok(owner()));
}

#[test]
fn intrinsic_gas_adds_up() {
    let each = one_of_each();
    let gas = |index: usize| intrinsic_gas(&each[index], GasRules::PRAGUE);
    assert_eq!((gas(0).initial, gas(0).floor), (21_000 + 4 + 32, 21_000 + 9 * 10));
    assert_eq!(gas(1).initial, 21_000 + 32_000 + 2 * 2_400 + 6 * 1_900);
    assert_eq!(gas(4).required(), 21_000 + 25_000);
    let code = signed(TxEip1559 { to: TxKind::Create, input: vec![1; 33].into(), ..Default::default() });
    assert_eq!(intrinsic_gas(&code, GasRules::CANCUN).initial, 53_000 + 33 * 16 + 2 * 2);
    assert_eq!(intrinsic_gas(&code, GasRules::LONDON).initial, 53_000 + 33 * 16);
    assert_eq!(intrinsic_gas(&code, GasRules::CANCUN).floor, 0);
}

prop_compose! {
    fn any_transaction()(
        kind in 0usize..6,
        numbers in any::<[u64; 4]>(),
        fees in any::<[u64; 2]>(),
        value in any::<[u8; 32]>(),
        create in any::<bool>(),
        input in prop::collection::vec(any::<u8>(), 0..200),
        lists in (0usize..4, 0usize..4, 0usize..3),
    ) -> Transaction {
        let [chain_id, nonce, gas_limit, _] = numbers;
        let chain_id = chain_id >> 2;
        let (max_priority_fee_per_gas, max_fee_per_gas) = (u128::from(fees[0]), u128::from(fees[1]) << 40);
        let value = U256::from_be_bytes(value);
        let callee = Address::repeat_byte(numbers[3] as u8);
        let to = if create { TxKind::Create } else { TxKind::Call(callee) };
        let (input, access_list) = (Bytes::from(input), access(lists.0, lists.1));
        match kind {
            0 => signed(TxLegacy { chain_id: Some(chain_id), nonce, gas_price: max_fee_per_gas, gas_limit, to, value, input }),
            1 => signed(TxEip2930 { chain_id, nonce, gas_price: max_fee_per_gas, gas_limit, to, value, access_list, input }),
            2 => signed(TxEip1559 { chain_id, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, to, value, access_list, input }),
            3 => signed(Blob::TxEip4844(TxEip4844 {
                chain_id, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, to: callee, value, access_list,
                blob_versioned_hashes: vec![B256::repeat_byte(1); lists.2], max_fee_per_blob_gas: 1, input,
            })),
            4 => sign_own_transaction(OwnTransaction {
                chain_id, suite: Suite::Standard, nonce, block_limit: fees[0], expires_at: fees[1], max_priority_fee_per_gas,
                max_fee_per_gas, gas_limit, to: callee, value, input, access_list,
            }, &SECRET).unwrap(),
            _ => signed(TxEip7702 {
                chain_id, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, to: callee, value, access_list,
                authorization_list: vec![authorization(); lists.2], input,
            }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn round_trips(tx in any_transaction()) {
        let decoded = decode_transaction(&tx.raw, &TxLimits::ETHEREUM).unwrap();
        prop_assert_eq!(&decoded, &tx);
        prop_assert_eq!(recover_sender(&decoded, &SenderCache::new(1)).unwrap(), owner());
    }

    /// Whatever a changed byte gives: an error, or a transaction whose encoding is exactly the input.
    #[test]
    fn changed_bytes_never_panic_and_stay_canonical(tx in any_transaction(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut raw = tx.raw.to_vec();
        let at = at.index(raw.len());
        raw[at] = byte;
        if let Ok(decoded) = decode_transaction(&raw, &TxLimits::ETHEREUM) {
            prop_assert_eq!(&encoded(&decoded)[..], &raw[..]);
            let _ = recover_sender(&decoded, &SenderCache::new(1));
            let _ = authorities(&decoded);
            let _ = intrinsic_gas(&decoded, GasRules::PRAGUE);
        }
    }

    #[test]
    fn cut_or_lengthened_bytes_are_refused(tx in any_transaction(), at in any::<prop::sample::Index>(), extra in 1usize..40) {
        let cut = at.index(tx.raw.len());
        prop_assert!(decode_transaction(&tx.raw[..cut], &TxLimits::ETHEREUM).is_err());
        let longer = [&tx.raw[..], &vec![0u8; extra]].concat();
        prop_assert!(decode_transaction(&longer, &TxLimits::ETHEREUM).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(kind in prop::sample::select(vec![0u8, 1, 2, 3, 4, 5, 0x48]), rest in prop::collection::vec(any::<u8>(), 0..300)) {
        let raw = [&[kind][..], &rest].concat();
        let _ = decode_transaction(&raw, &TxLimits::ETHEREUM);
        let _ = decode_transaction(&rest, &TxLimits::ETHEREUM);
    }
}
