//! Making a damaged data folder open again: what does not hold goes to `quarantine/`, the rest stays. The blocks
//! that are lost this way come back from the other nodes through `import_block`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::checkpoints::{self, checkpoint_name};
use crate::folder::{BLOCKS_NAME, CHECKPOINTS_NAME, Folder};
use crate::verify::{Finding, verify_ledger};
use crate::{Chain, ChainError};

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    /// What did not hold.
    pub findings: Vec<Finding>,
    /// Files set aside, within the data folder.
    pub moved: Vec<String>,
    /// The highest block that the folder holds now.
    pub height: u64,
}

/// Sets aside what does not hold in `directory` and proves that the rest opens.
///
/// # Errors
/// `Genesis`, `Missing`, `Locked`, `Io`, `Log`, `Checkpoint`.
pub fn repair_folder(
    directory: &Path,
    genesis_json: &[u8],
    progress: &mut dyn FnMut(u64),
) -> Result<Repaired, ChainError> {
    let folder = Folder::lock(directory)?;
    let report = verify_ledger(directory, genesis_json, progress)?;
    let mut moved = Vec::new();
    let aside = folder.quarantine();
    for strange in report.findings.iter().filter(|found| is_strange(found)) {
        moved.push(set_aside(&directory.join(&strange.file), &aside)?);
    }
    if let Some((segment, offset)) = report.cut.filter(|(segment, _)| *segment != u32::MAX) {
        moved.extend(hansa_log::quarantine_from(&folder.blocks(), segment, offset, &aside)?);
    }
    let dir = folder.checkpoints();
    for height in checkpoints::list(&dir)?.0 {
        let name = checkpoint_name(height);
        let bad = report.findings.iter().any(|found| found.file == format!("{CHECKPOINTS_NAME}/{name}"));
        if bad || height > report.height {
            moved.push(set_aside(&dir.join(&name), &aside)?);
        }
    }
    let empty = !folder.blocks().join(hansa_log::segment_name(0)).exists();
    if empty {
        fs::remove_dir_all(folder.blocks()).map_err(|error| ChainError::io(directory, error))?;
    }
    drop(folder);
    let chain = if empty {
        Chain::create(Some(directory), genesis_json)?
    } else {
        Chain::open(directory, genesis_json)?
    };
    chain.checkpoint()?;
    chain.close()?;
    let moved =
        moved.iter().map(|path| path.strip_prefix(directory).unwrap_or(path).display().to_string()).collect();
    Ok(Repaired { findings: report.findings, moved, height: chain.head().height })
}

/// Whether a finding is about a file that has no business where it stands.
fn is_strange(finding: &Finding) -> bool {
    let in_blocks =
        finding.file.starts_with(BLOCKS_NAME) && !finding.file.ends_with(hansa_log::SEGMENT_SUFFIX);
    let in_checkpoints =
        finding.file.starts_with(CHECKPOINTS_NAME) && !finding.file.ends_with(checkpoints::CHECKPOINT_SUFFIX);
    in_blocks || in_checkpoints || !finding.file.contains('/')
}

/// Moves a file into the quarantine folder under a free name.
fn set_aside(path: &Path, aside: &Path) -> Result<PathBuf, ChainError> {
    fs::create_dir_all(aside).map_err(|error| ChainError::io(aside, error))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut to = aside.join(format!("{name}.quarantined"));
    let mut nth = 1_u32;
    while to.exists() {
        to = aside.join(format!("{name}.{nth}.quarantined"));
        nth += 1;
    }
    fs::rename(path, &to).map_err(|error| ChainError::io(path, error))?;
    Ok(to)
}
