//! Opening a chain: the log gives blocks and indexes, a checkpoint and the diffs behind it give the state.
//! Nothing is executed again.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use hansa_codec::{BodyRecord, OrderBlock};
use hansa_crypto::SenderCache;
use hansa_evm::block::block_facts;
use hansa_log::{Log, LogOptions, Position, Record};
use hansa_state::StateDiff;

use crate::base::Base;
use crate::candidates::{Body, CANDIDATES_MAX, Candidates};
use crate::chain::{Chain, Parts, genesis_entry, log_options};
use crate::checkpoints::Since;
use crate::epochs::{EpochEnd, EpochEnds};
use crate::folder::{EPOCHS_NAME, Folder, remove_unfinished};
use crate::head::Head;
use crate::history::{History, STATES_KEPT};
use crate::index::{BlockEntry, BlockIndex};
use crate::membership::set_hash;
use crate::ordering::Ordering;
use crate::quorum::Quorum;
use crate::records::{BirthRecord, KIND_BODY, KIND_DIFF, KIND_GENESIS, KIND_RESULT, ResultRecord};
use crate::replay::ReplayWindow;
use crate::stored::decode_body;
use crate::{ChainError, Genesis, birth, checkpoints, snapshot};

/// A body record met during the scan.
#[derive(Debug, Clone)]
struct FoundBody {
    order: OrderBlock,
    position: Position,
}

/// What the scan of the log collects.
#[derive(Default)]
pub(crate) struct Scan {
    pub birth: Option<BirthRecord>,
    /// Blocks below were not executed here: no state changes of theirs are held.
    first_executed: u64,
    pub index: BlockIndex,
    pub replays: ReplayWindow,
    pub ends: EpochEnds,
    last: Option<(ResultRecord, u64)>,
    bodies: HashMap<B256, FoundBody>,
    diff: Option<Position>,
    failed: Option<ChainError>,
}

impl Scan {
    /// A scan of a log that begins with the block that `base` names, or with genesis.
    fn behind(base: Option<Base>) -> Self {
        let Some(base) = base else { return Self::default() };
        let parent = BlockEntry {
            hash: base.parent_hash,
            order_hash: base.parent_order_hash,
            body: None,
            result: None,
            diff: None,
            bloom: None,
        };
        let index = BlockIndex::behind(base.first - 1, parent, base.first_executed);
        Self { birth: Some(base.birth), first_executed: base.first_executed, index, ..Self::default() }
    }

    /// Takes the next record; the first failure is kept and ends the scan's effect.
    pub fn record(&mut self, record: Record<'_>) {
        if self.failed.is_none()
            && let Err(error) = self.take(record)
        {
            self.failed = Some(error);
        }
    }

    fn take(&mut self, record: Record<'_>) -> Result<(), ChainError> {
        let height = self.index.next_height();
        match record.kind {
            KIND_GENESIS if self.birth.is_none() => {
                let birth = BirthRecord::decode(record.payload)?;
                self.index.push(genesis_entry(birth.header.hash_slow()), &[]);
                self.birth = Some(birth);
                Ok(())
            }
            _ if self.birth.is_none() => {
                Err(ChainError::corrupt(0, "the log does not begin with its genesis"))
            }
            KIND_BODY => self.body(record),
            KIND_DIFF => {
                self.diff = Some(record.position);
                Ok(())
            }
            KIND_RESULT => self.result(height, record),
            kind => Err(ChainError::corrupt(height, format!("a record of unknown kind {kind}"))),
        }
    }

    fn body(&mut self, record: Record<'_>) -> Result<(), ChainError> {
        let body = BodyRecord::decode(&Bytes::copy_from_slice(record.payload))?;
        let found = FoundBody { order: body.order, position: record.position };
        self.bodies.insert(found.order.hash(), found);
        Ok(())
    }

