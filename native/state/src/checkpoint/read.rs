//! Reading: every byte is checked, the state rebuilt and compared with the header's root.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use alloy_primitives::{B256, Bytes};
use hansa_crypto::keccak256;

use super::{
    CHECKPOINT_VERSION, CHUNK_BYTES_MAX, CRC_BYTES, Checkpoint, Counts, FRAME_BYTES, HEADER_BYTES,
    KIND_CODES, KIND_LEAVES, KIND_TRAILER, MAGIC, TAG_ACCOUNT, TAG_SLOT,
};
use crate::diff::Reader;
use crate::world::HashedAccount;
use crate::{AccountInfo, CheckpointError, WorldState};

/// Reads a state, whatever its size with one chunk of it in memory beside the state.
///
/// # Errors
/// [`CheckpointError::Corrupt`] names the first part that does not hold; [`CheckpointError::Root`]
/// where all parts hold and the whole does not; [`CheckpointError::Io`].
pub fn read_checkpoint(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let file = File::open(path).map_err(|error| CheckpointError::Io { path: path.to_path_buf(), error })?;
    let mut source = Source { file: BufReader::new(file), path, offset: 0, index: 0 };
    let header = read_header(&mut source)?;
    let mut build = Build::default();
    loop {
        let at = source.offset;
        let (kind, payload) = source.chunk()?;
        let first = at + FRAME_BYTES as u64;
        match kind {
            KIND_LEAVES if !build.codes_begun => build.leaves(&payload, first, &source)?,
            KIND_CODES => build.codes(&payload, first, &source)?,
            KIND_TRAILER if payload.is_empty() => break,
            _ => return Err(source.corrupt(at, "a chunk of this kind cannot stand here")),
        }
    }
    source.expect_end()?;
    build.finish(header, &source)
}

struct Header {
    height: u64,
    block_hash: B256,
    state_root: B256,
    counts: Counts,
}

fn read_header(source: &mut Source<'_>) -> Result<Header, CheckpointError> {
    let bytes = source.exactly::<HEADER_BYTES>()?;
    let (body, crc) = bytes.split_at(HEADER_BYTES - CRC_BYTES);
    if crc != crc32c::crc32c(body).to_be_bytes() {
        return Err(source.corrupt(0, "the header's checksum does not hold"));
    }
    let mut reader = Reader { bytes: body, offset: 0 };
    parse_header(&mut reader)
        .map_err(|_| source.corrupt(0, "the header is malformed"))?
        .ok_or_else(|| source.corrupt(0, "not a checkpoint of a version that this release reads"))
}

fn parse_header(reader: &mut Reader<'_>) -> Result<Option<Header>, crate::DiffError> {
    let magic = reader.array::<8>()?;
    let version = u32::from_be_bytes(reader.array()?);
    let header = Header {
        height: u64::from_be_bytes(reader.array()?),
        block_hash: B256::new(reader.array()?),
        state_root: B256::new(reader.array()?),
        counts: Counts {
            accounts: u64::from_be_bytes(reader.array()?),
            slots: u64::from_be_bytes(reader.array()?),
            codes: u64::from_be_bytes(reader.array()?),
        },
    };
    Ok((magic == *MAGIC && version == CHECKPOINT_VERSION).then_some(header))
}

/// The state as far as it has been read.
#[derive(Default)]
struct Build {
    state: WorldState,
    counts: Counts,
    last_account: Option<(B256, AccountInfo)>,
    last_slot: Option<B256>,
    wanted_codes: BTreeSet<B256>,
    last_code: Option<B256>,
    codes_begun: bool,
}

impl Build {
    fn leaves(&mut self, payload: &[u8], first: u64, source: &Source<'_>) -> Result<(), CheckpointError> {
        let mut reader = Reader { bytes: payload, offset: 0 };
        let mut batch: Vec<HashedAccount> = Vec::new();
        while reader.rest() > 0 {
            let at = first + reader.offset as u64;
            self.entry(&mut reader, &mut batch)
                .map_err(|error| source.corrupt(at, error.unwrap_or("a leaf is malformed")))?;
        }
        self.state.insert_hashed(batch);
        Ok(())
    }

