//! Wycheproof's ECDSA vectors (secp256k1, SHA-256, fixed-length signatures) through recovery in batches.
//!
//! The vectors lie in the archive beside the repository; without it the test says so and passes.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use alloy_primitives::{Address, B256, U256, hex, keccak256, uint};
use hansa_crypto::{recover, recover_batch_addresses};
use serde_json::Value;
use sha2::{Digest, Sha256};

const FILE: &str = "ecdsa_secp256k1_sha256_p1363_test.json";
const P: U256 = uint!(0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f_U256);
const N: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

fn vectors() -> Option<Value> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/wycheproof.tar.xz");
    if !archive.is_file() {
        eprintln!("skipped: ../shared/vectors holds no wycheproof.tar.xz");
        return None;
    }
    let mut unpack = Command::new("tar");
    let output = unpack.arg("-xJOf").arg(&archive).args(["--wildcards", &format!("*{FILE}")]).output();
    match output {
        Ok(output) if output.status.success() => Some(serde_json::from_slice(&output.stdout).unwrap()),
        _ => {
            eprintln!("skipped: tar cannot unpack {}", archive.display());
            None
        }
    }
}

/// The signature with both parities, as a wallet would send it: s in the lower half.
fn recoverable(signature: &[u8]) -> Option<[[u8; 65]; 2]> {
    let s = U256::from_be_slice(signature.get(32..64).filter(|_| signature.len() == 64)?);
    let low = if s > N >> 1 { N.saturating_sub(s) } else { s };
    let with = |parity| {
        let mut out = [parity; 65];
        out[..32].copy_from_slice(&signature[..32]);
        out[32..64].copy_from_slice(&low.to_be_bytes::<32>());
        out
    };
    Some([with(0), with(1)])
}

#[test]
fn valid_vectors_give_their_key_and_invalid_ones_do_not() {
    let Some(vectors) = vectors() else { return };
    let (mut batch, mut expected) = (Vec::new(), Vec::new());
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = hex::decode(group["publicKey"]["uncompressed"].as_str().unwrap()).unwrap();
        let owner = Address::from_slice(&keccak256(&key[1..])[12..]);
        for test in group["tests"].as_array().unwrap() {
            let message = hex::decode(test["msg"].as_str().unwrap()).unwrap();
            let signature = hex::decode(test["sig"].as_str().unwrap()).unwrap();
            let Some(both) = recoverable(&signature) else { continue };
            let digest = B256::from_slice(&Sha256::digest(&message));
            batch.extend(both.map(|signature| (digest, signature)));
            // An r below p - n may stand for x = r + n, which takes recovery id 2 or 3: Ethereum has none.
            let r = U256::from_be_slice(&signature[..32]);
            expected.push((owner, test["result"] == "valid", r < P - N, test["tcId"].clone()));
        }
    }
    let answers = recover_batch_addresses(&batch);
    let scalar: Vec<_> = batch.iter().map(|(digest, signature)| recover(digest, signature)).collect();
    assert_eq!(answers, scalar);
    let mut held = 0;
    for (pair, (owner, valid, small, id)) in answers.chunks(2).zip(&expected) {
        let found = pair.contains(&Ok(*owner));
        assert!(found == *valid || *valid && *small, "case {id}");
        held += usize::from(found);
    }
    assert!(held > 100);
}