    fn result(&mut self, height: u64, record: Record<'_>) -> Result<(), ChainError> {
        let result = ResultRecord::decode_head(record.payload)?;
        if result.header.number < height && self.last.is_none() {
            // The end of what was dropped shares a segment with the first block that was not.
            self.diff = None;
            return Ok(());
        }
        let parent = self.index.get(height - 1).map(|entry| entry.hash);
        if result.header.number != height || Some(result.header.parent_hash) != parent {
            return Err(ChainError::corrupt(height, "its result record does not follow the block before it"));
        }
        let diff = self.diff.take();
        if diff.is_none() && height >= self.first_executed {
            return Err(ChainError::corrupt(height, "its state diff is missing"));
        }
        let body = self.bodies.get(&result.order_hash).cloned();
        let body = body.ok_or_else(|| ChainError::corrupt(height, "its body record is missing"))?;
        let bloom = result.header.logs_bloom;
        let entry = BlockEntry {
            hash: result.header.hash_slow(),
            order_hash: result.order_hash,
            body: Some(body.position),
            result: Some(record.position),
            diff,
            bloom: (!bloom.is_zero()).then(|| Box::new(bloom)),
        };
        self.index.push(entry, &result.prefixes);
        self.replays.push(height, &result.used);
        self.bodies.retain(|_, found| found.order.height > height);
        if !result.next_set.is_empty() {
            self.ends.push(EpochEnd {
                header: result.header.clone(),
                certificate: result.certificate.clone(),
                facts: block_facts(&body.order, result.order_hash, set_hash(&result.next_set)),
                next_set: result.next_set.clone(),
            });
        }
        self.last = Some((result, body.order.time_ms));
        Ok(())
    }
}

/// What the log of `folder` says; without a birth record when it is empty.
pub(crate) fn scan_log(folder: &Folder, genesis: &Genesis) -> Result<(Log, Scan), ChainError> {
    let base = Base::read(folder.root())?;
    let first_segment = base.as_ref().map_or(0, |base| base.first_segment);
    let options = LogOptions { first_segment, ..log_options(genesis) };
    let before = base.as_ref().map_or(0, |base| base.first - 1);
    let mut scan = Scan::behind(base);
    if before > 0 {
        // Of the blocks that the log holds, the log says it.
        scan.ends = EpochEnds::read(folder.root())?;
        scan.ends.truncate(before);
    }
    let (log, _) = Log::open(&folder.blocks(), options, &mut |record| scan.record(record))?;
    match scan.failed.take() {
        Some(error) => Err(error),
        None => Ok((log, scan)),
    }
}

impl Chain {
    /// Opens the chain in `directory`.
    ///
    /// # Errors
    /// `Genesis`, `GenesisMismatch`, `Missing`, `Locked`, `Io`, `Log`, `Corrupt`, `Checkpoint`, `Wire`,
    /// `Transaction`.
    pub fn open(directory: &Path, genesis_json: &[u8]) -> Result<Self, ChainError> {
        let genesis = Genesis::parse(genesis_json)?;
        if !directory.is_dir() {
            return Err(ChainError::Missing(directory.display().to_string()));
        }
        let folder = Folder::lock(directory)?;
        snapshot::adopt(directory)?;
        if !folder.has_chain() {
            return Err(ChainError::Missing(directory.display().to_string()));
        }
        remove_unfinished(directory)?;
        checkpoints::remove_unfinished(&folder.checkpoints())?;
        let (log, mut scan) = scan_log(&folder, &genesis)?;
        let Some(birth) = scan.birth.take() else {
            // The process ended before the first record was durable: nothing was promised to anybody yet.
            let (header, state) = birth::build(&genesis)?;
            return Self::begin(genesis, Some(folder), log, header, state);
        };
        check_birth(&genesis, &birth)?;
        let (history, since) = restore_states(&folder, &genesis, &log, &scan.index)?;
        let head = restore_head(&genesis, &birth, &scan, &history)?;
        let genesis_hash = birth.header.hash_slow();
        if Quorum::after(&genesis, genesis_hash, &head.state, head.height).epoch() != scan.ends.len() as u64 {
            let what = format!("the file {EPOCHS_NAME} does not know all epochs before it");
            return Err(ChainError::corrupt(scan.index.oldest(), what));
        }
        // For who reads the file meanwhile: it is written again before any block is dropped.
        let _ = scan.ends.write(directory);
        let mut ordering = Ordering::default();
        let senders = SenderCache::default();
        restore_bodies(&log, &scan, &head, &mut ordering.candidates, &senders)?;
        let parts = Parts {
            folder: Some(folder),
            log,
            header: birth.header,
            index: scan.index,
            replays: scan.replays,
            ends: scan.ends,
            history,
            since,
            head,
            ordering,
        };
        Ok(Self::assemble(genesis, parts))
    }
}

/// The log must have been born with this genesis. An unchanged file needs no new state root.
fn check_birth(genesis: &Genesis, birth: &BirthRecord) -> Result<(), ChainError> {
    if birth.file_hash == genesis.file_hash {
        return Ok(());
    }
    let (header, _) = birth::build(genesis)?;
    let (born, given) = (birth.header.hash_slow(), header.hash_slow());
    if born == given {
        return Ok(());
    }
    Err(ChainError::GenesisMismatch(format!("it was made with genesis {born}, genesis.json gives {given}")))
}

