//! Answering members that take over a state. What is served is held for that: a checkpoint's file, or one of the
//! newest states; so that serving waits for nothing, and nothing waits for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hansa_state::snapshot::serve as serve_state;
use hansa_state::{WorldState, open_checkpoint};

use super::parts::{
    ANSWER_BYTES, ANSWER_BYTES_MAX, Ask, encode_head, encode_used, face_of, put_block, with_ends,
};
use super::window_first;
use crate::ChainError;
use crate::chain::Chain;
use crate::checkpoints::{self, checkpoint_name};

/// States held at once for members that are far behind; no member has a share in more than one.
const PINS_MAX: usize = 2;
/// A member that did not ask for so long has no share any more with the next question for another state.
const PIN_IDLE: Duration = Duration::from_secs(60);
/// Of the newest states those this close to the oldest kept are not offered: they would be gone before they are held.
const OLDEST_MARGIN: u64 = 16;

struct Pin {
    height: u64,
    state: WorldState,
    /// Without ends of epochs.
    head: Vec<u8>,
    /// When each member asked last.
    asked: BTreeMap<u32, Instant>,
}

/// States held for members that are far behind.
#[derive(Default)]
pub struct Pins(Vec<Pin>);

impl Pins {
    /// Ends a member's share in all states but that of `height`; one in which nobody has a share goes.
    fn leave(&mut self, member: u32, height: u64) {
        self.0.retain_mut(|pin| {
            pin.height == height || pin.asked.remove(&member).is_none() || !pin.asked.is_empty()
        });
    }
}

/// What this node can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Heights of states that stay for long: those on disk and those held already; ascending.
    pub heights: Vec<u64>,
    /// The first and the last of the newest states, which are held from the first question on.
    pub recent: (u64, u64),
}

impl Chain {
    /// The states that this node can serve.
    ///
    /// # Errors
    /// `Io`.
    pub fn snapshot_offer(&self) -> Result<Offer, ChainError> {
        let mut heights: Vec<u64> = self.pins.lock().0.iter().map(|pin| pin.height).collect();
        if let Some(folder) = &self.folder {
            heights.extend(checkpoints::list(&folder.checkpoints())?.0);
        }
        let oldest = self.index.read().oldest();
        heights.retain(|height| *height > 0 && window_first(*height) >= oldest);
        heights.sort_unstable();
        heights.dedup();
        let head = self.head().height;
        let first = (self.oldest_state() + OLDEST_MARGIN).min(head);
        Ok(Offer { heights, recent: (first, head) })
    }

    /// The answer to a question of `member` about the state after block `height`; none where that is not held, or
    /// nothing fits the question.
    ///
    /// # Errors
    /// `Log`, `Corrupt`.
    pub fn snapshot_answer(
        &self,
        member: u32,
        height: u64,
        ask: &[u8],
    ) -> Result<Option<Vec<u8>>, ChainError> {
        let Some(ask) = Ask::decode(ask) else { return Ok(None) };
        let Some((state, head)) = self.pinned(member, height)? else { return Ok(None) };
        Ok(match ask {
            Ask::Head(epoch) => {
                let mut ends = self.ends.read().since(epoch).to_vec();
                ends.retain(|end| end.header.number <= height);
                Some(with_ends(&head, &ends))
            }
            Ask::Blocks { first, count } => self.window_blocks(height, first, count)?,
            Ask::State(task) => serve_state(&state, &task).map(|chunk| chunk.encode()),
        })
    }

    /// The state after a block and the head of its snapshot, held from now on for a member, who gives up another one.
    fn pinned(&self, member: u32, height: u64) -> Result<Option<(WorldState, Vec<u8>)>, ChainError> {
        let mut pins = self.pins.lock();
        let now = Instant::now();
        if let Some(pin) = pins.0.iter_mut().find(|pin| pin.height == height) {
            pin.asked.insert(member, now);
            let found = (pin.state.clone(), pin.head.clone());
            pins.leave(member, height);
            return Ok(Some(found));
        }
        pins.leave(member, height);
        pins.0.retain(|pin| pin.asked.values().any(|asked| asked.elapsed() < PIN_IDLE));
        // Whoever asks for what is not there must cost nothing: the window alone is a thousand records to read.
        if pins.0.len() >= PINS_MAX || !self.has_state(height) {
            return Ok(None);
        }
        let Some(head) = self.window_head(height)? else { return Ok(None) };
        let Some(state) = self.find_state(height) else { return Ok(None) };
        let pin = Pin { height, state, head, asked: BTreeMap::from([(member, now)]) };
        let found = (pin.state.clone(), pin.head.clone());
        pins.0.push(pin);
        Ok(Some(found))
    }

    fn has_state(&self, height: u64) -> bool {
        let file = self.folder.as_ref().map(|folder| folder.checkpoints().join(checkpoint_name(height)));
        file.is_some_and(|path| path.exists()) || (self.oldest_state()..=self.head().height).contains(&height)
    }

    /// A state from its file, or from among the newest.
    fn find_state(&self, height: u64) -> Option<WorldState> {
        let file = self.folder.as_ref().map(|folder| folder.checkpoints().join(checkpoint_name(height)));
        let stored = file.and_then(|path| open_checkpoint(&path).ok());
        let sealed = self.hash_at(height);
        match stored.filter(|found| Some(found.block_hash) == sealed) {
            Some(found) => Some(found.state),
            None => self.history.get(height).ok().map(WorldState::whole),
        }
    }

    /// The head of a snapshot; none where the blocks of its window are not all held.
    fn window_head(&self, height: u64) -> Result<Option<Vec<u8>>, ChainError> {
        let mut faces = Vec::new();
        let mut last = None;
        for at in window_first(height)..=height {
            let Some(result) = self.result_at(at)? else { return Ok(None) };
            faces.push(face_of(&result.header.hash_slow(), &encode_used(&result.used)));
            last = Some(result);
        }
        Ok(last.map(|result| encode_head(&result.header, &result.certificate, &faces)))
    }

    fn window_blocks(&self, height: u64, first: u64, count: u16) -> Result<Option<Vec<u8>>, ChainError> {
        let mut out = Vec::new();
        for at in (first..=height).take(usize::from(count)) {
            let (Some(result), Some(block)) = (self.result_at(at)?, self.export_block(at)?) else { break };
            let used = encode_used(&result.used);
            let before = out.len();
            put_block(&mut out, &block, &used);
            if before > 0 && out.len() > ANSWER_BYTES {
                out.truncate(before);
                break;
            }
        }
        Ok((!out.is_empty() && out.len() <= ANSWER_BYTES_MAX).then_some(out))
    }
}
