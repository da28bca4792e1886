//! Four lanes of 64 bits.

use std::arch::x86_64::{
    __m256i, _mm256_andnot_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_permute2x128_si256,
    _mm256_set_epi64x, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_sllv_epi64, _mm256_srlv_epi64,
    _mm256_storeu_si256, _mm256_unpackhi_epi64, _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use alloy_primitives::B256;

use super::block::{Block, Feed, ROUNDS, last_word, round};

/// Messages at once.
pub(super) const LANES: usize = 4;

type Words = __m256i;

/// Hashes up to four messages; the digest of message i goes to place i.
#[target_feature(enable = "avx2")]
pub(super) fn hash(messages: &[&[u8]], digests: &mut [B256; 8]) {
    let feed = Feed::<LANES>::new(messages);
    let mut state = [_mm256_setzero_si256(); 25];
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
#[target_feature(enable = "avx2")]
fn absorb(state: &mut [Words; 25], blocks: &[&Block; LANES]) {
    for quarter in 0..4 {
        let rows = std::array::from_fn(|lane| load(blocks[lane], quarter * 32));
        for (word, column) in transposed(rows).into_iter().enumerate() {
            state[quarter * 4 + word] = _mm256_xor_si256(state[quarter * 4 + word], column);
        }
    }
    let [a, b, c, d] = blocks.map(last_word);
    state[16] = _mm256_xor_si256(state[16], _mm256_set_epi64x(d, c, b, a));
}

/// Word i of lane j becomes lane j of word i.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: [Words; 4]) -> [Words; 4] {
    let even_low = _mm256_unpacklo_epi64(rows[0], rows[1]);
    let odd_low = _mm256_unpackhi_epi64(rows[0], rows[1]);
    let even_high = _mm256_unpacklo_epi64(rows[2], rows[3]);
    let odd_high = _mm256_unpackhi_epi64(rows[2], rows[3]);
    [
        _mm256_permute2x128_si256::<0x20>(even_low, even_high),
        _mm256_permute2x128_si256::<0x20>(odd_low, odd_high),
        _mm256_permute2x128_si256::<0x31>(even_low, even_high),
        _mm256_permute2x128_si256::<0x31>(odd_low, odd_high),
    ]
}

/// 32 bytes of a block.
#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &Block, from: usize) -> Words {
    let bytes = &block[from..from + 32];
    // SAFETY: the slice holds the 32 bytes that are read, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(words: Words) -> [u64; LANES] {
    let mut out = [0; LANES];
    // SAFETY: the array holds the 32 bytes that are written, and the store asks for no alignment.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), words) };
    out
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: Words, b: Words, c: Words) -> Words {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

/// a ^ (!b & c).
#[inline]
#[target_feature(enable = "avx2")]
fn chi(a: Words, b: Words, c: Words) -> Words {
    _mm256_xor_si256(a, _mm256_andnot_si256(b, c))
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: Words, b: Words) -> Words {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rol<const BITS: i64>(a: Words) -> Words {
    let left = _mm256_sllv_epi64(a, _mm256_set1_epi64x(BITS));
    let right = _mm256_srlv_epi64(a, _mm256_set1_epi64x(64 - BITS));
    _mm256_or_si256(left, right)
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u64) -> Words {
    _mm256_set1_epi64x(word.cast_signed())
}
