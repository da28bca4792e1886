//! Public-key recovery of eight signatures at once on processors with AVX-512 IFMA: one signature
//! in each 64-bit lane, one verdict for each.
//!
//! What stands where: [`lanes`] the register and all memory access through it, [`field`] numbers
//! modulo p, [`point`] sums of points, [`scalar`] numbers modulo n, [`generator`] the table of the
//! generator's multiples, [`recover`] the algorithm. Callers use
//! [`crate::recover_batch_addresses`], which chooses between this and the scalar library.
//!
//! Signatures and keys are public: time may depend on them.

// Registers and limbs of several numbers are walked in step; an index says that best.
#![allow(clippy::needless_range_loop)]

mod field;
mod generator;
mod lanes;
mod point;
mod recover;
mod scalar;

#[cfg(test)]
mod tests;

pub(crate) use lanes::{LANES, available};
pub(crate) use recover::recover_good;
