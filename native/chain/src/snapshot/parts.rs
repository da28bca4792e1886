//! What is asked for and answered, as bytes. Integers are little-endian; every decoder is total and bounded.
//!
//! ```text
//! ask     0 · epoch u64                           header and certificate, what the window used, how epochs ended
//!         9 · first u64 · count u16               blocks of the window
//!         anything else                           a part of the state
//! answer  header: length u32 · RLP · length u32 · certificate · length u32 · for each block of the window the hash of its
//!                 hash and of the numbers that it used, 32 · [length u32 · end of an epoch, from the one asked for on]
//!         blocks: [length u32 · exported block · length u32 · sender 20, number u64 for each number used]
//! ```

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256};
use alloy_rlp::{Decodable, Encodable};
use hansa_codec::{Certificate, ReplayKey};
use hansa_crypto::keccak256;
use hansa_state::snapshot::Task;

use super::{WINDOW_BLOCKS, window_first};
use crate::epochs::{EPOCHS_MAX, EpochEnd, ProvenSets};
use crate::exchange::{ExportedBlock, check_form, check_payload};
use crate::{ChainError, Genesis};
use hansa_codec::transaction::decode_owned;

const ASK_HEAD: u8 = 0;
const ASK_BLOCKS: u8 = 9;
const KEY_BYTES: usize = 28;
/// Blocks asked for at once.
pub const BLOCKS_ASKED_MAX: u16 = 32;
/// Bytes that answers have at most, one large block apart.
pub const ANSWER_BYTES: usize = 1 << 20;
/// No answer is larger.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024 - 4096;
const HEADER_BYTES_MAX: usize = 4_096;

/// What a node that takes over a state asks another one for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Header, certificate, the window's lists of used numbers, by hash, and how the epochs from this one on ended.
    Head(u64),
    /// Blocks of the window.
    Blocks {
        /// The first of them.
        first: u64,
        /// How many, at most [`BLOCKS_ASKED_MAX`].
        count: u16,
    },
    /// A part of the state.
    State(Task),
}

impl Ask {
    /// The bytes of a question.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Head(epoch) => [&[ASK_HEAD][..], &epoch.to_le_bytes()].concat(),
            Self::Blocks { first, count } => {
                [&[ASK_BLOCKS][..], &first.to_le_bytes(), &count.to_le_bytes()].concat()
            }
            Self::State(task) => task.encode(),
        }
    }

    /// The question of bytes; none where they are of none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [ASK_HEAD, epoch @ ..] => Some(Self::Head(u64::from_le_bytes(epoch.try_into().ok()?))),
            [ASK_BLOCKS, numbers @ ..] => {
                let (first, count) = numbers.split_first_chunk::<8>()?;
                let (first, count) = (u64::from_le_bytes(*first), u16::from_le_bytes(count.try_into().ok()?));
                (first > 0 && (1..=BLOCKS_ASKED_MAX).contains(&count))
                    .then_some(Self::Blocks { first, count })
            }
            _ => Task::decode(bytes).map(Self::State),
        }
    }
}

/// A header that a quorum sealed, and what goes with it.
#[derive(Debug, Clone)]
pub struct SnapshotHead {
    /// The header.
    pub header: Header,
    /// Its hash.
    pub hash: B256,
    /// What each block of the window is known by: [`face_of`], ascending by block.
    pub faces: Vec<B256>,
}

/// The bytes of a head, without ends of epochs.
pub(super) fn encode_head(header: &Header, certificate: &[u8], faces: &[B256]) -> Vec<u8> {
    let mut encoded = Vec::new();
    header.encode(&mut encoded);
    let mut out = Vec::with_capacity(encoded.len() + certificate.len() + 32 * faces.len() + 12);
    put(&mut out, &encoded);
    put(&mut out, certificate);
    put(&mut out, &faces.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>());
    out
}

/// A head with as many of these ends as it may have; whoever needs more asks from there on.
pub(super) fn with_ends(head: &[u8], ends: &[Arc<EpochEnd>]) -> Vec<u8> {
    let mut out = head.to_vec();
    for end in ends {
        let bytes = end.to_bytes();
        if out.len() + bytes.len() > ANSWER_BYTES {
            break;
        }
        put(&mut out, &bytes);
    }
    out
}

/// What a head shows.
pub enum Shown {
    /// It holds.
    Head(Box<SnapshotHead>),
    /// It shows the beginning of epochs that were not known, and not yet of its own: what to ask for the rest.
    Epochs(u64, Ask),
}

