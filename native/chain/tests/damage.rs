//! Every changed byte of a stopped node's ledger is found, and repair with another node's blocks heals it.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::fs;
use std::path::{Path, PathBuf};

use fixture::*;
use hansa_chain::{Chain, Finding, repair_folder, verify_ledger};
use hansa_log::segment_name;

const BLOCKS: u64 = 20;

/// A small generator of test positions; the same in every run.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

fn verify(dir: &Path) -> Vec<Finding> {
    verify_ledger(dir, &plain_genesis(), &mut |_| {}).unwrap().findings
}

fn stopped() -> (Scratch, Vec<Vec<u8>>) {
    let scratch = Scratch::new();
    let chain = grown(&scratch.0, BLOCKS);
    let blocks = chain.export_blocks(1, 1_000, 1 << 30).unwrap();
    chain.close().unwrap();
    (scratch, blocks)
}

fn flip(file: &PathBuf, at: usize, bit: usize) -> Vec<u8> {
    let good = fs::read(file).unwrap();
    let mut bad = good.clone();
    bad[at] ^= 1 << bit;
    fs::write(file, bad).unwrap();
    good
}

/// Opens what repair left and fetches the rest, as a node does from its peers.
fn refill(dir: &Path, blocks: &[Vec<u8>]) {
    let chain = Chain::open(dir, &plain_genesis()).unwrap();
    for block in &blocks[chain.head().height as usize..] {
        chain.import_block(block).unwrap();
    }
    assert_eq!(chain.head().height, blocks.len() as u64);
    chain.close().unwrap();
}

#[test]
fn a_sound_ledger_has_no_findings_and_tells_its_progress() {
    let (scratch, _) = stopped();
    let mut heard = Vec::new();
    let report = verify_ledger(&scratch.0, &plain_genesis(), &mut |height| heard.push(height)).unwrap();
    assert_eq!((report.findings, report.height), (vec![], BLOCKS));
    assert_eq!(heard, (1..=BLOCKS).collect::<Vec<_>>());
}

#[test]
fn random_changed_bytes_are_found_and_named() {
    let (scratch, _) = stopped();
    let mut draw = Draw(7);
    for _ in 0..40 {
        let files = scratch.files();
        let file = &files[draw.next(files.len())];
        let length = fs::metadata(file).unwrap().len() as usize;
        let (at, bit) = (draw.next(length), draw.next(8));
        let good = flip(file, at, bit);
        let findings = verify(&scratch.0);
        let name = file.strip_prefix(&scratch.0).unwrap().display().to_string();
        assert!(findings.iter().any(|found| found.file == name), "{name} byte {at}: {findings:?}");
        fs::write(file, good).unwrap();
    }
    assert_eq!(verify(&scratch.0), []);
}

#[test]
fn changed_bytes_within_records_are_found_and_healed() {
    let (scratch, blocks) = stopped();
    let log = scratch.0.join("blocks").join(segment_name(0));
    let used = fs::read(&log).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    let mut draw = Draw(11);
    for round in 0..12 {
        flip(&log, draw.next(used + 1), draw.next(8));
        let findings = verify(&scratch.0);
        assert_eq!(findings[0].file, "blocks/00000000.seg", "round {round}: {findings:?}");
        let repaired = repair_folder(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap();
        assert!(!repaired.moved.is_empty());
        refill(&scratch.0, &blocks);
        assert_eq!(verify(&scratch.0), [], "round {round}");
    }
}

#[test]
fn a_damaged_checkpoint_is_set_aside_and_the_node_starts_without_it() {
    let (scratch, blocks) = stopped();
    let file = scratch.0.join("checkpoints/000000000000.ckpt");
    let length = fs::metadata(&file).unwrap().len() as usize;
    for at in (0..length).step_by(11) {
        let good = flip(&file, at, at % 8);
        let findings = verify(&scratch.0);
        assert_eq!((findings.len(), findings[0].file.as_str()), (1, "checkpoints/000000000000.ckpt"));
        fs::write(&file, good).unwrap();
    }
    flip(&file, length / 2, 0);
    // A start does not need it as long as the log reaches back to genesis.
    assert_eq!(Chain::open(&scratch.0, &plain_genesis()).unwrap().head().height, BLOCKS);
    let repaired = repair_folder(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap();
    assert_eq!(repaired.moved, ["quarantine/000000000000.ckpt.quarantined"]);
    assert_eq!(repaired.height, BLOCKS);
    refill(&scratch.0, &blocks);
    assert_eq!(verify(&scratch.0), []);
}

#[test]
fn strange_and_missing_files_are_named() {
    let (scratch, blocks) = stopped();
    fs::write(scratch.0.join("notes.txt"), "x").unwrap();
    fs::write(scratch.0.join("blocks/copy.seg"), "x").unwrap();
    fs::write(scratch.0.join("checkpoints/7.ckpt"), "x").unwrap();
    fs::write(scratch.0.join("LOCK"), "x").unwrap();
    let named: Vec<String> = verify(&scratch.0).into_iter().map(|found| found.file).collect();
    assert_eq!(named, ["LOCK", "notes.txt", "blocks/copy.seg", "checkpoints/7.ckpt"]);
    repair_folder(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap();
    assert_eq!(verify(&scratch.0), []);
    fs::remove_file(scratch.0.join("blocks").join(segment_name(0))).unwrap();
    assert_eq!(verify(&scratch.0)[0].what, "the log has no segment");
    let repaired = repair_folder(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap();
    assert_eq!(repaired.height, 0);
    refill(&scratch.0, &blocks);
    assert_eq!(verify(&scratch.0), []);
}

#[test]
fn a_header_or_the_first_record_lost_means_all_over_again() {
    let (scratch, blocks) = stopped();
    for at in [3, 100, 4_100, 4_200] {
        flip(&scratch.0.join("blocks").join(segment_name(0)), at, 2);
        assert!(!verify(&scratch.0).is_empty());
        let repaired = repair_folder(&scratch.0, &plain_genesis(), &mut |_| {}).unwrap();
        assert_eq!(repaired.height, 0, "byte {at}");
        refill(&scratch.0, &blocks);
        assert_eq!(verify(&scratch.0), []);
    }
}
