//! genesis.json: parsing, checking, and the hash that binds the alliance's facts.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256};
use hansa_crypto::{Suite, keccak256};
use hansa_evm::{AccountRange, Holding};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{ChainError, Membership};

/// The only version of the format.
const VERSION: u64 = 1;
/// Least gas of a block: that of a plain transfer.
pub const GAS_LIMIT_MIN: u64 = 21_000;
/// Gas of a block at most. What its transactions log goes into one record of the block log: with more gas a single
/// user could fill a block that no node can keep, and stop the chain.
pub const GAS_LIMIT_MAX: u64 = 2_000_000_000;
/// What a byte of log data costs (yellow paper, G_logdata); the rest of a log costs more than eight for each byte.
const LOG_DATA_GAS: u64 = 8;
/// Header and certificate in a result record, generously.
const RESULT_FRONT_BYTES_MAX: usize = 1 << 20;
// Beside its logs a result record holds fewer bytes for each transaction than the transaction itself has.
const _: () = assert!(
    GAS_LIMIT_MAX / LOG_DATA_GAS
        <= (hansa_log::RECORD_BYTES_MAX - crate::BODY_BYTES_MAX - RESULT_FRONT_BYTES_MAX) as u64
);
/// More validators than an alliance may have.
pub const VALIDATORS_MAX: usize = 1_024;
/// Ranges of accounts.
pub const RANGES_MAX: usize = 16;
/// Accounts that all ranges make together.
pub const RANGE_ACCOUNTS_MAX: u64 = 20_000_000;
/// What each account of a range may hold in contracts.
pub const HOLDINGS_MAX: usize = 8;

/// One validator as genesis names it; its index in the list is its identity.
#[derive(Debug, Clone, Deserialize)]
pub struct Validator {
    /// Name for people.
    pub name: String,
    /// The organisation that runs it.
    #[serde(default)]
    pub organisation: String,
    /// Compressed consensus key, 33 bytes.
    pub public_key: Bytes,
    /// Receives the fees of the blocks it proposes.
    pub account: Address,
}

/// Which transaction rules hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesSpec {
    /// `cancun`, `prague` or `osaka`.
    pub evm: String,
    /// `none` or `ethereum`.
    pub fees: String,
    /// Number of the hash and signature suite.
    #[serde(default)]
    pub suite: u8,
}

/// An account that exists from the start.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllocAccount {
    /// Wei.
    #[serde(default)]
    pub balance: U256,
    /// Next nonce.
    #[serde(default, deserialize_with = "nonce")]
    pub nonce: u64,
    /// Runtime code.
    #[serde(default)]
    pub code: Bytes,
    /// Slots that are not zero.
    #[serde(default)]
    pub storage: BTreeMap<U256, U256>,
}

/// Accounts made by rule, as [`AccountRange`] describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeSpec {
    label: String,
    count: u64,
    balance: U256,
    #[serde(default)]
    holdings: Vec<HoldingSpec>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldingSpec {
    contract: Address,
    slot: U256,
    value: U256,
}

/// How consensus is set; only what the chain itself needs.
#[derive(Debug, Clone, Deserialize)]
pub struct ConsensusSpec {
    /// `pbft` or `solo`.
    pub kind: String,
}

/// A parsed and checked genesis, its accounts apart.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// Name of the alliance; the consensus group's name.
    pub name: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// True for development chains.
    pub dev: bool,
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Gas per block.
    pub gas_limit: u64,
    /// Transaction rules.
    pub rules: RulesSpec,
    /// The hash and signature suite.
    pub suite: Suite,
    /// How consensus is set.
    pub consensus: ConsensusSpec,
    /// Validators in index order.
    pub validators: Vec<Validator>,
    /// Accounts made by rule.
    pub ranges: Vec<AccountRange>,
    /// The contract by which the alliance changes; without it the validators of genesis stay for ever.
    pub membership: Option<Membership>,
    /// keccak-256 of the canonical JSON of everything but `alloc`; the genesis header's extraData.
    pub alliance_hash: B256,
    /// keccak-256 of the file.
    pub file_hash: B256,
    /// The accounts' JSON; dropped once block 0 stands on disk, since it may be large.
    alloc: Option<Box<RawValue>>,
}

