//! Numbers modulo p = 2^256 - 0x1000003D1 in K registers of eight lanes: 5 limbs of 52 bits.
//!
//! A finished number ([`Field`]) has limbs below 2^52 and a value below 2^256 + 2^217. A loose one
//! ([`Loose`]) has non-negative limbs below 2^62 that stand for the same sum; additions, small
//! factors and subtractions from [`bias`] happen there, and one [`finish`] carries and folds.
//! K independent registers run through every operation side by side, which hides latencies.

use std::arch::x86_64::{
    __mmask8, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask, _mm512_madd52hi_epu64,
    _mm512_madd52lo_epu64, _mm512_mask_blend_epi64, _mm512_mask_sub_epi64, _mm512_or_si512,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_slli_epi64, _mm512_srli_epi64, _mm512_sub_epi64,
    _mm512_test_epi64_mask,
};

use super::lanes::{LANES, Words, load};

const LIMBS: usize = 5;
const LIMB_BITS: u32 = 52;
const LIMB_MASK: i64 = (1 << LIMB_BITS) - 1;
const TOP_MASK: i64 = (1 << 48) - 1;
/// 2^256 mod p.
const FOLD_256: i64 = 0x1_0000_03d1;
/// 2^260 mod p.
const FOLD_260: i64 = FOLD_256 << 4;
/// A multiple of p with every limb at or above 2^61: what is subtracted from stays positive.
const BIAS: [i64; LIMBS] = [
    0x200f_dffe_ff85_dc2f,
    0x200f_ffff_ffff_fdff,
    0x200f_ffff_ffff_fdff,
    0x200f_ffff_ffff_fdff,
    0x2000_ffff_ffff_fdff,
];

/// K × 8 finished numbers.
#[derive(Clone, Copy)]
pub(super) struct Field<const K: usize>(pub(super) [[Words; LIMBS]; K]);

/// K × 8 numbers before carrying.
#[derive(Clone, Copy)]
pub(super) struct Loose<const K: usize>([[Words; LIMBS]; K]);

/// The same limbs in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn splat<const K: usize>(limbs: [i64; LIMBS]) -> Field<K> {
    let mut out = [_mm512_setzero_si512(); LIMBS];
    for (slot, limb) in out.iter_mut().zip(limbs) {
        *slot = _mm512_set1_epi64(limb);
    }
    Field([out; K])
}

/// Numbers from 4 little-endian words each, lane by lane; each below 2^256.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn from_words<const K: usize>(words: &[[[u64; LANES]; 4]; K]) -> Field<K> {
    let mut out = splat([0; LIMBS]);
    for (slot, words) in out.0.iter_mut().zip(words) {
        *slot = split(&[load(&words[0]), load(&words[1]), load(&words[2]), load(&words[3])]);
    }
    out
}

/// Four 64-bit words per lane as five limbs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn split(words: &[Words; 4]) -> [Words; LIMBS] {
    let mask = _mm512_set1_epi64(LIMB_MASK);
    let [w0, w1, w2, w3] = *words;
    let join = |low, high| _mm512_and_si512(_mm512_or_si512(low, high), mask);
    [
        _mm512_and_si512(w0, mask),
        join(_mm512_srli_epi64::<52>(w0), _mm512_slli_epi64::<12>(w1)),
        join(_mm512_srli_epi64::<40>(w1), _mm512_slli_epi64::<24>(w2)),
        join(_mm512_srli_epi64::<28>(w2), _mm512_slli_epi64::<36>(w3)),
        _mm512_srli_epi64::<16>(w3),
    ]
}

/// Five limbs of a canonical number as four 64-bit words per lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn join(limbs: &[Words; LIMBS]) -> [Words; 4] {
    let [l0, l1, l2, l3, l4] = *limbs;
    [
        _mm512_or_si512(l0, _mm512_slli_epi64::<52>(l1)),
        _mm512_or_si512(_mm512_srli_epi64::<12>(l1), _mm512_slli_epi64::<40>(l2)),
        _mm512_or_si512(_mm512_srli_epi64::<24>(l2), _mm512_slli_epi64::<28>(l3)),
        _mm512_or_si512(_mm512_srli_epi64::<36>(l3), _mm512_slli_epi64::<16>(l4)),
    ]
}

