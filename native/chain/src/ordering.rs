//! Proposing, checking and keeping bodies: everything before execution.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use alloy_primitives::map::B256Set;
use alloy_primitives::{B256, Bytes};
use hansa_codec::body::encode_body;
use hansa_codec::bundle::BUNDLE_ENTRY_BYTES;
use hansa_codec::transaction::decode_owned;
use hansa_codec::{
    BodyRecord, OrderBlock, Recovered, decode_bundle, encode_bundle, recover_batch, split_refs,
};
use hansa_crypto::{keccak256, keccak256_many_into};
use hansa_pool::{Ancestors, Origin, PoolError, SelectLimits};

use crate::ChainError;
use crate::candidates::{Body, Candidates};
use crate::chain::{Chain, held, now_ms};
use crate::payloads::Payloads;
use crate::records::KIND_BODY;

/// Hashes remembered as asked for; twice the largest block.
const WANTED_MAX: usize = 131_072;
/// Raw bytes of one block's transactions, four more for each as in a bundle. Part of the rules: a body must fit into
/// one answer of sync and one bundle, or nobody could bring it to a node that lacks it. Leaders stay below.
pub const BODY_BYTES_MAX: usize = 3 << 20;
/// Bytes of the bundle that [`Chain::payload`] answers; a whole body fits, and a message has room around it.
pub const PAYLOAD_BYTES_MAX: usize = (4 << 20) - 4_096;
/// Sealed blocks read for one answer of [`Chain::payload`]: a request is about one block.
const PAYLOAD_BLOCKS_MAX: usize = 8;

/// An order block's RLP and its payload references.
pub type OrderAndRefs = (Vec<u8>, Vec<u8>);

/// What proposing and checking change; behind one lock.
#[derive(Default)]
pub struct Ordering {
    /// Bodies above the sealed head.
    pub candidates: Candidates,
    /// Fetched transactions that the pool did not take.
    pub payloads: Payloads,
    wanted: HashSet<B256>,
    wanted_order: VecDeque<B256>,
}

impl Ordering {
    fn want(&mut self, hash: B256) {
        if self.wanted.insert(hash) {
            self.wanted_order.push_back(hash);
        }
        while self.wanted_order.len() > WANTED_MAX {
            if let Some(oldest) = self.wanted_order.pop_front() {
                self.wanted.remove(&oldest);
            }
        }
    }
}

impl Chain {
    /// What a leader proposes on top of unsealed `ancestors` (order hashes): payload references, their number and
    /// the sum of declared gas. Nothing that stands in an ancestor is proposed again.
    pub fn propose(&self, ancestors: &[B256], limits: SelectLimits) -> (Vec<u8>, u32, u64) {
        let (ancestors, taken) = self.ancestors(ancestors);
        let selected = self.pool.lock().select(&ancestors, limits);
        let chosen = selected.into_iter().filter(|tx| !taken.contains(&tx.tx.hash));
        let (mut refs, mut count, mut gas) = (Vec::new(), 0, 0);
        for tx in chosen {
            refs.extend_from_slice(tx.tx.hash.as_slice());
            count += 1;
            gas += tx.tx.gas_limit();
        }
        (refs, count, gas)
    }

    /// Whether a leader would have anything to propose on top of `ancestors`.
    pub fn has_executable(&self, ancestors: &[B256]) -> bool {
        let limits = SelectLimits { gas_max: self.gas_limit(), count_max: 1, bytes_max: usize::MAX };
        let (ancestors, _) = self.ancestors(ancestors);
        self.pool.lock().has_executable(&ancestors, limits)
    }

    fn ancestors(&self, order_hashes: &[B256]) -> (Ancestors, B256Set) {
        let ordering = self.ordering.lock();
        let mut ancestors = Ancestors::none();
        let mut taken = B256Set::default();
        for body in order_hashes.iter().filter_map(|hash| ordering.candidates.body(hash)) {
            ancestors.add(&body.transactions);
            ancestors.reach(body.order.height);
            taken.extend(body.transactions.iter().map(|tx| tx.tx.hash));
        }
        (ancestors, taken)
    }

