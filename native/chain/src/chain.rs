//! The chain: one value that owns state, log, pool and indexes; what the other files of this crate work on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};
use std::time::{SystemTime, UNIX_EPOCH};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use arc_swap::ArcSwap;
use hansa_codec::{genesis_order_hash, recover_batch};
use hansa_crypto::SenderCache;
use hansa_evm::ChainRules;
use hansa_log::{Log, LogOptions};
use hansa_pool::{PoolLimits, SharedPool};
use hansa_state::{AccountProof, WorldState};
use parking_lot::{Mutex, RwLock};

use crate::checkpoints::{self, Checkpoints, Since};
use crate::dev::DevState;
use crate::epochs::EpochEnds;
use crate::folder::Folder;
use crate::head::Head;
use crate::history::History;
use crate::index::{BlockEntry, BlockIndex};
use crate::ordering::Ordering;
use crate::quorum::Quorum;
use crate::records::{BirthRecord, KIND_GENESIS, ResultRecord};
use crate::refusals::Refusals;
use crate::replay::ReplayWindow;
use crate::sealed::{BlockCache, SealedBlock};
use crate::snapshot::Pins;
use crate::stored;
use crate::{ChainError, Genesis, birth};

/// A chain, opened. All methods take `&self`; readers never wait for execution.
pub struct Chain {
    /// First, so that a checkpoint being written ends before the folder is given up.
    pub(crate) checkpoints: Checkpoints,
    pub(crate) genesis: Genesis,
    pub(crate) genesis_hash: B256,
    pub(crate) genesis_block: Arc<SealedBlock>,
    pub(crate) rules: ChainRules,
    /// The validators who sign the block after the head.
    pub(crate) quorum: ArcSwap<Quorum>,
    pub(crate) folder: Option<Folder>,
    pub(crate) log: Log,
    pub(crate) pool: SharedPool,
    pub(crate) senders: Arc<SenderCache>,
    pub(crate) head: Arc<ArcSwap<Head>>,
    pub(crate) index: RwLock<BlockIndex>,
    pub(crate) replays: RwLock<ReplayWindow>,
    /// How the epochs up to now ended.
    pub(crate) ends: RwLock<EpochEnds>,
    pub(crate) cache: BlockCache,
    pub(crate) history: Arc<History>,
    pub(crate) ordering: Arc<Mutex<Ordering>>,
    pub(crate) refusals: Mutex<Refusals>,
    /// States that are served to members far behind.
    pub(crate) pins: Mutex<Pins>,
    /// One block is executed, sealed or imported at a time.
    pub(crate) work: Arc<Mutex<DevState>>,
    pub(crate) syncs: AtomicU64,
    /// Blocks below have no transactions in the index any more.
    pub(crate) forgotten: AtomicU64,
}

/// Milliseconds since 1970 by the system's clock; the pool's quotas and expiry live on it.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_millis() as u64)
}

/// What opening found, from which the chain is assembled.
pub(crate) struct Parts {
    pub folder: Option<Folder>,
    pub log: Log,
    pub header: Header,
    pub index: BlockIndex,
    pub replays: ReplayWindow,
    pub ends: EpochEnds,
    pub history: History,
    /// What the log holds behind the newest checkpoint.
    pub since: Since,
    pub head: Head,
    pub ordering: Ordering,
}

impl Chain {
    /// Makes a new chain in `directory`, or in memory alone when there is none.
    ///
    /// # Errors
    /// `Genesis`, `Exists`, `Locked`, `Io`, `Log`.
    pub fn create(directory: Option<&Path>, genesis_json: &[u8]) -> Result<Self, ChainError> {
        let genesis = Genesis::parse(genesis_json)?;
        let (header, state) = birth::build(&genesis)?;
        let folder = directory.map(Folder::lock).transpose()?;
        let log = match &folder {
            None => Log::memory(),
            Some(folder) if folder.has_chain() => {
                let shown = directory.map(|path| path.display().to_string()).unwrap_or_default();
                return Err(ChainError::Exists(shown));
            }
            Some(folder) => Log::open(&folder.blocks(), log_options(&genesis), &mut |_| {})?.0,
        };
        Self::begin(genesis, folder, log, header, state)
    }

    /// Writes the first record of an empty log and the first checkpoint.
    pub(crate) fn begin(
        genesis: Genesis,
        folder: Option<Folder>,
        log: Log,
        header: Header,
        state: WorldState,
    ) -> Result<Self, ChainError> {
        let hash = header.hash_slow();
        let birth = BirthRecord { file_hash: genesis.file_hash, header: header.clone() };
        log.append(KIND_GENESIS, &[&birth.encode()])?;
        log.sync()?;
        let state = match &folder {
            Some(folder) => checkpoints::write_first(&folder.checkpoints(), &hash, state)?,
            None => state,
        };
        let keep_all = genesis.dev && folder.is_none();
        let head = genesis_head(&genesis, &header, hash, state.clone());
        let mut index = BlockIndex::default();
        index.push(genesis_entry(hash), &[]);
        let history = History::new(0, state, keep_all);
        let (replays, ordering, since) = (ReplayWindow::default(), Ordering::default(), Since::default());
        let ends = EpochEnds::default();
        let parts = Parts { folder, log, header, index, replays, ends, history, since, head, ordering };
        Ok(Self::assemble(genesis, parts))
    }

