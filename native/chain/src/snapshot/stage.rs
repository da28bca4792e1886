//! What was taken over so far, in a log of its own below the data folder, and what is still missing. After a restart
//! both are as they were, but for what the system had not written yet.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use alloy_primitives::B256;
use hansa_log::{KIND_FIRST, Log, LogOptions, Position, Record};
use hansa_state::snapshot::{Chunk, StateBuilder, Task, check, chunk::PackedLeaf};
use hansa_state::{Pace, write_checkpoint};

use super::install::Draft;
use super::parts::{ANSWER_BYTES_MAX, Ask, BLOCKS_ASKED_MAX, Shown, SnapshotHead, WindowBlock, check_blocks};
use super::window_first;
use crate::epochs::{EpochEnd, ProvenSets};
use crate::folder::{CHECKPOINTS_NAME, SNAPSHOT_NAME};
use crate::quorum::Quorum;
use crate::{ChainError, Genesis, birth, checkpoints};

const KIND_HEAD: u8 = KIND_FIRST;
/// An ask, after its u16 length, and the answer that held.
const KIND_PART: u8 = KIND_FIRST + 1;
/// The end of an epoch before the head.
const KIND_END: u8 = KIND_FIRST + 2;
const STAGE_LOG: &str = "parts";
/// Parts are synced after so many bytes, so that a power cut costs no more.
const SYNC_BYTES: usize = 8 << 20;

/// A snapshot on its way.
pub struct Stage {
    directory: PathBuf,
    genesis: Genesis,
    birth: crate::records::BirthRecord,
    sets: ProvenSets,
    /// What the heads of members prove of epochs, until one is begun with: nobody's lie is held against the others.
    shown: HashMap<u32, ProvenSets>,
    log: Log,
    taken: Taken,
    unsynced: usize,
}

/// What was taken.
#[derive(Default)]
struct Taken {
    head: Option<SnapshotHead>,
    missing: BTreeSet<Vec<u8>>,
    codes: HashSet<B256>,
    accounts: Vec<Position>,
    slots: HashMap<B256, Vec<Position>>,
    code_parts: Vec<Position>,
    /// Parts with blocks by the first of them.
    blocks: BTreeMap<u64, Position>,
}

impl Stage {
    /// Opens what an earlier run left in the data folder `directory`, or an empty stage.
    ///
    /// # Errors
    /// `Genesis`, `Io`, `Log`.
    pub fn open(directory: &Path, genesis_json: &[u8]) -> Result<Self, ChainError> {
        let genesis = Genesis::parse(genesis_json)?;
        let (header, state) = birth::build(&genesis)?;
        let quorum = Quorum::after(&genesis, header.hash_slow(), &state, 0);
        drop(state);
        let (mut sets, of_genesis) = (ProvenSets::begin(quorum.clone()), ProvenSets::begin(quorum));
        let birth = crate::records::BirthRecord { file_hash: genesis.file_hash, header };
        let mut taken = Taken::default();
        let mut failed = false;
        let mut visit = |record: Record<'_>| failed |= taken.take(record, &genesis, &mut sets).is_err();
        let log = open_log(directory, &genesis, &mut visit);
        let mut stage = match log {
            Ok(log) if !failed => {
                return Ok(Self {
                    directory: directory.to_owned(),
                    genesis,
                    birth,
                    sets,
                    shown: HashMap::new(),
                    log,
                    taken,
                    unsynced: 0,
                });
            }
            // What does not hold is asked for again: it is a copy.
            _ => Self {
                directory: directory.to_owned(),
                genesis,
                birth,
                sets: of_genesis,
                shown: HashMap::new(),
                log: Log::memory(),
                taken: Taken::default(),
                unsynced: 0,
            },
        };
        stage.reset()?;
        Ok(stage)
    }

    /// Height of the snapshot on its way; zero where there is none.
    pub fn height(&self) -> u64 {
        self.taken.head.as_ref().map_or(0, |head| head.header.number)
    }

    /// What is still to be asked for, in ascending order of bytes; empty when nothing is, or none was begun.
    pub fn missing(&self) -> Vec<Vec<u8>> {
        self.taken.missing.iter().cloned().collect()
    }

    /// Height and face of a head that a member sent when asked `ask`; no face but a question for the same member where
    /// more of the epochs before it must be shown first.
    ///
    /// # Errors
    /// As [`SnapshotHead::check`].
    pub fn check_head(
        &mut self,
        member: u32,
        ask: &[u8],
        bytes: &[u8],
    ) -> Result<(u64, Result<B256, Vec<u8>>), ChainError> {
        let Some(Ask::Head(asked)) = Ask::decode(ask) else {
            return Err(refused("an answer to no question for a head"));
        };
        let before = self.shown.remove(&member).filter(|_| asked > 0);
        let mut sets = before.unwrap_or_else(|| self.sets.clone());
        let shown = SnapshotHead::check(bytes, asked, &mut sets)?;
        self.shown.insert(member, sets);
        Ok(match shown {
            Shown::Head(head) => (head.header.number, Ok(head.face())),
            Shown::Epochs(height, ask) => (height, Err(ask.encode())),
        })
    }

