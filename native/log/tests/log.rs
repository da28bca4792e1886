//! The log against restarts, tears, rot and full disks.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use hansa_log::{KIND_FIRST, Log, LogError, LogOptions, Position, Tail, check, quarantine_from};

static NEXT: AtomicU32 = AtomicU32::new(0);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("hansa-log-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn small() -> LogOptions {
    LogOptions { segment_bytes: 16 << 10, tag: [7; 32], ..LogOptions::default() }
}

type Records = Vec<(Position, u8, Vec<u8>)>;

fn open(dir: &Path) -> Result<(Log, Tail, Records), LogError> {
    let mut records = Vec::new();
    let visit = &mut |record: hansa_log::Record<'_>| {
        records.push((record.position, record.kind, record.payload.to_vec()));
    };
    let (log, tail) = Log::open(dir, small(), visit)?;
    Ok((log, tail, records))
}

fn payload(nth: usize) -> Vec<u8> {
    (0..nth * 37 % 900).map(|byte| (byte * 31 + nth) as u8).collect()
}

/// Writes `count` records, a sync after every third, and stops cleanly or not.
fn fill(dir: &Path, count: usize, clean: bool) -> Vec<Position> {
    let (log, _, _) = open(dir).unwrap();
    let mut positions = Vec::new();
    for nth in 0..count {
        let bytes = payload(nth);
        let (left, right) = bytes.split_at(bytes.len() / 2);
        positions.push(log.append(KIND_FIRST + nth as u8 % 3, &[left, right]).unwrap());
        if nth % 3 == 2 {
            log.sync().unwrap();
        }
    }
    log.sync().unwrap();
    if clean {
        log.close().unwrap();
    }
    positions
}

#[test]
fn records_survive_restarts_and_segments() {
    let folder = Folder::new();
    let positions = fill(&folder.0, 100, true);
    assert!(positions.last().unwrap().segment() > 1);
    for _ in 0..2 {
        let (log, tail, records) = open(&folder.0).unwrap();
        assert!(tail.clean && tail.torn_at.is_none());
        assert_eq!(records.len(), 100);
        for (nth, (position, kind, bytes)) in records.iter().enumerate() {
            assert_eq!((*position, *kind), (positions[nth], KIND_FIRST + nth as u8 % 3));
            assert_eq!((bytes, log.read(*position).unwrap()), (&payload(nth), payload(nth)));
        }
        log.close().unwrap();
        assert!(check(&folder.0, &small(), &mut |_| {}).unwrap().is_empty());
    }
}

#[test]
fn pending_records_are_readable_and_large_ones_get_their_own_segment() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder.0).unwrap();
    let large = vec![9; 100_000];
    let first = log.append(KIND_FIRST, &[b"small"]).unwrap();
    let second = log.append(KIND_FIRST, &[&large]).unwrap();
    assert_eq!(log.read(first).unwrap(), b"small");
    assert_eq!(log.read(second).unwrap(), large);
    log.sync().unwrap();
    assert_eq!(log.read(second).unwrap(), large);
    let mut seen = Vec::new();
    log.scan(second, &mut |record| seen.push(record.payload.len())).unwrap();
    assert_eq!(seen, [100_000]);
    drop(log);
    assert_eq!(open(&folder.0).unwrap().2.len(), 2);
}

#[test]
fn unsynced_records_are_gone_and_the_log_goes_on() {
    let folder = Folder::new();
    fill(&folder.0, 6, false);
    let (log, tail, records) = open(&folder.0).unwrap();
    assert!(!tail.clean && records.len() == 6);
    log.append(KIND_FIRST, &[b"lost"]).unwrap();
    drop(log);
    let (log, _, records) = open(&folder.0).unwrap();
    assert_eq!(records.len(), 6);
    log.append(KIND_FIRST, &[b"kept"]).unwrap();
    log.close().unwrap();
    assert_eq!(open(&folder.0).unwrap().2[6].2, b"kept");
}

