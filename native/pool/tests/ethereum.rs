//! TransactionTests of ethereum/tests through this decoder, recovery and static check.
//!
//! The vectors lie in HANSA_VECTORS (the unpacked ethereum-basic-tests) or in the archive beside the
//! repository; without both the test says so and passes.
//! `tests/differential/test_transactions_ethereum.py` runs the same files through the Python border.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use alloy_primitives::{Bytes, U256, hex};
use hansa_codec::{GasRules, TxLimits, decode_transaction, intrinsic_gas, recover_sender};
use hansa_crypto::SenderCache;
use hansa_pool::{PoolRules, check_static};
use serde_json::Value;

/// The folder of unpacked vectors: HANSA_VECTORS, or the archive beside the repository; none where
/// both are absent.
fn vectors() -> Option<PathBuf> {
    if let Some(root) = std::env::var_os("HANSA_VECTORS") {
        return Some(root.into());
    }
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/ethereum-basic-tests.tar.xz");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ethereum-basic-tests-transactiontests");
    if !archive.is_file() || std::fs::create_dir_all(&target).is_err() {
        eprintln!("skipped: neither HANSA_VECTORS nor ../shared/vectors holds ethereum-basic-tests");
        return None;
    }
    let unpacked = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(&target).status();
    if !unpacked.is_ok_and(|status| status.success()) {
        eprintln!("skipped: tar cannot unpack {}", archive.display());
        return None;
    }
    Some(target)
}

/// Forks in order of preference, with their gas rules.
const FORKS: [(&str, GasRules); 3] =
    [("Cancun", GasRules::CANCUN), ("Shanghai", GasRules::CANCUN), ("London", GasRules::LONDON)];

/// Valid on Ethereum, refused here: gas prices above 2^128 - 1 wei, which no balance could pay and
/// which alloy's types do not hold.
const EXCLUDED: [&str; 3] =
    ["GasLimitPriceProductOverflowtMinusOne", "TransactionWithHighGasPrice", "V_equals38"];

fn rules(gas: GasRules) -> PoolRules {
    PoolRules {
        gas,
        tx_gas_cap: None,
        block_gas_limit: u64::MAX,
        tx_limits: TxLimits::ETHEREUM,
        ..PoolRules::alliance(1)
    }
}

/// What we make of raw bytes: (hash, sender, intrinsic gas) or a code.
fn judge(raw: &[u8], gas: GasRules) -> Result<(String, String, U256), String> {
    let rules = rules(gas);
    let tx = decode_transaction(raw, &rules.tx_limits).map_err(|error| error.code().to_owned())?;
    check_static(&tx, &rules).map_err(|error| error.code().to_owned())?;
    let sender = recover_sender(&tx, &SenderCache::new(1)).map_err(|error| error.code().to_owned())?;
    let gas = U256::from(intrinsic_gas(&tx, gas).required());
    Ok((tx.hash.to_string(), format!("{sender:#x}"), gas))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// None if the case holds, else what differs.
fn difference(name: &str, case: &Value) -> Option<String> {
    let raw = hex::decode(case["txbytes"].as_str()?).ok().map(Bytes::from)?;
    let (expected, gas) =
        FORKS.iter().find_map(|(fork, gas)| case["result"].get(fork).map(|found| (found, *gas)))?;
    match (judge(&raw, gas), expected.get("exception")) {
        (Err(_), Some(_)) => None,
        (Ok((hash, sender, gas)), None) => {
            let same = expected["hash"] == hash.as_str()
                && expected["sender"] == sender.as_str()
                && expected["intrinsicGas"].as_str()?.parse::<U256>().ok()? == gas;
            if same { None } else { Some(format!("{name}: {hash} {sender} {gas}, expected {expected}")) }
        }
        (Ok(_), Some(exception)) => Some(format!("{name}: accepted, expected {exception}")),
        (Err(code), None) if EXCLUDED.contains(&name) && code == "TX-RLP" => None,
        (Err(code), None) => Some(format!("{name}: refused with {code}, expected a valid transaction")),
    }
}

#[test]
fn transaction_tests_hold() {
    let Some(root) = vectors() else { return };
    let mut cases = 0;
    let mut differences = Vec::new();
    for file in files_below(&root.join("TransactionTests")) {
        let content: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for (name, case) in content.as_object().unwrap() {
            cases += 1;
            differences.extend(difference(name, case));
        }
    }
    assert!(cases >= 200, "only {cases} cases found");
    assert!(differences.is_empty(), "{} of {cases}:\n{}", differences.len(), differences.join("\n"));
}
