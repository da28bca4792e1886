//! What a block changed: new values only, in canonical order and encoding.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use hansa_crypto::keccak256;

use crate::{AccountInfo, DiffError};

/// The only version of the encoding.
pub const DIFF_VERSION: u8 = 1;

/// More bytes than any diff has: a block of 1 G gas writes at most 50,000 fresh slots, or creates
/// code of about 5 MB.
pub const DIFF_BYTES_MAX: usize = 256 * 1024 * 1024;

const FLAG_REMOVED: u8 = 1;
const FLAG_WIPED: u8 = 2;
const FLAG_CODE: u8 = 4;
const FLAG_STORAGE: u8 = 8;
const FLAGS_KNOWN: u8 = FLAG_REMOVED | FLAG_WIPED | FLAG_CODE | FLAG_STORAGE;

/// The changes of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountDiff {
    /// Its values after the block; none when it was removed.
    pub info: Option<AccountInfo>,
    /// Whether everything stored before the block is gone (a removed account always loses it).
    pub storage_wiped: bool,
    /// Slots and their values after the block; zero clears.
    pub storage: Vec<(U256, U256)>,
}

impl AccountDiff {
    /// A removed account.
    pub fn removed() -> Self {
        Self { info: None, storage_wiped: true, storage: Vec::new() }
    }
}

/// The changes of a block. Accounts, slots and codes stand in ascending order, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateDiff {
    accounts: Vec<(Address, AccountDiff)>,
    codes: Vec<(B256, Bytes)>,
}

impl StateDiff {
    /// Brings changes into canonical form. Where a key comes twice the last one counts. Codes are
    /// named by their hash here.
    pub fn new(mut accounts: Vec<(Address, AccountDiff)>, codes: Vec<Bytes>) -> Self {
        sort_last_wins(&mut accounts);
        for (_, change) in &mut accounts {
            if change.info.is_none() {
                *change = AccountDiff::removed();
            }
            sort_last_wins(&mut change.storage);
        }
        let mut codes: Vec<(B256, Bytes)> = codes.into_iter().map(|code| (keccak256(&code), code)).collect();
        codes.retain(|(hash, _)| *hash != KECCAK256_EMPTY);
        sort_last_wins(&mut codes);
        Self { accounts, codes }
    }

    /// Changed accounts, ascending by address.
    pub fn accounts(&self) -> &[(Address, AccountDiff)] {
        &self.accounts
    }

    /// New code by hash, ascending.
    pub fn codes(&self) -> &[(B256, Bytes)] {
        &self.codes
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.codes.is_empty()
    }

    /// The canonical bytes. Numbers are big-endian: counts u32; nonces, balances and slot values a
    /// length byte and no leading zeros.
    pub fn encode(&self) -> Vec<u8> {
        let code_bytes: usize = self.codes.iter().map(|(_, code)| code.len() + 4).sum();
        let mut out = Vec::with_capacity(16 + self.accounts.len() * 40 + code_bytes);
        out.push(DIFF_VERSION);
        push_count(self.accounts.len(), &mut out);
        for (address, change) in &self.accounts {
            out.extend_from_slice(address.as_slice());
            encode_account(change, &mut out);
        }
        push_count(self.codes.len(), &mut out);
        for (_, code) in &self.codes {
            push_count(code.len(), &mut out);
            out.extend_from_slice(code);
        }
        out
    }

    /// Decodes the canonical bytes and nothing else; memory stays within a small multiple of them.
    ///
    /// # Errors
    /// Every variant of [`DiffError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DiffError> {
        if bytes.len() > DIFF_BYTES_MAX {
            return Err(DiffError::TooLarge { size: bytes.len(), max: DIFF_BYTES_MAX });
        }
        let mut reader = Reader { bytes, offset: 0 };
        let version = reader.byte()?;
        if version != DIFF_VERSION {
            return Err(DiffError::Version(version));
        }
        let accounts = reader.list(21, |reader| {
            let address = Address::new(reader.array()?);
            Ok((address, decode_account(reader)?))
        })?;
        let codes = reader.list(5, |reader| {
            let size = reader.count()?;
            let code = Bytes::copy_from_slice(reader.take(size)?);
            Ok((keccak256(&code), code))
        })?;
        match reader.rest() {
            0 => Ok(Self { accounts, codes }),
            count => Err(DiffError::TrailingBytes(count)),
        }
    }
}

fn sort_last_wins<K: Ord + Copy, V>(entries: &mut Vec<(K, V)>) {
    if entries.is_sorted_by(|a, b| a.0 < b.0) {
        return;
    }
    entries.sort_by_key(|entry| entry.0);
    // dedup keeps the first of equal neighbours, so the order is turned around it.
    entries.reverse();
    entries.dedup_by_key(|entry| entry.0);
    entries.reverse();
}