#[test]
fn changed_bytes_of_a_stopped_log_are_found() {
    let folder = Folder::new();
    fill(&folder.0, 30, true);
    let mut files: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 1);
    for file in files {
        let good = fs::read(&file).unwrap();
        // A stride that is no multiple of any field meets each of them.
        let used = (good.iter().rposition(|byte| *byte != 0).unwrap() + 64).min(good.len());
        for at in (0..used).step_by(3).chain((used..good.len()).step_by(7)) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&file, &bad).unwrap();
            let findings = check(&folder.0, &small(), &mut |_| {}).unwrap();
            assert!(!findings.is_empty(), "{} byte {at} unnoticed", file.display());
            assert_eq!(findings[0].file, file.file_name().unwrap().to_str().unwrap());
        }
        fs::write(&file, &good).unwrap();
    }
}

#[test]
fn opening_after_rot_never_loses_a_record_silently() {
    let folder = Folder::new();
    fill(&folder.0, 12, true);
    let file = folder.0.join("00000000.seg");
    let good = fs::read(&file).unwrap();
    for at in (0..good.len()).step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&file, &bad).unwrap();
        match open(&folder.0) {
            Ok((_, tail, records)) => {
                assert_eq!(records.len(), 12, "byte {at}");
                assert!(tail.torn_at.is_some());
            }
            Err(LogError::Corrupt { .. } | LogError::Foreign { .. } | LogError::Version { .. }) => {}
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}

#[test]
fn a_torn_last_batch_is_cleared_wherever_it_tears() {
    let folder = Folder::new();
    fill(&folder.0, 6, false);
    let file = folder.0.join("00000000.seg");
    let before = fs::read(&file).unwrap();
    let (log, _, _) = open(&folder.0).unwrap();
    for nth in 6..9 {
        log.append(KIND_FIRST, &[&payload(nth + 20)]).unwrap();
    }
    log.sync().unwrap();
    drop(log);
    let after = fs::read(&file).unwrap();
    let changed: Vec<usize> = (0..after.len()).filter(|at| before[*at] != after[*at]).collect();
    let (first, last) = (changed[0], changed[changed.len() - 1]);
    for tear in (first..last).step_by(13) {
        // A disk may keep any part of an unsynced write: here the beginning is lost, the end is there.
        let mut torn = after.clone();
        torn[first..=tear].copy_from_slice(&before[first..=tear]);
        fs::write(&file, &torn).unwrap();
        let (_, tail, records) = open(&folder.0).unwrap();
        assert!(records.len() >= 6 && tail.torn_at.is_some(), "tear at {tear}");
        // And the other way round.
        let mut torn = before.clone();
        torn[first..=tear].copy_from_slice(&after[first..=tear]);
        fs::write(&file, &torn).unwrap();
        let (log, _, records) = open(&folder.0).unwrap();
        assert!(records.len() >= 6, "tear at {tear}");
        log.append(KIND_FIRST, &[b"more"]).unwrap();
        log.close().unwrap();
        assert!(check(&folder.0, &small(), &mut |_| {}).unwrap().is_empty());
        let second = folder.0.join("00000001.seg");
        if second.exists() {
            fs::remove_file(second).unwrap();
        }
    }
}

#[test]
fn rot_before_later_batches_is_corruption_even_without_a_clean_stop() {
    let folder = Folder::new();
    let positions = fill(&folder.0, 9, false);
    let file = folder.0.join("00000000.seg");
    let mut bytes = fs::read(&file).unwrap();
    bytes[positions[5].offset() as usize + 40] ^= 1;
    fs::write(&file, &bytes).unwrap();
    match open(&folder.0) {
        Err(LogError::Corrupt { file: named, offset, .. }) => {
            assert_eq!((named, offset), (file, u64::from(positions[5].offset())));
        }
        other => panic!("{:?}", other.map(|found| found.2.len())),
    }
}

#[test]
fn a_missing_short_or_foreign_segment_is_named() {
    let folder = Folder::new();
    fill(&folder.0, 100, true);
    let second = folder.0.join("00000001.seg");
    let good = fs::read(&second).unwrap();
    fs::remove_file(&second).unwrap();
    assert!(matches!(open(&folder.0), Err(LogError::Corrupt { file, .. }) if file == second));
    fs::write(&second, &good[..good.len() - 1]).unwrap();
    assert!(matches!(open(&folder.0), Err(LogError::Corrupt { file, .. }) if file == second));
    assert_eq!(check(&folder.0, &small(), &mut |_| {}).unwrap().len(), 1);
    fs::write(&second, &good).unwrap();
    let other = LogOptions { tag: [8; 32], ..small() };
    assert!(matches!(Log::open(&folder.0, other, &mut |_| {}), Err(LogError::Foreign { .. })));
}