/// The words of canonical numbers, lane by lane, least significant first.
#[cfg(test)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn to_words<const K: usize>(canonical: &Field<K>) -> [[[u64; LANES]; 4]; K] {
    let mut out = [[[0; LANES]; 4]; K];
    for (slot, limbs) in out.iter_mut().zip(&canonical.0) {
        for (slot, words) in slot.iter_mut().zip(join(limbs)) {
            *slot = super::lanes::store(words);
        }
    }
    out
}

/// Adds the products of all limb pairs to ten columns.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn add_products(columns: &mut [Words; 2 * LIMBS], a: &[Words; LIMBS], b: &[Words; LIMBS]) {
    macro_rules! row {
        ($i:literal: $($j:literal)*) => {$(
            columns[$i + $j] = _mm512_madd52lo_epu64(columns[$i + $j], a[$i], b[$j]);
            columns[$i + $j + 1] = _mm512_madd52hi_epu64(columns[$i + $j + 1], a[$i], b[$j]);
        )*};
    }
    row!(0: 0 1 2 3 4);
    row!(1: 0 1 2 3 4);
    row!(2: 0 1 2 3 4);
    row!(3: 0 1 2 3 4);
    row!(4: 0 1 2 3 4);
}

/// The ten columns of a square: mixed products once and doubled, then the squares.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn square_columns(a: &[Words; LIMBS]) -> [Words; 2 * LIMBS] {
    let mut columns = [_mm512_setzero_si512(); 2 * LIMBS];
    macro_rules! products {
        ($($i:literal $j:literal),*) => {$(
            columns[$i + $j] = _mm512_madd52lo_epu64(columns[$i + $j], a[$i], a[$j]);
            columns[$i + $j + 1] = _mm512_madd52hi_epu64(columns[$i + $j + 1], a[$i], a[$j]);
        )*};
    }
    products!(0 1, 0 2, 0 3, 0 4, 1 2, 1 3, 1 4, 2 3, 2 4, 3 4);
    for column in &mut columns[1..9] {
        *column = _mm512_add_epi64(*column, *column);
    }
    products!(0 0, 1 1, 2 2, 3 3, 4 4);
    columns
}

/// Ten columns (each below 2^58, in all below 2^520) as a loose number with limbs below 2^59.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn fold(columns: &[Words; 2 * LIMBS]) -> [Words; LIMBS] {
    let mask = _mm512_set1_epi64(LIMB_MASK);
    let mut c = *columns;
    macro_rules! carry {
        ($($i:literal)*) => {$(
            c[$i + 1] = _mm512_add_epi64(c[$i + 1], _mm512_srli_epi64::<LIMB_BITS>(c[$i]));
            c[$i] = _mm512_and_si512(c[$i], mask);
        )*};
    }
    carry!(5 6 7 8);
    let factor = _mm512_set1_epi64(FOLD_260);
    let mut beyond = _mm512_setzero_si512();
    c[0] = _mm512_madd52lo_epu64(c[0], c[5], factor);
    c[1] = _mm512_madd52hi_epu64(c[1], c[5], factor);
    c[1] = _mm512_madd52lo_epu64(c[1], c[6], factor);
    c[2] = _mm512_madd52hi_epu64(c[2], c[6], factor);
    c[2] = _mm512_madd52lo_epu64(c[2], c[7], factor);
    c[3] = _mm512_madd52hi_epu64(c[3], c[7], factor);
    c[3] = _mm512_madd52lo_epu64(c[3], c[8], factor);
    c[4] = _mm512_madd52hi_epu64(c[4], c[8], factor);
    c[4] = _mm512_madd52lo_epu64(c[4], c[9], factor);
    beyond = _mm512_madd52hi_epu64(beyond, c[9], factor);
    c[0] = _mm512_madd52lo_epu64(c[0], beyond, factor);
    c[1] = _mm512_madd52hi_epu64(c[1], beyond, factor);
    [c[0], c[1], c[2], c[3], c[4]]
}

/// a × b, loose: limbs below 2^58.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn product<const K: usize>(a: &Field<K>, b: &Field<K>) -> Loose<K> {
    let mut out = zero_loose();
    for k in 0..K {
        let mut columns = [_mm512_setzero_si512(); 2 * LIMBS];
        add_products(&mut columns, &a.0[k], &b.0[k]);
        out.0[k] = fold(&columns);
    }
    out
}

