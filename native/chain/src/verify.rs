//! Offline check of a stopped node's ledger: every byte, signature, certificate, root, receipt and diff, by
//! reading and executing everything again.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::B256;
use hansa_codec::{Certificate, ReplayKey};
use hansa_crypto::{SenderCache, keccak256};
use hansa_evm::ChainRules;
use hansa_log::{LogOptions, Position, Record, segment_name};
use hansa_state::{Checkpoint, WorldState, verify_checkpoint};

use crate::base::Base;
use crate::candidates::Body;
use crate::chain::log_options;
use crate::engine::{self, NextBlock, Parent, RecentHashes};
use crate::epochs::{EpochEnd, EpochEnds, ProvenSets};
use crate::executed::{Executed, facts_of};
use crate::folder::{
    BASE_NAME, BLOCKS_NAME, CHECKPOINTS_NAME, EPOCHS_NAME, LOCK_NAME, QUARANTINE_NAME, RUN_NAME,
    SNAPSHOT_NAME, VOTES_NAME, is_unfinished,
};
use crate::ordering::check_contents;
use crate::quorum::Quorum;
use crate::records::{BirthRecord, KIND_BODY, KIND_DIFF, KIND_GENESIS, KIND_RESULT, ResultRecord};
use crate::replay::{ReplayWindow, screen};
use crate::stored::decode_body;
use crate::{ChainError, Genesis, birth, checkpoints};

/// Findings reported at most.
pub const FINDINGS_MAX: usize = 256;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// File within the data folder.
    pub file: String,
    /// Byte offset in that file.
    pub offset: u64,
    /// What does not hold; names the block where there is one.
    pub what: String,
}

/// Result of a check.
#[derive(Debug)]
pub struct Report {
    /// Empty when all holds.
    pub findings: Vec<Finding>,
    /// Where the log must be cut to become good, if it is not.
    pub cut: Option<(u32, u64)>,
    /// Highest block that holds.
    pub height: u64,
    /// Whether a ledger that does not begin at genesis has a state to go on from.
    pub founded: bool,
}

/// Replays the records of a log.
struct Replay<'a> {
    genesis: &'a Genesis,
    rules: ChainRules,
    sets: ProvenSets,
    senders: SenderCache,
    header: Header,
    /// None until the block is reached whose state is on disk, where the log does not begin at genesis.
    state: Option<WorldState>,
    /// That state.
    start: Option<Checkpoint>,
    order_hash: B256,
    /// Of the blocks that hold, from the parent of the first on.
    hashes: Vec<B256>,
    /// Height of the first of them.
    parent_height: u64,
    replays: ReplayWindow,
    bodies: HashMap<B256, Arc<Body>>,
    diff: Option<Vec<u8>>,
    born: bool,
    finding: Option<(Position, String)>,
    progress: &'a mut dyn FnMut(u64),
}

/// Checks the ledger in `directory` against `genesis_json`; `progress` hears each block that holds.
///
/// # Errors
/// `Genesis`, `Missing`, `Io`, `Log` (unreadable files); what does not hold is a finding, not an error.
pub fn verify_ledger(
    directory: &Path,
    genesis_json: &[u8],
    progress: &mut dyn FnMut(u64),
) -> Result<Report, ChainError> {
    let genesis = Genesis::parse(genesis_json)?;
    let blocks = directory.join(BLOCKS_NAME);
    if !blocks.is_dir() {
        return Err(ChainError::Missing(directory.display().to_string()));
    }
    let mut findings = strange_files(directory)?;
    let base = match Base::read(directory) {
        Err(error @ ChainError::Corrupt { .. }) => {
            findings.push(Finding { file: BASE_NAME.into(), offset: 0, what: error.to_string() });
            return Ok(Report { findings, cut: None, height: 0, founded: false });
        }
        read => read?,
    };
    let first_segment = base.as_ref().map_or(0, |base| base.first_segment);
    let mut replay = Replay::new(&genesis, progress)?;
    let before = base.as_ref().map_or(0, |base| base.first - 1);
    if let Err(what) = replay.prove_epochs(directory, before)? {
        findings.push(Finding { file: EPOCHS_NAME.into(), offset: 0, what });
    }
    if let Some(base) = base {
        replay.begin_behind(&base, &directory.join(CHECKPOINTS_NAME), &mut findings)?;
    }
    let options = LogOptions { first_segment, ..log_options(&genesis) };
    let in_log = hansa_log::check(&blocks, &options, &mut |record| replay.record(record))?;
    let mut cut = in_log.first().map(|first| (segment_of(&first.file), first.offset));
    findings.extend(in_log.into_iter().map(|found| Finding {
        file: format!("{BLOCKS_NAME}/{}", found.file),
        offset: found.offset,
        what: found.what,
    }));
    if let Some((position, what)) = replay.finding.take() {
        // Frames before the first broken one hold; a record among them that does not comes first.
        cut = Some((position.segment(), u64::from(position.offset())));
        let file = format!("{BLOCKS_NAME}/{}", segment_name(position.segment()));
        findings.insert(0, Finding { file, offset: u64::from(position.offset()), what });
    } else if !replay.born && cut.is_none() {
        cut = Some((0, 0));
        let what = "the log does not begin with its genesis".into();
        findings.push(Finding { file: format!("{BLOCKS_NAME}/{}", segment_name(0)), offset: 0, what });
    }
    findings.extend(check_checkpoints(&directory.join(CHECKPOINTS_NAME), &replay)?);
    findings.truncate(FINDINGS_MAX);
    Ok(Report { findings, cut, height: replay.next_height() - 1, founded: replay.state.is_some() })
}

