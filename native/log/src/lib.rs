//! Append-only record log in preallocated segment files.
//!
//! # Format (version 1)
//! A log is a folder of files `00000000.seg`, `00000001.seg`, … Each begins with a 4 KiB header
//! (magic, version, segment index, file length, first sequence number, checksum of the last frame before
//! it, 32-byte tag, CRC-32C; the rest of the block is zero). Frames follow, each on an 8-byte boundary:
//!
//! ```text
//! len u32 | crc32c u32 | seq u64 | batch u64 | previous frame's crc u32 | kind u8 | 3 zero bytes | payload
//! ```
//!
//! `len` counts header and payload; the checksum covers all bytes of the frame but itself. Every byte that
//! belongs to no frame is zero, and that is checked. Integers are little-endian.
//!
//! # Torn or rotten
//! All records that one [`Log::sync`] makes durable form a *batch*, which ends with a commit frame. Nothing
//! of batch b+1 reaches a file before batch b is synced. So whatever follows a bad frame decides what it is:
//! a valid frame of a later batch means that the bad bytes were once durable (corruption: a typed error
//! with file and offset); nothing, or frames of the same batch only, means a write that a crash tore
//! (cleared on opening). [`Log::close`] leaves two close frames in different 4 KiB blocks, so that after a
//! clean stop a rotten last record is followed by frames of a later batch as well.

mod check;
mod disk;
mod error;
mod frame;
mod log;
mod opening;
mod repair;
mod segment;
mod walk;

pub use check::{FINDINGS_MAX, Finding, check};
pub use error::LogError;
pub use frame::{FRAME_HEADER_BYTES, KIND_FIRST};
pub use log::{Log, LogOptions, Position, RECORD_BYTES_MAX, Record, Tail};
pub use repair::{quarantine_from, quarantine_segment, strange_files};
pub use segment::{BLOCK_BYTES, SEGMENT_SUFFIX, segment_name};
