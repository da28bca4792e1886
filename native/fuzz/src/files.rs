//! Files of the core that were changed: a sound one, then the input's changes.
//!
//! An input is a row of changes, each an offset (u16, big-endian) and a byte that is put there. Checksums of
//! the changed part are made right again, so that what stands behind them is reached.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use hansa_log::{BLOCK_BYTES, KIND_FIRST, Log, LogOptions, check, segment_name};
use hansa_state::{
    AccountDiff, AccountInfo, Pace, StateDiff, WorldState, open_checkpoint, verify_checkpoint,
    write_checkpoint,
};

/// Bytes in front of the payload of a frame of the log, and of one segment here.
const FRAME_BYTES: usize = 32;
const SEGMENT_BYTES: u64 = 16 * 1024;
/// Bytes of the first page of a checkpoint; its last four are its checksum.
const PAGE: usize = 4096;
const RECORDS: &[&[u8]] = &[b"first", b"second record", b"", b"third"];

/// A folder that goes when the thread ends.
struct Folder {
    path: PathBuf,
    sound: Vec<u8>,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

thread_local! {
    static SEGMENT: OnceCell<Folder> = const { OnceCell::new() };
    static CHECKPOINT: OnceCell<Folder> = const { OnceCell::new() };
}

fn make_folder(fill: impl FnOnce(&Path) -> PathBuf) -> Folder {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("hansa-fuzz-{}-{number}", process::id()));
    fs::create_dir_all(&path).expect("a temporary folder");
    let file = fill(&path);
    let sound = fs::read(file).expect("the file that was just written");
    Folder { path, sound }
}

fn changed(sound: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]]));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = change[2];
        }
    }
    bytes
}

fn log_options() -> LogOptions {
    LogOptions { segment_bytes: SEGMENT_BYTES, record_bytes_max: 8 * 1024, ..LogOptions::default() }
}

/// A segment of the block log: checked, then opened. What the check finds sound must open.
pub fn log_segment(data: &[u8]) {
    SEGMENT.with(|cell| {
        let folder = cell.get_or_init(|| {
            make_folder(|path| {
                let (log, _) = Log::open(path, log_options(), &mut |_| {}).expect("a new log");
                for record in RECORDS {
                    log.append(KIND_FIRST, &[record]).expect("room for a record");
                    log.sync().expect("a sync");
                }
                path.join(segment_name(0))
            })
        });
        let mut bytes = changed(&folder.sound, data);
        mend_frames(&mut bytes);
        fs::write(folder.path.join(segment_name(0)), &bytes).expect("a write");
        let mut seen = 0;
        let findings = check(&folder.path, &log_options(), &mut |_| seen += 1);
        let opened = Log::open(&folder.path, log_options(), &mut |_| {});
        if findings.is_ok_and(|found| found.is_empty()) {
            assert!(opened.is_ok(), "a log without findings does not open");
            assert!(seen <= bytes.len() / FRAME_BYTES);
        }
    });
}

/// Makes the checksum of the header and of each frame in a row right again, as far as their lengths lead.
fn mend_frames(bytes: &mut [u8]) {
    let mut at = BLOCK_BYTES;
    while let Some(front) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([front[0], front[1], front[2], front[3]]) as usize;
        let Some(end) = at.checked_add(length).filter(|end| length >= FRAME_BYTES && *end <= bytes.len())
        else {
            return;
        };
        // The checksum covers all of the frame but itself.
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[at..at + 4]), &bytes[at + 8..end]);
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = end.next_multiple_of(8);
    }
}

/// A state's file with a changed first page: opened and verified.
pub fn checkpoint(data: &[u8]) {
    CHECKPOINT.with(|cell| {
        let folder = cell.get_or_init(|| {
            make_folder(|path| {
                let file = path.join("7.ckpt");
                write_checkpoint(&file, 7, &B256::repeat_byte(9), &some_state(), Pace::Full)
                    .expect("a checkpoint");
                file
            })
        });
        let mut bytes = changed(&folder.sound, data);
        let crc = crc32c::crc32c(&bytes[..PAGE - 4]);
        bytes[PAGE - 4..PAGE].copy_from_slice(&crc.to_le_bytes());
        let file = folder.path.join("7.ckpt");
        fs::write(&file, &bytes).expect("a write");
        let opened = open_checkpoint(&file);
        if verify_checkpoint(&file).is_ok() {
            assert!(opened.is_ok(), "a verified state does not open");
        }
    });
}

fn some_state() -> WorldState {
    let accounts = (1..40u8).map(|n| {
        let info = AccountInfo { nonce: n.into(), balance: U256::from(n), code_hash: KECCAK256_EMPTY };
        let storage = (1..u64::from(n % 5)).map(|slot| (U256::from(slot), U256::from(slot))).collect();
        (Address::repeat_byte(n), AccountDiff { info: Some(info), storage_wiped: false, storage })
    });
    let mut state = WorldState::new();
    state.apply(&StateDiff::new(accounts.collect(), Vec::new()));
    state
}
