//! Calls: execution for an answer, without effect.

pub mod access;
pub mod estimate;
pub mod overrides;
pub mod revert;

use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, Bytes, Log, TxKind, U256};
use hansa_state::StateView;
use revm::ExecuteEvm;
use revm::context::TxEnv;
use revm::context::result::{ExecutionResult, HaltReason};
use revm::state::EvmState;

use crate::database::BlockDb;
use crate::environment::{Evm, authorization, block_env, cfg_env, evm};
use crate::error::{Failure, sort_failure};
use overrides::Overridden;

use crate::{BlockContext, CallError, ChainRules, RevertReason, StateOverrides, decode_revert};

/// A call as a client asks for it; what is not given has the default that nodes agree on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Who calls; the zero address by default.
    pub from: Address,
    /// Who is called; none creates a contract.
    pub to: Option<Address>,
    /// Gas limit; by default, and at most, the limit of the call's [`CallOutcome`] maker.
    pub gas: Option<u64>,
    /// Wei per gas, or the fee cap of EIP-1559; 0 by default. Ignored without fees.
    pub gas_price: Option<u128>,
    /// The tip of EIP-1559, wei per gas. Ignored without fees.
    pub priority_fee: Option<u128>,
    /// Wei moved.
    pub value: U256,
    /// Call data or creation code.
    pub input: Bytes,
    /// Accounts and slots announced beforehand.
    pub access_list: Option<AccessList>,
    /// EIP-7702 authorisations.
    pub authorizations: Vec<SignedAuthorization>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallStatus {
    /// It returned.
    Success,
    /// It took everything back; the output may say why.
    Reverted(Option<RevertReason>),
    /// It was stopped, all gas gone.
    Halted(String),
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOutcome {
    /// How it ended.
    pub status: CallStatus,
    /// Gas used, refunds deducted.
    pub gas_used: u64,
    /// Gas given back at the end, contained in no gas used.
    pub gas_refunded: u64,
    /// What was returned: by a creation the deployed code, by a revert its data.
    pub output: Bytes,
    /// Logs, if it succeeded.
    pub logs: Vec<Log>,
    /// The contract created.
    pub created: Option<Address>,
}

impl CallOutcome {
    /// Whether it returned.
    pub fn is_success(&self) -> bool {
        self.status == CallStatus::Success
    }
}

/// Executes a call on a state. Nonce, sender's code and the cap per transaction are not checked;
/// funds are, as far as the request asks for any. `gas_max` bounds the work.
///
/// # Errors
/// [`CallError::Invalid`], [`CallError::Override`], [`CallError::Execute`].
pub fn call<S: StateView>(
    rules: &ChainRules,
    block: &BlockContext,
    state: &S,
    request: &CallRequest,
    overrides: &StateOverrides,
    gas_max: u64,
) -> Result<CallOutcome, CallError> {
    let view = Overridden::new(state, overrides)?;
    let mut caller = Caller::new(rules, block, &view, request);
    let gas = request.gas.unwrap_or(gas_max).min(gas_max).min(block.gas_limit);
    let (result, _) = caller.run(request, gas)?;
    Ok(outcome(result))
}

/// An EVM set up for calls; runs as often as wanted, each time on the untouched state.
pub(crate) struct Caller<'a, S: StateView> {
    rules: &'a ChainRules,
    block: u64,
    pub(crate) evm: Evm<'a, S>,
}

impl<'a, S: StateView> Caller<'a, S> {
    pub(crate) fn new(
        rules: &'a ChainRules,
        block: &'a BlockContext,
        view: &'a S,
        request: &CallRequest,
    ) -> Self {
        let mut cfg = cfg_env(rules);
        cfg.disable_nonce_check = true;
        cfg.disable_eip3607 = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let mut env = block_env(rules, block);
        // A call that offers nothing for gas is not refused for it.
        if !rules.has_fees() || request.gas_price.unwrap_or_default() == 0 {
            env.basefee = 0;
        }
        let db = BlockDb::new(view, &*block.hashes, 2);
        Self { rules, block: block.number, evm: evm(cfg, env, db) }
    }

    pub(crate) fn run(
        &mut self,
        request: &CallRequest,
        gas: u64,
    ) -> Result<(ExecutionResult, EvmState), CallError> {
        let env = call_env(self.rules, request, gas);
        match self.evm.transact(env) {
            Ok(outcome) => Ok((outcome.result, outcome.state)),
            Err(error) => Err(match sort_failure(self.block, error) {
                Failure::Invalid(invalid) => CallError::Invalid(invalid.into()),
                Failure::Fatal(fatal) => CallError::Execute(fatal),
            }),
        }
    }
}

fn call_env(rules: &ChainRules, request: &CallRequest, gas: u64) -> TxEnv {
    let authorizations = request.authorizations.iter().map(|signed| authorization(rules, signed));
    let mut env = TxEnv {
        caller: request.from,
        gas_limit: gas,
        kind: request.to.map_or(TxKind::Create, TxKind::Call),
        value: request.value,
        data: request.input.clone(),
        chain_id: Some(rules.chain_id),
        access_list: request.access_list.clone().unwrap_or_default(),
        authorization_list: authorizations.collect(),
        ..TxEnv::default()
    };
    if rules.has_fees() {
        env.gas_price = request.gas_price.unwrap_or_default();
        env.gas_priority_fee = request.priority_fee;
    }
    env.tx_type = if !env.authorization_list.is_empty() {
        4
    } else if env.gas_priority_fee.is_some() {
        2
    } else {
        u8::from(request.access_list.is_some())
    };
    env
}

pub(crate) fn outcome(result: ExecutionResult) -> CallOutcome {
    let gas_used = result.tx_gas_used();
    let gas_refunded = result.gas().final_refunded();
    let created = result.created_address();
    let status = match &result {
        ExecutionResult::Success { .. } => CallStatus::Success,
        ExecutionResult::Revert { output, .. } => CallStatus::Reverted(decode_revert(output)),
        ExecutionResult::Halt { reason, .. } => CallStatus::Halted(halt_words(reason)),
    };
    let output = result.output().cloned().unwrap_or_default();
    let logs = if result.is_success() { result.into_logs() } else { Vec::new() };
    CallOutcome { status, gas_used, gas_refunded, output, logs, created }
}

/// Halts in the words that clients know from other nodes.
pub(crate) fn halt_words(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".into(),
        HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode => "invalid opcode".into(),
        HaltReason::InvalidJump => "invalid jump destination".into(),
        HaltReason::StackUnderflow => "stack underflow".into(),
        HaltReason::StackOverflow => "stack limit reached 1024".into(),
        HaltReason::OutOfOffset => "return data out of bounds".into(),
        HaltReason::CreateCollision => "contract address collision".into(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".into(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef".into(),
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection".into()
        }
        HaltReason::OutOfFunds => "insufficient balance for transfer".into(),
        HaltReason::CallTooDeep => "max call depth exceeded".into(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".into(),
        other => format!("{other:?}"),
    }
}