    /// Begins with a head of a member, forgetting everything taken before; what is missing now.
    ///
    /// # Errors
    /// As [`SnapshotHead::check`]; `Io`, `Log`.
    pub fn begin(&mut self, member: u32, bytes: &[u8]) -> Result<Vec<Vec<u8>>, ChainError> {
        let mut sets = self.shown.remove(&member).unwrap_or_else(|| self.sets.clone());
        let Shown::Head(head) = SnapshotHead::check(bytes, 0, &mut sets)? else {
            return Err(refused("a head was not checked to its end"));
        };
        self.reset()?;
        self.shown.clear();
        self.sets = sets;
        for end in self.sets.ends().since(0) {
            self.log.append(KIND_END, &[&end.to_bytes()])?;
        }
        self.log.append(KIND_HEAD, &[bytes])?;
        self.log.sync()?;
        self.taken.begin(*head);
        Ok(self.missing())
    }

    /// Takes the answer to what was asked for; what is missing because of it. An answer to what is not missing, or not
    /// any more, changes nothing.
    ///
    /// # Errors
    /// `Snapshot`, `Wire`, `Transaction`, `Block` for an answer that does not hold; `Log`.
    pub fn add(&mut self, ask: &[u8], answer: &[u8]) -> Result<Vec<Vec<u8>>, ChainError> {
        if !self.taken.missing.contains(ask) {
            return Ok(Vec::new());
        }
        let part = self.taken.check(ask, answer, (&self.genesis, &self.sets))?;
        // A question is far shorter than 2^16 bytes.
        let position = self.log.append(KIND_PART, &[&(ask.len() as u16).to_le_bytes(), ask, answer])?;
        self.unsynced += answer.len();
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            self.log.sync()?;
        }
        Ok(self.taken.keep(ask, part, position))
    }

    /// Puts the data folder of the snapshot together, next to what was taken; the next start moves it into its place.
    ///
    /// # Errors
    /// `Snapshot` (`SNAPSHOT-OPEN`) while something is missing; `Checkpoint`, `Log`, `Io`.
    pub fn finish(&self) -> Result<(), ChainError> {
        let taken = &self.taken;
        let head = taken.head.as_ref().filter(|_| taken.missing.is_empty());
        let head = head.ok_or_else(|| ChainError::snapshot("SNAPSHOT-OPEN", "parts are still missing"))?;
        let draft = Draft::begin(&self.directory)?;
        let state = self.build_state()?;
        if state.root() != head.header.state_root {
            return Err(ChainError::snapshot("SNAPSHOT-ROOT", "the parts together have another state root"));
        }
        let height = head.header.number;
        let folder = draft.folder(CHECKPOINTS_NAME)?;
        write_checkpoint(
            &folder.join(checkpoints::checkpoint_name(height)),
            height,
            &head.hash,
            &state,
            Pace::Full,
        )
        .map_err(checkpoints::explain)?;
        drop(state);
        let parts = self.taken.blocks.values().map(|position| self.window_part(*position, head));
        draft.write_blocks(&self.genesis, &self.birth, head, parts)?;
        draft.write_epochs(self.sets.ends(), height)?;
        draft.complete()
    }

    fn build_state(&self) -> Result<hansa_state::WorldState, ChainError> {
        let mut builder = StateBuilder::default();
        for position in &self.taken.accounts {
            let Some(Chunk::Accounts(entries)) = self.read_chunk(*position)? else { continue };
            builder.add_accounts(&entries, |account| self.slots_of(account))?;
        }
        for position in &self.taken.code_parts {
            let Some(Chunk::Codes(codes)) = self.read_chunk(*position)? else { continue };
            codes.into_iter().for_each(|code| builder.add_code(code));
        }
        Ok(builder.finish())
    }

    fn slots_of(&self, account: &B256) -> Result<Vec<Vec<PackedLeaf>>, ChainError> {
        let mut parts = Vec::new();
        for position in self.taken.slots.get(account).into_iter().flatten() {
            if let Some(Chunk::Slots(slots)) = self.read_chunk(*position)? {
                parts.push(slots);
            }
        }
        Ok(parts)
    }

    fn read_chunk(&self, position: Position) -> Result<Option<Chunk>, ChainError> {
        let record = self.log.read(position)?;
        Ok(split_part(&record).and_then(|(_, answer)| Chunk::decode(answer)))
    }

    fn window_part(&self, position: Position, head: &SnapshotHead) -> Result<Vec<WindowBlock>, ChainError> {
        let record = self.log.read(position)?;
        let asked = split_part(&record).and_then(|(ask, answer)| Some((Ask::decode(ask)?, answer)));
        let Some((Ask::Blocks { first, count }, answer)) = asked else { return Ok(Vec::new()) };
        check_blocks(answer, first, count, head, (&self.genesis, &self.sets))
    }

    /// Forgets everything taken.
    fn reset(&mut self) -> Result<(), ChainError> {
        self.taken = Taken::default();
        self.unsynced = 0;
        self.log = Log::memory();
        let folder = self.directory.join(SNAPSHOT_NAME);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| ChainError::io(&folder, error))?;
        }
        self.log = open_log(&self.directory, &self.genesis, &mut |_| {})?;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What is not on disk is asked for again.
        let _ = self.log.sync();
    }
}