    /// One account or slot; the error is the reason where it is not mere malformation.
    fn entry(
        &mut self,
        reader: &mut Reader<'_>,
        batch: &mut Vec<HashedAccount>,
    ) -> Result<(), Option<&'static str>> {
        let malformed = |_| None;
        match reader.byte().map_err(malformed)? {
            TAG_ACCOUNT => {
                let key = B256::new(reader.array().map_err(malformed)?);
                let nonce = u64::try_from(reader.number().map_err(malformed)?).map_err(|_| None)?;
                let balance = reader.number().map_err(malformed)?;
                let code_hash = B256::new(reader.array().map_err(malformed)?);
                let info = AccountInfo { nonce, balance, code_hash };
                if self.last_account.is_some_and(|(last, _)| last >= key) {
                    return Err(Some("accounts out of order"));
                }
                if info.has_code() {
                    self.wanted_codes.insert(code_hash);
                }
                self.last_account = Some((key, info));
                self.last_slot = None;
                self.counts.accounts += 1;
                batch.push(HashedAccount { key, info, slots: Vec::new() });
                Ok(())
            }
            TAG_SLOT => {
                let slot = B256::new(reader.array().map_err(malformed)?);
                let value = reader.number().map_err(malformed)?;
                let (key, info) = self.last_account.ok_or(Some("a slot before any account"))?;
                if self.last_slot.is_some_and(|last| last >= slot) {
                    return Err(Some("slots out of order"));
                }
                if value.is_zero() {
                    return Err(Some("a slot that holds zero"));
                }
                self.last_slot = Some(slot);
                self.counts.slots += 1;
                if batch.is_empty() {
                    // The account's slots run on from the chunk before.
                    batch.push(HashedAccount { key, info, slots: Vec::new() });
                }
                batch.iter_mut().last().into_iter().for_each(|account| account.slots.push((slot, value)));
                Ok(())
            }
            _ => Err(Some("an entry of an unknown kind")),
        }
    }

    fn codes(&mut self, payload: &[u8], first: u64, source: &Source<'_>) -> Result<(), CheckpointError> {
        self.codes_begun = true;
        let mut reader = Reader { bytes: payload, offset: 0 };
        let mut batch = Vec::new();
        while reader.rest() > 0 {
            let at = first + reader.offset as u64;
            let code = reader.count().and_then(|size| reader.take(size));
            let code = code.map_err(|_| source.corrupt(at, "a code is malformed"))?;
            let hash = keccak256(code);
            if self.last_code.is_some_and(|last| last >= hash) {
                return Err(source.corrupt(at, "codes out of order"));
            }
            if !self.wanted_codes.remove(&hash) {
                return Err(source.corrupt(at, "a code that no account refers to"));
            }
            self.last_code = Some(hash);
            self.counts.codes += 1;
            batch.push((hash, Bytes::copy_from_slice(code)));
        }
        self.state.insert_codes(&batch);
        Ok(())
    }

    fn finish(self, header: Header, source: &Source<'_>) -> Result<Checkpoint, CheckpointError> {
        if !self.wanted_codes.is_empty() {
            return Err(source.corrupt(source.offset, "a code that an account refers to is missing"));
        }
        if self.counts != header.counts {
            return Err(source.corrupt(0, "the header counts other leaves or codes"));
        }
        let found = self.state.root();
        if found != header.state_root {
            let path = source.path.to_path_buf();
            return Err(CheckpointError::Root { path, expected: header.state_root, found });
        }
        let Header { height, block_hash, state_root, .. } = header;
        Ok(Checkpoint { height, block_hash, state_root, state: self.state })
    }
}

struct Source<'a> {
    file: BufReader<File>,
    path: &'a Path,
    offset: u64,
    index: u32,
}

impl Source<'_> {
    fn corrupt(&self, offset: u64, what: &'static str) -> CheckpointError {
        CheckpointError::Corrupt { path: self.path.to_path_buf(), offset, what }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CheckpointError> {
        match self.file.read_exact(bytes) {
            Ok(()) => {
                self.offset += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.corrupt(self.offset, "the file ends here, within a part"))
            }
            Err(error) => Err(CheckpointError::Io { path: self.path.to_path_buf(), error }),
        }
    }

    fn exactly<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let mut bytes = [0u8; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn chunk(&mut self) -> Result<(u8, Vec<u8>), CheckpointError> {
        let at = self.offset;
        let head = self.exactly::<FRAME_BYTES>()?;
        let index = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let size = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize;
        if index != self.index || size > CHUNK_BYTES_MAX {
            return Err(self.corrupt(at, "a chunk's head does not hold"));
        }
        let mut payload = vec![0u8; size];
        self.fill(&mut payload)?;
        let crc = self.exactly::<CRC_BYTES>()?;
        if crc != crc32c::crc32c_append(crc32c::crc32c(&head), &payload).to_be_bytes() {
            return Err(self.corrupt(at, "a chunk's checksum does not hold"));
        }
        self.index += 1;
        Ok((head[0], payload))
    }

    fn expect_end(&mut self) -> Result<(), CheckpointError> {
        let mut byte = [0u8; 1];
        match self.file.read(&mut byte) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.corrupt(self.offset, "bytes follow the trailer")),
            Err(error) => Err(CheckpointError::Io { path: self.path.to_path_buf(), error }),
        }
    }
}
