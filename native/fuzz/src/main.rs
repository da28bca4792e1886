//! One target under libFuzzer: `HANSA_FUZZ_TARGET=rlp hansa-fuzz FOLDER`; see `tools/fuzz.sh`.
#![no_main]

use std::sync::OnceLock;

use hansa_fuzz::{TARGETS, Target, find_target};
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

fn choose() -> Target {
    let name = std::env::var("HANSA_FUZZ_TARGET").unwrap_or_default();
    find_target(&name).unwrap_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("HANSA_FUZZ_TARGET is one of: {}", names.join(" "));
        std::process::exit(2)
    })
}

fuzz_target!(|data: &[u8]| TARGET.get_or_init(choose)(data));