fn open_log(
    directory: &Path,
    genesis: &Genesis,
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<Log, ChainError> {
    let folder = directory.join(SNAPSHOT_NAME);
    fs::create_dir_all(&folder).map_err(|error| ChainError::io(&folder, error))?;
    let options = LogOptions { tag: genesis.alliance_hash.0, ..LogOptions::default() };
    Ok(Log::open(&folder.join(STAGE_LOG), options, visit)?.0)
}

/// Question and answer of a record.
fn split_part(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = record.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// An answer that holds, and what it leaves to be asked.
struct Part {
    kind: PartKind,
    missing: Vec<Ask>,
}

enum PartKind {
    /// A node of a trie: all there is to it is what it leaves to be asked.
    Split,
    Accounts,
    Slots(B256),
    Codes,
    /// The first of them.
    Blocks(u64),
}

impl Taken {
    fn begin(&mut self, head: SnapshotHead) {
        let (first, last) = (window_first(head.header.number), head.header.number);
        self.missing.insert(Ask::State(Task::whole(&head.header.state_root)).encode());
        for from in (first..=last).step_by(usize::from(BLOCKS_ASKED_MAX)) {
            // At most BLOCKS_ASKED_MAX.
            let count = (last + 1 - from).min(u64::from(BLOCKS_ASKED_MAX)) as u16;
            self.missing.insert(Ask::Blocks { first: from, count }.encode());
        }
        self.head = Some(head);
    }

    /// Takes a record of an earlier run.
    fn take(
        &mut self,
        record: Record<'_>,
        genesis: &Genesis,
        sets: &mut ProvenSets,
    ) -> Result<(), ChainError> {
        match record.kind {
            KIND_END => return sets.add(EpochEnd::read(record.payload)?),
            KIND_HEAD => {
                let Shown::Head(head) = SnapshotHead::check(record.payload, 0, sets)? else {
                    return Err(refused("a head without the epochs before it"));
                };
                *self = Self::default();
                self.begin(*head);
                return Ok(());
            }
            _ => {}
        }
        let (ask, answer) = split_part(record.payload).ok_or_else(|| refused("a record is cut off"))?;
        let part = self.check(ask, answer, (genesis, sets))?;
        self.keep(ask, part, record.position);
        Ok(())
    }

    fn check(&self, ask: &[u8], answer: &[u8], trust: (&Genesis, &ProvenSets)) -> Result<Part, ChainError> {
        let head = self.head.as_ref().ok_or_else(|| refused("no snapshot was begun"))?;
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(refused("an answer is too long"));
        }
        match Ask::decode(ask) {
            Some(Ask::State(task)) => {
                let chunk = Chunk::decode(answer).ok_or_else(|| refused("an answer is malformed"))?;
                let missing = check(&task, &chunk).map_err(refused)?;
                let kind = match (&task, &chunk) {
                    (_, Chunk::Accounts(_)) => PartKind::Accounts,
                    (Task::Slots(account, _), Chunk::Slots(_)) => PartKind::Slots(*account),
                    (_, Chunk::Codes(_)) => PartKind::Codes,
                    _ => PartKind::Split,
                };
                Ok(Part { kind, missing: missing.into_iter().map(Ask::State).collect() })
            }
            Some(Ask::Blocks { first, count }) => {
                let found = check_blocks(answer, first, count, head, trust)?.len();
                // At most `count`.
                let rest = count - found as u16;
                let missing = (rest > 0)
                    .then_some(Ask::Blocks { first: first + found as u64, count: rest })
                    .into_iter();
                Ok(Part { kind: PartKind::Blocks(first), missing: missing.collect() })
            }
            _ => Err(refused("an answer to nothing that was asked")),
        }
    }

    /// Keeps a part; what is missing because of it.
    fn keep(&mut self, ask: &[u8], part: Part, position: Position) -> Vec<Vec<u8>> {
        match part.kind {
            PartKind::Split => {}
            PartKind::Accounts => self.accounts.push(position),
            PartKind::Slots(account) => self.slots.entry(account).or_default().push(position),
            PartKind::Codes => self.code_parts.push(position),
            PartKind::Blocks(first) => {
                self.blocks.insert(first, position);
            }
        }
        self.missing.remove(ask);
        // The rest of codes that were asked for already stays; of others only those not seen before.
        let is_rest = matches!(Ask::decode(ask), Some(Ask::State(Task::Codes(_))));
        let mut added = Vec::new();
        for ask in part.missing {
            let ask = match ask {
                Ask::State(Task::Codes(mut hashes)) if !is_rest => {
                    hashes.retain(|hash| self.codes.insert(*hash));
                    if hashes.is_empty() {
                        continue;
                    }
                    Ask::State(Task::Codes(hashes))
                }
                other => other,
            };
            added.push(ask.encode());
        }
        self.missing.extend(added.iter().cloned());
        added
    }
}

fn refused(what: &str) -> ChainError {
    ChainError::snapshot("SNAPSHOT-PART", what)
}