    pub(crate) fn assemble(mut genesis: Genesis, parts: Parts) -> Self {
        if parts.folder.is_some() {
            genesis.forget_alloc();
        }
        let genesis_hash = parts.header.hash_slow();
        let quorum = Quorum::after(&genesis, genesis_hash, &parts.head.state, parts.head.height);
        let rules = birth::chain_rules(&genesis);
        let senders = Arc::new(SenderCache::default());
        let limits =
            if genesis.dev && parts.folder.is_none() { PoolLimits::dev() } else { PoolLimits::default() };
        let pool_rules = birth::pool_rules(&genesis, &rules, &parts.head.header);
        let cache = BlockCache::new(parts.folder.is_none());
        let genesis_block = Arc::new(genesis_block(&genesis, &parts.header, genesis_hash));
        let checkpoints = Checkpoints::new(parts.folder.as_ref().map(Folder::checkpoints), parts.since);
        Self {
            quorum: ArcSwap::from_pointee(quorum),
            pool: SharedPool::new(pool_rules, limits, senders.clone()),
            head: Arc::new(ArcSwap::from_pointee(parts.head)),
            index: RwLock::new(parts.index),
            replays: RwLock::new(parts.replays),
            ends: RwLock::new(parts.ends),
            history: Arc::new(parts.history),
            ordering: Arc::new(Mutex::new(parts.ordering)),
            refusals: Mutex::default(),
            pins: Mutex::default(),
            work: Arc::default(),
            syncs: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            folder: parts.folder,
            log: parts.log,
            genesis,
            genesis_hash,
            genesis_block,
            rules,
            senders,
            cache,
            checkpoints,
        }
    }

    /// Hash of the genesis header; everything signed is bound to it.
    pub fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// What genesis says.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.genesis.chain_id
    }

    /// Gas per block.
    pub fn gas_limit(&self) -> u64 {
        self.genesis.gas_limit
    }

    /// The rules that execution follows.
    pub fn rules(&self) -> &ChainRules {
        &self.rules
    }

    /// The validators who sign the block after the head.
    pub fn quorum(&self) -> Arc<Quorum> {
        self.quorum.load_full()
    }

    /// The transaction pool.
    pub fn pool(&self) -> &SharedPool {
        &self.pool
    }

    /// The latest sealed block.
    pub fn head(&self) -> Arc<Head> {
        self.head.load_full()
    }

    /// The state after sealed block `height`.
    ///
    /// # Errors
    /// `StatePruned`.
    pub fn state_at(&self, height: u64) -> Result<WorldState, ChainError> {
        self.history.get(height)
    }

    /// Proof of an account and of some of its slots after sealed block `height`.
    ///
    /// # Errors
    /// `StatePruned`.
    pub fn proof_at(
        &self,
        height: u64,
        address: &Address,
        slots: &[U256],
    ) -> Result<AccountProof, ChainError> {
        self.history.look(height, |state| state.proof(address, slots))
    }

    /// The oldest sealed block whose state is kept.
    pub fn oldest_state(&self) -> u64 {
        self.history.oldest()
    }

    /// Hash of the sealed header at `height`.
    pub fn hash_at(&self, height: u64) -> Option<B256> {
        match height {
            0 => Some(self.genesis_hash),
            _ => self.index.read().get(height).map(|entry| entry.hash),
        }
    }

    /// The oldest block that clients may read, genesis apart.
    pub fn oldest_block(&self) -> u64 {
        self.index.read().first_executed()
    }

    /// Hash of the order block that was sealed at `height`; of an epoch's last block for ever.
    pub fn order_hash_at(&self, height: u64) -> Option<B256> {
        let held = self.index.read().get(height).map(|entry| entry.order_hash);
        held.or_else(|| self.ends.read().order_hash_at(height))
    }

    /// Height of the block with that sealed hash.
    pub fn height_of(&self, hash: &B256) -> Option<u64> {
        if *hash == self.genesis_hash { Some(0) } else { self.index.read().height_of(hash) }
    }

    /// Whether the block's bloom may contain a log of interest; false for blocks without logs.
    pub fn bloom_matches(&self, height: u64, matches: impl Fn(&alloy_primitives::Bloom) -> bool) -> bool {
        self.index.read().get(height).and_then(|entry| entry.bloom.as_deref()).is_some_and(matches)
    }

    /// A sealed block; none above the head.
    ///
    /// # Errors
    /// `BlockPruned` below [`Chain::oldest_block`]; `Log`, `Corrupt`, `Wire`, `Transaction` when the log does not give it back.
    pub fn block(&self, height: u64) -> Result<Option<Arc<SealedBlock>>, ChainError> {
        if height == 0 {
            return Ok(Some(self.genesis_block.clone()));
        }
        if let Some(kept) = self.cache.get(height) {
            return Ok(Some(kept));
        }
        let oldest = self.oldest_block();
        if height < oldest {
            return Err(ChainError::BlockPruned { asked: height, oldest });
        }
        let Some(entry) = self.index.read().get(height).cloned() else { return Ok(None) };
        let read = stored::read_block(&self.log, &entry, &self.senders);
        let block = Arc::new(self.unless_dropped(height, read)?);
        self.cache.keep(block.clone());
        Ok(Some(block))
    }

    /// What was read of block `height`, or that it was dropped meanwhile.
    pub(crate) fn unless_dropped<T>(
        &self,
        height: u64,
        read: Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        read.map_err(|error| match height < self.oldest_exported() {
            true => ChainError::BlockPruned { asked: height, oldest: self.oldest_block() },
            false => error,
        })
    }

    /// The result record of block `height`, receipts apart; none where it is not held.
    ///
    /// # Errors
    /// `Log`, `Corrupt`.
    pub(crate) fn result_at(&self, height: u64) -> Result<Option<ResultRecord>, ChainError> {
        let Some(position) = self.index.read().get(height).and_then(|entry| entry.result) else {
            return Ok(None);
        };
        let read = self.log.read(position).map_err(ChainError::from);
        held(self.unless_dropped(height, read.and_then(|bytes| ResultRecord::decode_head(&bytes))))
    }

    /// Canonical RLP of the certificate of a sealed block, also of one that clients may not read; none of genesis.
    ///
    /// # Errors
    /// `Log`, `Corrupt`.
    pub fn certificate_at(&self, height: u64) -> Result<Option<Bytes>, ChainError> {
        Ok(self.result_at(height)?.map(|result| result.certificate))
    }

    /// Block and index of an included transaction.
    ///
    /// # Errors
    /// As [`Chain::block`], but for blocks that were dropped: nothing is found in these.
    pub fn locate(&self, hash: &B256) -> Result<Option<(u64, usize)>, ChainError> {
        let places = self.index.read().transactions.places(crate::records::prefix_of(hash));
        for (height, index) in places {
            let found = held(self.block(height))?.flatten();
            if found.is_some_and(|block| block.transactions.get(index).is_some_and(|tx| tx.tx.hash == *hash))
            {
                return Ok(Some((height, index)));
            }
        }
        Ok(None)
    }

    /// Makes everything appended so far durable.
    ///
    /// # Errors
    /// `Log`: `LOG-FULL` may be tried again, `LOG-FATAL` must end the process.
    pub fn sync(&self) -> Result<(), ChainError> {
        self.syncs.fetch_add(1, Atomic::Relaxed);
        Ok(self.log.sync()?)
    }

    /// The next nonce of an account, its pooled transactions without a gap counted.
    pub fn pending_nonce(&self, account: &Address) -> u64 {
        let sealed = || self.head.load().state.account(account).map_or(0, |found| found.nonce);
        let pooled = self.pool.lock().pending_nonce(account);
        pooled.unwrap_or_else(sealed)
    }
}

