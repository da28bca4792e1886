//! Ordered but unsealed blocks: several may compete at one height until one is sealed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use alloy_primitives::B256;
use alloy_primitives::map::B256Map;
use hansa_codec::{OrderBlock, Recovered};
use hansa_log::Position;

use crate::ChainError;
use crate::executed::Executed;

/// Unsealed bodies held at most; a window of 64 heights with competitors stays far below.
pub const CANDIDATES_MAX: usize = 4_096;

/// An order block with its payload, checked and in the log.
#[derive(Debug)]
pub struct Body {
    /// What was ordered.
    pub order: OrderBlock,
    /// Its hash.
    pub order_hash: B256,
    /// The referenced transactions, in order.
    pub transactions: Vec<Recovered>,
    /// Where the body record begins.
    pub position: Position,
}

impl Body {
    /// The payload references: concatenated transaction hashes.
    pub fn refs(&self) -> Vec<u8> {
        self.transactions.iter().flat_map(|tx| tx.tx.hash.0).collect()
    }
}

/// Bodies above the sealed head and what was executed of them.
#[derive(Debug, Default)]
pub struct Candidates {
    bodies: HashMap<B256, Arc<Body>>,
    executed: HashMap<B256, Arc<Executed>>,
    /// Transactions of unsealed bodies, and how many bodies hold each.
    ordered: B256Map<(Recovered, u32)>,
}

impl Candidates {
    /// The body with that order hash.
    pub fn body(&self, order_hash: &B256) -> Option<&Arc<Body>> {
        self.bodies.get(order_hash)
    }

    /// What executing that order block gave.
    pub fn executed(&self, order_hash: &B256) -> Option<&Arc<Executed>> {
        self.executed.get(order_hash)
    }

    /// The executed block with that sealed hash.
    pub fn executed_as(&self, sealed_hash: &B256) -> Option<&Arc<Executed>> {
        self.executed.values().find(|executed| executed.outcome.hash == *sealed_hash)
    }

    /// Executed blocks at `height`, by order hash.
    pub fn executed_at(&self, height: u64) -> Vec<&Arc<Executed>> {
        let mut found: Vec<_> =
            self.executed.values().filter(|block| block.body.order.height == height).collect();
        found.sort_unstable_by_key(|block| block.body.order_hash);
        found
    }

    /// All executed blocks, by (height, order hash).
    pub fn all_executed(&self) -> Vec<Arc<Executed>> {
        let mut found: Vec<_> = self.executed.values().cloned().collect();
        found.sort_unstable_by_key(|block| (block.body.order.height, block.body.order_hash));
        found
    }

    /// Puts another form of an executed block in its place, if it is still held.
    pub fn replace_executed(&mut self, old: &Arc<Executed>, new: &Arc<Executed>) {
        if let Some(held) = self.executed.get_mut(&old.body.order_hash)
            && Arc::ptr_eq(held, old)
        {
            *held = new.clone();
        }
    }

    /// All bodies, by (height, order hash).
    pub fn bodies(&self) -> Vec<&Arc<Body>> {
        let mut bodies: Vec<_> = self.bodies.values().collect();
        bodies.sort_unstable_by_key(|body| (body.order.height, body.order_hash));
        bodies
    }

    /// Whether an unsealed body holds that transaction.
    pub fn is_ordered(&self, hash: &B256) -> bool {
        self.ordered.contains_key(hash)
    }

    /// The transaction, if an unsealed body holds it.
    pub fn transaction(&self, hash: &B256) -> Option<Recovered> {
        self.ordered.get(hash).map(|(tx, _)| tx.clone())
    }

    /// Whether another body may be held; asked before it goes into the log.
    ///
    /// # Errors
    /// `BODY-LIMIT`.
    pub fn check_room(&self) -> Result<(), ChainError> {
        if self.bodies.len() < CANDIDATES_MAX {
            return Ok(());
        }
        let what = format!("{CANDIDATES_MAX} unsealed bodies are held already");
        Err(ChainError::body("BODY-LIMIT", what))
    }

    /// Adds a body for which there is room.
    pub fn add(&mut self, body: Arc<Body>) {
        for tx in &body.transactions {
            self.ordered.entry(tx.tx.hash).or_insert_with(|| (tx.clone(), 0)).1 += 1;
        }
        self.bodies.insert(body.order_hash, body);
    }

    /// Keeps what executing a body gave.
    pub fn add_executed(&mut self, executed: Arc<Executed>) {
        self.executed.insert(executed.body.order_hash, executed);
    }

    /// The bodies from `order_hash` down to the one whose parent is `sealed_order_hash`, newest first.
    ///
    /// # Errors
    /// `BODY-UNKNOWN-PARENT` when the chain of parents does not reach the sealed head.
    pub fn ancestry(
        &self,
        order_hash: &B256,
        sealed_order_hash: &B256,
    ) -> Result<Vec<Arc<Body>>, ChainError> {
        let mut found = Vec::new();
        let mut at = *order_hash;
        while at != *sealed_order_hash {
            let Some(body) = self.bodies.get(&at) else {
                let what = format!("order block {at} is not held and is not the sealed head");
                return Err(ChainError::body("BODY-UNKNOWN-PARENT", what));
            };
            at = body.order.parent_order_hash;
            found.push(body.clone());
        }
        Ok(found)
    }

    /// After a seal: drops every body that does not descend from the new sealed head; returns those dropped.
    pub fn retain_descendants(&mut self, sealed_order_hash: &B256) -> Vec<Arc<Body>> {
        let mut kept = HashSet::from([*sealed_order_hash]);
        let mut dropped = Vec::new();
        let mut ascending: Vec<_> = self.bodies.values().cloned().collect();
        ascending.sort_unstable_by_key(|body| (body.order.height, body.order_hash));
        for body in ascending {
            if kept.contains(&body.order.parent_order_hash) {
                kept.insert(body.order_hash);
                continue;
            }
            self.bodies.remove(&body.order_hash);
            self.executed.remove(&body.order_hash);
            for tx in &body.transactions {
                self.release(&tx.tx.hash);
            }
            dropped.push(body);
        }
        dropped
    }

    fn release(&mut self, hash: &B256) {
        if let Some((_, count)) = self.ordered.get_mut(hash) {
            *count -= 1;
            if *count == 0 {
                self.ordered.remove(hash);
            }
        }
    }
}
