//! The senders of many signatures: in lanes where the processor can, by the scalar library elsewhere.
//!
//! The answers are those of [`recover`] one by one: the same accounts and the same errors.

use alloy_primitives::{Address, B256};

use crate::{CryptoError, recover};

/// Below this many signatures the scalar library is quicker: a register costs as much as 1.4 of its
/// recoveries, however few lanes are in use.
#[cfg(target_arch = "x86_64")]
const LANES_MIN: usize = 2;

/// Batches split over threads do best in multiples of this many signatures.
pub const BATCH_STEP: usize = 16;

/// Whether this processor recovers eight signatures at once (AVX-512 IFMA).
pub fn recovers_in_lanes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return crate::ifma::available();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// The accounts that signed the digests, in the order given; signatures are r ‖ s ‖ y parity. Runs in
/// the calling thread.
///
/// # Errors
/// For each signature on its own those of [`recover`].
pub fn recover_batch_addresses(batch: &[(B256, [u8; 65])]) -> Vec<Result<Address, CryptoError>> {
    #[cfg(target_arch = "x86_64")]
    if batch.len() >= LANES_MIN && crate::ifma::available() {
        return recover_in_lanes(batch);
    }
    batch.iter().map(|(digest, signature)| recover(digest, signature)).collect()
}

/// Malformed signatures take no lane, so nobody can fill lanes with them.
#[cfg(target_arch = "x86_64")]
fn recover_in_lanes(batch: &[(B256, [u8; 65])]) -> Vec<Result<Address, CryptoError>> {
    let forms: Vec<_> = batch.iter().map(|(_, signature)| crate::standard::check_form(signature)).collect();
    let good: Vec<_> =
        batch.iter().zip(&forms).filter(|(_, form)| form.is_ok()).map(|(one, _)| one).collect();
    // The last group is left to the scalar library where most of its lanes would be empty.
    let rest = good.len() % crate::ifma::LANES;
    let in_lanes = if rest < LANES_MIN { good.len() - rest } else { good.len() };
    // SAFETY: `available` answered yes, so the processor has every feature that this is compiled for.
    let mut answers = unsafe { crate::ifma::recover_good(&good[..in_lanes]) };
    answers.extend(good[in_lanes..].iter().map(|(digest, signature)| recover(digest, signature)));
    let mut answers = answers.into_iter();
    let merge = |form: Result<(), CryptoError>| {
        form.and_then(|()| answers.next().unwrap_or(Err(CryptoError::InvalidSignature)))
    };
    forms.into_iter().map(merge).collect()
}