    /// Those of the referenced transactions that this node does not hold. They are fetched; what arrives is kept
    /// even if the pool refuses it.
    ///
    /// # Errors
    /// `Wire` for malformed references.
    pub fn missing(&self, refs: &[u8]) -> Result<Vec<B256>, ChainError> {
        let hashes = split_refs(refs)?;
        let mut ordering = self.ordering.lock();
        let pool = self.pool.lock();
        let missing: Vec<B256> =
            hashes.into_iter().filter(|hash| !pool.contains(hash) && ordering.find(hash).is_none()).collect();
        drop(pool);
        for hash in &missing {
            ordering.want(*hash);
        }
        Ok(missing)
    }

    /// A bundle of those of `hashes` that this node holds, each once, sealed ones included; a part of them when more
    /// than [`PAYLOAD_BYTES_MAX`] or more than a few sealed blocks would be needed: the rest is asked for again.
    ///
    /// # Errors
    /// `Wire` for malformed references, `Log`.
    pub fn payload(&self, hashes: &[u8]) -> Result<Vec<u8>, ChainError> {
        let mut raws = Vec::new();
        let (mut seen, mut sealed) = (HashSet::new(), HashSet::new());
        let mut room = PAYLOAD_BYTES_MAX - BUNDLE_ENTRY_BYTES;
        for hash in split_refs(hashes)? {
            if !seen.insert(hash) {
                continue;
            }
            let Some(raw) = self.find_raw(&hash, &mut sealed)? else { continue };
            let Some(left) = room.checked_sub(raw.len() + BUNDLE_ENTRY_BYTES) else { break };
            room = left;
            raws.push(raw);
        }
        Ok(encode_bundle(raws))
    }

    /// A held transaction's bytes; of sealed blocks only as many are read as `sealed` has room for.
    fn find_raw(&self, hash: &B256, sealed: &mut HashSet<u64>) -> Result<Option<Bytes>, ChainError> {
        // The two locks are never held together in this order.
        let pooled = self.pool.lock().get(hash).cloned();
        let held = match pooled {
            Some(tx) => Some(tx),
            None => self.ordering.lock().find(hash),
        };
        if let Some(tx) = held {
            return Ok(Some(tx.tx.raw.clone()));
        }
        if sealed.len() >= PAYLOAD_BLOCKS_MAX {
            return Ok(None);
        }
        let Some((height, index)) = self.locate(hash)? else { return Ok(None) };
        sealed.insert(height);
        Ok(self.block(height)?.and_then(|block| Some(block.transactions.get(index)?.tx.raw.clone())))
    }

    /// Admits another member's bundle; how many transactions were admitted and how many refused. Refused ones that
    /// a proposal asked for are kept for it.
    ///
    /// # Errors
    /// `Wire` when the bytes are no bundle.
    pub fn add_bundle(&self, origin: u32, bundle: &[u8]) -> Result<(usize, usize), ChainError> {
        let raws: Vec<Bytes> = {
            let raws = decode_bundle(&Bytes::copy_from_slice(bundle))?;
            let mut hashes = vec![B256::ZERO; raws.len()];
            keccak256_many_into(&raws, &mut hashes);
            let pool = self.pool.lock();
            raws.into_iter()
                .zip(hashes)
                .filter(|(_, hash)| !pool.contains(hash))
                .map(|(raw, _)| raw)
                .collect()
        };
        let origin = Origin::Member { organisation: origin };
        let answers = self.pool.submit(raws.clone(), origin, &self.live(), now_ms());
        let admitted = answers.iter().filter(|answer| answer.is_ok()).count();
        let refused = raws.into_iter().zip(&answers).filter_map(|(raw, answer)| match answer {
            Err(PoolError::Transaction(_) | PoolError::AlreadyKnown) | Ok(_) => None,
            Err(_) => Some(raw),
        });
        self.keep_wanted(refused.collect());
        Ok((admitted, answers.len() - admitted))
    }

