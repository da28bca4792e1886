//! Why a transaction is refused, and why one left.

use alloy_primitives::{B256, U256};
use hansa_codec::TxError;

/// Why a transaction is not admitted. The messages begin with the words that Ethereum's clients
/// use, because wallets and libraries look for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Its bytes or its signature do not hold.
    #[error(transparent)]
    Transaction(#[from] TxError),
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId { have: u64, want: u64 },
    /// The nonce can never be raised (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// The account is beyond that nonce.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    /// The balance does not cover it together with the sender's other transactions here.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, pooled cost {pooled}, tx cost {cost}"
    )]
    InsufficientFunds { balance: U256, pooled: U256, cost: U256 },
    /// It is here already.
    #[error("already known")]
    AlreadyKnown,
    /// Another transaction has that sender and nonce, and this one does not outbid it.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The gas limit does not cover the intrinsic gas.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas { gas: u64, needed: u64 },
    /// The gas limit does not cover the floor price of its data (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorGas { gas: u64, needed: u64 },
    /// The gas limit is above the cap for one transaction (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasCap { cap: u64, gas: u64 },
    /// The gas limit is above that of a block.
    #[error("exceeds block gas limit: limit {limit}, tx {gas}")]
    BlockGasLimit { limit: u64, gas: u64 },
    /// The creation code is too long (EIP-3860).
    #[error("max initcode size exceeded: code size {size}, limit {max}")]
    InitCode { size: usize, max: usize },
    /// The tip is above the fee cap.
    #[error("max priority fee per gas higher than max fee per gas: tip {tip}, fee cap {cap}")]
    TipAboveFeeCap { tip: u128, cap: u128 },
    /// The fee cap is below the base fee, where fees are paid.
    #[error("max fee per gas less than block base fee: fee cap {cap}, base fee {base_fee}")]
    FeeCapTooLow { cap: u128, base_fee: u64 },
    /// An EIP-7702 transaction without an authorisation.
    #[error("EIP-7702 transaction with empty auth list")]
    EmptyAuthorizations,
    /// The sender is a contract (EIP-3607).
    #[error("sender not an eoa: the account has contract code")]
    SenderNoEoa,
    /// A delegated account may have one transaction in flight, with its next nonce (EIP-7702).
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedInFlight,
    /// The sender has too many transactions here.
    #[error("account limit exceeded: {count} transactions of this sender are here, limit {max}")]
    AccountLimit { count: usize, max: usize },
    /// Our own type: its time is over.
    #[error("transaction expired: valid until second {expires_at}")]
    OutOfTime { expires_at: u64 },
    /// Our own type: the next block is above its block limit, or too far below it.
    #[error("block limit {block_limit} is not within the 1,024 blocks after {height}")]
    BlockLimit { block_limit: u64, height: u64 },
    /// Our own type: the sender used that number lately.
    #[error("nonce {nonce} was used lately by the same sender")]
    NonceUsed { nonce: u64 },
    /// No room.
    #[error("txpool is full: {count} transactions, {bytes} bytes")]
    Full { count: usize, bytes: usize },
    /// The sender declared more gas per second than it may.
    #[error("rate limit: the sender's gas quota is used up")]
    SenderQuota { retry_ms: u64 },
    /// The organisation declared more gas per second than it may.
    #[error("rate limit: the organisation's gas quota is used up")]
    OrganisationQuota { retry_ms: u64 },
}

