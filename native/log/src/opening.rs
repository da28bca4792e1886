//! Opening: an empty log is begun, another one read to its end.

use std::convert::Infallible;
use std::path::Path;

use crate::disk::Disk;
use crate::error::LogError;
use crate::log::{LogOptions, Record, Tail, Writer, read_segment};
use crate::segment::{self, BLOCK_BYTES, SegmentHeader, segment_name};
use crate::walk::{self, Cursor, Walk};

/// Makes the first segment of an empty log.
pub(crate) fn create_first(dir: &Path, options: &LogOptions) -> Result<(Disk, Writer, Tail), LogError> {
    let header = Cursor::START.header(0, options.segment_bytes, options.tag);
    let disk = Disk::create(dir, &header)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        segment::sync_dir(parent)?;
    }
    Ok((
        disk,
        Writer::at(Cursor::START, 0, options.segment_bytes, BLOCK_BYTES),
        Tail { clean: true, torn_at: None },
    ))
}

/// Reads the segments, hands each record to `visit`, and clears a torn tail.
pub(crate) fn recover(
    dir: &Path,
    options: &LogOptions,
    indexes: &[u32],
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<(Disk, Writer, Tail), LogError> {
    let mut cursor = Cursor::START;
    let mut last = None;
    for (index, expected) in indexes.iter().zip(options.first_segment..) {
        let path = dir.join(segment_name(*index));
        if *index != expected {
            return Err(LogError::missing_segment(dir, expected));
        }
        let bytes = read_segment(&path)?;
        let header = SegmentHeader::decode(&path, &bytes, &options.tag)?;
        if expected == options.first_segment && expected > 0 {
            cursor = Cursor::from_header(&header);
        }
        walk::check_header(&path, &header, &cursor, *index)?;
        if bytes.len() as u64 != header.bytes {
            return Err(LogError::corrupt(
                &path,
                bytes.len() as u64,
                "the file's length is not the allocated one",
            ));
        }
        let walked =
            walk::walk_frames::<Infallible>(&bytes, *index, BLOCK_BYTES, &mut cursor, &mut |record| {
                visit(record);
                Ok(())
            });
        let Ok(walked) = walked;
        let is_last = Some(index) == indexes.last();
        if let Some(bad) = walked.bad.as_ref().filter(|bad| bad.durable || !is_last) {
            return Err(LogError::corrupt(&path, bad.offset as u64, bad.what));
        }
        last = Some((*index, bytes, walked));
    }
    let Some((index, bytes, Walk { end, bad })) = last else {
        return Err(LogError::missing_segment(dir, options.first_segment));
    };
    let disk = Disk::reopen(dir, index, &bytes, end, bad.is_some())?;
    let tail = Tail { clean: cursor.closed && bad.is_none(), torn_at: bad.map(|bad| bad.offset as u64) };
    Ok((disk, Writer::at(cursor, index, bytes.len() as u64, end), tail))
}
