//! Walking the frames of a segment: the one reading of the format, used to open, to check and to repair.

use std::path::Path;

use crate::error::LogError;
use crate::frame::{self, Frame, KIND_CLOSE, KIND_COMMIT, KIND_FIRST, aligned};
use crate::log::{Position, Record};
use crate::segment::{BLOCK_BYTES, SegmentHeader};

/// Where a walk stands in the chain of frames.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    pub next_seq: u64,
    pub previous: u32,
    pub batch: u64,
    /// True while the current batch has no commit frame yet.
    pub open: bool,
    /// True when the last frame was the second close frame.
    pub closed: bool,
}

impl Cursor {
    pub const START: Self = Self { next_seq: 0, previous: 0, batch: 0, open: false, closed: false };

    /// Number of the batch that the next frame belongs to.
    pub fn next_batch(&self) -> u64 {
        if self.open { self.batch } else { self.batch + 1 }
    }

    fn matches(&self, frame: &Frame<'_>) -> Result<(), &'static str> {
        if frame.seq != self.next_seq {
            return Err("the frame's sequence number is not the next one");
        }
        if frame.previous != self.previous {
            return Err("the frame does not chain to the one before it");
        }
        if frame.batch != self.next_batch() {
            return Err("the frame's batch number is not the next one");
        }
        let close_ok = frame.kind != KIND_CLOSE || frame.payload.len() == 1 && frame.payload[0] < 2;
        if frame.kind < KIND_FIRST && !(close_ok && (frame.kind == KIND_COMMIT || frame.kind == KIND_CLOSE)) {
            return Err("a frame of unknown kind");
        }
        Ok(())
    }

    fn pass(&mut self, frame: &Frame<'_>) {
        let second_close = frame.kind == KIND_CLOSE && frame.payload == [1];
        *self = Self {
            next_seq: frame.seq + 1,
            previous: frame.crc,
            batch: frame.batch,
            open: !(frame.kind == KIND_COMMIT || second_close),
            closed: second_close,
        };
    }

    /// What the header of the segment that continues here must say.
    pub fn header(&self, index: u32, bytes: u64, tag: [u8; 32]) -> SegmentHeader {
        let batch = self.batch << 1 | u64::from(self.open);
        SegmentHeader { index, bytes, first_seq: self.next_seq, previous: self.previous, batch, tag }
    }

    /// The cursor that a segment header continues from (used where the part before it is lost).
    pub fn from_header(header: &SegmentHeader) -> Self {
        Self {
            next_seq: header.first_seq,
            previous: header.previous,
            batch: header.batch >> 1,
            open: header.batch & 1 == 1,
            closed: false,
        }
    }
}

/// A bad place in a segment.
#[derive(Debug, Clone)]
pub(crate) struct Bad {
    pub offset: usize,
    pub what: &'static str,
    /// True when valid frames of a later batch follow: those bytes were durable once.
    pub durable: bool,
}

/// Result of walking one segment: where its frames end, and what is wrong there, if anything.
#[derive(Debug)]
pub(crate) struct Walk {
    pub end: usize,
    pub bad: Option<Bad>,
}

/// Offset of the frame that follows `frame`, which begins at `at`.
fn next_offset(at: usize, frame: &Frame<'_>) -> usize {
    let end = at + aligned(frame.len);
    if frame.kind == KIND_CLOSE && frame.payload == [0] { end.next_multiple_of(BLOCK_BYTES) } else { end }
}

/// Walks the frames of `bytes` (a whole segment) from `start`, hands user records to `visit` and stops at
/// the first place that is no valid next frame.
///
/// # Errors
/// What `visit` returns.
pub(crate) fn walk_frames<E>(
    bytes: &[u8],
    segment: u32,
    start: usize,
    cursor: &mut Cursor,
    visit: &mut dyn FnMut(Record<'_>) -> Result<(), E>,
) -> Result<Walk, E> {
    let mut at = start;
    let mut end = start;
    loop {
        if at >= bytes.len() || bytes[at..].iter().take(frame::FRAME_HEADER_BYTES).all(|byte| *byte == 0) {
            return Ok(Walk { end, bad: find_nonzero(bytes, end, cursor) });
        }
        let checked = frame::decode(&bytes[at..]).and_then(|found| cursor.matches(&found).map(|()| found));
        let found = match checked {
            Ok(found) => found,
            Err(what) => {
                let durable = has_later_batch(bytes, at, cursor);
                return Ok(Walk { end, bad: Some(Bad { offset: at, what, durable }) });
            }
        };
        let next = next_offset(at, &found);
        let padding_end = next.min(bytes.len());
        if let Some(stray) = bytes[at + found.len..padding_end].iter().position(|byte| *byte != 0) {
            let bad = Bad {
                offset: at + found.len + stray,
                what: "padding between frames is not zero",
                durable: true,
            };
            return Ok(Walk { end, bad: Some(bad) });
        }
        cursor.pass(&found);
        if found.kind >= KIND_FIRST {
            let position = Position::new(segment, at as u32);
            visit(Record { position, seq: found.seq, kind: found.kind, payload: found.payload })?;
        }
        at = next;
        end = next.min(bytes.len());
    }
}

/// Everything behind the last frame must be zero.
fn find_nonzero(bytes: &[u8], end: usize, cursor: &Cursor) -> Option<Bad> {
    let stray = end + bytes[end..].iter().position(|byte| *byte != 0)?;
    let durable = has_later_batch(bytes, end, cursor);
    Some(Bad { offset: stray, what: "bytes behind the last record are not zero", durable })
}

/// Looks behind `from` for a valid frame of a batch later than the one `from` belongs to.
fn has_later_batch(bytes: &[u8], from: usize, cursor: &Cursor) -> bool {
    let batch_here = cursor.next_batch();
    let mut at = aligned(from + 1);
    while at + frame::FRAME_HEADER_BYTES <= bytes.len() {
        let seq = frame::u64_at(bytes, at + 8);
        let batch = frame::u64_at(bytes, at + 16);
        let span = bytes.len() as u64;
        let plausible = seq > cursor.next_seq && seq - cursor.next_seq < span && batch > batch_here;
        if plausible && batch - batch_here < span && frame::decode(&bytes[at..]).is_ok() {
            return true;
        }
        at += frame::ALIGN;
    }
    false
}

/// Checks that a segment header is the one that must stand here.
pub(crate) fn check_header(
    file: &Path,
    found: &SegmentHeader,
    cursor: &Cursor,
    index: u32,
) -> Result<(), LogError> {
    let expected = cursor.header(index, found.bytes, found.tag);
    if *found != expected {
        return Err(LogError::corrupt(file, 0, "the segment does not continue the one before it"));
    }
    Ok(())
}