#[test]
fn quarantine_cuts_at_the_first_bad_record() {
    let folder = Folder::new();
    let positions = fill(&folder.0, 100, true);
    let cut = positions[40];
    let file = folder.0.join(hansa_log::segment_name(cut.segment()));
    let mut bytes = fs::read(&file).unwrap();
    bytes[cut.offset() as usize] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let finding = check(&folder.0, &small(), &mut |_| {}).unwrap().remove(0);
    assert_eq!(finding.offset, u64::from(cut.offset()));
    let aside = Folder::new();
    let moved = quarantine_from(&folder.0, cut.segment(), finding.offset, &aside.0).unwrap();
    assert!(moved.len() > 1);
    let (log, _, records) = open(&folder.0).unwrap();
    assert_eq!(records.len(), 40);
    log.append(KIND_FIRST, &[b"again"]).unwrap();
    log.close().unwrap();
    assert!(check(&folder.0, &small(), &mut |_| {}).unwrap().is_empty());
}

#[test]
fn oversized_records_are_refused_and_memory_logs_read_back() {
    let folder = Folder::new();
    let options = LogOptions { record_bytes_max: 10, ..small() };
    let (log, _) = Log::open(&folder.0, options, &mut |_| {}).unwrap();
    assert!(matches!(log.append(KIND_FIRST, &[&[0; 11]]), Err(LogError::TooLarge { bytes: 11, max: 10 })));
    let log = Log::memory();
    let position = log.append(KIND_FIRST, &[b"a", b"b"]).unwrap();
    assert_eq!(log.read(position).unwrap(), b"ab");
}

#[test]
fn appends_go_on_while_another_thread_syncs() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder.0).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let log = &log;
            scope.spawn(move || {
                for nth in 0..50_u8 {
                    let position = log.append(KIND_FIRST, &[&[thread, nth], &[nth; 60]]).unwrap();
                    if nth % 7 == 0 {
                        log.sync().unwrap();
                    }
                    assert_eq!(log.read(position).unwrap()[..2], [thread, nth]);
                }
            });
        }
    });
    log.close().unwrap();
    assert_eq!(open(&folder.0).unwrap().2.len(), 200);
}

#[test]
fn a_full_disk_loses_nothing_and_heals() {
    let folder = Folder::new();
    let (log, _, _) = open(&folder.0).unwrap();
    // Less than half a segment: from there on another thread makes the spare, which this test puts in its place.
    let first = log.append(KIND_FIRST, &[&[1; 3_000]]).unwrap();
    log.sync().unwrap();
    // Whatever is written to this device answers that no space is left.
    let spare = folder.0.join("next.tmp");
    std::os::unix::fs::symlink("/dev/full", &spare).unwrap();
    let second = log.append(KIND_FIRST, &[&[2; 10_000]]).unwrap();
    assert!(matches!(log.sync(), Err(LogError::Full { .. })));
    log.append(KIND_FIRST, &[&[3; 100]]).unwrap();
    assert!(matches!(log.sync(), Err(LogError::Full { .. })));
    assert_eq!((log.read(first).unwrap()[0], log.read(second).unwrap()[0]), (1, 2));
    fs::remove_file(&spare).unwrap();
    log.sync().unwrap();
    log.close().unwrap();
    assert_eq!(open(&folder.0).unwrap().2.len(), 3);
    assert!(check(&folder.0, &small(), &mut |_| {}).unwrap().is_empty());
}

#[test]
fn a_spare_left_by_a_killed_process_is_no_finding_while_it_is_empty() {
    let folder = Folder::new();
    fill(&folder.0, 6, true);
    fs::write(folder.0.join("next.tmp"), vec![0; 16 << 10]).unwrap();
    assert!(check(&folder.0, &small(), &mut |_| {}).unwrap().is_empty());
    fs::write(folder.0.join("next.tmp"), [vec![0; 5_000], vec![1]].concat()).unwrap();
    assert_eq!(check(&folder.0, &small(), &mut |_| {}).unwrap().len(), 1);
    assert!(open(&folder.0).unwrap().1.clean);
    assert!(!folder.0.join("next.tmp").exists());
}
