//! Eight lanes of 64 bits.

use std::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_rol_epi64, _mm512_set_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_shuffle_i64x2, _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use alloy_primitives::B256;

use super::block::{Block, Feed, ROUNDS, last_word, round};

/// Messages at once.
pub(super) const LANES: usize = 8;

type Words = __m512i;

/// Truth tables: a ^ b ^ c, and a ^ (!b & c).
const XOR3: i32 = 0x96;
const CHI: i32 = 0xd2;

/// Hashes up to eight messages; the digest of message i goes to place i.
#[target_feature(enable = "avx512f")]
pub(super) fn hash(messages: &[&[u8]], digests: &mut [B256; 8]) {
    let feed = Feed::<LANES>::new(messages);
    let mut state = [_mm512_setzero_si512(); 25];
    for step in 0..feed.rounds() {
        absorb(&mut state, &feed.blocks(step));
        for constant in ROUNDS {
            round!(state, constant);
        }
        if feed.any_ends(step) {
            let words = [store(state[0]), store(state[1]), store(state[2]), store(state[3])];
            feed.take(step, &words, digests);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn absorb(state: &mut [Words; 25], blocks: &[&Block; LANES]) {
    for half in 0..2 {
        let rows = std::array::from_fn(|lane| load(blocks[lane], half * 64));
        for (word, column) in transposed(rows).into_iter().enumerate() {
            state[half * 8 + word] = _mm512_xor_si512(state[half * 8 + word], column);
        }
    }
    let [a, b, c, d, e, f, g, h] = blocks.map(last_word);
    state[16] = _mm512_xor_si512(state[16], _mm512_set_epi64(h, g, f, e, d, c, b, a));
}

/// Word i of lane j becomes lane j of word i.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(rows: [Words; 8]) -> [Words; 8] {
    let mut pairs = rows;
    for i in 0..4 {
        pairs[2 * i] = _mm512_unpacklo_epi64(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi64(rows[2 * i], rows[2 * i + 1]);
    }
    let mut out = rows;
    for odd in 0..2 {
        // 128-bit quarters: of each pair of lanes the words (0,1)+odd, (2,3), (4,5), (6,7).
        let even_low = _mm512_shuffle_i64x2::<0x88>(pairs[odd], pairs[2 + odd]);
        let odd_low = _mm512_shuffle_i64x2::<0xdd>(pairs[odd], pairs[2 + odd]);
        let even_high = _mm512_shuffle_i64x2::<0x88>(pairs[4 + odd], pairs[6 + odd]);
        let odd_high = _mm512_shuffle_i64x2::<0xdd>(pairs[4 + odd], pairs[6 + odd]);
        out[odd] = _mm512_shuffle_i64x2::<0x88>(even_low, even_high);
        out[4 + odd] = _mm512_shuffle_i64x2::<0xdd>(even_low, even_high);
        out[2 + odd] = _mm512_shuffle_i64x2::<0x88>(odd_low, odd_high);
        out[6 + odd] = _mm512_shuffle_i64x2::<0xdd>(odd_low, odd_high);
    }
    out
}

/// 64 bytes of a block.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(block: &Block, from: usize) -> Words {
    let bytes = &block[from..from + 64];
    // SAFETY: the slice holds the 64 bytes that are read, and the load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(words: Words) -> [u64; LANES] {
    let mut out = [0; LANES];
    // SAFETY: the array holds the 64 bytes that are written, and the store asks for no alignment.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), words) };
    out
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: Words, b: Words, c: Words) -> Words {
    _mm512_ternarylogic_epi64::<XOR3>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn chi(a: Words, b: Words, c: Words) -> Words {
    _mm512_ternarylogic_epi64::<CHI>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: Words, b: Words) -> Words {
    _mm512_xor_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rol<const BITS: i32>(a: Words) -> Words {
    _mm512_rol_epi64::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u64) -> Words {
    _mm512_set1_epi64(word.cast_signed())
}