fn nonce<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number = U256::deserialize(from)?;
    number.try_into().map_err(|_| serde::de::Error::custom("a nonce must fit in 64 bits"))
}

fn invalid(what: impl std::fmt::Display) -> ChainError {
    ChainError::Genesis(what.to_string())
}

fn part<'a, T: Deserialize<'a>>(top: &BTreeMap<String, &'a RawValue>, name: &str) -> Result<T, ChainError> {
    let raw = top.get(name).ok_or_else(|| invalid(format!("{name} is missing")))?;
    serde_json::from_str(raw.get()).map_err(|error| invalid(format!("{name}: {error}")))
}

fn ranges(top: &BTreeMap<String, &RawValue>) -> Result<Vec<AccountRange>, ChainError> {
    if !top.contains_key("alloc_ranges") {
        return Ok(Vec::new());
    }
    let specs: Vec<RangeSpec> = part(top, "alloc_ranges")?;
    let ranges: Vec<AccountRange> = specs.into_iter().map(AccountRange::from).collect();
    let total = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.count));
    let is_bounded = ranges.len() <= RANGES_MAX
        && total <= RANGE_ACCOUNTS_MAX
        && ranges.iter().all(|range| range.holdings.len() <= HOLDINGS_MAX);
    if !is_bounded {
        return Err(invalid(format!(
            "alloc_ranges: at most {RANGES_MAX} ranges, {RANGE_ACCOUNTS_MAX} accounts, {HOLDINGS_MAX} holdings each"
        )));
    }
    if !ranges.iter().all(|range| range.has_good_label() && !range.balance.is_zero()) {
        return Err(invalid("alloc_ranges: a label has 1 to 64 bytes, a balance is not zero"));
    }
    let labels: BTreeSet<&str> = ranges.iter().map(|range| range.label.as_str()).collect();
    if labels.len() < ranges.len() {
        return Err(invalid("alloc_ranges: two ranges have the same label"));
    }
    Ok(ranges)
}

impl From<RangeSpec> for AccountRange {
    fn from(spec: RangeSpec) -> Self {
        let holding = |of: HoldingSpec| Holding { contract: of.contract, slot: of.slot, value: of.value };
        Self {
            label: spec.label,
            count: spec.count,
            balance: spec.balance,
            holdings: spec.holdings.into_iter().map(holding).collect(),
        }
    }
}

impl Genesis {
    /// Parses genesis.json and checks all of it but the accounts.
    ///
    /// # Errors
    /// `Genesis` with the field that does not hold.
    pub fn parse(json: &[u8]) -> Result<Self, ChainError> {
        let top: BTreeMap<String, &RawValue> = serde_json::from_slice(json).map_err(invalid)?;
        let version: u64 = part(&top, "version")?;
        if version != VERSION {
            return Err(invalid(format!(
                "version {version} is not supported, this release reads version {VERSION}"
            )));
        }
        let rules: RulesSpec = part(&top, "rules")?;
        let suite = Suite::from_id(rules.suite).map_err(invalid)?;
        let alloc: &RawValue = top.get("alloc").ok_or_else(|| invalid("alloc is missing"))?;
        let genesis = Self {
            name: part(&top, "name")?,
            chain_id: part(&top, "chain_id")?,
            dev: if top.contains_key("dev") { part(&top, "dev")? } else { false },
            timestamp_ms: part(&top, "timestamp_ms")?,
            gas_limit: part(&top, "gas_limit")?,
            rules,
            suite,
            consensus: part(&top, "consensus")?,
            validators: part(&top, "validators")?,
            ranges: ranges(&top)?,
            membership: if top.contains_key("membership") { Some(part(&top, "membership")?) } else { None },
            alliance_hash: alliance_hash(&top)?,
            file_hash: keccak256(json),
            alloc: Some(alloc.to_owned()),
        };
        genesis.check()?;
        Ok(genesis)
    }

