//! Every kept input, and changes of it drawn from a fixed seed, on every run of the tests.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use alloy_primitives::hex;
use hansa_fuzz::TARGETS;

/// Changed inputs for each target; some are played in files, which takes longer.
const ROUNDS: usize = 1_500;
const ROUNDS_WITH_FILES: usize = 150;
const CORPUS_BYTES_MAX: u64 = 84 * 1024;
const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0x80, 0xff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus")
}

fn kept(name: &str) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder().join(format!("{name}.hex"))).unwrap();
    text.lines().map(|line| hex::decode(line).unwrap()).collect()
}

/// A generator that needs no crate (xorshift64*, Vigna 2016).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        match self.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.below(256) as u8,
            2 => bytes.insert(at, self.below(256) as u8),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + self.below(9)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let number = NUMBERS[self.below(NUMBERS.len())].to_be_bytes();
                let width = [1, 2, 4, 8][self.below(4)];
                let end = (at + width).min(bytes.len());
                bytes.splice(at..end, number[8 - width..].iter().copied());
            }
            _ => {
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
}

#[test]
fn kept_inputs_and_changes_of_them_return() {
    for (nth, (name, target)) in TARGETS.iter().enumerate() {
        let inputs = kept(name);
        for input in &inputs {
            target(input);
        }
        let mut draw = Draw(0x9e37_79b9_7f4a_7c15 ^ nth as u64);
        let with_files = matches!(*name, "log_segment" | "checkpoint");
        for _ in 0..if with_files { ROUNDS_WITH_FILES } else { ROUNDS } {
            let mut bytes = inputs[draw.below(inputs.len())].clone();
            let other = &inputs[draw.below(inputs.len())];
            for _ in 0..=draw.below(4) {
                draw.change(&mut bytes, other);
            }
            target(&bytes);
        }
    }
}

#[test]
fn every_target_has_inputs_and_all_are_small() {
    let mut bytes = 0;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let entry = entry.unwrap();
        bytes += entry.metadata().unwrap().len();
        names.insert(entry.file_name().into_string().unwrap());
    }
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes of kept inputs");
    for (name, _) in TARGETS {
        assert!(names.contains(&format!("{name}.hex")) && !kept(name).is_empty(), "nothing for {name}");
    }
}
