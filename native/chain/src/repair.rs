//! Making a damaged data folder open again: what does not hold goes to `quarantine/`, the rest stays. The blocks
//! that are lost this way come back from the other nodes through `import_block`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::Base;
use crate::checkpoints::{self, checkpoint_name};
use crate::folder::{BASE_NAME, CHECKPOINTS_NAME, EPOCHS_NAME, Folder};
use crate::verify::{self, Finding, verify_ledger};
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
    for strange in strange_files(directory, &folder)? {
        moved.push(set_aside(&strange, &aside)?);
    }
    if let Some((segment, offset)) = report.cut.filter(|(segment, _)| *segment != u32::MAX) {
        moved.extend(hansa_log::quarantine_from(&folder.blocks(), segment, offset, &aside)?);
    }
    let lost = directory.join(BASE_NAME).exists() && !report.founded;
    let has_bad_epochs = report.findings.iter().any(|found| found.file == EPOCHS_NAME);
    if has_bad_epochs || (lost && directory.join(EPOCHS_NAME).exists()) {
        moved.push(set_aside(&directory.join(EPOCHS_NAME), &aside)?);
    }
    if lost {
        // Nothing to go on from is left: the ledger begins anew, and comes back from the other nodes.
        moved.push(set_aside(&directory.join(BASE_NAME), &aside)?);
        moved.extend(hansa_log::quarantine_segment(&folder.blocks(), 0, &aside)?);
    }
    let dir = folder.checkpoints();
    for height in checkpoints::list(&dir)?.0 {
        let name = checkpoint_name(height);
        let bad = report.findings.iter().any(|found| found.file == format!("{CHECKPOINTS_NAME}/{name}"));
        if bad || height > report.height || lost {
            moved.push(set_aside(&dir.join(&name), &aside)?);
        }
    }
    let first_segment = Base::read(directory)?.map_or(0, |base| base.first_segment);
    let empty = !folder.blocks().join(hansa_log::segment_name(first_segment)).exists();
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

/// Files that have no business where they stand; a lock file with content is one.
fn strange_files(directory: &Path, folder: &Folder) -> Result<Vec<PathBuf>, ChainError> {
    let mut paths: Vec<PathBuf> =
        verify::strange_files(directory)?.into_iter().map(|found| directory.join(found.file)).collect();
    paths.extend(
        hansa_log::strange_files(&folder.blocks())?.into_iter().map(|name| folder.blocks().join(name)),
    );
    let (_, others) = checkpoints::list(&folder.checkpoints())?;
    paths.extend(others.into_iter().map(|name| folder.checkpoints().join(name)));
    Ok(paths)
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
