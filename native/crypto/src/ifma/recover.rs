//! Recovery in lanes: Q = (s·R - e·G)/r for every signature.
//!
//! u1 = -e/r and u2 = s/r are split into two odd halves each (by position for G, by the curve's
//! endomorphism for R), whose signed digits are all odd and never zero, so that every lane adds at
//! the same steps: 125 doublings, 51 sums on R, 26 on G.

use std::arch::x86_64::{
    __mmask8, _mm_cvtsi32_si128, _mm512_mask_xor_epi64, _mm512_or_si512, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_sll_epi64, _mm512_srl_epi64, _mm512_srli_epi64, _mm512_testn_epi64_mask,
};

use alloy_primitives::{Address, B256};

use super::field::{
    Field, canonical, finish, from_words, invert, join, multiply, negate_where, odd_lanes, root, select,
    splat, split, square, square_loose, subtract, zero_lanes,
};
use super::generator::{Generator, ROWS, WINDOW, generator};
use super::lanes::{LANES, Words, gather_rows, load, store};
use super::point::{Affine, Jacobian, add_affine, add_plain, double, multiples};
use super::{field, scalar};
use crate::{CryptoError, HashLanes, standard};

/// Bits of a digit of the factor of R.
const DIGIT: u32 = 5;

/// Digits of a half factor.
const DIGITS: u32 = scalar::HALF_BITS / DIGIT;

/// Signatures whose inversions are shared.
const SHARED_MAX: usize = 256;

/// A signature that may enter a lane: recovery id 0 or 1, r and s from 1 to n-1.
pub(crate) type Candidate<'a> = &'a (B256, [u8; 65]);

/// What a lane starts from.
#[derive(Clone, Copy, Default)]
struct Lane {
    /// r, the x coordinate of R.
    x: scalar::Wide,
    /// Whether R's y is odd.
    odd: bool,
    /// u1 by position, then u2 by the endomorphism.
    halves: [scalar::Half; 4],
}

/// Eight results before the division by z.
struct Pending {
    point: Jacobian<1>,
    on_curve: __mmask8,
}

/// The accounts of signatures whose form was checked, in their order.
/// Only after [`super::available`] answered yes.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn recover_good(good: &[Candidate<'_>]) -> Vec<Result<Address, CryptoError>> {
    let Some(table) = generator() else {
        return good.iter().map(|(digest, signature)| standard::recover(digest, signature)).collect();
    };
    let mut out = Vec::with_capacity(good.len());
    for chunk in good.chunks(SHARED_MAX) {
        let lanes = prepare(chunk);
        let mut pending = Vec::with_capacity(lanes.len().div_ceil(LANES));
        for group in lanes.chunks(2 * LANES) {
            if group.len() > LANES {
                pending.extend(run::<2>(group, table));
            } else {
                pending.extend(run::<1>(group, table));
            }
        }
        finish_chunk(chunk, &pending, &mut out);
    }
    out
}

/// The scalars of a chunk, one inversion for all.
fn prepare(chunk: &[Candidate<'_>]) -> Vec<Lane> {
    let words = |bytes: &[u8]| {
        let mut whole = [0; 32];
        whole.copy_from_slice(bytes);
        scalar::from_bytes(&whole)
    };
    let mut inverses: Vec<_> = chunk.iter().map(|(_, signature)| words(&signature[..32])).collect();
    scalar::invert_all(&mut inverses);
    let lane = |((digest, signature), inverse): (&Candidate<'_>, &scalar::Wide)| {
        let u1 = scalar::negated(&scalar::product(&words(digest.as_slice()), inverse));
        let u2 = scalar::product(&words(&signature[32..64]), inverse);
        let ([low, high], [plain, turned]) = (scalar::halves(&u1), scalar::split(&u2));
        Lane { x: words(&signature[..32]), odd: signature[64] == 1, halves: [low, high, plain, turned] }
    };
    chunk.iter().zip(&inverses).map(lane).collect()
}

/// Up to 8·K signatures; unused lanes repeat the first one.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn run<const K: usize>(group: &[Lane], table: &Generator) -> [Pending; K] {
    let lane = |k: usize, lane: usize| group.get(k * LANES + lane).unwrap_or(&group[0]);
    let mut x = [[[0; LANES]; 4]; K];
    let mut odd = [0; K];
    for k in 0..K {
        for i in 0..LANES {
            let from = lane(k, i);
            for (words, word) in x[k].iter_mut().zip(from.x) {
                words[i] = word;
            }
            odd[k] |= u8::from(from.odd) << i;
        }
    }
    let (point, on_curve) = lift(&from_words(&x), odd);
    let factors: [Factor<K>; 4] =
        [0, 1, 2, 3].map(|half| factor(|k: usize, i: usize| lane(k, i).halves[half]));
    let sum = sum(&point, &factors, table);
    let mut k = 0;
    [(); K].map(|()| {
        let point = Jacobian { x: Field([sum.x.0[k]]), y: Field([sum.y.0[k]]), z: Field([sum.z.0[k]]) };
        k += 1;
        Pending { point, on_curve: on_curve[k - 1] }
    })
}

