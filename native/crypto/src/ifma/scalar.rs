//! Numbers modulo n, the order of secp256k1, one signature at a time: inverses of a whole batch by
//! one exponentiation, the split of a factor by the curve's endomorphism, and signed odd digits.
//!
//! Products are Montgomery's (a·b/2^256 mod n). Everything is public; time may depend on values.

/// 256 bits, least significant word first.
pub(super) type Wide = [u64; 4];

/// The order of the group.
pub(super) const ORDER: Wide =
    [0xbfd2_5e8c_d036_4141, 0xbaae_dce6_af48_a03b, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff];
/// -1/n mod 2^64.
const ORDER_INVERSE: u64 = 0x4b0d_ff66_5588_b13f;
/// 2^512 mod n.
const RADIX_SQUARED: Wide =
    [0x896c_f214_67d7_d140, 0x7414_96c2_0e7c_f878, 0xe697_f5e4_5bcd_07c6, 0x9d67_1cd5_81c6_9bc5];
/// 2^256 mod n: one in Montgomery form.
const RADIX: Wide = [0x402d_a173_2fc9_bebf, 0x4551_2319_50b7_5fc4, 1, 0];

/// The short vectors (A1, -B1) and (A2, A1) of the lattice {(a, b): a + b·λ = 0 mod n}.
const A1: [u64; 2] = [0xe86c_90e4_9284_eb15, 0x3086_d221_a7d4_6bcd];
const MINUS_B1: [u64; 2] = [0x6f54_7fa9_0abf_e4c3, 0xe443_7ed6_010e_8828];
const A2: [u64; 3] = [0x57c1_108d_9d44_cfd8, 0x14ca_50f7_a8e2_f3f6, 1];
/// round(2^384·A1/n) and round(-2^384·B1/n).
const SHARE1: Wide =
    [0xe893_209a_45db_b031, 0x3daa_8a14_71e8_ca7f, 0xe86c_90e4_9284_eb15, 0x3086_d221_a7d4_6bcd];
const SHARE2: Wide =
    [0x1571_b4ae_8ac4_7f71, 0x2212_08ac_9df5_06c6, 0x6f54_7fa9_0abf_e4c4, 0xe443_7ed6_010e_8828];

/// Bits of a half factor; both digit widths divide it.
pub(super) const HALF_BITS: u32 = 130;

/// An odd number below 2^130 with a sign, its bit 130 set: the mark of the top digit, which is
/// never negative (see [`digits`](super::digits)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Half {
    /// Magnitude + 2^130.
    pub(super) words: [u64; 3],
    /// Whether the number is negative.
    pub(super) negative: bool,
}