/// The newest states: from the best good checkpoint, else from genesis, and the diffs behind it. And how much of these
/// no checkpoint holds.
fn restore_states(
    folder: &Folder,
    genesis: &Genesis,
    log: &Log,
    index: &BlockIndex,
) -> Result<(History, Since), ChainError> {
    let head = index.next_height() - 1;
    let dir = folder.checkpoints();
    let (heights, _) = checkpoints::list(&dir)?;
    let newest = heights.last().copied().unwrap_or(0);
    let mut since = Since::default();
    let mut next_diff = |height| {
        let (diff, bytes) = read_diff(log, index, height)?;
        if height > newest {
            since += Since::block(bytes);
        }
        Ok::<_, ChainError>(diff)
    };
    let good = checkpoints::preference(heights, head)
        .into_iter()
        .find_map(|height| checkpoints::open_checked(&dir, height, index).ok());
    let (mut at, mut state) = match good {
        Some(checkpoint) => (checkpoint.height, checkpoint.state),
        None if index.oldest() == 1 => (0, birth::build(genesis)?.1),
        None => return Err(ChainError::Checkpoint("the log does not begin at genesis".into())),
    };
    while at < head.saturating_sub(STATES_KEPT) {
        at += 1;
        state.apply(&next_diff(at)?);
    }
    let history = History::new(at, state.clone(), false);
    while at < head {
        at += 1;
        let diff = Arc::new(next_diff(at)?);
        state.apply(&diff);
        history.push(state.clone(), &diff, None);
    }
    Ok((history, since))
}

/// The logged diff of block `height`, and its size in bytes.
fn read_diff(log: &Log, index: &BlockIndex, height: u64) -> Result<(StateDiff, u64), ChainError> {
    let position = index.get(height).and_then(|entry| entry.diff);
    let position = position.ok_or_else(|| ChainError::corrupt(height, "its state diff is missing"))?;
    let bytes = log.read(position)?;
    let diff = StateDiff::decode(&bytes).map_err(|error| ChainError::corrupt(height, error.to_string()))?;
    Ok((diff, bytes.len() as u64))
}

fn restore_head(
    genesis: &Genesis,
    birth: &BirthRecord,
    scan: &Scan,
    history: &History,
) -> Result<Head, ChainError> {
    let height = scan.index.next_height() - 1;
    let state = history.get(height)?;
    let (header, time_ms) = match &scan.last {
        Some((result, time_ms)) => (result.header.clone(), *time_ms),
        None => (birth.header.clone(), genesis.timestamp_ms),
    };
    if state.root() != header.state_root {
        return Err(ChainError::corrupt(
            height,
            "the restored state has another root than the sealed header",
        ));
    }
    let entry =
        scan.index.get(height).ok_or_else(|| ChainError::corrupt(height, "the block is not indexed"))?;
    Ok(Head { height, sealed_hash: entry.hash, order_hash: entry.order_hash, header, time_ms, state })
}

/// Unsealed bodies that still descend from the head, lowest first.
fn restore_bodies(
    log: &Log,
    scan: &Scan,
    head: &Head,
    candidates: &mut Candidates,
    senders: &SenderCache,
) -> Result<(), ChainError> {
    for order_hash in newest_bodies(&scan.bodies, head) {
        let position = scan.bodies[&order_hash].position;
        let (record, transactions) = decode_body(log.read(position)?, senders)?;
        candidates.add(Arc::new(Body { order: record.order, order_hash, transactions, position }));
    }
    Ok(())
}

/// Of the bodies that descend from the head the newest ones with all their ancestors, as many as may be held; by
/// (height, order hash). What many views left behind must not keep a node from starting.
fn newest_bodies(bodies: &HashMap<B256, FoundBody>, head: &Head) -> Vec<B256> {
    let mut newest: Vec<_> = bodies.iter().filter(|(_, body)| body.order.height > head.height).collect();
    newest.sort_unstable_by_key(|(_, body)| std::cmp::Reverse(body.position));
    let mut kept = HashSet::new();
    for (order_hash, _) in newest {
        let mut line = Vec::new();
        let mut at = *order_hash;
        while at != head.order_hash && !kept.contains(&at) {
            match bodies.get(&at).filter(|body| body.order.height > head.height) {
                Some(body) => {
                    line.push(at);
                    at = body.order.parent_order_hash;
                }
                None => {
                    line.clear();
                    break;
                }
            }
        }
        if kept.len() + line.len() <= CANDIDATES_MAX {
            kept.extend(line);
        }
    }
    let mut kept: Vec<_> = kept.into_iter().collect();
    kept.sort_unstable_by_key(|hash| (bodies[hash].order.height, *hash));
    kept
}
