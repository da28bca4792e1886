//! Executing ordered blocks and sealing executed ones.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};
use hansa_codec::Certificate;
use hansa_pool::AccountFacts;
use hansa_state::WorldState;

use crate::candidates::Body;
use crate::chain::Chain;
use crate::engine::{self, NextBlock, Parent, RecentHashes};
use crate::executed::Executed;
use crate::head::{self, Head};
use crate::index::BlockEntry;
use crate::records::{KIND_DIFF, KIND_RESULT};
use crate::replay::{Screened, screen};
use crate::{ChainError, EpochFacts, Quorum, birth};

/// What executing a block answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Block number.
    pub height: u64,
    /// Hash of the header that a quorum may seal.
    pub sealed_hash: B256,
    /// Gas used.
    pub gas_used: u64,
    /// Transactions included.
    pub included: usize,
}

impl Chain {
    /// Executes an ordered block whose parent is the sealed head or executed. Executing it again changes nothing.
    ///
    /// # Errors
    /// `Order` (`EXECUTE-UNKNOWN`, `EXECUTE-PARENT`), `Engine`.
    pub fn execute(&self, order_hash: &B256) -> Result<Execution, ChainError> {
        let _work = self.work.lock();
        let executed = self.execute_locked(order_hash)?;
        Ok(Execution {
            height: executed.body.order.height,
            sealed_hash: executed.outcome.hash,
            gas_used: executed.outcome.gas_used,
            included: executed.outcome.included.len(),
        })
    }

    pub(crate) fn execute_locked(&self, order_hash: &B256) -> Result<Arc<Executed>, ChainError> {
        self.execute_as(order_hash, NextBlock::default())
    }

    /// Executes; the caller holds the work lock.
    pub(crate) fn execute_as(&self, order_hash: &B256, next: NextBlock) -> Result<Arc<Executed>, ChainError> {
        let (body, ancestors) = {
            let ordering = self.ordering.lock();
            if let Some(done) = ordering.candidates.executed(order_hash) {
                return Ok(done.clone());
            }
            let body = ordering.candidates.body(order_hash).cloned();
            let unknown =
                || ChainError::order("EXECUTE-UNKNOWN", format!("no unsealed order block {order_hash}"));
            let body = body.ok_or_else(unknown)?;
            let ancestors = self.executed_ancestors(&ordering.candidates, &body)?;
            (body, ancestors)
        };
        let head = self.head();
        let hashes = self.recent_hashes(&body, &ancestors);
        let parent = match ancestors.first() {
            Some(executed) => {
                let outcome = &executed.outcome;
                Parent { header: &outcome.header, hash: outcome.hash, state: &outcome.state, hashes }
            }
            None => Parent { header: &head.header, hash: head.sealed_hash, state: &head.state, hashes },
        };
        let screened = self.screen(&body, &ancestors);
        let executed = Arc::new(engine::execute(&self.genesis, &self.rules, body, screened, parent, next)?);
        self.ordering.lock().candidates.add_executed(executed.clone());
        Ok(executed)
    }

    /// The executed blocks below `body` down to the sealed head, newest first.
    fn executed_ancestors(
        &self,
        candidates: &crate::candidates::Candidates,
        body: &Body,
    ) -> Result<Vec<Arc<Executed>>, ChainError> {
        let sealed = self.head.load().order_hash;
        let mut found = Vec::new();
        let mut at = body.order.parent_order_hash;
        while at != sealed {
            let Some(executed) = candidates.executed(&at) else {
                let what =
                    format!("the parent of block {} is neither sealed nor executed", body.order.height);
                return Err(ChainError::order("EXECUTE-PARENT", what));
            };
            found.push(executed.clone());
            at = executed.body.order.parent_order_hash;
        }
        Ok(found)
    }

    /// What the order of `body` on top of executed ancestors says about transactions of our own type.
    fn screen(&self, body: &Body, ancestors: &[Arc<Executed>]) -> Screened {
        let window = self.replays.read();
        screen(&self.rules, &body.order, &body.transactions, |key| {
            window.is_used(key, body.order.height)
                || ancestors.iter().any(|executed| executed.used.binary_search(key).is_ok())
        })
    }

    fn recent_hashes(&self, body: &Body, ancestors: &[Arc<Executed>]) -> RecentHashes {
        let index = self.index.read();
        RecentHashes::before(body.order.height, |number| {
            let executed = ancestors.iter().find(|executed| executed.body.order.height == number);
            executed.map(|found| found.outcome.hash).or_else(|| index.get(number).map(|entry| entry.hash))
        })
    }

    /// Makes the executed block that `certificate` names the latest sealed one. The certificate's signatures must
    /// have been checked. Durable after the next [`Chain::sync`].
    ///
    /// # Errors
    /// `Wire`, `Order` (`SEAL-HEIGHT`, `SEAL-UNKNOWN`, `SEAL-RESULT`), `Log`.
    pub fn seal(&self, height: u64, certificate: &[u8]) -> Result<(), ChainError> {
        let decoded = Certificate::decode(certificate)?;
        let _work = self.work.lock();
        let head = self.head();
        if height <= head.height && self.hash_at(height) == Some(decoded.sealed_hash) {
            return Ok(());
        }
        if decoded.height != height || height != head.height + 1 {
            let what = format!("cannot seal block {height}: the head is {}", head.height);
            return Err(ChainError::order("SEAL-HEIGHT", what));
        }
        let executed = self.find_executed(height, &decoded.sealed_hash)?;
        self.commit(&executed, Bytes::copy_from_slice(certificate))
    }

