//! What the chain refuses, cannot do, or finds broken.

use hansa_codec::{TxError, WireError};
use hansa_log::LogError;

/// Every failure of the chain. `code` and `hint` are stable texts for clients and operators.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// genesis.json does not hold together.
    #[error("genesis.json: {0}")]
    Genesis(String),
    /// The folder was made with another genesis.
    #[error("the data folder belongs to another genesis: {0}")]
    GenesisMismatch(String),
    /// A chain stands in the folder already.
    #[error("{0} already holds a chain")]
    Exists(String),
    /// No chain stands in the folder.
    #[error("{0} holds no chain")]
    Missing(String),
    /// Another process has the folder open.
    #[error("{0} is in use by another process")]
    Locked(String),
    /// A file could not be read or written.
    #[error("{file}: {source}")]
    Io {
        /// The file or folder.
        file: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The block log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A stored record or the chain of records does not hold together.
    #[error("block {height}: {what}")]
    Corrupt {
        /// The block.
        height: u64,
        /// What does not hold.
        what: String,
    },
    /// No checkpoint is good and the log does not begin at genesis.
    #[error("no usable checkpoint: {0}")]
    Checkpoint(String),
    /// Bytes of an order block, certificate, bundle or body are refused.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Bytes of a transaction are refused.
    #[error(transparent)]
    Transaction(#[from] TxError),
    /// An order block or its body breaks a rule; the proposer's fault.
    #[error("{what}")]
    Body {
        /// Stable code, `BODY-…`.
        code: &'static str,
        /// What does not hold.
        what: String,
    },
    /// A block cannot be executed or sealed now.
    #[error("{what}")]
    Order {
        /// Stable code, `EXECUTE-…` or `SEAL-…`.
        code: &'static str,
        /// What does not hold.
        what: String,
    },
    /// A block from another node is refused.
    #[error("{what}")]
    Block {
        /// Stable code, `BLOCK-…`.
        code: &'static str,
        /// What does not hold.
        what: String,
    },
    /// The execution engine failed: a fault of this program, never of a transaction.
    #[error("execution failed: {0}")]
    Engine(String),
    /// The state of that block is no longer kept.
    #[error("the state of block {asked} is not kept; the oldest kept is block {oldest}")]
    StatePruned {
        /// Block asked for.
        asked: u64,
        /// Oldest block whose state is kept.
        oldest: u64,
    },
    /// The block is no longer kept.
    #[error("block {asked} is not kept; the oldest kept is block {oldest}")]
    BlockPruned {
        /// Block asked for.
        asked: u64,
        /// Oldest block that is kept, genesis apart.
        oldest: u64,
    },
    /// What another node sent as part of a snapshot does not hold, or does not fit.
    #[error("{what}")]
    Snapshot {
        /// Stable code, `SNAPSHOT-…`.
        code: &'static str,
        /// What does not hold.
        what: String,
    },
    /// A development call on a chain that is not `dev`.
    #[error("{0} exists on a development chain only")]
    DevOnly(&'static str),
    /// A development call with unusable arguments.
    #[error("{0}")]
    Dev(String),
}

impl ChainError {
    /// The stable code that clients and logs see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "GENESIS-INVALID",
            Self::GenesisMismatch(_) => "GENESIS-MISMATCH",
            Self::Exists(_) => "CHAIN-EXISTS",
            Self::Missing(_) => "CHAIN-MISSING",
            Self::Locked(_) => "CHAIN-LOCKED",
            Self::Io { .. } => "CHAIN-IO",
            Self::Log(error) => log_code(error),
            Self::Corrupt { .. } => "CHAIN-CORRUPT",
            Self::Checkpoint(_) => "CHAIN-CHECKPOINT",
            Self::Wire(error) => error.code(),
            Self::Transaction(error) => error.code(),
            Self::Body { code, .. } | Self::Order { code, .. } | Self::Block { code, .. } => code,
            Self::Engine(_) => "CHAIN-ENGINE",
            Self::StatePruned { .. } => "STATE-PRUNED",
            Self::BlockPruned { .. } => "BLOCK-PRUNED",
            Self::Snapshot { code, .. } => code,
            Self::DevOnly(_) => "DEV-ONLY",
            Self::Dev(_) => "DEV-ARGUMENT",
        }
    }

    /// The next step for whoever reads it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "assemble genesis.json again with `hansa genesis assemble`",
            Self::GenesisMismatch(_) => "start the node with the genesis.json it was initialised with",
            Self::Exists(_) => "open it, or choose an empty folder",
            Self::Missing(_) => "create the alliance first: hansa init",
            Self::Locked(_) => "stop the other node: hansa ps, hansa down",
            Self::Io { .. } => "check that the folder exists and that this user may write to it",
            Self::Log(error) => log_hint(error),
            Self::Corrupt { .. } | Self::Checkpoint(_) => {
                "hansa verify DIR names what is damaged, hansa repair DIR heals it from the other nodes"
            }
            Self::Wire(error) => error.hint(),
            Self::Transaction(error) => error.hint(),
            Self::Body { .. } => "the proposer is faulty or runs another release",
            Self::Order { .. } => "execute and seal blocks in order, each on its executed parent",
            Self::Block { .. } => "ask another node; a node that repeats this is faulty",
            Self::Engine(_) => "keep the data folder and report it",
            Self::StatePruned { .. } => "ask for a newer block",
            Self::BlockPruned { .. } => "ask for a newer block, or a node that keeps all of them",
            Self::Snapshot { .. } => "ask another node; a node that repeats this is faulty",
            Self::DevOnly(_) => "start a development chain: hansa dev",
            Self::Dev(_) => "check the arguments of the call",
        }
    }

    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { file: path.display().to_string(), source }
    }

    pub(crate) fn body(code: &'static str, what: impl Into<String>) -> Self {
        Self::Body { code, what: what.into() }
    }

    pub(crate) fn order(code: &'static str, what: impl Into<String>) -> Self {
        Self::Order { code, what: what.into() }
    }

    pub(crate) fn block(code: &'static str, what: impl Into<String>) -> Self {
        Self::Block { code, what: what.into() }
    }

    pub(crate) fn snapshot(code: &'static str, what: impl Into<String>) -> Self {
        Self::Snapshot { code, what: what.into() }
    }

    pub(crate) fn corrupt(height: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { height, what: what.into() }
    }
}