/// Big-endian bytes as words.
pub(super) fn from_bytes(bytes: &[u8; 32]) -> Wide {
    let mut out = [0; 4];
    for (word, chunk) in out.iter_mut().zip(bytes.rchunks_exact(8)) {
        *word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    out
}

/// a·b/2^256 mod n, below n; one of both must be below n.
pub(super) fn product(a: &Wide, b: &Wide) -> Wide {
    let mut t = [0u64; 6];
    for word in a {
        let mut carry = 0;
        for j in 0..4 {
            (t[j], carry) = multiply_add(t[j], *word, b[j], carry);
        }
        (t[4], t[5]) = add_carry(t[4], carry);
        let factor = t[0].wrapping_mul(ORDER_INVERSE);
        (_, carry) = multiply_add(t[0], factor, ORDER[0], 0);
        for j in 1..4 {
            (t[j - 1], carry) = multiply_add(t[j], factor, ORDER[j], carry);
        }
        (t[3], carry) = add_carry(t[4], carry);
        t[4] = t[5] + carry;
    }
    let low = [t[0], t[1], t[2], t[3]];
    let (reduced, borrow) = minus(&low, &ORDER);
    if t[4] != 0 || !borrow { reduced } else { low }
}

/// The inverses of numbers from 1 to n-1, times 2^256, in place: three products each and one
/// exponentiation for all.
pub(super) fn invert_all(numbers: &mut [Wide]) {
    let mut running = RADIX;
    let mut before = Vec::with_capacity(numbers.len());
    for number in numbers.iter_mut() {
        *number = product(number, &RADIX_SQUARED);
        before.push(running);
        running = product(&running, number);
    }
    let mut inverse = invert(&running);
    for (number, before) in numbers.iter_mut().zip(before).rev() {
        let own = product(&inverse, &before);
        inverse = product(&inverse, number);
        *number = own;
    }
}

/// a^(n-2), all in Montgomery form.
fn invert(a: &Wide) -> Wide {
    let exponent = [ORDER[0] - 2, ORDER[1], ORDER[2], ORDER[3]];
    let mut powers = [RADIX; 16];
    for index in 1..16 {
        powers[index] = product(&powers[index - 1], a);
    }
    let mut out = RADIX;
    for position in (0..64).rev() {
        for _ in 0..4 {
            out = product(&out, &out);
        }
        let digit = exponent[position / 16] >> (position % 16 * 4) & 15;
        out = product(&out, &powers[digit as usize]);
    }
    out
}

/// n - a for a from 0 to n; n for 0.
pub(super) fn negated(a: &Wide) -> Wide {
    minus(&ORDER, a).0
}

/// Odd k1, k2 below 2^130 in magnitude with k1 + k2·λ = k mod n, for k below n.
pub(super) fn split(k: &Wide) -> [Half; 2] {
    let mut c1 = rounded_share(k, &SHARE1);
    let mut c2 = rounded_share(k, &SHARE2);
    // A1 and B1 are odd and A2 is even, so moving by one vector each makes both parts odd: at most
    // 1.72·2^128 in magnitude, since rounding leaves less than 0.64·2^128.
    if c1[0] & 1 == k[0] & 1 {
        c1[0] ^= 1;
    }
    if c1[0] & 1 == c2[0] & 1 {
        c2[0] ^= 1;
    }
    let k1 = minus(&minus(k, &times(&c1, &A1)).0, &times(&c2, &A2)).0;
    let k2 = minus(&times(&c1, &MINUS_B1), &times(&c2, &A1)).0;
    [half_of(&k1), half_of(&k2)]
}

/// Odd l and h with l + 2^130·h = ±k mod n for k below n; the flag tells minus.
pub(super) fn halves(k: &Wide) -> [Half; 2] {
    // n is odd, so one of k and n - k is odd; and one of h and h + 1 is.
    let negative = k[0] & 1 == 0;
    let odd = if negative { negated(k) } else { *k };
    let mut high = [odd[2] >> 2 | odd[3] << 62, odd[3] >> 2, 0];
    let mut low = [odd[0], odd[1], odd[2] & 3, 0];
    let borrowed = high[0] & 1 == 0;
    if borrowed {
        high[0] |= 1;
        low = minus(&[0, 0, 4, 0], &low).0;
    }
    high[2] |= 4;
    [
        Half { words: [low[0], low[1], low[2] | 4], negative: negative != borrowed },
        Half { words: high, negative },
    ]
}

/// A number in two's complement of 256 bits as sign and magnitude.
fn half_of(number: &Wide) -> Half {
    let negative = number[3] >> 63 == 1;
    let magnitude = if negative { minus(&[0; 4], number).0 } else { *number };
    debug_assert!(magnitude[0] & 1 == 1 && magnitude[2] < 4 && magnitude[3] == 0);
    Half { words: [magnitude[0], magnitude[1], magnitude[2] | 4], negative }
}

/// round(k·share/2^384).
fn rounded_share(k: &Wide, share: &Wide) -> [u64; 2] {
    let mut t = [0u64; 8];
    for i in 0..4 {
        let mut carry = 0;
        for j in 0..4 {
            (t[i + j], carry) = multiply_add(t[i + j], k[i], share[j], carry);
        }
        t[i + 4] = carry;
    }
    let (low, carry) = add_carry(t[6], t[5] >> 63);
    [low, t[7] + carry]
}

/// a·b, at most 256 bits of it.
fn times<const N: usize>(a: &[u64; 2], b: &[u64; N]) -> Wide {
    let mut t = [0u64; 8];
    for i in 0..2 {
        let mut carry = 0;
        for j in 0..N {
            (t[i + j], carry) = multiply_add(t[i + j], a[i], b[j], carry);
        }
        t[i + N] = carry;
    }
    [t[0], t[1], t[2], t[3]]
}

/// a - b mod 2^256 and whether it borrowed.
pub(super) fn minus(a: &Wide, b: &Wide) -> (Wide, bool) {
    let mut out = [0; 4];
    let mut borrow = false;
    for i in 0..4 {
        let (difference, first) = a[i].overflowing_sub(b[i]);
        let (difference, second) = difference.overflowing_sub(u64::from(borrow));
        out[i] = difference;
        borrow = first || second;
    }
    (out, borrow)
}

/// Low and high word of a + b·c + d; it never overflows.
#[inline]
fn multiply_add(a: u64, b: u64, c: u64, d: u64) -> (u64, u64) {
    let sum = u128::from(a) + u128::from(b) * u128::from(c) + u128::from(d);
    (sum as u64, (sum >> 64) as u64)
}

/// Low word of a + b and the carry.
#[inline]
fn add_carry(a: u64, b: u64) -> (u64, u64) {
    let (sum, carry) = a.overflowing_add(b);
    (sum, u64::from(carry))
}
