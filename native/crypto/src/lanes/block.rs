//! What every vector width shares: padding, which block a lane absorbs next, the rounds.

use alloy_primitives::B256;

/// Bytes absorbed between two permutations (capacity 512 bits).
pub(super) const RATE: usize = 136;

/// One block of one lane.
pub(super) type Block = [u8; RATE];

static NOTHING: Block = [0; RATE];

/// The constants of the 24 rounds.
pub(super) const ROUNDS: [u64; 24] = [
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

/// The messages of `N` lanes, cut into blocks.
pub(super) struct Feed<'a, const N: usize> {
    messages: [&'a [u8]; N],
    /// The last block of each, padded.
    tails: [Block; N],
    /// How many blocks each has; none for a lane without a message.
    counts: [usize; N],
}

impl<'a, const N: usize> Feed<'a, N> {
    pub(super) fn new(messages: &[&'a [u8]]) -> Self {
        let mut feed = Self { messages: [&[]; N], tails: [NOTHING; N], counts: [0; N] };
        for (lane, message) in messages.iter().enumerate().take(N) {
            let whole = message.len() / RATE;
            let rest = &message[whole * RATE..];
            let tail = &mut feed.tails[lane];
            tail[..rest.len()].copy_from_slice(rest);
            // One byte carries both ends of the padding where only one is left.
            tail[rest.len()] ^= 0x01;
            tail[RATE - 1] ^= 0x80;
            feed.messages[lane] = message;
            feed.counts[lane] = whole + 1;
        }
        feed
    }

    /// Permutations until the longest message is through.
    pub(super) fn rounds(&self) -> usize {
        self.counts.iter().copied().max().unwrap_or(0)
    }

    /// What each lane absorbs before permutation `round`.
    pub(super) fn blocks(&self, round: usize) -> [&Block; N] {
        std::array::from_fn(|lane| {
            let from = round * RATE;
            if round + 1 == self.counts[lane] {
                return &self.tails[lane];
            }
            let whole = self.messages[lane].get(from..from + RATE);
            whole.and_then(|bytes| bytes.try_into().ok()).unwrap_or(&NOTHING)
        })
    }

    /// Whether a lane's digest stands in the state after permutation `round`.
    pub(super) fn any_ends(&self, round: usize) -> bool {
        self.counts.contains(&(round + 1))
    }

    /// Takes the digests of the lanes that end with `round`, from the state's first four words.
    pub(super) fn take(&self, round: usize, words: &[[u64; N]; 4], digests: &mut [B256; 8]) {
        for (lane, digest) in digests.iter_mut().enumerate().take(N) {
            if self.counts[lane] == round + 1 {
                for (bytes, word) in digest.0.chunks_exact_mut(8).zip(words) {
                    bytes.copy_from_slice(&word[lane].to_le_bytes());
                }
            }
        }
    }
}

/// The word at the end of a block, which no whole vector load reaches.
pub(super) fn last_word(block: &Block) -> i64 {
    let [.., a, b, c, d, e, f, g, h] = *block;
    i64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// One round over `$a: [Words; 25]`, in terms of the invoking module's `xor3`, `rol`, `chi`,
/// `xor` and `splat`.
macro_rules! round {
    ($a:ident, $constant:expr) => {{
        let mut columns = [$a[0]; 5];
        for (x, column) in columns.iter_mut().enumerate() {
            *column = xor3(xor3($a[x], $a[x + 5], $a[x + 10]), $a[x + 15], $a[x + 20]);
        }
        for x in 0..5 {
            let turned = rol::<1>(columns[(x + 1) % 5]);
            for y in 0..5 {
                $a[x + 5 * y] = xor3($a[x + 5 * y], columns[(x + 4) % 5], turned);
            }
        }
        let b = [
            $a[0],
            rol::<44>($a[6]),
            rol::<43>($a[12]),
            rol::<21>($a[18]),
            rol::<14>($a[24]),
            rol::<28>($a[3]),
            rol::<20>($a[9]),
            rol::<3>($a[10]),
            rol::<45>($a[16]),
            rol::<61>($a[22]),
            rol::<1>($a[1]),
            rol::<6>($a[7]),
            rol::<25>($a[13]),
            rol::<8>($a[19]),
            rol::<18>($a[20]),
            rol::<27>($a[4]),
            rol::<36>($a[5]),
            rol::<10>($a[11]),
            rol::<15>($a[17]),
            rol::<56>($a[23]),
            rol::<62>($a[2]),
            rol::<55>($a[8]),
            rol::<39>($a[14]),
            rol::<41>($a[15]),
            rol::<2>($a[21]),
        ];
        for y in 0..5 {
            for x in 0..5 {
                $a[x + 5 * y] = chi(b[x + 5 * y], b[(x + 1) % 5 + 5 * y], b[(x + 2) % 5 + 5 * y]);
            }
        }
        $a[0] = xor($a[0], splat($constant));
    }};
}
pub(super) use round;