/// The points with those x and parities, and the lanes in which there is one.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn lift<const K: usize>(x: &Field<K>, odd: [__mmask8; K]) -> (Affine<K>, [__mmask8; K]) {
    let cube = multiply(&square(x), x);
    let right = finish(&field::add(&cube.loose(), &splat([7, 0, 0, 0, 0]).loose()));
    let y = canonical(&root(&right));
    let gap = subtract(&field::add(&square_loose(&y), &field::bias()), &right.loose());
    let on_curve = zero_lanes(&canonical(&finish(&gap)));
    let mut wrong = odd_lanes(&y);
    for (wrong, odd) in wrong.iter_mut().zip(odd) {
        *wrong ^= odd;
    }
    (Affine { x: *x, y: negate_where(&y, &wrong) }, on_curve)
}

/// A half factor in every lane.
struct Factor<const K: usize> {
    words: [[Words; 3]; K],
    negative: [__mmask8; K],
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn factor<const K: usize>(half: impl Fn(usize, usize) -> scalar::Half) -> Factor<K> {
    let mut out = Factor { words: [[_mm512_setzero_si512(); 3]; K], negative: [0; K] };
    for k in 0..K {
        let mut words = [[0; LANES]; 3];
        for i in 0..LANES {
            let half = half(k, i);
            for (words, word) in words.iter_mut().zip(half.words) {
                words[i] = word;
            }
            out.negative[k] |= u8::from(half.negative) << i;
        }
        out.words[k] = [load(&words[0]), load(&words[1]), load(&words[2])];
    }
    out
}

impl<const K: usize> Factor<K> {
    /// The digit of `width` bits at a bit position: which odd multiple, and where it is negative.
    ///
    /// For an odd number k the digit is (k / 2^position mod 2^(width+1) | 1) - 2^width, except that
    /// the top one, positive, lacks the subtraction: the set bit 130 makes up for it.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn digit(&self, position: u32, width: u32) -> ([Words; K], [__mmask8; K]) {
        let (word, bits) = ((position / 64) as usize, (position % 64).cast_signed());
        let (down, up) = (_mm_cvtsi32_si128(bits), _mm_cvtsi32_si128(64 - bits));
        let all = _mm512_set1_epi64(-1);
        let sign = _mm512_set1_epi64(1 << width);
        let mut entries = [_mm512_setzero_si512(); K];
        let mut negative = self.negative;
        for k in 0..K {
            let mut value = _mm512_srl_epi64(self.words[k][word], down);
            if word < 2 {
                value = _mm512_or_si512(value, _mm512_sll_epi64(self.words[k][word + 1], up));
            }
            let below = _mm512_testn_epi64_mask(value, sign);
            let entry = _mm512_srli_epi64::<1>(value);
            // Odd multiple number (|digit| - 1) / 2; what lies above the table is masked off there.
            entries[k] = _mm512_mask_xor_epi64(entry, below, entry, all);
            negative[k] ^= below;
        }
        (entries, negative)
    }
}

