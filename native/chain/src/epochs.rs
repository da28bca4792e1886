//! Who signed in which epoch, for ever, and provable from genesis alone: the last block of an epoch is sealed by the
//! validators of that epoch, and its header names the hash of the next set (`next_set_hash`). What proves this is kept of
//! every epoch that ended, also where its blocks were dropped or never held, in a file of its own:
//!
//! ```text
//! version u8 · for each epoch from 0 on: length u32 · [header, certificate, facts, next set] as RLP ·
//! keccak-256 of all before 32
//! ```
//! Integers are little-endian.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use hansa_codec::{BlockFacts, Certificate};
use hansa_crypto::keccak256;

use crate::folder::{self, EPOCHS_NAME};
use crate::membership::{NODES_MAX, SetRecord, set_hash};
use crate::quorum::Quorum;
use crate::{ChainError, Genesis, birth};

/// Ended epochs that a ledger can prove: one for each day of forty-four years. Behind them no block is dropped any more.
pub const EPOCHS_MAX: usize = 16_384;
/// No proof of an epoch's end has more bytes.
pub const END_BYTES_MAX: usize = 128 * 1024;
const VERSION: u8 = 1;

/// How an epoch ended.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct EpochEnd {
    /// The header of its last block.
    pub header: Header,
    /// Canonical RLP of the certificate by the validators of the epoch.
    pub certificate: Bytes,
    /// What the header's extraData is the hash of.
    pub facts: BlockFacts,
    /// The encoded set of the next epoch.
    pub next_set: Bytes,
}

impl EpochEnd {
    /// The end in these bytes, which may still prove nothing.
    ///
    /// # Errors
    /// `Snapshot` (`SNAPSHOT-EPOCH`).
    pub fn read(bytes: &[u8]) -> Result<Self, ChainError> {
        let mut rest = bytes;
        let end = (bytes.len() <= END_BYTES_MAX).then(|| Self::decode(&mut rest).ok()).flatten();
        end.filter(|_| rest.is_empty()).ok_or_else(|| refused("the end of an epoch is malformed"))
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        alloy_rlp::encode(self)
    }
}

/// The ends of a ledger's epochs, from epoch 0 on without a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpochEnds(Vec<Arc<EpochEnd>>);

impl EpochEnds {
    /// Adds the end of the latest epoch; one that is known already changes nothing.
    pub fn push(&mut self, end: EpochEnd) {
        if end.facts.epoch == self.0.len() as u64 {
            self.0.push(Arc::new(end));
        }
    }

    /// How many epochs have ended.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the ledger is in its first epoch.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ends of `epoch` and later ones.
    pub fn since(&self, epoch: u64) -> &[Arc<EpochEnd>] {
        self.0.get(usize::try_from(epoch).unwrap_or(usize::MAX)..).unwrap_or_default()
    }

    /// The hash of the order block at `height` if an epoch ended there.
    pub fn order_hash_at(&self, height: u64) -> Option<B256> {
        let at = self.0.binary_search_by_key(&height, |end| end.header.number).ok()?;
        Some(self.0[at].facts.order_hash)
    }

    /// Forgets epochs that ended above `height`.
    pub fn truncate(&mut self, height: u64) {
        self.0.retain(|end| end.header.number <= height);
    }