fn log_code(error: &LogError) -> &'static str {
    match error {
        LogError::Corrupt { .. } => "LOG-CORRUPT",
        LogError::Full { .. } => "LOG-FULL",
        LogError::Fatal { .. } => "LOG-FATAL",
        LogError::Stopped => "LOG-STOPPED",
        LogError::Foreign { .. } => "LOG-FOREIGN",
        LogError::Version { .. } => "LOG-VERSION",
        LogError::TooLarge { .. } => "LOG-TOO-LARGE",
        LogError::NotFound { .. } => "LOG-NOT-FOUND",
        LogError::Io { .. } => "LOG-IO",
    }
}

fn log_hint(error: &LogError) -> &'static str {
    match error {
        LogError::Corrupt { .. } | LogError::NotFound { .. } => {
            "hansa verify DIR names what is damaged, hansa repair DIR heals it from the other nodes"
        }
        LogError::Full { .. } => "free space on the disk of the data folder; nothing durable was lost",
        LogError::Fatal { .. } | LogError::Stopped => "check the disk (dmesg), then start the node again",
        LogError::Foreign { .. } => "start the node with the genesis.json it was initialised with",
        LogError::Version { .. } => "run the release that wrote the folder, or a newer one",
        LogError::TooLarge { .. } => "lower the block's gas limit",
        LogError::Io { .. } => "check that the folder exists and that this user may read and write it",
    }
}
