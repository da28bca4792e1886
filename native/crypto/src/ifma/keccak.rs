//! keccak-256 of eight 64-byte messages at once: the accounts behind eight public keys.

use std::arch::x86_64::{
    _mm512_rol_epi64, _mm512_set_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use super::lanes::{LANES, Words, store};

/// The constants of the 24 rounds (FIPS 202).
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];
/// Ternary tables: a ^ b ^ c, and a ^ (!b & c).
const XOR3: i32 = 0x96;
const CHI: i32 = 0xd2;

/// The accounts of eight keys; x and y as four words each, least significant first.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn accounts(x: &[Words; 4], y: &[Words; 4]) -> [[u8; 20]; LANES] {
    let mut state = [_mm512_setzero_si512(); 25];
    for word in 0..4 {
        state[word] = swap_bytes(x[3 - word]);
        state[4 + word] = swap_bytes(y[3 - word]);
    }
    // The padding of a 64-byte message in a block of 136 bytes.
    state[8] = _mm512_set1_epi64(1);
    state[16] = _mm512_set1_epi64(i64::MIN);
    for constant in ROUNDS {
        round(&mut state, constant);
    }
    let mut out = [[0; 20]; LANES];
    for (lane, words) in [store(state[1]), store(state[2]), store(state[3])].iter().enumerate() {
        for (out, word) in out.iter_mut().zip(words) {
            let bytes = word.to_le_bytes();
            match lane {
                0 => out[..4].copy_from_slice(&bytes[4..]),
                1 => out[4..12].copy_from_slice(&bytes),
                _ => out[12..].copy_from_slice(&bytes),
            }
        }
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn round(a: &mut [Words; 25], constant: u64) {
    let mut columns = [_mm512_setzero_si512(); 5];
    for (x, column) in columns.iter_mut().enumerate() {
        let upper = _mm512_ternarylogic_epi64::<XOR3>(a[x], a[x + 5], a[x + 10]);
        *column = _mm512_ternarylogic_epi64::<XOR3>(upper, a[x + 15], a[x + 20]);
    }
    for x in 0..5 {
        let turned = _mm512_rol_epi64::<1>(columns[(x + 1) % 5]);
        for y in 0..5 {
            let lane = &mut a[x + 5 * y];
            *lane = _mm512_ternarylogic_epi64::<XOR3>(*lane, columns[(x + 4) % 5], turned);
        }
    }
    macro_rules! moved {
        ($($source:literal $turn:literal),*) => { [$(_mm512_rol_epi64::<$turn>(a[$source])),*] };
    }
    #[rustfmt::skip]
    let b = moved!(
            0 0, 6 44, 12 43, 18 21, 24 14,
            3 28, 9 20, 10 3, 16 45, 22 61,
            1 1, 7 6, 13 25, 19 8, 20 18,
            4 27, 5 36, 11 10, 17 15, 23 56,
            2 62, 8 55, 14 39, 15 41, 21 2
    );
    for y in 0..5 {
        for x in 0..5 {
            let (one, two) = (b[(x + 1) % 5 + 5 * y], b[(x + 2) % 5 + 5 * y]);
            a[x + 5 * y] = _mm512_ternarylogic_epi64::<CHI>(b[x + 5 * y], one, two);
        }
    }
    a[0] = _mm512_xor_si512(a[0], _mm512_set1_epi64(constant.cast_signed()));
}

/// Every word with its bytes in the opposite order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn swap_bytes(words: Words) -> Words {
    const HIGH: i64 = 0x0809_0a0b_0c0d_0e0f;
    const LOW: i64 = 0x0001_0203_0405_0607;
    _mm512_shuffle_epi8(words, _mm512_set_epi64(HIGH, LOW, HIGH, LOW, HIGH, LOW, HIGH, LOW))
}