impl SnapshotHead {
    /// The head of bytes, checked against the validators of its epoch, to which the ends of epochs in it lead; these are
    /// known from then on. It was asked for with the ends from epoch `asked` on.
    ///
    /// # Errors
    /// `Snapshot` (`SNAPSHOT-HEAD`, `SNAPSHOT-EPOCH`), `Wire`, `Block` (`BLOCK-CERTIFICATE`).
    pub fn check(bytes: &[u8], asked: u64, sets: &mut ProvenSets) -> Result<Shown, ChainError> {
        let wrong = |what: &str| ChainError::snapshot("SNAPSHOT-HEAD", what);
        let mut rest = bytes;
        let encoded = take(&mut rest).filter(|encoded| encoded.len() <= HEADER_BYTES_MAX);
        let encoded = encoded.ok_or_else(|| wrong("a head without header"))?;
        let header =
            Header::decode(&mut &*encoded).map_err(|error| wrong(&format!("its header: {error}")))?;
        let certificate = take(&mut rest).ok_or_else(|| wrong("a head without certificate"))?;
        let certificate = Certificate::decode(certificate)?;
        let hash = header.hash_slow();
        if certificate.sealed_hash != hash || certificate.height != header.number {
            return Err(wrong("the certificate is of another header"));
        }
        let faces = take(&mut rest).ok_or_else(|| wrong("a head without the faces of its blocks"))?;
        let known = sets.latest();
        while !rest.is_empty() {
            let end = take(&mut rest).ok_or_else(|| wrong("the end of an epoch is cut off"))?;
            let end = EpochEnd::read(end)?;
            if end.facts.epoch >= sets.latest() {
                if sets.latest() >= EPOCHS_MAX as u64 {
                    return Err(ChainError::snapshot(
                        "SNAPSHOT-EPOCH",
                        "there are more epochs than can be proven",
                    ));
                }
                sets.add(end)?;
            }
        }
        if certificate.epoch > sets.latest() && sets.latest() > known.min(asked) {
            return Ok(Shown::Epochs(header.number, Ask::Head(sets.latest())));
        }
        sets.check(&certificate)?;
        let (hashes, over) = faces.as_chunks::<32>();
        let expected = header.number.min(WINDOW_BLOCKS);
        if !over.is_empty() || hashes.len() as u64 != expected {
            return Err(wrong("a head with another number of blocks than its window has"));
        }
        let faces = hashes.iter().map(B256::from).collect();
        Ok(Shown::Head(Box::new(Self { header, hash, faces })))
    }

    /// What more members than may lie must say alike.
    pub fn face(&self) -> B256 {
        let lists: Vec<u8> = self.faces.iter().flat_map(|hash| hash.0).collect();
        keccak256([self.hash.as_slice(), &lists].concat())
    }

    /// What block `height` of the window is known by.
    pub(super) fn face_at(&self, height: u64) -> Option<&B256> {
        self.faces.get(height.checked_sub(window_first(self.header.number))? as usize)
    }
}

/// A block of the window with the numbers that it used.
#[derive(Debug, Clone)]
pub(super) struct WindowBlock {
    pub block: ExportedBlock,
    pub hash: B256,
    pub used: Vec<ReplayKey>,
}

/// The bytes of the numbers that a block used.
pub(super) fn encode_used(used: &[ReplayKey]) -> Vec<u8> {
    used.iter().flat_map(|key| [key.sender.as_slice(), &key.nonce.to_le_bytes()].concat()).collect()
}

/// Appends a block of the window.
pub(super) fn put_block(out: &mut Vec<u8>, block: &[u8], used: &[u8]) {
    put(out, block);
    put(out, used);
}

/// What a block of the window is known by.
pub(super) fn face_of(hash: &B256, used: &[u8]) -> B256 {
    keccak256([hash.as_slice(), used].concat())
}

/// The blocks of an answer, each checked by itself: form, payload, certificate, and that it is the one known by its
/// face. That they lead to the certified header shows when they are put together.
///
/// # Errors
/// `Snapshot` (`SNAPSHOT-BLOCKS`), `Wire`, `Transaction`, `Block`.
pub(super) fn check_blocks(
    answer: &[u8],
    first: u64,
    count: u16,
    head: &SnapshotHead,
    (genesis, sets): (&Genesis, &ProvenSets),
) -> Result<Vec<WindowBlock>, ChainError> {
    let wrong = |what: &str| ChainError::snapshot("SNAPSHOT-BLOCKS", what);
    let limits =
        crate::birth::pool_rules(genesis, &crate::birth::chain_rules(genesis), &head.header).tx_limits;
    let mut rest = answer;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let exported = take(&mut rest).ok_or_else(|| wrong("a block is cut off"))?;
        let used = take(&mut rest).ok_or_else(|| wrong("the numbers that a block used are cut off"))?;
        let height = first + blocks.len() as u64;
        let block = ExportedBlock::decode(exported)?;
        let hash = block.header.hash_slow();
        let is_asked = block.header.number == height && blocks.len() < usize::from(count);
        if !is_asked || head.face_at(height) != Some(&face_of(&hash, used)) {
            return Err(wrong("not the blocks asked for, or other numbers than they used"));
        }
        check_form(&block, hash)?;
        sets.check(&block.certificate)?;
        let raws = block.body.raws.iter();
        let hashes: Vec<B256> = raws
            .map(|raw| Ok(decode_owned(raw.clone(), &limits)?.hash))
            .collect::<Result<_, ChainError>>()?;
        check_payload(&block.body.order, hashes.into_iter())?;
        blocks.push(WindowBlock {
            block,
            hash,
            used: decode_used(used).ok_or_else(|| wrong("half a number"))?,
        });
    }
    if blocks.is_empty() { Err(wrong("no block")) } else { Ok(blocks) }
}

fn decode_used(bytes: &[u8]) -> Option<Vec<ReplayKey>> {
    let (keys, over) = bytes.as_chunks::<KEY_BYTES>();
    let key = |bytes: &[u8; KEY_BYTES]| {
        let (sender, nonce) = bytes.split_first_chunk::<20>()?;
        Some(ReplayKey { sender: Address::from(*sender), nonce: u64::from_le_bytes(nonce.try_into().ok()?) })
    };
    over.is_empty().then(|| keys.iter().map(key).collect())?
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // Answers are bounded far below 2^32.
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let (taken, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = behind;
    Some(taken)
}
