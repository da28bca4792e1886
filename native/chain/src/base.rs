//! Where a ledger begins that does not begin at genesis: its older blocks were dropped, or it was taken over from the
//! other nodes at some height. A file of its own says so; without it the log begins with its genesis.
//!
//! ```text
//! version u8 · first u64 · first executed u64 · first segment u32 · parent hash 32 · parent order hash 32 ·
//! birth record · keccak-256 of all before 32
//! ```
//! Integers are little-endian.

use std::fs;
use std::path::Path;

use alloy_primitives::B256;
use hansa_crypto::keccak256;

use crate::ChainError;
use crate::folder::{self, BASE_NAME};
use crate::records::BirthRecord;

const VERSION: u8 = 1;
const FIXED_BYTES: usize = 1 + 8 + 8 + 4 + 32 + 32;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The first block that the log holds.
    pub first: u64,
    /// The first block that was executed here, of which state changes and receipts are held as well.
    pub first_executed: u64,
    /// The segment with which the log begins.
    pub first_segment: u32,
    /// Hash of the sealed header before the first block.
    pub parent_hash: B256,
    /// Hash of the order block before the first block.
    pub parent_order_hash: B256,
    /// Which genesis the ledger belongs to.
    pub birth: BirthRecord,
}

impl Base {
    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.first_executed.to_le_bytes());
        out.extend_from_slice(&self.first_segment.to_le_bytes());
        out.extend_from_slice(self.parent_hash.as_slice());
        out.extend_from_slice(self.parent_order_hash.as_slice());
        out.extend_from_slice(&self.birth.encode());
        let sum = keccak256(&out);
        out.extend_from_slice(sum.as_slice());
        out
    }

    /// Decodes the file's bytes.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn decode(bytes: &[u8]) -> Result<Self, ChainError> {
        let corrupt = || ChainError::corrupt(0, format!("the file {BASE_NAME} does not hold"));
        let (body, sum) = bytes.split_last_chunk::<32>().ok_or_else(corrupt)?;
        if keccak256(body) != *sum || body.len() < FIXED_BYTES || body[0] != VERSION {
            return Err(corrupt());
        }
        let (fixed, birth) = body.split_at(FIXED_BYTES);
        let number = |at: usize, size: usize| {
            fixed[at..at + size].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
        };
        Ok(Self {
            first: number(1, 8),
            first_executed: number(9, 8),
            // Four bytes.
            first_segment: number(17, 4) as u32,
            parent_hash: B256::from_slice(&fixed[21..53]),
            parent_order_hash: B256::from_slice(&fixed[53..85]),
            birth: BirthRecord::decode(birth)?,
        })
    }

    /// Reads the file of a data folder; none where the ledger begins at genesis.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn read(directory: &Path) -> Result<Option<Self>, ChainError> {
        let path = directory.join(BASE_NAME);
        match fs::read(&path) {
            Ok(bytes) => Self::decode(&bytes).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ChainError::io(&path, error)),
        }
    }

    /// Writes the file of a data folder; when this returns it is durable, at no moment is it half written.
    ///
    /// # Errors
    /// `Io`.
    pub fn write(&self, directory: &Path) -> Result<(), ChainError> {
        folder::write_durably(directory, BASE_NAME, &self.encode())
    }
}