/// a × b + c × d with one reduction, loose: limbs below 2^59.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn product_sum<const K: usize>(
    a: &Field<K>,
    b: &Field<K>,
    c: &Field<K>,
    d: &Field<K>,
) -> Loose<K> {
    let mut out = zero_loose();
    for k in 0..K {
        let mut columns = [_mm512_setzero_si512(); 2 * LIMBS];
        add_products(&mut columns, &a.0[k], &b.0[k]);
        add_products(&mut columns, &c.0[k], &d.0[k]);
        out.0[k] = fold(&columns);
    }
    out
}

/// a², loose: limbs below 2^58.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn square_loose<const K: usize>(a: &Field<K>) -> Loose<K> {
    let mut out = zero_loose();
    for k in 0..K {
        out.0[k] = fold(&square_columns(&a.0[k]));
    }
    out
}

/// Folds what lies above 2^256 and carries: the finished form of a loose number.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn finish<const K: usize>(loose: &Loose<K>) -> Field<K> {
    let mask = _mm512_set1_epi64(LIMB_MASK);
    let mut out = splat([0; LIMBS]);
    for k in 0..K {
        let mut l = loose.0[k];
        // Limbs are below 2^62, so what lies above is below 2^15 and its multiple below 2^48.
        let above = _mm512_srli_epi64::<48>(l[4]);
        l[4] = _mm512_and_si512(l[4], _mm512_set1_epi64(TOP_MASK));
        l[0] = _mm512_madd52lo_epu64(l[0], above, _mm512_set1_epi64(FOLD_256));
        macro_rules! carry {
            ($($i:literal)*) => {$(
                l[$i + 1] = _mm512_add_epi64(l[$i + 1], _mm512_srli_epi64::<LIMB_BITS>(l[$i]));
                l[$i] = _mm512_and_si512(l[$i], mask);
            )*};
        }
        carry!(0 1 2 3);
        out.0[k] = l;
    }
    out
}

/// a × b.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn multiply<const K: usize>(a: &Field<K>, b: &Field<K>) -> Field<K> {
    finish(&product(a, b))
}

/// a².
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn square<const K: usize>(a: &Field<K>) -> Field<K> {
    finish(&square_loose(a))
}

/// a squared `times` times.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn square_times<const K: usize>(a: &Field<K>, times: u32) -> Field<K> {
    let mut out = *a;
    for _ in 0..times {
        out = square(&out);
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn zero_loose<const K: usize>() -> Loose<K> {
    Loose([[_mm512_setzero_si512(); LIMBS]; K])
}

/// A multiple of p from which loose numbers with limbs below 2^61 may be taken.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn bias<const K: usize>() -> Loose<K> {
    Loose(splat(BIAS).0)
}

macro_rules! limbwise {
    ($(#[$doc:meta])* $name:ident, $operation:expr) => {
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
        pub(super) fn $name<const K: usize>(a: &Loose<K>, b: &Loose<K>) -> Loose<K> {
            let mut out = zero_loose();
            for k in 0..K {
                for limb in 0..LIMBS {
                    out.0[k][limb] = $operation(a.0[k][limb], b.0[k][limb]);
                }
            }
            out
        }
    };
}
limbwise!(
    /// a + b.
    add,
    |a, b| _mm512_add_epi64(a, b)
);
limbwise!(
    /// a - b; no limb of b may exceed the limb of a.
    subtract,
    |a, b| _mm512_sub_epi64(a, b)
);

/// a × 2^POWER.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn shift<const K: usize, const POWER: u32>(a: &Loose<K>) -> Loose<K> {
    let mut out = zero_loose();
    for k in 0..K {
        for limb in 0..LIMBS {
            out.0[k][limb] = _mm512_slli_epi64::<POWER>(a.0[k][limb]);
        }
    }
    out
}

impl<const K: usize> Field<K> {
    /// The same number, ready for sums.
    #[inline]
    pub(super) fn loose(&self) -> Loose<K> {
        Loose(self.0)
    }
}

/// -a in the lanes of the masks, a in the others.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn negate_where<const K: usize>(a: &Field<K>, masks: &[__mmask8; K]) -> Field<K> {
    let bias = bias::<K>();
    let mut out = a.loose();
    for k in 0..K {
        for limb in 0..LIMBS {
            let value = a.0[k][limb];
            out.0[k][limb] = _mm512_mask_sub_epi64(value, masks[k], bias.0[k][limb], value);
        }
    }
    finish(&out)
}