    /// The accounts that exist from the start, in address order.
    ///
    /// # Errors
    /// `Genesis` when an entry is malformed, or of a kind that no chain makes: storage where there is neither
    /// code nor a nonce. A contract might be created there and find slots that it never wrote (EIP-7610).
    pub fn alloc(&self) -> Result<BTreeMap<Address, AllocAccount>, ChainError> {
        let Some(alloc) = &self.alloc else { return Err(invalid("the accounts were read already")) };
        let accounts: BTreeMap<Address, AllocAccount> =
            serde_json::from_str(alloc.get()).map_err(|error| invalid(format!("alloc: {error}")))?;
        let strange = accounts.iter().find(|(_, account)| {
            let is_bare = account.nonce == 0 && account.code.is_empty();
            is_bare && account.storage.values().any(|value| !value.is_zero())
        });
        match strange {
            Some((address, _)) => Err(invalid(format!("alloc: {address} has storage without code or nonce"))),
            None => Ok(accounts),
        }
    }

    /// Forgets the accounts, which nobody asks for once block 0 is on disk.
    pub(crate) fn forget_alloc(&mut self) {
        self.alloc = None;
    }

    fn check(&self) -> Result<(), ChainError> {
        let count = self.validators.len();
        if count == 0 || count > VALIDATORS_MAX {
            return Err(invalid(format!("{count} validators; 1 to {VALIDATORS_MAX} are possible")));
        }
        if !["cancun", "prague", "osaka"].contains(&self.rules.evm.as_str()) {
            return Err(invalid(format!("rules.evm is {:?}; osaka, prague or cancun", self.rules.evm)));
        }
        if !["none", "ethereum"].contains(&self.rules.fees.as_str()) {
            return Err(invalid(format!("rules.fees is {:?}; none or ethereum", self.rules.fees)));
        }
        if !["pbft", "solo"].contains(&self.consensus.kind.as_str()) {
            return Err(invalid(format!("consensus.kind is {:?}; pbft or solo", self.consensus.kind)));
        }
        if !(GAS_LIMIT_MIN..=GAS_LIMIT_MAX).contains(&self.gas_limit) {
            let gas = self.gas_limit;
            return Err(invalid(format!(
                "gas_limit is {gas}; {GAS_LIMIT_MIN} to {GAS_LIMIT_MAX} are possible"
            )));
        }
        for (nth, validator) in self.validators.iter().enumerate() {
            self.suite
                .address_of(&validator.public_key)
                .map_err(|error| invalid(format!("validator {nth} ({}): {error}", validator.name)))?;
            let twin = self.validators[..nth].iter().find(|other| other.public_key == validator.public_key);
            if let Some(twin) = twin {
                return Err(invalid(format!(
                    "validators {} and {} have the same key",
                    twin.name, validator.name
                )));
            }
        }
        Ok(())
    }
}

/// keccak-256 of the canonical JSON (sorted keys, no blanks) of every top-level field but `alloc`.
fn alliance_hash(top: &BTreeMap<String, &RawValue>) -> Result<B256, ChainError> {
    let mut out = Vec::new();
    out.push(b'{');
    for (name, raw) in top.iter().filter(|(name, _)| *name != "alloc") {
        let value: Value =
            serde_json::from_str(raw.get()).map_err(|error| invalid(format!("{name}: {error}")))?;
        if out.len() > 1 {
            out.push(b',');
        }
        write_text(name, &mut out);
        out.push(b':');
        write_canonical(&value, &mut out);
    }
    out.push(b'}');
    Ok(keccak256(out))
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(Value::String(text.to_owned()).to_string().as_bytes());
}

/// Writes `value` with object keys in byte order. The recursion is bounded by serde_json's own limit of 128.
fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            out.push(b'{');
            for (nth, (name, value)) in sorted.into_iter().enumerate() {
                if nth > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                write_canonical(value, out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (nth, item) in items.iter().enumerate() {
                if nth > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}
