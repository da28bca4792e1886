//! keccak-256 of many messages at once, one in each 64-bit lane of a vector register.
//!
//! One permutation of eight lanes costs about as much as one of a single message, so whoever has
//! many messages (nodes of a trie level, keys of a diff, transactions of a batch) hashes them here.
//! Messages are taken in order of their number of blocks, so that lanes end together; a lane whose
//! message is shorter than its neighbours' gives its digest early and idles.
//!
//! * [`avx512`]: eight lanes; three-operand logic does a round in about 90 instructions.
//! * [`avx2`]: four lanes.
//! * elsewhere: one message after the other, by the scalar library.
//!
//! The way is chosen once, from what the processor says it can do.
//!
//! # Source
//! FIPS 202, with Keccak's original padding (Ethereum).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use alloy_primitives::B256;

use crate::keccak256;

/// Messages that are ordered among each other; bounds the stack, not the input.
const WINDOW: usize = 512;

/// Messages of at least so many blocks share the last bin; they are rare.
const BINS: usize = 8;

/// A way to hash several messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashLanes {
    /// Eight lanes, AVX-512F.
    Eight,
    /// Four lanes, AVX2.
    Four,
    /// One message after the other.
    One,
}

impl HashLanes {
    /// Every way that this processor can go, the fastest first; never empty.
    pub fn available() -> Vec<Self> {
        let mut ways = Vec::with_capacity(3);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                ways.push(Self::Eight);
            }
            if is_x86_feature_detected!("avx2") {
                ways.push(Self::Four);
            }
        }
        ways.push(Self::One);
        ways
    }

    /// The fastest way of this processor.
    pub fn best() -> Self {
        static BEST: OnceLock<HashLanes> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().first().copied().unwrap_or(Self::One))
    }

    /// Hashes `count` messages: `input` gives the message of an index (asked for more than once),
    /// `output` takes its digest; digests come in no particular order, each once. A way that the
    /// processor lacks is replaced by the scalar one. Allocates nothing.
    pub fn hash<'a>(
        self,
        count: usize,
        input: impl Fn(usize) -> &'a [u8],
        mut output: impl FnMut(usize, B256),
    ) {
        let mut first = 0;
        while first < count {
            let size = WINDOW.min(count - first);
            self.window(size, |index| input(first + index), |index, hash| output(first + index, hash));
            first += size;
        }
    }

    fn window<'a>(
        self,
        count: usize,
        input: impl Fn(usize) -> &'a [u8],
        mut output: impl FnMut(usize, B256),
    ) {
        let width = self.width();
        let mut order = [0u16; WINDOW];
        if width > 1 {
            order_by_blocks(&mut order[..count], |index| input(index).len());
        } else {
            order.iter_mut().zip(0..).for_each(|(place, index)| *place = index);
        }
        for group in order[..count].chunks(width) {
            let mut messages: [&[u8]; 8] = [&[]; 8];
            for (message, index) in messages.iter_mut().zip(group) {
                *message = input(usize::from(*index));
            }
            let mut digests = [B256::ZERO; 8];
            self.group(&messages[..group.len()], &mut digests);
            for (index, digest) in group.iter().zip(digests) {
                output(usize::from(*index), digest);
            }
        }
    }

    /// How many messages go through one permutation here.
    fn width(self) -> usize {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Eight if is_x86_feature_detected!("avx512f") => return avx512::LANES,
            Self::Four if is_x86_feature_detected!("avx2") => return avx2::LANES,
            _ => {}
        }
        1
    }

    /// Up to `width` messages; a single one is the scalar library's.
    fn group(self, messages: &[&[u8]], digests: &mut [B256; 8]) {
        #[cfg(target_arch = "x86_64")]
        match self {
            // SAFETY: the processor has been asked for the feature in this very condition.
            Self::Eight if messages.len() > 1 && is_x86_feature_detected!("avx512f") => {
                return unsafe { avx512::hash(messages, digests) };
            }
            // SAFETY: as above.
            Self::Four if messages.len() > 1 && is_x86_feature_detected!("avx2") => {
                return unsafe { avx2::hash(messages, digests) };
            }
            _ => {}
        }
        for (digest, message) in digests.iter_mut().zip(messages) {
            *digest = keccak256(message);
        }
    }
}

/// keccak-256 of every input, in the order of the inputs.
pub fn keccak256_many(inputs: &[&[u8]]) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; inputs.len()];
    keccak256_many_into(inputs, &mut hashes);
    hashes
}

/// keccak-256 of every input into its place; allocates nothing.
///
/// # Panics
/// Where there are not as many places as inputs.
pub fn keccak256_many_into<T: AsRef<[u8]>>(inputs: &[T], hashes: &mut [B256]) {
    assert_eq!(inputs.len(), hashes.len(), "one place for each input");
    HashLanes::best().hash(inputs.len(), |index| inputs[index].as_ref(), |index, hash| hashes[index] = hash);
}

/// Sorts indexes by their message's number of blocks: by counting, the rare long ones by comparing.
fn order_by_blocks(order: &mut [u16], len: impl Fn(usize) -> usize) {
    let bin = |index: usize| (len(index) / block::RATE).min(BINS - 1);
    let mut starts = [0usize; BINS + 1];
    for index in 0..order.len() {
        starts[bin(index) + 1] += 1;
    }
    for bin in 1..=BINS {
        starts[bin] += starts[bin - 1];
    }
    let long = starts[BINS - 1];
    // A window's indexes fit into 16 bits.
    for index in 0..order.len() {
        let place = &mut starts[bin(index)];
        order[*place] = index as u16;
        *place += 1;
    }
    order[long..].sort_unstable_by_key(|index| len(usize::from(*index)) / block::RATE);
}
