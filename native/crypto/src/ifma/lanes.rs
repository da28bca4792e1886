//! The lane type: eight 64-bit words in one 512-bit register. The only unsafe code of this folder
//! that touches memory stands here.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_i64gather_epi64, _mm512_mullo_epi64,
    _mm512_set_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
};

/// Signatures in one register.
pub(crate) const LANES: usize = 8;

/// Eight words, one per lane.
pub(super) type Words = __m512i;

/// Whether this processor has everything that the lane code is compiled for.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512ifma")
}

/// One word per lane, lane 0 first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn load(words: &[u64; LANES]) -> Words {
    // SAFETY: both types are 64 plain bytes and every bit pattern is valid for either.
    unsafe { std::mem::transmute::<[u64; LANES], __m512i>(*words) }
}

/// The words of the lanes, lane 0 first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn store(words: Words) -> [u64; LANES] {
    // SAFETY: both types are 64 plain bytes and every bit pattern is valid for either.
    unsafe { std::mem::transmute::<__m512i, [u64; LANES]>(words) }
}

/// `N` words per lane out of one table whose rows are `N` words: the row that the lane names, modulo
/// the number of rows, a power of two.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn gather_rows<const N: usize, const ROWS: usize>(
    table: &[[u64; N]; ROWS],
    rows: Words,
) -> [Words; N] {
    const { assert!(ROWS.is_power_of_two() && N * ROWS < 1 << 32) };
    let rows = _mm512_and_si512(rows, _mm512_set1_epi64(ROWS as i64 - 1));
    let first = _mm512_mullo_epi64(rows, _mm512_set1_epi64(N as i64));
    let mut out = [_mm512_setzero_si512(); N];
    for (word, slot) in out.iter_mut().enumerate() {
        // SAFETY: rows < ROWS by the mask, so first + word < N * ROWS, the table's length in words.
        *slot = unsafe { _mm512_i64gather_epi64::<8>(first, table.as_ptr().cast::<i64>().add(word)) };
    }
    out
}

/// Each lane's own entry out of a table of `ENTRIES` vectors of `N` limbs; entry numbers count modulo
/// `ENTRIES`, a power of two.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn gather_lanes<const N: usize, const ENTRIES: usize>(
    table: &[[Words; N]; ENTRIES],
    entries: Words,
) -> [Words; N] {
    const { assert!(ENTRIES.is_power_of_two() && N * ENTRIES < 1 << 24) };
    let entries = _mm512_and_si512(entries, _mm512_set1_epi64(ENTRIES as i64 - 1));
    let stride = _mm512_set1_epi64((N * LANES) as i64);
    let lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    let first = _mm512_add_epi64(_mm512_mullo_epi64(entries, stride), lane);
    let mut out = [_mm512_setzero_si512(); N];
    for (limb, slot) in out.iter_mut().enumerate() {
        // SAFETY: entries < ENTRIES by the mask and lane < LANES, so every word read lies inside
        // the N * LANES * ENTRIES words of the table.
        *slot = unsafe { _mm512_i64gather_epi64::<8>(first, table.as_ptr().cast::<i64>().add(limb * LANES)) };
    }
    out
}
