//! Lane arithmetic against big integers.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{U256, uint};

use super::field::{self, Field};
use super::lanes::{LANES, available};
use super::scalar::{self, Wide};

const P: U256 = uint!(0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f_U256);
const N: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
const LAMBDA: U256 = uint!(0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72_U256);

/// A repeatable stream of numbers, edges mixed in.
struct Numbers(u64);

impl Numbers {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: U256) -> U256 {
        let small = U256::from(self.word() % 5);
        match self.word() % 12 {
            0 => small,
            1 => bound - U256::from(1) - small,
            2 => (U256::from(1) << (self.word() % 256) as usize).saturating_sub(small) % bound,
            3 => U256::MAX.wrapping_shl((self.word() % 256) as usize) % bound,
            4 => U256::from_limbs([0, 1, 2, 3].map(|_| u64::MAX * (self.word() & 1))) % bound,
            _ => U256::from_limbs([0, 1, 2, 3].map(|_| self.word())) % bound,
        }
    }
}

type Sixteen = [[U256; LANES]; 2];

fn sixteen(numbers: &mut Numbers) -> Sixteen {
    [(); 2].map(|()| [(); LANES].map(|()| numbers.below(P)))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn enter(values: &Sixteen) -> Field<2> {
    let words = values.map(|row| [0, 1, 2, 3].map(|word| row.map(|value| value.as_limbs()[word])));
    field::from_words(&words)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn leave(value: &Field<2>) -> Sixteen {
    let words = field::to_words(&field::canonical(value));
    words.map(|row| {
        let mut out = [U256::ZERO; LANES];
        for (lane, out) in out.iter_mut().enumerate() {
            *out = U256::from_limbs([0, 1, 2, 3].map(|word| row[word][lane]));
        }
        out
    })
}

fn zip(a: &Sixteen, b: &Sixteen, operation: impl Fn(U256, U256) -> U256) -> Sixteen {
    let mut out = *a;
    for k in 0..2 {
        for lane in 0..LANES {
            out[k][lane] = operation(a[k][lane], b[k][lane]);
        }
    }
    out
}

fn skip() -> bool {
    if !available() {
        println!("skipped: this processor has no AVX-512 IFMA");
    }
    !available()
}

#[test]
fn lane_arithmetic_is_arithmetic_modulo_p() {
    if skip() {
        return;
    }
    // SAFETY: `available` answered yes.
    unsafe { check_arithmetic() };
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn check_arithmetic() {
    let mut numbers = Numbers(1);
    let minus = |a: U256, b: U256| a.add_mod(P - b, P);
    for _ in 0..5_000 {
        let (a, b) = (sixteen(&mut numbers), sixteen(&mut numbers));
        let (x, y) = (enter(&a), enter(&b));
        assert_eq!(leave(&x), a);
        let product = field::multiply(&x, &y);
        assert_eq!(leave(&product), zip(&a, &b, |a, b| a.mul_mod(b, P)));
        assert_eq!(leave(&field::square(&x)), zip(&a, &a, |a, b| a.mul_mod(b, P)));
        let difference = field::subtract(&field::add(&x.loose(), &field::bias()), &y.loose());
        assert_eq!(leave(&field::finish(&difference)), zip(&a, &b, minus));
        let far = field::subtract(&field::bias(), &field::product_sum(&x, &y, &y, &y));
        let expected = zip(&a, &b, |a, b| minus(U256::ZERO, b.mul_mod(a.add_mod(b, P), P)));
        assert_eq!(leave(&field::finish(&far)), expected);
        let eightfold = field::finish(&field::shift::<2, 3>(&product.loose()));
        assert_eq!(leave(&eightfold), zip(&a, &b, |a, b| a.mul_mod(b, P).mul_mod(U256::from(8), P)));
        let negated = field::negate_where(&x, &[0xff, 0]);
        assert_eq!(leave(&negated), [a[0].map(|a| minus(U256::ZERO, a)), a[1]]);
    }
}

#[test]
fn extreme_limbs_reduce_correctly() {
    if skip() {
        return;
    }
    // SAFETY: `available` answered yes.
    unsafe { check_extremes() };
}

/// Products of unreduced numbers: every limb at its maximum, 2^260 - 1 in all.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn check_extremes() {
    const FULL: i64 = (1 << 52) - 1;
    let value = U256::from(0x1_0000_03d1u64 * 16 - 1);
    let expected = value.mul_mod(value, P);
    let x = field::splat::<2>([FULL; 5]);
    assert_eq!(leave(&field::multiply(&x, &x)), [[expected; LANES]; 2]);
    assert_eq!(leave(&field::square(&x)), [[expected; LANES]; 2]);
    let bias = leave(&field::finish(&field::bias::<2>()));
    assert_eq!(bias, [[U256::ZERO; LANES]; 2]);
    // p, p + small and the largest finished number have the expected canonical forms.
    for small in 0..4 {
        let x = field::splat::<2>([0xf_fffe_ffff_fc2f + small, FULL, FULL, FULL, (1 << 48) - 1]);
        assert_eq!(leave(&x), [[U256::from(small); LANES]; 2]);
        let zero = field::zero_lanes(&field::canonical(&x));
        assert_eq!(zero, if small == 0 { [0xff; 2] } else { [0; 2] });
    }
}

#[test]
fn roots_and_inverses_hold() {
    if skip() {
        return;
    }
    // SAFETY: `available` answered yes.
    unsafe { check_powers() };
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn check_powers() {
    let mut numbers = Numbers(2);
    for _ in 0..200 {
        let a = sixteen(&mut numbers);
        let x = enter(&a);
        let inverse = leave(&field::invert(&x));
        let products = zip(&a, &inverse, |a, b| a.mul_mod(b, P));
        let one_or_zero = |a: U256, _| U256::from(u64::from(!a.is_zero()));
        assert_eq!(products, zip(&a, &a, one_or_zero));
        let root = leave(&field::root(&field::square(&x)));
        assert!((0..16).all(|i| {
            let (root, a) = (root[i / 8][i % 8], a[i / 8][i % 8]);
            root == a || root.add_mod(a, P).is_zero()
        }));
    }
}

fn wide(value: U256) -> Wide {
    *value.as_limbs()
}

/// The signed value modulo n of a half, and its magnitude.
fn signed(half: &scalar::Half) -> (U256, U256) {
    let [w0, w1, w2] = half.words;
    assert_eq!(w2 >> 2, 1);
    let magnitude = U256::from_limbs([w0, w1, w2 & 3, 0]);
    (if half.negative { N - magnitude } else { magnitude }, magnitude)
}

#[test]
fn scalars_multiply_invert_and_split() {
    let mut numbers = Numbers(3);
    let radix = U256::MAX % N + U256::from(1);
    for _ in 0..2_000 {
        let (a, b) = (numbers.below(N), numbers.below(N));
        let product = U256::from_limbs(scalar::product(&wide(a), &wide(b)));
        assert_eq!(product.mul_mod(radix, N), a.mul_mod(b, N));
        let unreduced = U256::from_limbs(scalar::product(&wide(U256::MAX - a), &wide(b)));
        assert_eq!(unreduced.mul_mod(radix, N), (U256::MAX - a).mul_mod(b, N));
        let [k1, k2] = scalar::split(&wide(a));
        let ((v1, m1), (v2, m2)) = (signed(&k1), signed(&k2));
        assert!(m1.bit(0) && m2.bit(0));
        assert_eq!(v1.add_mod(v2.mul_mod(LAMBDA, N), N), a);
        let [low, high] = scalar::halves(&wide(a));
        let ((v1, m1), (v2, m2)) = (signed(&low), signed(&high));
        assert!(m1.bit(0) && m2.bit(0));
        assert_eq!(v1.add_mod(v2.mul_mod(U256::from(1) << 130, N), N), a);
    }
    let originals: Vec<U256> = (0..300).map(|_| numbers.below(N).max(U256::from(1))).collect();
    let mut inverses: Vec<Wide> = originals.iter().map(|value| wide(*value)).collect();
    scalar::invert_all(&mut inverses);
    for (original, inverse) in originals.into_iter().zip(inverses) {
        assert_eq!(U256::from_limbs(inverse).mul_mod(original, N), radix);
    }
    assert!(scalar::negated(&[0; 4]) == scalar::ORDER);
}