    fn keep_wanted(&self, raws: Vec<Bytes>) {
        let wanted: Vec<Bytes> = {
            let ordering = self.ordering.lock();
            raws.into_iter().filter(|raw| ordering.wanted.contains(&keccak256(raw))).collect()
        };
        if wanted.is_empty() {
            return;
        }
        let limits = self.pool.rules().tx_limits;
        let decoded =
            wanted.into_iter().filter_map(|raw| decode_owned(raw, &limits).ok().map(Arc::new)).collect();
        let recovered = recover_batch(decoded, &self.senders);
        let mut ordering = self.ordering.lock();
        for tx in recovered.into_iter().flatten() {
            ordering.payloads.insert(tx);
        }
    }

    /// Checks an order block with its payload, appends the body to the log and keeps it; its order hash. Durable
    /// after the next [`Chain::sync`]. Adding a body again changes nothing.
    ///
    /// # Errors
    /// `Wire`, `Body` (`BODY-…`), `Log`.
    pub fn add_body(&self, order: &[u8], refs: &[u8]) -> Result<B256, ChainError> {
        let order_hash = keccak256(order);
        let block = OrderBlock::decode(order)?;
        if self.ordering.lock().candidates.body(&order_hash).is_some() {
            return Ok(order_hash);
        }
        let transactions = self.collect(&block, refs)?;
        self.add_checked(block, order_hash, transactions)
    }

    /// The referenced transactions, once the references match the order block.
    fn collect(&self, block: &OrderBlock, refs: &[u8]) -> Result<Vec<Recovered>, ChainError> {
        if keccak256(refs) != block.payload_hash {
            return Err(ChainError::body(
                "BODY-REFS",
                "the payload references are not those of the order block",
            ));
        }
        let hashes = split_refs(refs)?;
        let ordering = self.ordering.lock();
        let pool = self.pool.lock();
        let found = hashes.iter().map(|hash| {
            let held = pool.get(hash).cloned().or_else(|| ordering.find(hash));
            held.ok_or_else(|| ChainError::body("BODY-MISSING", format!("transaction {hash} is not held")))
        });
        found.collect()
    }

    /// Checks and keeps a body whose transactions are at hand.
    ///
    /// # Errors
    /// `Body`, `Log`.
    pub(crate) fn add_checked(
        &self,
        order: OrderBlock,
        order_hash: B256,
        transactions: Vec<Recovered>,
    ) -> Result<B256, ChainError> {
        check_contents(&order, &transactions, self.gas_limit())?;
        let mut ordering = self.ordering.lock();
        if ordering.candidates.body(&order_hash).is_some() {
            return Ok(order_hash);
        }
        ordering.candidates.check_room()?;
        self.check_place(&order, &transactions, &ordering.candidates)?;
        let raws: Vec<&Bytes> = transactions.iter().map(|tx| &tx.tx.raw).collect();
        let position = self.log.append(KIND_BODY, &[&encode_body(&order, &raws)])?;
        for tx in &transactions {
            ordering.payloads.remove(&tx.tx.hash);
        }
        ordering.candidates.add(Arc::new(Body { order, order_hash, transactions, position }));
        Ok(order_hash)
    }

    /// Height, parent, named sealed block, and no transaction of an unsealed ancestor.
    fn check_place(
        &self,
        order: &OrderBlock,
        transactions: &[Recovered],
        candidates: &Candidates,
    ) -> Result<(), ChainError> {
        let head = self.head.load();
        if order.height <= head.height {
            let what = format!("height {} is sealed already, the head is {}", order.height, head.height);
            return Err(ChainError::body("BODY-SEALED", what));
        }
        let ancestry = candidates.ancestry(&order.parent_order_hash, &head.order_hash)?;
        let expected = head.height + ancestry.len() as u64 + 1;
        if order.height != expected {
            let what = format!("height {} does not follow its parent, {expected} would", order.height);
            return Err(ChainError::body("BODY-HEIGHT", what));
        }
        if let Some(known) = self.index.read().get(order.sealed_height)
            && known.hash != order.sealed_hash
        {
            let what = format!(
                "block {} was sealed as {}, not {}",
                order.sealed_height, known.hash, order.sealed_hash
            );
            return Err(ChainError::body("BODY-SEALED-REF", what));
        }
        let above: B256Set =
            ancestry.iter().flat_map(|body| &body.transactions).map(|tx| tx.tx.hash).collect();
        match transactions.iter().find(|tx| above.contains(&tx.tx.hash)) {
            Some(tx) => {
                let what = format!("transaction {} stands in an unsealed ancestor", tx.tx.hash);
                Err(ChainError::body("BODY-REPEATED", what))
            }
            None => Ok(()),
        }
    }