/// Segment index of a file name; a strange file asks for no cut before the first segment.
fn segment_of(name: &str) -> u32 {
    name.split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}

/// Names in the data folder that belong to nothing, and a lock file that is not empty.
pub(crate) fn strange_files(directory: &Path) -> Result<Vec<Finding>, ChainError> {
    let known = [
        BLOCKS_NAME,
        CHECKPOINTS_NAME,
        VOTES_NAME,
        RUN_NAME,
        QUARANTINE_NAME,
        LOCK_NAME,
        BASE_NAME,
        EPOCHS_NAME,
        SNAPSHOT_NAME,
    ];
    let mut findings = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| ChainError::io(directory, error))? {
        let entry = entry.map_err(|error| ChainError::io(directory, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let length = entry.metadata().map_err(|error| ChainError::io(&entry.path(), error))?.len();
        if !known.contains(&name.as_str()) && !is_unfinished(&name) {
            findings.push(Finding {
                file: name,
                offset: 0,
                what: "a file that is not part of the ledger".into(),
            });
        } else if name == LOCK_NAME && length > 0 {
            findings.push(Finding { file: name, offset: 0, what: "the lock file is not empty".into() });
        }
    }
    findings.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(findings)
}

/// Every checkpoint: all bytes, its root, and that it is of a block that holds.
fn check_checkpoints(dir: &Path, replay: &Replay<'_>) -> Result<Vec<Finding>, ChainError> {
    let (heights, others) = checkpoints::list(dir)?;
    let file = |name: &str| format!("{CHECKPOINTS_NAME}/{name}");
    let finished = others.iter().filter(|name| !name.ends_with(checkpoints::UNFINISHED_SUFFIX));
    let mut findings: Vec<Finding> = finished
        .map(|name| Finding { file: file(name), offset: 0, what: "a file that is not a checkpoint".into() })
        .collect();
    for height in heights {
        let name = checkpoints::checkpoint_name(height);
        let what = match verify_checkpoint(&dir.join(&name)) {
            Err(error) => error.to_string(),
            Ok(found) if found.height != height => "it is of another height than its name says".into(),
            Ok(found) => match replay.hash_at(height) {
                Some(hash) if hash == found.block_hash => continue,
                Some(_) => format!("block {height}: it is of another block than the ledger's"),
                None => format!("block {height}: the ledger holds no such block"),
            },
        };
        findings.push(Finding { file: file(&name), offset: 0, what });
    }
    Ok(findings)
}

impl<'a> Replay<'a> {
    fn new(genesis: &'a Genesis, progress: &'a mut dyn FnMut(u64)) -> Result<Self, ChainError> {
        let (header, state) = birth::build(genesis)?;
        let hash = header.hash_slow();
        Ok(Self {
            rules: birth::chain_rules(genesis),
            sets: ProvenSets::begin(Quorum::after(genesis, hash, &state, 0)),
            senders: SenderCache::default(),
            order_hash: hansa_codec::genesis_order_hash(&hash),
            hashes: vec![hash],
            replays: ReplayWindow::default(),
            parent_height: 0,
            genesis,
            header,
            state: Some(state),
            start: None,
            bodies: HashMap::new(),
            diff: None,
            born: false,
            finding: None,
            progress,
        })
    }

    /// Takes what the data folder's file proves of the epochs that ended up to block `before`: the validators of later
    /// ones are in the log. What does not hold is the answer.
    fn prove_epochs(&mut self, directory: &Path, before: u64) -> Result<Result<(), String>, ChainError> {
        let mut proven = self.sets.clone();
        let mut add = |end: &EpochEnd| match proven.add(end.clone()) {
            Ok(()) if end.header.number <= before => self.sets.add(end.clone()),
            added => added,
        };
        match EpochEnds::read(directory).and_then(|ends| ends.since(0).iter().try_for_each(|end| add(end))) {
            Err(error @ ChainError::Io { .. }) => Err(error),
            read => Ok(read.map_err(|error| error.to_string())),
        }
    }

    /// Begins behind dropped blocks: with the oldest state on disk from which the rest can be executed.
    fn begin_behind(
        &mut self,
        base: &Base,
        checkpoints: &Path,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ChainError> {
        if base.birth.header != self.header {
            let what = "it is not of this genesis.json".into();
            findings.push(Finding { file: BASE_NAME.into(), offset: 0, what });
        }
        let from = base.first.max(base.first_executed - 1);
        let heights = checkpoints::list(checkpoints)?.0.into_iter().filter(|height| *height >= from);
        let named = heights.map(|height| checkpoints.join(checkpoints::checkpoint_name(height)));
        self.start = named.filter_map(|path| verify_checkpoint(&path).ok()).next();
        if self.start.is_none() {
            let what = "no state on disk from which the blocks can be executed".into();
            findings.push(Finding { file: CHECKPOINTS_NAME.into(), offset: 0, what });
        }
        self.state = None;
        self.born = true;
        self.parent_height = base.first - 1;
        self.hashes = vec![base.parent_hash];
        self.order_hash = base.parent_order_hash;
        Ok(())
    }

    fn next_height(&self) -> u64 {
        self.parent_height + self.hashes.len() as u64
    }

    fn hash_at(&self, height: u64) -> Option<B256> {
        self.hashes.get(height.checked_sub(self.parent_height)? as usize).copied()
    }

    /// Checks the next record. After the first that does not hold nothing behind it can be judged.
    fn record(&mut self, record: Record<'_>) {
        if self.finding.is_some() {
            return;
        }
        let height = self.next_height();
        let checked = match record.kind {
            KIND_GENESIS => self.birth(record.payload),
            _ if !self.born => Err(ChainError::corrupt(0, "the log does not begin with its genesis")),
            KIND_BODY => self.body(&record),
            KIND_DIFF => {
                self.diff = Some(record.payload.to_vec());
                Ok(())
            }
            KIND_RESULT => self.result(height, record.payload),
            kind => Err(ChainError::corrupt(height, format!("a record of unknown kind {kind}"))),
        };
        if let Err(error) = checked {
            let what = match error {
                ChainError::Corrupt { .. } => error.to_string(),
                other => format!("block {height}: {other}"),
            };
            self.finding = Some((record.position, what));
        }
    }

    fn birth(&mut self, payload: &[u8]) -> Result<(), ChainError> {
        let birth = BirthRecord::decode(payload)?;
        if self.born || birth.header != self.header {
            return Err(ChainError::corrupt(0, "the genesis record is not of this genesis.json"));
        }
        self.born = true;
        Ok(())
    }

    /// Form, payload hash and every signature of a body, sealed or not.
    fn body(&mut self, record: &Record<'_>) -> Result<(), ChainError> {
        let (body, transactions) = decode_body(record.payload.to_vec(), &self.senders)?;
        let order_hash = body.order.hash();
        let refs: Vec<u8> = transactions.iter().flat_map(|tx| tx.tx.hash.0).collect();
        if keccak256(refs) != body.order.payload_hash {
            return Err(ChainError::body(
                "BODY-REFS",
                "the payload is not the one that the order block names",
            ));
        }
        check_contents(&body.order, &transactions, self.genesis.gas_limit)?;
        let position = record.position;
        self.bodies
            .insert(order_hash, Arc::new(Body { order: body.order, order_hash, transactions, position }));
        Ok(())
    }

    fn result(&mut self, height: u64, payload: &[u8]) -> Result<(), ChainError> {
        let corrupt = |what: &str| Err(ChainError::corrupt(height, what));
        let record = ResultRecord::decode_head(payload)?;
        if record.header.number < height && self.parent_height > 0 && self.hashes.len() == 1 {
            // The end of what was dropped shares a segment with the first block that was not.
            self.diff = None;
            return Ok(());
        }
        let Some(body) = self.bodies.get(&record.order_hash).cloned() else {
            return corrupt("its body record is missing");
        };
        if body.order.height != height || body.order.parent_order_hash != self.order_hash {
            return corrupt("its order block does not follow the one before it");
        }
        let certificate = Certificate::decode(&record.certificate)?;
        if certificate.height != height || certificate.sealed_hash != record.header.hash_slow() {
            return corrupt("the certificate is of another block");
        }
        self.sets.check(&certificate)?;
        let Some(state) = self.state.clone() else { return self.pass_unexecuted(record, &body) };
        let record = ResultRecord::decode(payload)?;
        let hashes = RecentHashes::before(height, |number| self.hash_at(number));
        let parent_hash = self.hashes[self.hashes.len() - 1];
        let parent = Parent { header: &self.header, hash: parent_hash, state: &state, hashes };
        let is_used = |key: &ReplayKey| self.replays.is_used(key, height);
        let screened = screen(&self.rules, &body.order, &body.transactions, is_used);
        let executed =
            engine::execute(self.genesis, &self.rules, body, screened, parent, NextBlock::default())?;
        check_result(&executed, &record, height)?;
        if self.diff.take().as_deref() != Some(&executed.outcome.diff.encode()) {
            return corrupt("the stored state diff is not what execution gives");
        }
        if let Some(end) = executed.epoch_end(&record.certificate) {
            self.sets.add(end)?;
        }
        self.order_hash = executed.body.order_hash;
        self.hashes.push(executed.outcome.hash);
        self.replays.push(height, &executed.used);
        self.header = executed.outcome.header;
        self.state = Some(executed.outcome.state);
        self.bodies.retain(|_, body| body.order.height > height);
        (self.progress)(height);
        Ok(())
    }
}

/// What a block that cannot be executed, as the state before it is gone, must still show.
impl Replay<'_> {
    fn pass_unexecuted(&mut self, record: ResultRecord, body: &Body) -> Result<(), ChainError> {
        let height = record.header.number;
        let corrupt = |what: &str| Err(ChainError::corrupt(height, what));
        if record.header.parent_hash != self.hashes[self.hashes.len() - 1] || height != self.next_height() {
            return corrupt("its result record does not follow the block before it");
        }
        if record.header.extra_data.as_ref() != facts_of(body, &record.next_set).extra_data().as_slice() {
            return corrupt("the header does not name this order block");
        }
        if !record.next_set.is_empty() {
            self.sets.add(EpochEnd {
                header: record.header.clone(),
                certificate: record.certificate.clone(),
                facts: facts_of(body, &record.next_set),
                next_set: record.next_set.clone(),
            })?;
        }
        self.diff = None;
        self.order_hash = body.order_hash;
        self.hashes.push(record.header.hash_slow());
        self.replays.push(height, &record.used);
        self.bodies.retain(|_, body| body.order.height > height);
        if let Some(start) = self.start.take_if(|start| start.height == height) {
            if start.state_root != record.header.state_root || Some(start.block_hash) != self.hash_at(height)
            {
                return corrupt("the state on disk is of another block");
            }
            self.state = Some(start.state);
        }
        self.header = record.header;
        (self.progress)(height);
        Ok(())
    }
}

/// Holds every part of a stored result against what execution gives.
fn check_result(executed: &Executed, record: &ResultRecord, height: u64) -> Result<(), ChainError> {
    let own = executed.result_record(&record.certificate);
    let header = &own.header;
    let stored = &record.header;
    let parts = [
        ("parent hash", header.parent_hash == stored.parent_hash),
        ("state root", header.state_root == stored.state_root),
        ("transactions root", header.transactions_root == stored.transactions_root),
        ("receipts root", header.receipts_root == stored.receipts_root),
        ("logs bloom", header.logs_bloom == stored.logs_bloom),
        (
            "facts",
            facts_of(&executed.body, &executed.next_set).extra_data().as_slice()
                == stored.extra_data.as_ref(),
        ),
        ("header", header == stored),
        ("list of skipped transactions", own.skipped == record.skipped),
        ("list of used numbers", own.used == record.used),
        ("next set", own.next_set == record.next_set),
        ("list of included transactions", own.prefixes == record.prefixes),
        ("receipts", own.receipts == record.receipts),
    ];
    match parts.iter().find(|(_, holds)| !holds) {
        Some((part, _)) => {
            Err(ChainError::corrupt(height, format!("the stored {part} is not what execution gives")))
        }
        None => Ok(()),
    }
}
