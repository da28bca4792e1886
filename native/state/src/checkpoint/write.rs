//! Writing: to a temporary file, synced, renamed, the folder synced.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use alloy_primitives::B256;

use super::{
    CHECKPOINT_VERSION, CHUNK_TARGET, Counts, KIND_CODES, KIND_LEAVES, KIND_TRAILER, MAGIC, TAG_ACCOUNT,
    TAG_SLOT,
};
use crate::diff::push_number;
use crate::{CheckpointError, WorldState};

/// Writes a state. When this returns the file stands complete and durable under its name; at no
/// moment does an incomplete one. Holding the clone of a state is all the pause it needs.
///
/// # Errors
/// [`CheckpointError::Io`], [`CheckpointError::MissingCode`].
pub fn write_checkpoint(
    path: &Path,
    height: u64,
    block_hash: &B256,
    state: &WorldState,
) -> Result<(), CheckpointError> {
    let temporary = path.with_extension("tmp");
    let named = |error| CheckpointError::Io { path: temporary.clone(), error };
    let file = File::create(&temporary).map_err(named)?;
    let mut sink = Sink { file: BufWriter::new(file), chunk: Vec::new(), kind: KIND_LEAVES, index: 0 };
    let written = write_all(&mut sink, height, block_hash, state, &temporary);
    if let Err(error) = written {
        // A half-written file helps nobody; that it cannot be removed changes nothing for the caller.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    let file = sink.file.into_inner().map_err(|error| named(error.into_error()))?;
    file.sync_all().map_err(named)?;
    fs::rename(&temporary, path).map_err(named)?;
    sync_folder(path).map_err(|error| CheckpointError::Io { path: path.to_path_buf(), error })
}

fn write_all(
    sink: &mut Sink,
    height: u64,
    block_hash: &B256,
    state: &WorldState,
    path: &Path,
) -> Result<(), CheckpointError> {
    let named = |error| CheckpointError::Io { path: path.to_path_buf(), error };
    let (counts, codes) = survey(state);
    sink.header(height, block_hash, &state.root(), counts).map_err(named)?;
    write_leaves(sink, state).map_err(named)?;
    sink.start(KIND_CODES).map_err(named)?;
    for hash in codes {
        let code = state.code(&hash).ok_or(CheckpointError::MissingCode(hash))?;
        // Code is bounded by the block's bytes, far below 2^32.
        sink.chunk.extend_from_slice(&(code.len() as u32).to_be_bytes());
        sink.chunk.extend_from_slice(&code);
        sink.flush_full().map_err(named)?;
    }
    sink.start(KIND_TRAILER).map_err(named)?;
    sink.frame().map_err(named)
}

/// Counts what will be written and collects the codes referred to, in order.
fn survey(state: &WorldState) -> (Counts, BTreeSet<B256>) {
    let mut counts = Counts::default();
    let mut codes = BTreeSet::new();
    for (_, info, slots) in state.iter() {
        counts.accounts += 1;
        counts.slots += slots.count() as u64;
        if info.has_code() {
            codes.insert(info.code_hash);
        }
    }
    counts.codes = codes.len() as u64;
    (counts, codes)
}

fn write_leaves(sink: &mut Sink, state: &WorldState) -> io::Result<()> {
    for (key, info, slots) in state.iter() {
        sink.chunk.push(TAG_ACCOUNT);
        sink.chunk.extend_from_slice(key.as_slice());
        push_number(alloy_primitives::U256::from(info.nonce), &mut sink.chunk);
        push_number(info.balance, &mut sink.chunk);
        sink.chunk.extend_from_slice(info.code_hash.as_slice());
        sink.flush_full()?;
        for (slot, value) in slots {
            sink.chunk.push(TAG_SLOT);
            sink.chunk.extend_from_slice(slot.as_slice());
            push_number(value, &mut sink.chunk);
            sink.flush_full()?;
        }
    }
    Ok(())
}

struct Sink {
    file: BufWriter<File>,
    chunk: Vec<u8>,
    kind: u8,
    index: u32,
}

impl Sink {
    fn header(&mut self, height: u64, block_hash: &B256, root: &B256, counts: Counts) -> io::Result<()> {
        let mut header = Vec::with_capacity(super::HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&CHECKPOINT_VERSION.to_be_bytes());
        header.extend_from_slice(&height.to_be_bytes());
        header.extend_from_slice(block_hash.as_slice());
        header.extend_from_slice(root.as_slice());
        for count in [counts.accounts, counts.slots, counts.codes] {
            header.extend_from_slice(&count.to_be_bytes());
        }
        header.extend_from_slice(&crc32c::crc32c(&header).to_be_bytes());
        self.file.write_all(&header)
    }

    /// Closes what is open and goes on with another kind.
    fn start(&mut self, kind: u8) -> io::Result<()> {
        if !self.chunk.is_empty() {
            self.frame()?;
        }
        self.kind = kind;
        Ok(())
    }

    fn flush_full(&mut self) -> io::Result<()> {
        if self.chunk.len() >= CHUNK_TARGET { self.frame() } else { Ok(()) }
    }

    fn frame(&mut self) -> io::Result<()> {
        let mut head = Vec::with_capacity(super::FRAME_BYTES);
        head.push(self.kind);
        head.extend_from_slice(&self.index.to_be_bytes());
        // A chunk is the target and one entry at most.
        head.extend_from_slice(&(self.chunk.len() as u32).to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head), &self.chunk);
        self.file.write_all(&head)?;
        self.file.write_all(&self.chunk)?;
        self.file.write_all(&crc.to_be_bytes())?;
        self.chunk.clear();
        self.index += 1;
        Ok(())
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
