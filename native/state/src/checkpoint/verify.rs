//! Verifying: every page, every node, every reference.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use alloy_primitives::B256;

use super::read::{open_file, read_codes};
use super::{Checkpoint, Counts, Header, open_checkpoint};
use crate::CheckpointError;
use crate::account::AccountLeaf;
use crate::trie::node::Link;
use crate::trie::{Flaw, Trie, verify_trie};

/// Opens a state after reading all of it: every byte is checked, every node hashed again.
///
/// # Errors
/// As for [`open_checkpoint`].
pub fn verify_checkpoint(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let (header, file) = open_file(path, usize::MAX)?;
    let codes = read_codes(&header, &file)?;
    let file = Arc::new(file);
    let mut seen = Counts { codes: codes.len() as u64, ..Counts::default() };
    let mut wanted = BTreeSet::new();
    let corrupt = |flaw: Flaw| file.corrupt(flaw.offset, flaw.what);
    let trie = Trie::<AccountLeaf>::mapped(Link::at(header.top), header.state_root, file.clone());
    verify_trie(&trie, &mut |leaf, nested| {
        seen.accounts += 1;
        if leaf.info.has_code() {
            wanted.insert(leaf.info.code_hash);
        }
        let storage = Trie::<alloy_primitives::U256>::mapped(nested, leaf.storage_root, file.clone());
        verify_trie(&storage, &mut |_, below| {
            seen.slots += 1;
            let what = "a slot has a trie below it";
            if below.is_none() { Ok(()) } else { Err(Flaw { offset: below.offset().unwrap_or(0), what }) }
        })
    })
    .map_err(corrupt)?;
    let held: BTreeSet<B256> = codes.iter().map(|(hash, _)| *hash).collect();
    if held != wanted {
        return Err(file.corrupt(header.codes_at, "the codes are not those that accounts refer to"));
    }
    let Header { counts, .. } = header;
    if seen != counts {
        return Err(file.corrupt(0, "the header counts other leaves or codes"));
    }
    open_checkpoint(path)
}