fn encode_account(change: &AccountDiff, out: &mut Vec<u8>) {
    let Some(info) = &change.info else {
        out.push(FLAG_REMOVED);
        return;
    };
    let mut flags = 0;
    flags |= if change.storage_wiped { FLAG_WIPED } else { 0 };
    flags |= if info.has_code() { FLAG_CODE } else { 0 };
    flags |= if change.storage.is_empty() { 0 } else { FLAG_STORAGE };
    out.push(flags);
    push_number(U256::from(info.nonce), out);
    push_number(info.balance, out);
    if info.has_code() {
        out.extend_from_slice(info.code_hash.as_slice());
    }
    if !change.storage.is_empty() {
        push_count(change.storage.len(), out);
        for (slot, value) in &change.storage {
            out.extend_from_slice(&slot.to_be_bytes::<32>());
            push_number(*value, out);
        }
    }
}

fn decode_account(reader: &mut Reader<'_>) -> Result<AccountDiff, DiffError> {
    let at = reader.offset;
    let flags = reader.byte()?;
    if flags == FLAG_REMOVED {
        return Ok(AccountDiff::removed());
    }
    if flags & !FLAGS_KNOWN != 0 || flags & FLAG_REMOVED != 0 {
        return Err(DiffError::NotCanonical { offset: at, what: "unknown flags" });
    }
    let at = reader.offset;
    let nonce = u64::try_from(reader.number()?)
        .map_err(|_| DiffError::NotCanonical { offset: at, what: "a nonce beyond 64 bits" })?;
    let balance = reader.number()?;
    let at = reader.offset;
    let code_hash = if flags & FLAG_CODE == 0 { KECCAK256_EMPTY } else { B256::new(reader.array()?) };
    if flags & FLAG_CODE != 0 && code_hash == KECCAK256_EMPTY {
        return Err(DiffError::NotCanonical { offset: at, what: "the hash of no code" });
    }
    let at = reader.offset;
    let storage = match flags & FLAG_STORAGE {
        0 => Vec::new(),
        _ => reader.list(33, |reader| Ok((U256::from_be_bytes(reader.array::<32>()?), reader.number()?)))?,
    };
    if flags & FLAG_STORAGE != 0 && storage.is_empty() {
        return Err(DiffError::NotCanonical { offset: at, what: "an empty list of slots" });
    }
    let info = Some(AccountInfo { nonce, balance, code_hash });
    Ok(AccountDiff { info, storage_wiped: flags & FLAG_WIPED != 0, storage })
}

fn push_count(count: usize, out: &mut Vec<u8>) {
    // Counts are bounded by DIFF_BYTES_MAX, far below 2^32.
    out.extend_from_slice(&(count as u32).to_be_bytes());
}

/// A length byte and that many bytes without a leading zero.
pub(crate) fn push_number(value: U256, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes::<32>();
    let size = value.byte_len();
    // At most 32.
    out.push(size as u8);
    out.extend_from_slice(&bytes[32 - size..]);
}

/// Reads what the encoders write; every read is checked against the bytes left.
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn rest(&self) -> usize {
        self.bytes.len() - self.offset
    }

    pub(crate) fn take(&mut self, size: usize) -> Result<&'a [u8], DiffError> {
        if size > self.rest() {
            return Err(DiffError::Truncated(self.bytes.len()));
        }
        let taken = &self.bytes[self.offset..self.offset + size];
        self.offset += size;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DiffError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DiffError> {
        let mut array = [0u8; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn count(&mut self) -> Result<usize, DiffError> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    pub(crate) fn number(&mut self) -> Result<U256, DiffError> {
        let at = self.offset;
        let size = usize::from(self.byte()?);
        if size > 32 {
            return Err(DiffError::NotCanonical { offset: at, what: "a number beyond 256 bits" });
        }
        let bytes = self.take(size)?;
        if bytes.first() == Some(&0) {
            return Err(DiffError::NotCanonical { offset: at, what: "a number with leading zeros" });
        }
        Ok(U256::from_be_slice(bytes))
    }

    /// A counted list in strictly ascending order; `least` bytes an entry bound the allocation.
    fn list<K: Ord, V>(
        &mut self,
        least: usize,
        mut entry: impl FnMut(&mut Self) -> Result<(K, V), DiffError>,
    ) -> Result<Vec<(K, V)>, DiffError> {
        let count = self.count()?;
        if count > self.rest() / least {
            return Err(DiffError::Truncated(self.bytes.len()));
        }
        let mut entries: Vec<(K, V)> = Vec::with_capacity(count);
        for _ in 0..count {
            let at = self.offset;
            let next = entry(self)?;
            if entries.last().is_some_and(|last| last.0 >= next.0) {
                return Err(DiffError::NotCanonical { offset: at, what: "entries out of order" });
            }
            entries.push(next);
        }
        Ok(entries)
    }
}
