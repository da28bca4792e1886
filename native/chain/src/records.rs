//! Records of the block log beside the body (which is `hansa_codec::BodyRecord`): the chain's birth and the
//! result of a sealed block. Integers are little-endian; every decoder is total and reads to the last byte.

use alloy_consensus::{Eip658Value, Header, Receipt};
use alloy_primitives::{Address, B256, Bytes, Log, LogData};
use alloy_rlp::{Decodable, Encodable};
use hansa_codec::ReplayKey;

use crate::ChainError;

/// First record: which genesis the log belongs to.
pub const KIND_GENESIS: u8 = 16;
/// An order block with its payload.
pub const KIND_BODY: u8 = 17;
/// The state diff of the result record that follows it.
pub const KIND_DIFF: u8 = 18;
/// What sealing a block added: header, certificate, skips, receipts.
pub const KIND_RESULT: u8 = 19;

const VERSION: u8 = 1;
/// Of the result record of an epoch's last block, which also holds the next set.
const VERSION_LAST: u8 = 2;
/// A sender and a number.
const REPLAY_KEY_BYTES: usize = 28;
/// Topics that one log can have.
const TOPICS_MAX: usize = 4;

/// Identity of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BirthRecord {
    /// keccak-256 of the genesis file, so that an unchanged file needs no new state root.
    pub file_hash: B256,
    /// Header of block 0.
    pub header: Header,
}

/// A transaction of the order block that execution skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// Position in the order block.
    pub index: u32,
    /// Number of the reason.
    pub reason: u8,
}

/// What was computed for a sealed block, without its state diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultRecord {
    /// The sealed header.
    pub header: Header,
    /// Canonical RLP of the SEAL certificate.
    pub certificate: Bytes,
    /// Which order block was executed.
    pub order_hash: B256,
    /// First eight bytes of each included transaction's hash, so that the index is rebuilt without hashing.
    pub prefixes: Vec<u64>,
    /// Skipped transactions, ascending.
    pub skipped: Vec<Skip>,
    /// What transactions of our own type used, ascending, so that replays are known without recovering senders.
    pub used: Vec<ReplayKey>,
    /// The next epoch's encoded set in an epoch's last block; empty otherwise.
    pub next_set: Bytes,
    /// One receipt per included transaction.
    pub receipts: Vec<Receipt>,
}

/// The index key of a transaction: the first eight bytes of its hash.
pub fn prefix_of(hash: &B256) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(eight)
}

impl BirthRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(self.file_hash.as_slice());
        self.header.encode(&mut out);
        out
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn decode(bytes: &[u8]) -> Result<Self, ChainError> {
        let mut reader = Reader { bytes, height: 0 };
        reader.version()?;
        let file_hash = B256::from_slice(reader.take(32)?);
        let header = reader.header()?;
        reader.end()?;
        Ok(Self { file_hash, header })
    }
}

impl ResultRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![if self.next_set.is_empty() { VERSION } else { VERSION_LAST }];
        out.extend_from_slice(self.order_hash.as_slice());
        let mut header = Vec::with_capacity(640);
        self.header.encode(&mut header);
        put_bytes(&mut out, &header);
        put_bytes(&mut out, &self.certificate);
        put_varint(&mut out, self.prefixes.len() as u64);
        for prefix in &self.prefixes {
            out.extend_from_slice(&prefix.to_le_bytes());
        }
        put_varint(&mut out, self.skipped.len() as u64);
        for skip in &self.skipped {
            put_varint(&mut out, u64::from(skip.index));
            out.push(skip.reason);
        }
        put_varint(&mut out, self.used.len() as u64);
        for key in &self.used {
            out.extend_from_slice(key.sender.as_slice());
            out.extend_from_slice(&key.nonce.to_le_bytes());
        }
        if !self.next_set.is_empty() {
            put_bytes(&mut out, &self.next_set);
        }
        let mut before = 0;
        for receipt in &self.receipts {
            put_receipt(&mut out, receipt, before);
            before = receipt.cumulative_gas_used;
        }
        out
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn decode(bytes: &[u8]) -> Result<Self, ChainError> {
        let mut reader = Reader { bytes, height: 0 };
        let mut record = Self::decode_front(&mut reader)?;
        let mut before = 0;
        for _ in 0..record.prefixes.len() {
            let receipt = reader.receipt(before)?;
            before = receipt.cumulative_gas_used;
            record.receipts.push(receipt);
        }
        reader.end()?;
        Ok(record)
    }

    /// Decodes a record without its receipts.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn decode_head(bytes: &[u8]) -> Result<Self, ChainError> {
        Self::decode_front(&mut Reader { bytes, height: 0 })
    }

    fn decode_front(reader: &mut Reader<'_>) -> Result<Self, ChainError> {
        let version = reader.take(1)?[0];
        if version != VERSION && version != VERSION_LAST {
            return Err(reader.corrupt("its version is not supported"));
        }
        let order_hash = B256::from_slice(reader.take(32)?);
        let mut header_bytes = Reader { bytes: reader.sized()?, height: 0 };
        let header = header_bytes.header()?;
        header_bytes.end()?;
        reader.height = header.number;
        let certificate = Bytes::copy_from_slice(reader.sized()?);
        let count = reader.count(8)?;
        let prefixes = reader.take(count * 8)?.chunks_exact(8).map(little_u64).collect();
        let skips = reader.count(2)?;
        let mut skipped = Vec::with_capacity(skips);
        for _ in 0..skips {
            let index = reader.varint()? as u32;
            skipped.push(Skip { index, reason: reader.take(1)?[0] });
        }
        let count = reader.count(REPLAY_KEY_BYTES)?;
        let used =
            reader.take(count * REPLAY_KEY_BYTES)?.chunks_exact(REPLAY_KEY_BYTES).map(|key| ReplayKey {
                sender: Address::from_slice(&key[..Address::len_bytes()]),
                nonce: little_u64(&key[Address::len_bytes()..]),
            });
        let used = used.collect();
        let next_set =
            if version == VERSION_LAST { Bytes::copy_from_slice(reader.sized()?) } else { Bytes::new() };
        Ok(Self { header, certificate, order_hash, prefixes, skipped, used, next_set, receipts: Vec::new() })
    }
}

