//! Opening: the file is mapped, and its state serves at once.

use std::path::Path;
use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use hansa_crypto::keccak256;

use super::{CHECKPOINT_VERSION, Checkpoint, Counts, HEADER_BYTES, Header, MAGIC};
use crate::mapping::{CHECKED_AT_ONCE_MAX, CRC_BYTES, Mapping, PAGE};
use crate::trie::node::Link;
use crate::trie::{Trie, root_at};
use crate::{CheckpointError, WorldState};

/// Opens a state. Its accounts are read, and checked, when they are asked for.
///
/// # Errors
/// [`CheckpointError::Corrupt`] names the part that does not hold; [`CheckpointError::Root`] where the
/// top node is not the header's; [`CheckpointError::Io`].
pub fn open_checkpoint(path: &Path) -> Result<Checkpoint, CheckpointError> {
    open(path, CHECKED_AT_ONCE_MAX)
}

/// Opens a state after every byte was held against its checksum, however large the file is: for who
/// can wait, so that readers need not.
///
/// # Errors
/// As for [`open_checkpoint`].
pub fn open_checkpoint_checked(path: &Path) -> Result<Checkpoint, CheckpointError> {
    open(path, usize::MAX)
}

/// As [`open_checkpoint`]; a file of up to `at_once` bytes is checked as a whole.
pub(super) fn open(path: &Path, at_once: usize) -> Result<Checkpoint, CheckpointError> {
    let (header, file) = open_file(path, at_once)?;
    let codes = read_codes(&header, &file)?;
    let top = Link::at(header.top);
    if !top.is_none() {
        // What follows panics where this does not hold.
        file.try_node(header.top)?;
    }
    let file = Arc::new(file);
    let found = root_at(&Some(file.clone()), top);
    if found != header.state_root {
        let path = path.to_path_buf();
        return Err(CheckpointError::Root { path, expected: header.state_root, found });
    }
    let Header { height, block_hash, state_root, .. } = header;
    let accounts = Trie::mapped(top, state_root, file);
    Ok(Checkpoint { height, block_hash, state_root, state: WorldState::of(accounts, &codes) })
}

/// The first page of a file, and the file.
pub(super) fn open_file(path: &Path, at_once: usize) -> Result<(Header, Mapping), CheckpointError> {
    let mut file = Mapping::open(path)?;
    let page = file.first_page()?;
    let (body, crc) = page.split_at(PAGE - CRC_BYTES);
    if crc != crc32c::crc32c(body).to_le_bytes() {
        return Err(file.corrupt(0, "the header's checksum does not hold"));
    }
    let header = parse(body)
        .ok_or_else(|| file.corrupt(0, "not a checkpoint of a version that this release reads"))?;
    file.set_pages(header.pages, header.table_crc, at_once)?;
    Ok((header, file))
}

fn parse(body: &[u8]) -> Option<Header> {
    let (magic, rest) = body[..HEADER_BYTES].split_at(MAGIC.len());
    let (version, rest) = rest.split_first_chunk::<4>()?;
    if magic != MAGIC || *version != CHECKPOINT_VERSION.to_le_bytes() {
        return None;
    }
    let (height, rest) = rest.split_first_chunk::<8>()?;
    let (block_hash, rest) = rest.split_first_chunk::<32>()?;
    let (state_root, rest) = rest.split_first_chunk::<32>()?;
    let (numbers, rest) = rest.as_chunks::<8>().0.split_at_checked(6).map(|(six, _)| (six, &rest[48..]))?;
    let number = |nth: usize| u64::from_le_bytes(numbers[nth]);
    Some(Header {
        height: u64::from_le_bytes(*height),
        block_hash: B256::new(*block_hash),
        state_root: B256::new(*state_root),
        top: number(0),
        counts: Counts { accounts: number(1), slots: number(2), codes: number(3) },
        codes_at: number(4),
        pages: number(5),
        table_crc: u32::from_le_bytes(*rest.first_chunk::<4>()?),
    })
}

/// The codes; any page of theirs that does not hold is an error, not a panic.
pub(super) fn read_codes(header: &Header, file: &Mapping) -> Result<Vec<(B256, Bytes)>, CheckpointError> {
    let mut codes: Vec<(B256, Bytes)> = Vec::new();
    let mut at = header.codes_at;
    let malformed = |at| file.corrupt(at, "a code is malformed");
    for _ in 0..header.counts.codes {
        let size = file.try_bytes(at, 4)?.first_chunk::<4>().map(|size| u32::from_le_bytes(*size));
        let size = size.filter(|size| *size > 0).ok_or_else(|| malformed(at))?;
        let code = Bytes::copy_from_slice(file.try_bytes(at + 4, size as usize)?);
        let hash = keccak256(&code);
        if codes.last().is_some_and(|(last, _)| *last >= hash) {
            return Err(file.corrupt(at, "codes out of order"));
        }
        codes.push((hash, code));
        at += 4 + u64::from(size);
    }
    Ok(codes)
}
