//! Setting bad parts of a stopped log aside, so that the log opens again at its last good record.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::LogError;
use crate::frame::u64_at;
use crate::segment::{self, BLOCK_BYTES, segment_name};

/// Names of files in `dir` that no log makes.
///
/// # Errors
/// `Io`.
pub fn strange_files(dir: &Path) -> Result<Vec<String>, LogError> {
    let (_, mut others) = segment::list(dir)?;
    others.retain(|name| name != segment::SPARE_NAME);
    Ok(others)
}

/// Moves the whole segments from `index` on into `aside`; returns the new paths.
///
/// # Errors
/// `Io`, `Fatal`.
pub fn quarantine_segment(dir: &Path, index: u32, aside: &Path) -> Result<Vec<PathBuf>, LogError> {
    fs::create_dir_all(aside).map_err(|error| LogError::growing(aside, error))?;
    let (indexes, _) = segment::list(dir)?;
    let mut moved = Vec::new();
    for index in indexes.into_iter().rev().filter(|found| *found >= index) {
        let from = dir.join(segment_name(index));
        let to = free_name(aside, &segment_name(index));
        fs::rename(&from, &to).map_err(|error| LogError::io(&from, error))?;
        moved.push(to);
    }
    segment::sync_dir(aside)?;
    segment::sync_dir(dir)?;
    Ok(moved)
}

/// Cuts the log at `offset` of segment `index`: copies that segment aside, moves later ones aside, then
/// zeroes it from `offset` on. `offset` must be where a frame would begin; within the header the whole
/// segment goes.
///
/// # Errors
/// `Io`, `Full`, `Fatal`.
pub fn quarantine_from(dir: &Path, index: u32, offset: u64, aside: &Path) -> Result<Vec<PathBuf>, LogError> {
    if offset < BLOCK_BYTES as u64 {
        return quarantine_segment(dir, index, aside);
    }
    let mut moved = quarantine_segment(dir, index + 1, aside)?;
    let path = dir.join(segment_name(index));
    let copy = free_name(aside, &segment_name(index));
    fs::copy(&path, &copy).map_err(|error| LogError::growing(&copy, error))?;
    moved.push(copy);
    let fatal = |source| LogError::Fatal { file: path.clone(), source };
    let file =
        OpenOptions::new().read(true).write(true).open(&path).map_err(|error| LogError::io(&path, error))?;
    let mut head = [0; BLOCK_BYTES];
    file.read_exact_at(&mut head, 0).map_err(|error| LogError::io(&path, error))?;
    let length = u64_at(&head, 16);
    file.set_len(offset).map_err(fatal)?;
    file.set_len(length).map_err(fatal)?;
    file.write_all_at(&vec![0; length.saturating_sub(offset) as usize], offset).map_err(fatal)?;
    file.sync_all().map_err(fatal)?;
    Ok(moved)
}

/// `name.quarantined`, with a number when that is taken.
fn free_name(aside: &Path, name: &str) -> PathBuf {
    let mut path = aside.join(format!("{name}.quarantined"));
    let mut nth = 1_u32;
    while path.exists() {
        path = aside.join(format!("{name}.{nth}.quarantined"));
        nth += 1;
    }
    path
}
