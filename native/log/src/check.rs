//! Offline check of a stopped log: every byte of every file.

use std::path::Path;

use crate::error::LogError;
use crate::log::{LogOptions, Record, read_segment};
use crate::segment::{self, BLOCK_BYTES, SPARE_NAME, SegmentHeader, segment_name};
use crate::walk::{self, Cursor};

/// Something in a file that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// File name within the log's folder.
    pub file: String,
    /// Byte offset in that file.
    pub offset: u64,
    /// What does not hold.
    pub what: String,
}

/// Findings that one check reports at most.
pub const FINDINGS_MAX: usize = 64;

/// Reads all files in `dir` without changing them, hands every valid record of the unbroken chain to
/// `visit`, and returns what does not hold. A torn tail is a finding as well.
///
/// # Errors
/// `Io` when the folder or a file cannot be read.
pub fn check(
    dir: &Path,
    options: &LogOptions,
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<Vec<Finding>, LogError> {
    let (mut indexes, others) = segment::list(dir)?;
    indexes.retain(|index| *index >= options.first_segment);
    let mut findings: Vec<Finding> = others
        .into_iter()
        .filter(|name| name != SPARE_NAME || !is_untouched_spare(dir))
        .map(|file| Finding { file, offset: 0, what: "a file that is not part of the log".into() })
        .collect();
    if indexes.is_empty() {
        let file = segment_name(options.first_segment);
        findings.push(Finding { file, offset: 0, what: "the log has no segment".into() });
    }
    let mut cursor = Cursor::START;
    let mut broken = false;
    for (index, expected) in indexes.iter().zip(options.first_segment..) {
        if findings.len() >= FINDINGS_MAX {
            break;
        }
        if *index != expected && !broken {
            let what = "a segment file is missing".into();
            findings.push(Finding { file: segment_name(expected), offset: 0, what });
            broken = true;
        }
        let quiet = &mut |_: Record<'_>| {};
        let visit_here: &mut dyn FnMut(Record<'_>) = if broken { quiet } else { visit };
        // What stood before a log that was cut off at its beginning is for its owner to know.
        let anew = broken || expected == options.first_segment && expected > 0;
        match check_segment(dir, options, *index, &mut cursor, anew, visit_here)? {
            None => {}
            Some(finding) => {
                findings.push(finding);
                broken = true;
            }
        }
    }
    findings.truncate(FINDINGS_MAX);
    Ok(findings)
}

/// Whether the spare that a killed process left holds nothing: zeros, behind its header at most.
fn is_untouched_spare(dir: &Path) -> bool {
    let path = dir.join(SPARE_NAME);
    let Ok(bytes) = read_segment(&path) else { return false };
    let (block, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES));
    let named = block.get(40..72).and_then(|tag| <[u8; 32]>::try_from(tag).ok());
    let header_holds = named.is_some_and(|tag| SegmentHeader::decode(&path, block, &tag).is_ok());
    rest.iter().all(|byte| *byte == 0) && (header_holds || block.iter().all(|byte| *byte == 0))
}

/// Checks one segment. After a break the chain begins `anew` at each segment's own header.
fn check_segment(
    dir: &Path,
    options: &LogOptions,
    index: u32,
    cursor: &mut Cursor,
    anew: bool,
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<Option<Finding>, LogError> {
    let file = segment_name(index);
    let path = dir.join(&file);
    let finding =
        |offset: usize, what: String| Some(Finding { file: file.clone(), offset: offset as u64, what });
    let bytes = read_segment(&path)?;
    let checked = SegmentHeader::decode(&path, &bytes, &options.tag).and_then(|header| {
        if anew {
            *cursor = Cursor::from_header(&header);
        }
        walk::check_header(&path, &header, cursor, index).map(|()| header)
    });
    let header = match checked {
        Ok(header) => header,
        Err(LogError::Corrupt { offset, what, .. }) => return Ok(finding(offset as usize, what)),
        Err(error) => return Ok(finding(0, error.to_string())),
    };
    if header.bytes != bytes.len() as u64 {
        return Ok(finding(bytes.len(), "the file's length is not the allocated one".into()));
    }
    let mut pass = |record: Record<'_>| -> Result<(), std::convert::Infallible> {
        visit(record);
        Ok(())
    };
    let Ok(walked) = walk::walk_frames(&bytes, index, BLOCK_BYTES, cursor, &mut pass);
    let shown = |bad: &walk::Bad| match bad.durable {
        true => bad.what.to_owned(),
        false => {
            format!("{} (nothing durable follows: if it is a torn write, the next start clears it)", bad.what)
        }
    };
    Ok(walked.bad.and_then(|bad| finding(bad.offset, shown(&bad))))
}
