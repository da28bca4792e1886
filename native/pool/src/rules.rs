//! What the chain allows (the same on every node) and what this node keeps (free to differ).

use hansa_codec::{GasRules, TxLimits};

/// Who pays for gas (rules.md 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeMode {
    /// Nobody: fee fields are accepted and cost nothing; only `value` is checked.
    None,
    /// The sender, as on Ethereum. Default of `hansa dev`.
    Ethereum,
}

/// The chain's rules, as far as they decide on admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRules {
    /// The chain id that transactions must be signed for.
    pub chain_id: u64,
    /// Who pays for gas.
    pub fees: FeeMode,
    /// Which gas rules apply.
    pub gas: GasRules,
    /// The header's gas limit.
    pub block_gas_limit: u64,
    /// Most gas of one transaction (EIP-7825: 2^24); none lifts the cap.
    pub tx_gas_cap: Option<u64>,
    /// Most bytes of creation code (EIP-3860: 49,152).
    pub init_code_max: usize,
    /// The next block's base fee in wei; 0 where nobody pays.
    pub base_fee: u64,
    /// Bounds on bytes and lists.
    pub tx_limits: TxLimits,
}

impl PoolRules {
    /// Osaka's rules for a chain without fees and a block gas limit of 1 G.
    pub fn alliance(chain_id: u64) -> Self {
        Self {
            chain_id,
            fees: FeeMode::None,
            gas: GasRules::PRAGUE,
            block_gas_limit: 1_000_000_000,
            tx_gas_cap: Some(1 << 24),
            init_code_max: 49_152,
            base_fee: 0,
            tx_limits: TxLimits::STANDARD,
        }
    }
}

/// A token bucket in declared gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Gas that flows in per second.
    pub gas_per_s: u64,
    /// Gas that a full bucket holds.
    pub burst_gas: u64,
}

/// What this node keeps and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolLimits {
    /// Transactions in all.
    pub transactions_max: usize,
    /// Raw bytes in all.
    pub bytes_max: usize,
    /// Transactions of one sender.
    pub per_sender_max: usize,
    /// Transactions of our own type of one sender.
    pub own_per_sender_max: usize,
    /// Transactions of one sender that are not executable.
    pub waiting_per_sender_max: usize,
    /// Transactions in all that are not executable.
    pub waiting_max: usize,
    /// Milliseconds after which any transaction leaves.
    pub lifetime_ms: u64,
    /// Milliseconds after which a transaction leaves that is not executable then.
    pub waiting_lifetime_ms: u64,
    /// By how many per cent a replacement must raise both fees, where fees are paid.
    pub price_bump_percent: u128,
    /// Gas per second of one sender; none lifts the quota.
    pub sender_quota: Option<Quota>,
    /// Gas per second of one organisation's bundles or requests; none lifts the quota.
    pub organisation_quota: Option<Quota>,
    /// Senders whose bucket is remembered; the least recently used one is forgotten (and so full).
    pub sender_buckets_max: u32,
    /// Departed transactions whose reason is remembered.
    pub reasons_max: u32,
    /// Hashes kept for `newPendingTransactions` readers.
    pub feed_max: usize,
}

impl PoolLimits {
    /// For one development node: the quotas are off.
    pub fn dev() -> Self {
        Self { sender_quota: None, organisation_quota: None, ..Self::default() }
    }
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            transactions_max: 65_536,
            bytes_max: 128 * 1024 * 1024,
            per_sender_max: 2_048,
            own_per_sender_max: 8_192,
            waiting_per_sender_max: 1_024,
            waiting_max: 16_384,
            lifetime_ms: 3 * 3_600 * 1_000,
            waiting_lifetime_ms: 600 * 1_000,
            price_bump_percent: 10,
            sender_quota: Some(Quota { gas_per_s: 200_000_000, burst_gas: 2_000_000_000 }),
            organisation_quota: Some(Quota { gas_per_s: 1_000_000_000, burst_gas: 10_000_000_000 }),
            sender_buckets_max: 65_536,
            reasons_max: 16_384,
            feed_max: 16_384,
        }
    }
}