impl PoolError {
    /// The stable code that clients and logs see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Transaction(cause) => cause.code(),
            Self::ChainId { .. } => "POOL-CHAIN-ID",
            Self::NonceMax => "POOL-NONCE-MAX",
            Self::NonceTooLow { .. } => "POOL-NONCE-LOW",
            Self::InsufficientFunds { .. } => "POOL-FUNDS",
            Self::AlreadyKnown => "POOL-KNOWN",
            Self::ReplacementUnderpriced => "POOL-REPLACEMENT",
            Self::IntrinsicGas { .. } => "POOL-INTRINSIC-GAS",
            Self::FloorGas { .. } => "POOL-FLOOR-GAS",
            Self::GasCap { .. } => "POOL-GAS-CAP",
            Self::BlockGasLimit { .. } => "POOL-BLOCK-GAS",
            Self::InitCode { .. } => "POOL-INITCODE",
            Self::TipAboveFeeCap { .. } => "POOL-TIP",
            Self::FeeCapTooLow { .. } => "POOL-FEE-CAP",
            Self::EmptyAuthorizations => "POOL-AUTHORIZATIONS",
            Self::SenderNoEoa => "POOL-SENDER",
            Self::DelegatedInFlight => "POOL-DELEGATED",
            Self::AccountLimit { .. } => "POOL-ACCOUNT-LIMIT",
            Self::OutOfTime { .. } => "POOL-EXPIRED",
            Self::BlockLimit { .. } => "POOL-BLOCK-LIMIT",
            Self::NonceUsed { .. } => "POOL-NONCE-USED",
            Self::Full { .. } => "POOL-FULL",
            Self::SenderQuota { .. } => "POOL-SENDER-QUOTA",
            Self::OrganisationQuota { .. } => "POOL-ORGANISATION-QUOTA",
        }
    }

    /// The next step for whoever sent it.
    pub fn hint(&self) -> String {
        match self {
            Self::Transaction(cause) => cause.hint().to_owned(),
            Self::ChainId { want, .. } => format!("sign with chain id {want}; eth_chainId tells it"),
            Self::NonceMax => "use another account".to_owned(),
            Self::NonceTooLow { next, .. } => {
                format!("use nonce {next}, or ask eth_getTransactionCount with \"pending\"")
            }
            Self::InsufficientFunds { .. } => "fund the account or lower value and fees".to_owned(),
            Self::AlreadyKnown => "wait for its receipt".to_owned(),
            Self::ReplacementUnderpriced => {
                "raise the priority fee (and, where fees are paid, both fees by 10 %), or cancel with value 0 to yourself"
                    .to_owned()
            }
            Self::IntrinsicGas { needed, .. } | Self::FloorGas { needed, .. } => {
                format!("set the gas limit to {needed} or more; eth_estimateGas computes it")
            }
            Self::GasCap { cap, .. } => format!("keep the gas limit within {cap}; split the work"),
            Self::BlockGasLimit { limit, .. } => format!("keep the gas limit within {limit}"),
            Self::InitCode { max, .. } => format!("split the contract: creation code has at most {max} bytes"),
            Self::TipAboveFeeCap { .. } => "set maxPriorityFeePerGas to at most maxFeePerGas".to_owned(),
            Self::FeeCapTooLow { base_fee, .. } => format!("set maxFeePerGas to {base_fee} or more"),
            Self::EmptyAuthorizations => "add an authorization or use type 0x2".to_owned(),
            Self::SenderNoEoa => "send from an account that a key holds".to_owned(),
            Self::DelegatedInFlight => "wait for the receipt of the one in flight".to_owned(),
            Self::AccountLimit { .. } => "wait for receipts before sending more".to_owned(),
            Self::OutOfTime { .. } => "sign again with a later expires_at".to_owned(),
            Self::BlockLimit { height, .. } => format!("sign again with a block limit such as {}", height + 512),
            Self::NonceUsed { .. } => "draw another number".to_owned(),
            Self::Full { .. } => "retry in some seconds".to_owned(),
            Self::SenderQuota { retry_ms } | Self::OrganisationQuota { retry_ms } => {
                format!("retry in {retry_ms} ms, or declare less gas")
            }
        }
    }

    /// Whether the same bytes may be admitted later.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::InsufficientFunds { .. }
                | Self::DelegatedInFlight
                | Self::AccountLimit { .. }
                | Self::Full { .. }
                | Self::SenderQuota { .. }
                | Self::OrganisationQuota { .. }
                | Self::FeeCapTooLow { .. }
        )
    }
}

/// Why a transaction left the pool without being sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// Another transaction of that sender and nonce took its place.
    #[error("replaced by {0}")]
    Replaced(B256),
    /// The account moved beyond its nonce by another transaction.
    #[error("nonce too low: another transaction with this nonce was sealed")]
    NonceUsed,
    /// It was here too long.
    #[error("expired")]
    Expired,
    /// It had to make room while it was not executable.
    #[error("evicted: the pool was full and the transaction not executable")]
    Evicted,
    /// The executor skipped it in a sealed block.
    #[error("skipped when executed: {0}")]
    Skipped(String),
    /// The pool was emptied (development helpers).
    #[error("removed from the pool on request")]
    Removed,
}

impl DropReason {
    /// The stable code that `hansa_getTransactionStatus` shows.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Replaced(_) => "DROP-REPLACED",
            Self::NonceUsed => "DROP-NONCE-USED",
            Self::Expired => "DROP-EXPIRED",
            Self::Evicted => "DROP-EVICTED",
            Self::Skipped(_) => "DROP-SKIPPED",
            Self::Removed => "DROP-REMOVED",
        }
    }
}
