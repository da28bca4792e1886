//! What can go wrong in execution that is not a transaction's fault.

use alloy_primitives::{B256, Bytes};
use revm::context::result::{EVMError, InvalidTransaction};
use revm::database_interface::DBErrorMarker;

use crate::{RevertReason, SkipReason};

/// The state lacks what it refers to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateFault {
    /// An account names code that is not there.
    #[error("the code {0} is missing from the state")]
    MissingCode(B256),
}

impl DBErrorMarker for StateFault {}

/// Why a block could not be executed at all; the node must stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// The state is damaged.
    #[error(transparent)]
    State(#[from] StateFault),
    /// The engine gave up.
    #[error("the EVM failed in block {block}: {what}")]
    Engine {
        /// The block's number.
        block: u64,
        /// What it says.
        what: String,
    },
}

impl ExecuteError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::State(_) => "STATE-CODE-MISSING",
            Self::Engine { .. } => "EVM-ENGINE",
        }
    }
}

/// Why a call has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// As a transaction it would not be valid.
    #[error("{0}")]
    Invalid(SkipReason),
    /// It reverts at any gas limit (estimates only; a call's revert is an outcome).
    #[error("execution reverted{}", .reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Reverted {
        /// What the contract returned.
        output: Bytes,
        /// The same, decoded.
        reason: Option<RevertReason>,
    },
    /// It fails at the highest gas limit allowed (estimates only).
    #[error("execution fails with {gas} gas: {reason}")]
    Failed {
        /// The highest limit tried.
        gas: u64,
        /// Why it stopped.
        reason: String,
    },
    /// An override of state that contradicts itself.
    #[error("override of {0}: give either state or stateDiff")]
    Override(alloy_primitives::Address),
    /// The node is damaged.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

impl CallError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(reason) => reason.code(),
            Self::Reverted { .. } => "CALL-REVERTED",
            Self::Failed { .. } => "CALL-FAILED",
            Self::Override(_) => "CALL-OVERRIDE",
            Self::Execute(error) => error.code(),
        }
    }
}

/// The two kinds of failure that the engine mixes: the transaction's, and everyone's.
pub(crate) enum Failure {
    Invalid(InvalidTransaction),
    Fatal(ExecuteError),
}

pub(crate) fn sort_failure(block: u64, error: EVMError<StateFault>) -> Failure {
    let engine = |what| Failure::Fatal(ExecuteError::Engine { block, what });
    match error {
        EVMError::Transaction(invalid) => Failure::Invalid(invalid),
        EVMError::Database(fault) => Failure::Fatal(fault.into()),
        EVMError::Header(invalid) => engine(invalid.to_string()),
        EVMError::Custom(what) => engine(what),
        EVMError::CustomAny(what) => engine(what.to_string()),
    }
}
