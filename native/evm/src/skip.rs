//! Why a transaction that was ordered is passed over (rules.md 2.3).

use alloy_primitives::U256;
use revm::context::result::InvalidTransaction;

/// A transaction that fails validation when executed leaves no trace in the block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// Nonces below it are missing; it goes back to the pool.
    #[error("nonce too high: transaction {tx}, account {state}")]
    NonceTooHigh {
        /// The transaction's nonce.
        tx: u64,
        /// The account's nonce.
        state: u64,
    },
    /// Its nonce has been used.
    #[error("nonce too low: transaction {tx}, account {state}")]
    NonceTooLow {
        /// The transaction's nonce.
        tx: u64,
        /// The account's nonce.
        state: u64,
    },
    /// The account can send nothing more.
    #[error("nonce has max value")]
    NonceMax,
    /// The balance does not cover the value (and the fee, where there are fees).
    #[error("insufficient funds for gas * price + value: balance {balance}, needed {needed}")]
    InsufficientFunds {
        /// Wei that the account has.
        balance: U256,
        /// Wei that it needs.
        needed: U256,
    },
    /// Below the least gas of such a transaction.
    #[error("intrinsic gas too low: gas limit {limit}, needed {needed}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        limit: u64,
        /// The least it needs.
        needed: u64,
    },
    /// Above what one transaction may ask for (EIP-7825).
    #[error("gas limit {limit} exceeds the cap of {cap} per transaction")]
    GasCap {
        /// The transaction's gas limit.
        limit: u64,
        /// The cap.
        cap: u64,
    },
    /// Above what is left of the block's gas.
    #[error("exceeds block gas limit: gas limit {limit}, left in the block {left}")]
    BlockGas {
        /// The transaction's gas limit.
        limit: u64,
        /// Gas left.
        left: u64,
    },
    /// Its fee cap is below the block's base fee.
    #[error("max fee per gas less than block base fee")]
    FeeTooLow,
    /// Its tip is above its fee cap.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFee,
    /// The sender carries code (EIP-3607).
    #[error("sender not an eoa")]
    SenderHasCode,
    /// Creation code beyond EIP-3860's limit.
    #[error("max initcode size exceeded")]
    InitCodeSize,
    /// Signed for another chain.
    #[error("invalid chain id for signer")]
    ChainId,
    /// Signed for any chain.
    #[error("only replay-protected (EIP-155) transactions allowed")]
    Unprotected,
    /// A kind of transaction that the chain does not execute.
    #[error("transaction type not supported")]
    TypeNotSupported,
    /// Our own type: the block is above its block limit, or later than its time.
    #[error("expired: block limit {block_limit} and time {expires_at}, block {number} at {timestamp}")]
    Expired {
        /// The last block that may hold it.
        block_limit: u64,
        /// The last second.
        expires_at: u64,
        /// The block's number.
        number: u64,
        /// The block's time in seconds.
        timestamp: u64,
    },
    /// Our own type: its block limit is further ahead than replays are remembered.
    #[error("block limit {block_limit} is too far ahead of block {number}")]
    BlockLimitFar {
        /// The last block that may hold it.
        block_limit: u64,
        /// The block's number.
        number: u64,
    },
    /// Our own type: the sender used its nonce in an earlier transaction.
    #[error("nonce {0} was used lately by the same sender")]
    NonceUsed(u64),
    /// Anything else that makes it invalid.
    #[error("invalid transaction: {0}")]
    Malformed(String),
}

impl SkipReason {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NonceTooHigh { .. } => "SKIP-NONCE-HIGH",
            Self::NonceTooLow { .. } => "SKIP-NONCE-LOW",
            Self::NonceMax => "SKIP-NONCE-MAX",
            Self::InsufficientFunds { .. } => "SKIP-FUNDS",
            Self::IntrinsicGas { .. } => "SKIP-INTRINSIC-GAS",
            Self::GasCap { .. } => "SKIP-GAS-CAP",
            Self::BlockGas { .. } => "SKIP-BLOCK-GAS",
            Self::FeeTooLow => "SKIP-FEE-LOW",
            Self::TipAboveFee => "SKIP-TIP-HIGH",
            Self::SenderHasCode => "SKIP-SENDER-CODE",
            Self::InitCodeSize => "SKIP-INITCODE-SIZE",
            Self::ChainId => "SKIP-CHAIN-ID",
            Self::Unprotected => "SKIP-UNPROTECTED",
            Self::TypeNotSupported => "SKIP-TYPE",
            Self::Malformed(_) => "SKIP-MALFORMED",
            Self::Expired { .. } => "SKIP-EXPIRED",
            Self::BlockLimitFar { .. } => "SKIP-BLOCK-LIMIT",
            Self::NonceUsed(_) => "SKIP-NONCE-USED",
        }
    }

    /// Whether it may be valid later and goes back to the pool; otherwise it is dropped.
    pub fn returns_to_pool(&self) -> bool {
        matches!(
            self,
            Self::NonceTooHigh { .. } | Self::BlockGas { .. } | Self::FeeTooLow | Self::BlockLimitFar { .. }
        )
    }
}

impl From<InvalidTransaction> for SkipReason {
    fn from(invalid: InvalidTransaction) -> Self {
        use InvalidTransaction as Invalid;
        match invalid {
            Invalid::NonceTooHigh { tx, state } => Self::NonceTooHigh { tx, state },
            Invalid::NonceTooLow { tx, state } => Self::NonceTooLow { tx, state },
            Invalid::NonceOverflowInTransaction => Self::NonceMax,
            Invalid::LackOfFundForMaxFee { fee, balance } => {
                Self::InsufficientFunds { balance: *balance, needed: *fee }
            }
            Invalid::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
                Self::IntrinsicGas { limit: gas_limit, needed: initial_gas }
            }
            Invalid::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
                Self::IntrinsicGas { limit: gas_limit, needed: gas_floor }
            }
            Invalid::TxGasLimitGreaterThanCap { gas_limit, cap } => Self::GasCap { limit: gas_limit, cap },
            Invalid::GasPriceLessThanBasefee => Self::FeeTooLow,
            Invalid::PriorityFeeGreaterThanMaxFee => Self::TipAboveFee,
            Invalid::RejectCallerWithCode => Self::SenderHasCode,
            Invalid::CreateInitCodeSizeLimit => Self::InitCodeSize,
            Invalid::InvalidChainId | Invalid::MissingChainId => Self::ChainId,
            Invalid::Eip2930NotSupported
            | Invalid::Eip1559NotSupported
            | Invalid::Eip4844NotSupported
            | Invalid::Eip7702NotSupported
            | Invalid::Eip7873NotSupported => Self::TypeNotSupported,
            other => Self::Malformed(other.to_string()),
        }
    }
}
