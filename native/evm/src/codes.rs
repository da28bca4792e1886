//! Code made ready for the EVM, by hash.
//!
//! Getting code ready (padding, the table of jump destinations) takes longer than running most calls of it. Code is
//! named by the hash of its bytes, so what is kept here is right for every state and chain.

use std::sync::LazyLock;

use alloy_primitives::{B256, Bytes};
use parking_lot::Mutex;
use revm::bytecode::Bytecode;
use schnellru::{ByLength, LruMap};

/// Codes kept; at 24 kB each, with table and padding, they come to 14 MB.
const CODES_MAX: u32 = 512;

static KEPT: LazyLock<Mutex<LruMap<B256, Bytecode>>> =
    LazyLock::new(|| Mutex::new(LruMap::new(ByLength::new(CODES_MAX))));

/// The code of a hash, made ready; `read` gives its bytes where it is not kept. None where they are missing.
pub(crate) fn analysed(hash: &B256, read: impl FnOnce() -> Option<Bytes>) -> Option<Bytecode> {
    if let Some(code) = KEPT.lock().get(hash) {
        return Some(code.clone());
    }
    let raw = read()?;
    // Code that a state holds was accepted when it was deployed.
    let code = Bytecode::new_raw_checked(raw.clone()).unwrap_or_else(|_| Bytecode::new_legacy(raw));
    KEPT.lock().insert(*hash, code.clone());
    Some(code)
}