/// What was read; none where it was dropped.
pub(crate) fn held<T>(read: Result<T, ChainError>) -> Result<Option<T>, ChainError> {
    match read {
        Err(ChainError::BlockPruned { .. }) => Ok(None),
        read => read.map(Some),
    }
}

/// How the block log of a chain with this genesis is opened.
pub(crate) fn log_options(genesis: &Genesis) -> LogOptions {
    LogOptions { tag: genesis.alliance_hash.0, ..LogOptions::default() }
}

pub(crate) fn genesis_entry(hash: B256) -> BlockEntry {
    let order_hash = genesis_order_hash(&hash);
    BlockEntry { hash, order_hash, body: None, result: None, diff: None, bloom: None }
}

pub(crate) fn genesis_head(genesis: &Genesis, header: &Header, hash: B256, state: WorldState) -> Head {
    Head {
        height: 0,
        sealed_hash: hash,
        order_hash: genesis_order_hash(&hash),
        header: header.clone(),
        time_ms: genesis.timestamp_ms,
        state,
    }
}

fn genesis_block(genesis: &Genesis, header: &Header, hash: B256) -> SealedBlock {
    let facts = hansa_codec::BlockFacts {
        order_hash: genesis_order_hash(&hash),
        epoch: 0,
        view: 0,
        time_ms: genesis.timestamp_ms,
        next_set_hash: B256::ZERO,
        skip_list: Vec::new(),
    };
    SealedBlock {
        hash,
        header: header.clone(),
        transactions: Vec::new(),
        receipts: Vec::new(),
        skipped: Vec::new(),
        facts,
        certificate: Bytes::new(),
    }
}

/// Recovers the senders of stored transactions.
///
/// # Errors
/// `Transaction` for the first whose signature gives no account.
pub(crate) fn recover_all(
    transactions: Vec<Arc<hansa_codec::Transaction>>,
    senders: &SenderCache,
) -> Result<Vec<hansa_codec::Recovered>, ChainError> {
    Ok(recover_batch(transactions, senders).into_iter().collect::<Result<Vec<_>, _>>()?)
}
