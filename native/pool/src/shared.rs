//! The pool behind its lock, with the batch entrances: signatures are recovered outside the lock,
//! then a whole batch is filed under one.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy_primitives::{Address, B256, Bytes};
use hansa_codec::{Recovered, WireError, decode_bundle};
use hansa_crypto::{SenderCache, keccak256_many_into};
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::check::prepare_recovered;
use crate::pool::{Origin, Pool};
use crate::rules::{PoolLimits, PoolRules};
use crate::{AccountView, PoolError, prepare_batch};

/// Transactions filed under one hold of the lock; then others get their turn.
const FILED_PER_LOCK_MAX: usize = 1_024;

/// A pool that threads share.
pub struct SharedPool {
    pool: Mutex<Pool>,
    gauge: Gauge,
    rules: RwLock<Arc<PoolRules>>,
    senders: Arc<SenderCache>,
}

/// The pool's counts beside its lock.
#[derive(Default)]
struct Gauge {
    executable: AtomicUsize,
    waiting: AtomicUsize,
}

/// The pool while it is locked; its counts are published when it is let go.
pub struct PoolGuard<'a> {
    pool: MutexGuard<'a, Pool>,
    gauge: &'a Gauge,
}

impl Deref for PoolGuard<'_> {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.pool
    }
}

impl DerefMut for PoolGuard<'_> {
    fn deref_mut(&mut self) -> &mut Pool {
        &mut self.pool
    }
}

impl Drop for PoolGuard<'_> {
    fn drop(&mut self) {
        let (executable, waiting) = self.pool.status();
        self.gauge.executable.store(executable, Ordering::Relaxed);
        self.gauge.waiting.store(waiting, Ordering::Relaxed);
    }
}

impl SharedPool {
    /// An empty pool that shares the node's cache of senders.
    pub fn new(rules: PoolRules, limits: PoolLimits, senders: Arc<SenderCache>) -> Self {
        let pool = Mutex::new(Pool::new(rules.clone(), limits));
        Self { pool, gauge: Gauge::default(), rules: RwLock::new(Arc::new(rules)), senders }
    }

    /// The pool itself, for everything but the batch entrances. Hold it briefly.
    pub fn lock(&self) -> PoolGuard<'_> {
        PoolGuard { pool: self.pool.lock(), gauge: &self.gauge }
    }

    /// How many are executable and how many wait, as the last holder of the lock left them: waits for nobody.
    pub fn status(&self) -> (usize, usize) {
        (self.gauge.executable.load(Ordering::Relaxed), self.gauge.waiting.load(Ordering::Relaxed))
    }

    /// The node's cache of senders.
    pub fn senders(&self) -> &Arc<SenderCache> {
        &self.senders
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<PoolRules> {
        self.rules.read().clone()
    }

    /// Changes the rules for everything that arrives from now on.
    pub fn set_rules(&self, rules: PoolRules) {
        *self.rules.write() = Arc::new(rules.clone());
        self.lock().set_rules(rules);
    }

    /// Admits raw transactions; answers (hash or reason) stand in the order of the batch.
    pub fn submit(
        &self,
        raws: Vec<Bytes>,
        origin: Origin,
        view: &impl AccountView,
        now_ms: u64,
    ) -> Vec<Result<B256, PoolError>> {
        let rules = self.rules();
        let prepared = prepare_batch(raws, &rules, &self.senders);
        let mut senders: Vec<Address> = prepared.iter().flatten().map(|one| one.recovered.sender).collect();
        senders.sort_unstable();
        senders.dedup();
        view.expect(&senders);
        let mut prepared = prepared.into_iter();
        let mut answers = Vec::with_capacity(prepared.len());
        while prepared.len() > 0 {
            let mut pool = self.lock();
            for one in prepared.by_ref().take(FILED_PER_LOCK_MAX) {
                answers.push(one.and_then(|prepared| pool.admit(prepared, origin, view, now_ms)));
            }
        }
        answers
    }

    /// Admits a member's bundle; how many were admitted and how many refused.
    ///
    /// # Errors
    /// [`WireError`] when the bytes are no bundle; then nothing is admitted.
    pub fn add_bundle(
        &self,
        bundle: &Bytes,
        organisation: u32,
        view: &impl AccountView,
        now_ms: u64,
    ) -> Result<(usize, usize), WireError> {
        let raws = decode_bundle(bundle)?;
        let total = raws.len();
        let unknown = self.without_known(raws);
        let answers = self.submit(unknown, Origin::Member { organisation }, view, now_ms);
        let admitted = answers.iter().filter(|answer| answer.is_ok()).count();
        Ok((admitted, total - admitted))
    }

    /// Admits transactions whose senders are known, such as those of a fetched body, so that the
    /// senders' later nonces do not wait for the block to be sealed.
    pub fn add_recovered(
        &self,
        batch: impl IntoIterator<Item = Recovered>,
        organisation: u32,
        view: &impl AccountView,
        now_ms: u64,
    ) -> Vec<Result<B256, PoolError>> {
        let rules = self.rules();
        let mut pool = self.lock();
        batch
            .into_iter()
            .map(|recovered| {
                let prepared = prepare_recovered(recovered, &rules)?;
                pool.admit(prepared, Origin::Member { organisation }, view, now_ms)
            })
            .collect()
    }

    /// A bundle that arrives again (each is repeated for members that restarted) costs a hash each.
    fn without_known(&self, raws: Vec<Bytes>) -> Vec<Bytes> {
        let mut hashes = vec![B256::ZERO; raws.len()];
        keccak256_many_into(&raws, &mut hashes);
        let pool = self.lock();
        raws.into_iter().zip(hashes).filter(|(_, hash)| !pool.contains(hash)).map(|(raw, _)| raw).collect()
    }
}