fn little_u64(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_receipt(out: &mut Vec<u8>, receipt: &Receipt, gas_before: u64) {
    out.push(u8::from(receipt.status.coerce_status()));
    put_varint(out, receipt.cumulative_gas_used - gas_before);
    put_varint(out, receipt.logs.len() as u64);
    for log in &receipt.logs {
        out.extend_from_slice(log.address.as_slice());
        out.push(log.data.topics().len() as u8);
        for topic in log.data.topics() {
            out.extend_from_slice(topic.as_slice());
        }
        put_bytes(out, &log.data.data);
    }
}

/// A bounded reader; `height` names the block in errors.
struct Reader<'a> {
    bytes: &'a [u8],
    height: u64,
}

impl<'a> Reader<'a> {
    fn corrupt(&self, what: &str) -> ChainError {
        ChainError::corrupt(self.height, format!("a stored record does not decode: {what}"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ChainError> {
        if count > self.bytes.len() {
            return Err(self.corrupt("it ends too early"));
        }
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        Ok(taken)
    }

    fn version(&mut self) -> Result<(), ChainError> {
        match self.take(1)?[0] {
            VERSION => Ok(()),
            _ => Err(self.corrupt("its version is not supported")),
        }
    }

    fn end(&self) -> Result<(), ChainError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(self.corrupt("bytes are left over")) }
    }

    fn varint(&mut self) -> Result<u64, ChainError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt("a number is too long"))
    }

    /// A count of items of at least `size` bytes each; never more than the bytes left can hold.
    fn count(&mut self, size: usize) -> Result<usize, ChainError> {
        let count = self.varint()? as usize;
        if count > self.bytes.len() / size { Err(self.corrupt("a count is impossible")) } else { Ok(count) }
    }

    fn sized(&mut self) -> Result<&'a [u8], ChainError> {
        let length = self.count(1)?;
        self.take(length)
    }

    fn header(&mut self) -> Result<Header, ChainError> {
        Header::decode(&mut self.bytes).map_err(|_| self.corrupt("the header is no canonical RLP"))
    }

    fn receipt(&mut self, gas_before: u64) -> Result<Receipt, ChainError> {
        let status = match self.take(1)?[0] {
            0 => false,
            1 => true,
            _ => return Err(self.corrupt("a receipt status is neither 0 nor 1")),
        };
        let used = self.varint()?;
        let cumulative_gas_used =
            gas_before.checked_add(used).ok_or_else(|| self.corrupt("gas overflows"))?;
        let count = self.count(22)?;
        let mut logs = Vec::with_capacity(count);
        for _ in 0..count {
            logs.push(self.log()?);
        }
        Ok(Receipt { status: Eip658Value::Eip658(status), cumulative_gas_used, logs })
    }

    fn log(&mut self) -> Result<Log, ChainError> {
        let address = Address::from_slice(self.take(20)?);
        let topics = self.take(1)?[0] as usize;
        if topics > TOPICS_MAX {
            return Err(self.corrupt("a log has more than four topics"));
        }
        let topics = self.take(topics * 32)?.chunks_exact(32).map(B256::from_slice).collect();
        let data = Bytes::copy_from_slice(self.sized()?);
        Ok(Log { address, data: LogData::new_unchecked(topics, data) })
    }
}
