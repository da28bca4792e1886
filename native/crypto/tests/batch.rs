//! Recovery in batches against the scalar library: the same accounts and the same errors, for random
//! and for hostile signatures.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{B256, U256, keccak256, uint};
use hansa_crypto::{
    CryptoError, public_key, recover, recover_batch_addresses, recovers_in_lanes, sign_recoverable,
};
use secp256k1::{PublicKey, SECP256K1, Scalar, SecretKey};

const N: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
const P: U256 = uint!(0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f_U256);

type Signed = (B256, [u8; 65]);

/// A repeatable stream of bytes.
struct Stream(u64);

impl Stream {
    fn hash(&mut self) -> B256 {
        self.0 += 1;
        keccak256(self.0.to_be_bytes())
    }

    fn number(&mut self) -> U256 {
        U256::from_be_bytes(self.hash().0)
    }

    fn signed(&mut self) -> Signed {
        let (secret, digest) = (self.hash(), self.hash());
        (digest, sign_recoverable(&secret.0, &digest).unwrap())
    }
}

fn signature(r: U256, s: U256, parity: u8) -> [u8; 65] {
    let mut out = [parity; 65];
    out[..32].copy_from_slice(&r.to_be_bytes::<32>());
    out[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    out
}

/// Compares a batch with the scalar library; how many signatures held.
fn compare(batch: &[Signed]) -> usize {
    let answers = recover_batch_addresses(batch);
    assert_eq!(answers.len(), batch.len());
    for ((digest, signature), answer) in batch.iter().zip(&answers) {
        assert_eq!(
            *answer,
            recover(digest, signature),
            "{digest} {}",
            alloy_primitives::hex::encode(signature)
        );
    }
    answers.iter().filter(|answer| answer.is_ok()).count()
}

/// Random digests with random r and s: half of them give a point.
fn random(stream: &mut Stream, count: usize) -> Vec<Signed> {
    let one = |_| {
        let (r, s, digest) = (stream.number(), stream.number() >> 1, stream.hash());
        (digest, signature(r, s, digest[0] & 1))
    };
    (0..count).map(one).collect()
}

#[test]
fn a_hundred_thousand_random_signatures_agree() {
    println!("in lanes: {}", recovers_in_lanes());
    let mut stream = Stream(0);
    let held: usize = (0..50).map(|_| compare(&random(&mut stream, 2_000))).sum();
    assert!((48_000..52_000).contains(&held), "{held}");
}

#[test]
#[ignore = "takes minutes: three million signatures"]
fn millions_of_random_signatures_agree() {
    let mut stream = Stream(1 << 32);
    let held: usize = (0..1_500).map(|_| compare(&random(&mut stream, 2_000))).sum();
    assert!((1_490_000..1_510_000).contains(&held), "{held}");
}

#[test]
fn made_signatures_give_their_signers() {
    let mut stream = Stream(1 << 33);
    let batch: Vec<_> = (0..1_000).map(|_| stream.signed()).collect();
    assert_eq!(compare(&batch), batch.len());
}

#[test]
fn every_batch_size_keeps_the_order() {
    let mut stream = Stream(1 << 34);
    let batch: Vec<_> = (0..300).map(|_| stream.signed()).collect();
    for size in (0..70).chain([127, 128, 129, 255, 256, 257, 258, 259, 260, 272, 300]) {
        assert_eq!(compare(&batch[..size]), size);
    }
    let same = vec![batch[0]; 40];
    assert_eq!(compare(&same), 40);
}

/// Values at the edges of every range that matters.
fn edges() -> Vec<U256> {
    let one = U256::from(1);
    let half = N >> 1;
    let mut out = vec![U256::ZERO, U256::MAX, N - P.wrapping_sub(N), P.wrapping_sub(N)];
    for middle in [one, half, N, P, one << 128, one << 130, one << 255, P - N] {
        for step in 0..4 {
            out.extend([middle.wrapping_add(U256::from(step)), middle.wrapping_sub(U256::from(step))]);
        }
    }
    out
}

#[test]
fn values_at_the_edges_agree() {
    let edges = edges();
    let gx = x_of(U256::from(1));
    let mut batch = Vec::new();
    for r in edges.iter().copied().chain([gx]) {
        for s in &edges {
            for (number, digest) in edges.iter().enumerate() {
                let parity =
                    if number % 8 == 7 { [2, 3, 27, 255][batch.len() % 4] } else { number as u8 & 1 };
                batch.push((B256::from(digest.to_be_bytes()), signature(r, *s, parity)));
            }
        }
    }
    // Every pair of values occurs; of the triples an odd fraction is enough.
    let step = (batch.len() / 20_000).max(1) | 1;
    let some: Vec<_> = batch.into_iter().step_by(step).collect();
    assert!(compare(&some) > 0);
}

#[test]
fn bad_signatures_leave_their_neighbours_alone() {
    let mut stream = Stream(1 << 35);
    let mut batch: Vec<_> = (0..512).map(|_| stream.signed()).collect();
    let mut good = 0;
    for (index, (digest, signature)) in batch.iter_mut().enumerate() {
        match stream.hash()[0] % 10 {
            0 => signature[64] = 2 + (index % 250) as u8,
            1 => signature[..32].fill(0),
            2 => signature[32..64].fill(0),
            3 => signature[..32].fill(0xff),
            4 => signature[32] = 0x80,
            5 => *signature = off_curve(&mut stream, signature),
            6 => digest.0.fill(0),
            _ => good += 1,
        }
    }
    assert!(compare(&batch) >= good);
    let lone: Vec<_> = (0..16).map(|lane| if lane == 11 { batch[0] } else { batch[1] }).collect();
    compare(&lone);
    let hopeless: Vec<_> =
        batch.iter().map(|(digest, signature)| (*digest, off_curve(&mut stream, signature))).collect();
    assert_eq!(compare(&hopeless), 0);
}

/// The signature with an r that is no x coordinate of the curve.
fn off_curve(stream: &mut Stream, from: &[u8; 65]) -> [u8; 65] {
    let mut out = *from;
    loop {
        out[..32].copy_from_slice(&stream.hash().0);
        let compressed: [u8; 33] = [&[2u8][..], &out[..32]].concat().try_into().unwrap();
        if out[0] != 0xff && PublicKey::from_byte_array_compressed(compressed).is_err() {
            return out;
        }
    }
}

fn point(factor: U256) -> PublicKey {
    PublicKey::from_secret_key(SECP256K1, &SecretKey::from_byte_array(factor.to_be_bytes()).unwrap())
}

/// The x coordinate of `factor`·G.
fn x_of(factor: U256) -> U256 {
    U256::from_be_slice(&point(factor).serialize()[1..])
}

/// A signature with R = `base` and the given u1 and u2 (e = -u1·r, s = u2·r); none if s is too high.
fn with_factors(base: &PublicKey, u1: U256, u2: U256) -> Option<Signed> {
    let compressed = base.serialize();
    let r = U256::from_be_slice(&compressed[1..]);
    let (e, s) = ((N - u1).mul_mod(r, N), u2.mul_mod(r, N));
    let usable = r < N && s <= N >> 1 && !s.is_zero();
    usable.then(|| (B256::from(e.to_be_bytes()), signature(r, s, compressed[0] & 1)))
}

/// Small and structured factors, whose sums meet their own summands, their negatives and infinity.
fn structured() -> Vec<U256> {
    let one = U256::from(1);
    let lambda = uint!(0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72_U256);
    let mut out: Vec<U256> = (1..40).map(U256::from).collect();
    for power in [5, 10, 64, 120, 125, 129, 130, 131, 135, 140, 250, 255] {
        out.extend([(one << power) % N, (one << power) % N + one, (one << power) - one]);
    }
    for turn in [lambda, lambda.mul_mod(lambda, N), lambda + one, N - lambda] {
        out.extend((1..34).map(|factor| turn.mul_mod(U256::from(factor), N)));
    }
    let mirrored: Vec<_> = out.iter().map(|value| N - *value).collect();
    out.extend(mirrored);
    out
}

/// Signatures for pairs of structured factors over several R; of the unrelated u1 every `step`th.
fn related(step: usize) -> Vec<Signed> {
    let factors = structured();
    let one = U256::from(1);
    let bases = [1u64, 2, 3, 5, 31, 1023, 1 << 20].map(U256::from);
    let mut batch = Vec::new();
    for k in bases.into_iter().chain([N - one, N - U256::from(2)]) {
        let base = point(k);
        for u2 in &factors {
            let product = k.mul_mod(*u2, N);
            // u1·G = ±u2·R, infinity among them, u1 = 0, and neighbours of all of those.
            let near =
                [product, N - product, U256::ZERO, product.add_mod(one, N), one.add_mod(N - product, N)];
            for u1 in near.iter().chain(factors.iter().step_by(step)) {
                batch.extend(with_factors(&base, u1 % N, *u2));
            }
        }
    }
    batch
}

#[test]
fn exceptional_sums_agree() {
    let batch = related(41);
    let held = compare(&batch);
    assert!(held > 10_000 && held < batch.len(), "{held} of {}", batch.len());
}

#[test]
#[ignore = "takes minutes: half a million signatures"]
fn all_related_factors_agree() {
    let batch = related(1);
    let held = compare(&batch);
    assert!(held > 400_000 && held < batch.len(), "{held} of {}", batch.len());
}

#[test]
fn results_at_infinity_are_refused() {
    let mut stream = Stream(1 << 36);
    let mut batch = Vec::new();
    while batch.len() < 64 {
        let (k, u2) = (stream.number() % N, stream.number() % N);
        batch.extend(with_factors(&point(k), N - k.mul_mod(u2, N), u2));
    }
    assert!(
        recover_batch_addresses(&batch).iter().all(|answer| *answer == Err(CryptoError::InvalidSignature))
    );
    assert_eq!(compare(&batch), 0);
}

#[test]
fn recovered_keys_are_those_of_the_equation() {
    // An oracle beside the library's own recovery: Q = u1·G + u2·R by its point arithmetic.
    let mut stream = Stream(1 << 37);
    let (mut batch, mut expected) = (Vec::new(), Vec::new());
    while batch.len() < 128 {
        let [k, u1, u2] = [(); 3].map(|()| stream.number() % N);
        let Some(signed) = with_factors(&point(k), u1, u2) else { continue };
        let scalar = Scalar::from_be_bytes(u2.to_be_bytes()).unwrap();
        let key = point(k).mul_tweak(SECP256K1, &scalar).unwrap().combine(&point(u1)).unwrap();
        batch.push(signed);
        expected.push(hansa_crypto::address_of(&key.serialize()));
    }
    assert_eq!(recover_batch_addresses(&batch), expected);
    assert!(public_key(&[1; 32]).is_ok());
}