    fn find_executed(&self, height: u64, sealed_hash: &B256) -> Result<Arc<Executed>, ChainError> {
        let ordering = self.ordering.lock();
        if let Some(found) = ordering.candidates.executed_as(sealed_hash) {
            return Ok(found.clone());
        }
        match ordering.candidates.executed_at(height).first() {
            Some(other) => {
                let what =
                    format!("block {height}: own execution gave {}, not {sealed_hash}", other.outcome.hash);
                Err(ChainError::order("SEAL-RESULT", what))
            }
            None => Err(ChainError::order("SEAL-UNKNOWN", format!("block {height} is not executed here"))),
        }
    }

    /// Logs the result, publishes the head, follows up in pool, indexes and checkpoints. The caller holds the work
    /// lock and has checked that the block extends the head.
    pub(crate) fn commit(&self, executed: &Arc<Executed>, certificate: Bytes) -> Result<(), ChainError> {
        let diff = executed.outcome.diff.encode();
        let record = executed.result_record(&certificate);
        let diff_position = self.log.append(KIND_DIFF, &[&diff])?;
        let result_position = self.log.append(KIND_RESULT, &[&record.encode()])?;
        let bloom = record.header.logs_bloom;
        let entry = BlockEntry {
            hash: executed.outcome.hash,
            order_hash: executed.body.order_hash,
            body: Some(executed.body.position),
            result: Some(result_position),
            diff: Some(diff_position),
            bloom: (!bloom.is_zero()).then(|| Box::new(bloom)),
        };
        self.cache.push(Arc::new(executed.sealed_block(certificate)));
        self.history.push(
            executed.outcome.state.clone(),
            &executed.outcome.diff,
            executed.outcome.replaced.clone(),
        );
        self.index.write().push(entry, &record.prefixes);
        self.replays.write().push(executed.body.order.height, &executed.used);
        self.publish(executed);
        self.begin_epoch(executed, &record.certificate);
        self.ordering.lock().candidates.retain_descendants(&executed.body.order_hash);
        self.follow_in_pool(executed);
        self.count_diff(diff.len() as u64)
    }

    fn publish(&self, executed: &Executed) {
        self.head.store(Arc::new(Head {
            height: executed.body.order.height,
            sealed_hash: executed.outcome.hash,
            order_hash: executed.body.order_hash,
            header: executed.outcome.header.clone(),
            time_ms: executed.body.order.time_ms,
            state: executed.outcome.state.clone(),
        }));
    }

    /// After the last block of an epoch the next one's validators sign.
    fn begin_epoch(&self, executed: &Executed, certificate: &Bytes) {
        let Some(end) = executed.epoch_end(certificate) else { return };
        let height = executed.body.order.height;
        let quorum = Quorum::after(&self.genesis, self.genesis_hash, &executed.outcome.state, height);
        self.quorum.store(Arc::new(quorum));
        let mut ends = self.ends.write();
        ends.push(end);
        if let Some(folder) = &self.folder {
            // For who reads the file meanwhile: it is written again before any block is dropped, and at the next start.
            let _ = ends.write(folder.root());
        }
    }

    /// The last block of the epoch of that sealed head or executed block, as far as its state knows; none also for
    /// an unknown block.
    pub fn epoch_end(&self, order_hash: &B256) -> Option<u64> {
        let (height, state) = self.state_after(order_hash)?;
        self.genesis.membership.as_ref()?.epoch_end(&state, height)
    }

    /// What is in force for the block after that sealed head or executed block; none without a membership contract
    /// and for an unknown block.
    pub fn epoch_facts(&self, order_hash: &B256) -> Option<EpochFacts> {
        let (height, state) = self.state_after(order_hash)?;
        Some(self.genesis.membership.as_ref()?.facts(&state, height))
    }

    fn state_after(&self, order_hash: &B256) -> Option<(u64, WorldState)> {
        let head = self.head();
        if head.order_hash == *order_hash {
            return Some((head.height, head.state.clone()));
        }
        let ordering = self.ordering.lock();
        let executed = ordering.candidates.executed(order_hash)?;
        Some((executed.body.order.height, executed.outcome.state.clone()))
    }

    /// The pool forgets what was included or can never be, and sees the accounts that changed.
    fn follow_in_pool(&self, executed: &Executed) {
        let transactions = &executed.body.transactions;
        let skipped: Vec<_> = executed
            .outcome
            .skipped
            .iter()
            .map(|(at, reason)| {
                let tx = &transactions[*at];
                let is_used = tx.replay_key().is_some_and(|key| executed.used.binary_search(&key).is_ok());
                (tx.tx.hash, reason.to_string(), reason.returns_to_pool() && !is_used)
            })
            .collect();
        let state = &executed.outcome.state;
        let changed: Vec<(Address, AccountFacts)> = executed
            .outcome
            .diff
            .accounts()
            .iter()
            .map(|(address, change)| (*address, head::facts(state, change.info)))
            .collect();
        if self.rules.has_fees() {
            self.pool.set_rules(birth::pool_rules(&self.genesis, &self.rules, &executed.outcome.header));
        }
        let mut pool = self.pool.lock();
        pool.remove_included(&executed.included_hashes());
        pool.on_skipped(skipped);
        pool.pass_block(executed.body.order.height, &executed.used);
        pool.update_accounts(changed);
    }
}