/// The whole sum, with the z that leads back to secp256k1.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn sum<const K: usize>(point: &Affine<K>, factors: &[Factor<K>; 4], table: &Generator) -> Jacobian<K> {
    let [low, high, plain, turned] = factors;
    let own = multiples(point);
    let pick = |factor: &Factor<K>, digit: u32, turn: bool| {
        let (entries, negative) = factor.digit(digit * DIGIT, DIGIT);
        own.pick(&entries, &negative, turn)
    };
    let first = pick(plain, DIGITS - 1, false);
    let mut sum = Jacobian { x: first.x, y: first.y, z: splat([1, 0, 0, 0, 0]) };
    add_affine(&mut sum, &pick(turned, DIGITS - 1, true));
    for digit in (0..DIGITS - 1).rev() {
        for _ in 0..DIGIT {
            double(&mut sum);
        }
        add_affine(&mut sum, &pick(plain, digit, false));
        add_affine(&mut sum, &pick(turned, digit, true));
        if (digit * DIGIT).is_multiple_of(WINDOW) {
            add_plain(&mut sum, &pick_fixed(&table.low, low, digit * DIGIT), &own.z);
            add_plain(&mut sum, &pick_fixed(&table.high, high, digit * DIGIT), &own.z);
        }
    }
    sum.z = multiply(&sum.z, &own.z);
    sum
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn pick_fixed<const K: usize>(table: &[[u64; 8]; ROWS], factor: &Factor<K>, position: u32) -> Affine<K> {
    let (entries, negative) = factor.digit(position, WINDOW);
    let (mut x, mut y) = (splat([0; 5]), splat([0; 5]));
    for k in 0..K {
        let [x0, x1, x2, x3, y0, y1, y2, y3] = gather_rows(table, entries[k]);
        x.0[k] = split(&[x0, x1, x2, x3]);
        y.0[k] = split(&[y0, y1, y2, y3]);
    }
    Affine { x, y: negate_where(&y, &negative) }
}

/// Divides by z, one inversion for all, and hashes; lanes with z = 0 go to the scalar library.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn finish_chunk(chunk: &[Candidate<'_>], pending: &[Pending], out: &mut Vec<Result<Address, CryptoError>>) {
    let one = splat([1, 0, 0, 0, 0]);
    let mut running = one;
    let mut before = Vec::with_capacity(pending.len());
    for pending in pending {
        let exceptional = zero_lanes(&canonical(&pending.point.z));
        let z = select(&pending.point.z, &one, &exceptional);
        before.push((running, z, exceptional[0]));
        running = multiply(&running, &z);
    }
    let mut inverse = invert(&running);
    let mut keys = vec![[0; 64]; pending.len() * LANES];
    for ((pending, (before, z, _)), keys) in pending.iter().zip(&before).zip(keys.chunks_mut(LANES)).rev() {
        let own = multiply(&inverse, before);
        inverse = multiply(&inverse, z);
        let own2 = square(&own);
        let x = canonical(&multiply(&pending.point.x, &own2));
        let y = canonical(&multiply(&pending.point.y, &multiply(&own2, &own)));
        write_keys(keys, &x, &y);
    }
    let mut accounts = vec![Address::ZERO; chunk.len()];
    HashLanes::best().hash(
        chunk.len(),
        |index| &keys[index],
        |index, hash| accounts[index] = Address::from_slice(&hash[12..]),
    );
    for (index, (digest, signature)) in chunk.iter().enumerate() {
        let (group, lane) = (index / LANES, index % LANES);
        out.push(if pending[group].on_curve >> lane & 1 == 0 {
            Err(CryptoError::InvalidSignature)
        } else if before[group].2 >> lane & 1 == 1 {
            standard::recover(digest, signature)
        } else {
            Ok(accounts[index])
        });
    }
}

/// x and y of eight canonical points, big-endian: what an account is the hash of.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn write_keys(keys: &mut [[u8; 64]], x: &Field<1>, y: &Field<1>) {
    for (coordinate, start) in [(x, 0), (y, 32)] {
        for (word, words) in join(&coordinate.0[0]).into_iter().rev().enumerate() {
            let from = start + 8 * word;
            for (key, word) in keys.iter_mut().zip(store(words)) {
                key[from..from + 8].copy_from_slice(&word.to_be_bytes());
            }
        }
    }
}