/// b in the lanes of the masks, a in the others.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn select<const K: usize>(a: &Field<K>, b: &Field<K>, masks: &[__mmask8; K]) -> Field<K> {
    let mut out = *a;
    for k in 0..K {
        for limb in 0..LIMBS {
            out.0[k][limb] = _mm512_mask_blend_epi64(masks[k], a.0[k][limb], b.0[k][limb]);
        }
    }
    out
}

/// The one representation below p.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn canonical<const K: usize>(a: &Field<K>) -> Field<K> {
    let mask = _mm512_set1_epi64(LIMB_MASK);
    let mut out = *a;
    for k in 0..K {
        // a >= p exactly when a + 2^256 - p reaches 2^256; a < 2p, so one subtraction is enough.
        let mut l = a.0[k];
        l[0] = _mm512_add_epi64(l[0], _mm512_set1_epi64(FOLD_256));
        for limb in 0..LIMBS - 1 {
            l[limb + 1] = _mm512_add_epi64(l[limb + 1], _mm512_srli_epi64::<LIMB_BITS>(l[limb]));
            l[limb] = _mm512_and_si512(l[limb], mask);
        }
        let at_least_p = _mm512_test_epi64_mask(l[4], _mm512_set1_epi64(!TOP_MASK));
        l[4] = _mm512_and_si512(l[4], _mm512_set1_epi64(TOP_MASK));
        for limb in 0..LIMBS {
            out.0[k][limb] = _mm512_mask_blend_epi64(at_least_p, a.0[k][limb], l[limb]);
        }
    }
    out
}

/// The lanes in which canonical numbers are zero.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn zero_lanes<const K: usize>(canonical: &Field<K>) -> [__mmask8; K] {
    let mut out = [0; K];
    for k in 0..K {
        let any = canonical.0[k].iter().fold(_mm512_setzero_si512(), |any, limb| _mm512_or_si512(any, *limb));
        out[k] = _mm512_cmpeq_epi64_mask(any, _mm512_setzero_si512());
    }
    out
}

/// The lanes in which canonical numbers are odd.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn odd_lanes<const K: usize>(canonical: &Field<K>) -> [__mmask8; K] {
    let mut out = [0; K];
    for k in 0..K {
        out[k] = _mm512_test_epi64_mask(canonical.0[k][0], _mm512_set1_epi64(1));
    }
    out
}

/// a^(2^2 - 1), a^(2^22 - 1), a^(2^223 - 1): what both exponents below share.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn runs_of_ones<const K: usize>(a: &Field<K>) -> [Field<K>; 3] {
    let x2 = multiply(&square(a), a);
    let x3 = multiply(&square(&x2), a);
    let x6 = multiply(&square_times(&x3, 3), &x3);
    let x9 = multiply(&square_times(&x6, 3), &x3);
    let x11 = multiply(&square_times(&x9, 2), &x2);
    let x22 = multiply(&square_times(&x11, 11), &x11);
    let x44 = multiply(&square_times(&x22, 22), &x22);
    let x88 = multiply(&square_times(&x44, 44), &x44);
    let x176 = multiply(&square_times(&x88, 88), &x88);
    let x220 = multiply(&square_times(&x176, 44), &x44);
    let x223 = multiply(&square_times(&x220, 3), &x3);
    [x2, x22, x223]
}

/// a^((p+1)/4): a square root where one exists; the caller squares to see.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn root<const K: usize>(a: &Field<K>) -> Field<K> {
    let [x2, x22, x223] = runs_of_ones(a);
    let t = multiply(&square_times(&x223, 23), &x22);
    square_times(&multiply(&square_times(&t, 6), &x2), 2)
}

/// a^(p-2): the inverse, and zero of zero.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn invert<const K: usize>(a: &Field<K>) -> Field<K> {
    let [x2, x22, x223] = runs_of_ones(a);
    let t = multiply(&square_times(&x223, 23), &x22);
    let t = multiply(&square_times(&t, 5), a);
    let t = multiply(&square_times(&t, 3), &x2);
    multiply(&square_times(&t, 2), a)
}
