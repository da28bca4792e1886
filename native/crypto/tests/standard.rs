//! The standard suite against known values and against crafted signatures.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{B256, U256, address, b256, hex};
use hansa_crypto::{
    CryptoError, Suite, address_of, generate_secret, keccak256, public_key, recover, sign, sign_recoverable,
    verify,
};
use proptest::prelude::*;

/// The order of secp256k1 (SEC 2).
const ORDER: U256 =
    U256::from_be_bytes(hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));

fn mirrored(signature: &[u8; 65]) -> [u8; 65] {
    let mut twin = *signature;
    let s = U256::from_be_slice(&signature[32..64]);
    twin[32..64].copy_from_slice(&(ORDER - s).to_be_bytes::<32>());
    twin[64] ^= 1;
    twin
}

#[test]
fn keccak_of_nothing_is_the_known_value() {
    assert_eq!(keccak256(b""), b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"));
}

#[test]
fn first_test_mnemonic_key_has_the_known_account() {
    let secret = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    let public = public_key(&secret).unwrap();
    assert_eq!(address_of(&public).unwrap(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
}

#[test]
fn bad_keys_are_typed_errors() {
    let digest = B256::repeat_byte(1);
    assert_eq!(sign(&[0; 32], &digest), Err(CryptoError::InvalidSecret));
    assert_eq!(sign_recoverable(&ORDER.to_be_bytes(), &digest), Err(CryptoError::InvalidSecret));
    assert_eq!(public_key(&[0xff; 32]), Err(CryptoError::InvalidSecret));
    assert_eq!(address_of(&[2; 32]), Err(CryptoError::InvalidPublicKey));
    assert_eq!(address_of(&[5; 33]), Err(CryptoError::InvalidPublicKey));
    assert!(!verify(&[], &digest, &[1; 64]));
}

#[test]
fn suites_have_stable_numbers() {
    assert_eq!(Suite::Standard.id(), 0);
    assert_eq!(Suite::from_id(0), Ok(Suite::Standard));
    assert_eq!(Suite::from_id(1), Err(CryptoError::UnknownSuite(1)));
}

#[test]
fn recovery_ids_beyond_parity_are_refused() {
    let secret = generate_secret().unwrap();
    let digest = keccak256(b"crafted");
    let mut signature = sign_recoverable(&secret, &digest).unwrap();
    for id in [2, 3, 4, 27, 28, 255] {
        signature[64] = id;
        assert_eq!(recover(&digest, &signature), Err(CryptoError::RecoveryId(id)));
    }
}

#[test]
fn zero_and_oversized_scalars_are_refused() {
    let digest = keccak256(b"edges");
    let one = U256::from(1).to_be_bytes::<32>();
    for (r, s) in [(U256::ZERO.to_be_bytes(), one), (one, [0; 32]), (ORDER.to_be_bytes(), one)] {
        let mut signature = [0; 65];
        signature[..32].copy_from_slice(&r);
        signature[32..64].copy_from_slice(&s);
        assert_eq!(recover(&digest, &signature), Err(CryptoError::InvalidSignature));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_signature_holds_for_its_key_alone(data in any::<[u8; 32]>(), flip in 0usize..512) {
        let secret = generate_secret().unwrap();
        let public = public_key(&secret).unwrap();
        let digest = keccak256(data);
        let signature = sign(&secret, &digest).unwrap();
        prop_assert!(verify(&public, &digest, &signature));
        let mut wrong = signature;
        wrong[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(!verify(&public, &digest, &wrong));
        let recoverable = sign_recoverable(&secret, &digest).unwrap();
        prop_assert_eq!(&recoverable[..64], &signature[..]);
        prop_assert_eq!(recover(&digest, &recoverable), address_of(&public));
        prop_assert_eq!(Suite::Standard.recover(&digest, &recoverable), address_of(&public));
    }

    #[test]
    fn the_mirrored_twin_is_refused(data in any::<[u8; 32]>()) {
        let secret = generate_secret().unwrap();
        let public = public_key(&secret).unwrap();
        let digest = keccak256(data);
        let twin = mirrored(&sign_recoverable(&secret, &digest).unwrap());
        prop_assert_eq!(recover(&digest, &twin), Err(CryptoError::HighS));
        let compact: [u8; 64] = twin[..64].try_into().unwrap();
        prop_assert!(!verify(&public, &digest, &compact));
    }

    #[test]
    fn arbitrary_bytes_never_panic(digest in any::<[u8; 32]>(), a in any::<[u8; 32]>(), b in any::<[u8; 32]>(), id in 0u8..4) {
        let mut signature = [0; 65];
        signature[..32].copy_from_slice(&a);
        signature[32..64].copy_from_slice(&b);
        signature[64] = id;
        let _ = recover(&B256::from(digest), &signature);
        let compact: [u8; 64] = signature[..64].try_into().unwrap();
        let _ = verify(&[&[2u8][..], &a].concat(), &B256::from(digest), &compact);
    }
}