    /// Reads the file of a data folder; no end where there is none.
    ///
    /// # Errors
    /// `Io`; `Corrupt` for a file that does not hold, whatever its ends prove.
    pub fn read(directory: &Path) -> Result<Self, ChainError> {
        let path = directory.join(EPOCHS_NAME);
        match fs::read(&path) {
            Ok(bytes) => Self::decode(&bytes)
                .ok_or_else(|| ChainError::corrupt(0, format!("the file {EPOCHS_NAME} does not hold"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ChainError::io(&path, error)),
        }
    }

    /// Makes the file of a data folder say the same; when this returns it is durable, at no moment is it half written.
    ///
    /// # Errors
    /// `Io`.
    pub fn write(&self, directory: &Path) -> Result<(), ChainError> {
        let bytes = self.encode();
        let is_there = fs::read(directory.join(EPOCHS_NAME)).is_ok_and(|found| found == bytes);
        if is_there { Ok(()) } else { folder::write_durably(directory, EPOCHS_NAME, &bytes) }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        // What comes behind stands in blocks that are not dropped.
        for end in self.0.iter().take(EPOCHS_MAX) {
            let bytes = end.to_bytes();
            // At most END_BYTES_MAX.
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        let sum = keccak256(&out);
        out.extend_from_slice(sum.as_slice());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<32>()?;
        let (version, mut rest) = body.split_first()?;
        if keccak256(body) != *sum || *version != VERSION {
            return None;
        }
        let mut ends = Self::default();
        while !rest.is_empty() {
            let (length, behind) = rest.split_first_chunk::<4>()?;
            let (end, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            let (end, before) = (EpochEnd::read(end).ok()?, ends.len());
            ends.push(end);
            if ends.len() == before || before >= EPOCHS_MAX {
                return None;
            }
            rest = behind;
        }
        Some(ends)
    }
}

/// The validators of the epochs whose beginning was proven, from those of genesis on.
#[derive(Debug, Clone)]
pub struct ProvenSets {
    ends: EpochEnds,
    /// By epoch.
    quorums: Vec<Quorum>,
}

impl ProvenSets {
    /// Begins with the validators of genesis.
    pub fn begin(genesis: Quorum) -> Self {
        Self { ends: EpochEnds::default(), quorums: vec![genesis] }
    }

    /// What a file of ends proves from a genesis file on; nothing behind the first end that does not hold.
    ///
    /// # Errors
    /// `Genesis`, `Io`, `Corrupt`, `Snapshot` (`SNAPSHOT-EPOCH`), `Wire`, `Block` (`BLOCK-CERTIFICATE`).
    pub fn of_folder(directory: &Path, genesis_json: &[u8]) -> Result<Self, ChainError> {
        let genesis = Genesis::parse(genesis_json)?;
        let (header, state) = birth::build(&genesis)?;
        let mut sets = Self::begin(Quorum::after(&genesis, header.hash_slow(), &state, 0));
        EpochEnds::read(directory)?.since(0).iter().try_for_each(|end| sets.add(EpochEnd::clone(end)))?;
        Ok(sets)
    }

    /// The latest epoch whose validators are known.
    pub fn latest(&self) -> u64 {
        self.ends.len() as u64
    }

    /// What proves them.
    pub fn ends(&self) -> &EpochEnds {
        &self.ends
    }

    /// The consensus keys of an epoch by index, none for nodes without a vote; none at all for an unknown epoch.
    pub fn keys(&self, epoch: u64) -> Option<&[Option<Bytes>]> {
        Some(self.quorums.get(usize::try_from(epoch).ok()?)?.keys())
    }

    /// Takes the end of the latest epoch, which its validators must have sealed: the next set is known from then on.
    ///
    /// # Errors
    /// `Snapshot` (`SNAPSHOT-EPOCH`), `Wire`, `Block` (`BLOCK-CERTIFICATE`).
    pub fn add(&mut self, end: EpochEnd) -> Result<(), ChainError> {
        let epoch = self.latest();
        let wrong = |what: &str| Err(refused(&format!("the end of epoch {epoch}: {what}")));
        let certificate = Certificate::decode(&end.certificate)?;
        let height = end.header.number;
        if certificate.sealed_hash != end.header.hash_slow() || certificate.height != height {
            return wrong("the certificate is of another header");
        }
        self.check(&certificate)?;
        if end.header.extra_data.as_ref() != end.facts.extra_data().as_slice() || end.facts.epoch != epoch {
            return wrong("these are not the facts that its header names");
        }
        if end.next_set.is_empty() || end.facts.next_set_hash != set_hash(&end.next_set) {
            return wrong("this is not the next set that its header names");
        }
        let Some(set) = SetRecord::read(&end.next_set) else { return wrong("the next set is malformed") };
        let has_votes = set.nodes.iter().any(|node| node.weight > 0);
        if set.number != epoch + 1 || set.first_height != height + 1 || !has_votes {
            return wrong("the next set does not follow");
        }
        if set.nodes.len() as u64 > NODES_MAX {
            return wrong("the next set has more nodes than an alliance can have");
        }
        // There is one of each epoch up to the latest.
        self.quorums.push(self.quorums[epoch as usize].next(&set));
        self.ends.push(end);
        Ok(())
    }

    /// Checks a certificate against the validators of the epoch in which its block stands.
    ///
    /// # Errors
    /// `Block` with code `BLOCK-CERTIFICATE`.
    pub fn check(&self, certificate: &Certificate) -> Result<(), ChainError> {
        let (height, epoch) = (certificate.height, certificate.epoch);
        let wrong =
            |what: &str| Err(ChainError::block("BLOCK-CERTIFICATE", format!("block {height}: {what}")));
        let Some(quorum) = usize::try_from(epoch).ok().and_then(|at| self.quorums.get(at)) else {
            return wrong(&format!("the validators of epoch {epoch} are not proven"));
        };
        let end_of = |epoch: u64| self.ends.since(epoch).first().map(|end| end.header.number);
        let is_before = epoch > 0 && end_of(epoch - 1).is_some_and(|end| height <= end);
        if is_before || end_of(epoch).is_some_and(|end| height > end) {
            return wrong(&format!("it does not stand in epoch {epoch}"));
        }
        quorum.check(certificate)
    }
}

fn refused(what: &str) -> ChainError {
    ChainError::snapshot("SNAPSHOT-EPOCH", what)
}