    /// Whether the body of that order block is held, unsealed.
    pub fn has_body(&self, order_hash: &B256) -> bool {
        self.ordering.lock().candidates.body(order_hash).is_some()
    }

    /// An order block and its payload references, sealed or not; none when it is not held (nor at genesis).
    ///
    /// # Errors
    /// `Log`, `Wire` when the log does not give a sealed one back.
    pub fn order_block(&self, order_hash: &B256) -> Result<Option<OrderAndRefs>, ChainError> {
        let unsealed = self.ordering.lock().candidates.body(order_hash).cloned();
        if let Some(body) = unsealed {
            return Ok(Some((body.order.encode(), body.refs())));
        }
        let found = self.index.read().by_order(order_hash).map(|(height, entry)| (height, entry.body));
        let Some((height, Some(position))) = found else { return Ok(None) };
        let read = self.log.read(position).map_err(ChainError::from);
        let Some(bytes) = held(self.unless_dropped(height, read))? else { return Ok(None) };
        let record = BodyRecord::decode(&Bytes::from(bytes))?;
        let refs = record.raws.iter().flat_map(|raw| keccak256(raw).0).collect();
        Ok(Some((record.order.encode(), refs)))
    }

    /// Order hash and order block of every unsealed body, by height.
    pub fn unsealed_bodies(&self) -> Vec<(B256, Vec<u8>)> {
        let ordering = self.ordering.lock();
        ordering.candidates.bodies().into_iter().map(|body| (body.order_hash, body.order.encode())).collect()
    }
}

impl Ordering {
    /// A transaction held outside the pool.
    fn find(&self, hash: &B256) -> Option<Recovered> {
        self.payloads.get(hash).cloned().or_else(|| self.candidates.transaction(hash))
    }
}

/// What a body must hold whatever the chain looks like: count, bytes, gas, no repetition (rules.md 2.4).
pub(crate) fn check_contents(
    order: &OrderBlock,
    transactions: &[Recovered],
    gas_limit: u64,
) -> Result<(), ChainError> {
    if transactions.len() != order.tx_count as usize {
        let what = format!("{} transactions, the order block says {}", transactions.len(), order.tx_count);
        return Err(ChainError::body("BODY-COUNT", what));
    }
    let mut seen = B256Set::default();
    seen.reserve(transactions.len());
    if let Some(tx) = transactions.iter().find(|tx| !seen.insert(tx.tx.hash)) {
        return Err(ChainError::body(
            "BODY-DUPLICATE",
            format!("transaction {} stands in it twice", tx.tx.hash),
        ));
    }
    let bytes: usize = transactions.iter().map(|tx| tx.tx.raw.len() + BUNDLE_ENTRY_BYTES).sum();
    if bytes > BODY_BYTES_MAX {
        let what = format!("its transactions take {bytes} bytes, at most {BODY_BYTES_MAX} are allowed");
        return Err(ChainError::body("BODY-BYTES", what));
    }
    let gas = transactions.iter().try_fold(0_u64, |sum, tx| sum.checked_add(tx.tx.gas_limit()));
    match gas {
        Some(gas) if gas != order.gas => {
            let what = format!("its transactions declare {gas} gas, the order block says {}", order.gas);
            Err(ChainError::body("BODY-GAS", what))
        }
        Some(gas) if gas <= gas_limit => Ok(()),
        _ => Err(ChainError::body(
            "BODY-GAS-LIMIT",
            format!("declared gas exceeds the block's limit of {gas_limit}"),
        )),
    }
}
