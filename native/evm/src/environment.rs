//! Our values in revm's words; and the one step of its that is not ours: a transaction of our own type neither looks at
//! the account's nonce nor raises it (rules.md 2.7).

use std::marker::PhantomData;

use alloy_eips::eip7702::{RecoveredAuthority, RecoveredAuthorization, SignedAuthorization};
use alloy_primitives::U256;
use hansa_codec::{Recovered, Transaction};
use hansa_state::AccountInfo;
use revm::bytecode::Bytecode;
use revm::context::result::{EVMError, ExecResultAndState, ExecutionResult, HaltReason, InvalidTransaction};
use revm::context::{BlockEnv, CfgEnv, ContextSetters, ContextTr, JournalTr, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::either::Either;
use revm::context_interface::journaled_state::account::JournaledAccountTr;
use revm::handler::{EvmTr, Handler, MainnetContext, pre_execution};
use revm::interpreter::InitialAndFloorGas;
use revm::primitives::eip4844::{BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE};
use revm::state::{AccountInfo as EvmInfo, EvmState};
use revm::{Context, Database, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

use crate::database::BlockDb;
use crate::error::StateFault;
use crate::{BlockContext, ChainRules, SkipReason, Spec};

/// revm's own type for an authorisation on its way into the executor.
type EvmAuthorization = Either<SignedAuthorization, RecoveredAuthorization>;

/// EIP-1559.
const DYNAMIC_FEE_TYPE: u8 = 2;

/// Blobs in one transaction: six in Cancun, nine in Prague, six again by EIP-7594.
const BLOBS_PER_TRANSACTION: [(Spec, u64); 3] = [(Spec::Cancun, 6), (Spec::Prague, 9), (Spec::Osaka, 6)];

/// EIP-4844: gas of one blob.
const BLOB_GAS: u64 = 1 << 17;

/// The EVM over a database.
pub(crate) type Machine<DB> = MainnetEvm<MainnetContext<DB>>;

/// The EVM over one block's view of a state.
pub(crate) type Evm<'a, S> = Machine<BlockDb<'a, S>>;

/// One EVM for a whole block.
pub(crate) fn evm<DB: Database>(cfg: CfgEnv, block: BlockEnv, db: DB) -> Machine<DB> {
    Context::mainnet().with_db(db).with_cfg(cfg).with_block(block).build_mainnet()
}

/// An account as the EVM reads it. With empty code at hand revm does not ask for it.
pub(crate) fn evm_account(info: AccountInfo) -> EvmInfo {
    EvmInfo {
        nonce: info.nonce,
        balance: info.balance,
        code_hash: info.code_hash,
        code: (!info.has_code()).then(Bytecode::default),
        account_id: None,
    }
}

/// Gas of a transaction's blobs.
pub(crate) fn blob_gas(env: &TxEnv) -> u64 {
    env.blob_hashes.len() as u64 * BLOB_GAS
}

pub(crate) fn cfg_env(rules: &ChainRules) -> CfgEnv {
    let mut cfg = CfgEnv::new_with_spec(rules.evm.id());
    cfg.chain_id = rules.chain_id;
    cfg.tx_gas_limit_cap = Some(rules.tx_gas_cap.unwrap_or(u64::MAX));
    cfg.max_blobs_per_tx =
        BLOBS_PER_TRANSACTION.iter().find(|(spec, _)| *spec == rules.evm).map(|(_, blobs)| *blobs);
    cfg.disable_eip3607 = rules.code_senders;
    cfg
}

pub(crate) fn block_env(rules: &ChainRules, block: &BlockContext) -> BlockEnv {
    let fraction = match rules.evm {
        Spec::Cancun => BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN,
        Spec::Prague | Spec::Osaka => BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE,
    };
    BlockEnv {
        number: U256::from(block.number),
        beneficiary: block.beneficiary,
        timestamp: U256::from(block.timestamp),
        gas_limit: block.gas_limit,
        basefee: block.base_fee,
        difficulty: U256::ZERO,
        prevrandao: Some(block.prevrandao),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(block.excess_blob_gas, fraction)),
        slot_num: 0,
    }
}

/// A transaction for the executor; without fees its prices are gone.
pub(crate) fn tx_env(rules: &ChainRules, recovered: &Recovered) -> Result<TxEnv, SkipReason> {
    let tx = &*recovered.tx;
    if tx.kind_id() == 3 && !rules.blob_transactions {
        return Err(SkipReason::TypeNotSupported);
    }
    if tx.chain_id().is_none() && !rules.unprotected_transactions {
        return Err(SkipReason::Unprotected);
    }
    let mut env = TxEnv {
        // To the engine our own type is a dynamic fee transaction; [`transact_own`] runs it.
        tx_type: if tx.own().is_some() { DYNAMIC_FEE_TYPE } else { tx.kind_id() },
        caller: recovered.sender,
        gas_limit: tx.gas_limit(),
        kind: tx.kind(),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: if tx.own().is_some() { 0 } else { tx.nonce() },
        chain_id: tx.chain_id(),
        access_list: tx.access_list().cloned().unwrap_or_default(),
        authorization_list: tx.authorizations().iter().map(|signed| authorization(rules, signed)).collect(),
        ..TxEnv::default()
    };
    set_prices(rules, tx, &mut env);
    Ok(env)
}

fn set_prices(rules: &ChainRules, tx: &Transaction, env: &mut TxEnv) {
    use alloy_consensus::Transaction as _;
    let has_tip = tx.kind_id() >= 2;
    if rules.has_fees() {
        env.gas_price = tx.max_fee_per_gas();
        env.gas_priority_fee = has_tip.then(|| tx.max_priority_fee_per_gas());
    } else {
        env.gas_price = 0;
        env.gas_priority_fee = has_tip.then_some(0);
    }
    if tx.kind_id() == 3
        && let Some(blobs) = tx.ethereum()
    {
        env.blob_hashes = blobs.blob_versioned_hashes().unwrap_or_default().to_vec();
        env.max_fee_per_blob_gas = blobs.max_fee_per_blob_gas().unwrap_or_default();
    }
}

/// An authorisation for any chain counts in the list and its gas, and has no effect, unless the
/// rules allow it.
pub(crate) fn authorization(rules: &ChainRules, signed: &SignedAuthorization) -> EvmAuthorization {
    if signed.inner().chain_id.is_zero() && !rules.any_chain_authorizations {
        let ineffective =
            RecoveredAuthorization::new_unchecked(signed.inner().clone(), RecoveredAuthority::Invalid);
        return Either::Right(ineffective);
    }
    Either::Left(signed.clone())
}

type Failed = EVMError<StateFault, InvalidTransaction>;

/// Executes `env` with its nonce left out; otherwise as `ExecuteEvm::transact`.
///
/// # Errors
/// As `ExecuteEvm::transact`, without those about nonces.
pub(crate) fn transact_own<DB: Database<Error = StateFault>>(
    evm: &mut Machine<DB>,
    env: TxEnv,
) -> Result<ExecResultAndState<ExecutionResult<HaltReason>, EvmState>, Failed> {
    evm.ctx.set_tx(env);
    let outcome = OwnHandler(PhantomData).run(evm);
    // This clears the journal, also after an error.
    let state = evm.finalize();
    Ok(ExecResultAndState::new(outcome?, state))
}

/// Ethereum's handler but for one step.
struct OwnHandler<DB>(PhantomData<DB>);

impl<DB: Database<Error = StateFault>> Handler for OwnHandler<DB> {
    type Evm = Machine<DB>;
    type Error = Failed;
    type HaltReason = HaltReason;

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut Self::Evm,
        _: &mut InitialAndFloorGas,
    ) -> Result<(), Failed> {
        let caller = evm.ctx.tx.caller;
        let nonce = evm.ctx.journal_mut().load_account(caller)?.data.info.nonce;
        // The check compares a number with itself; what it raises is put back before the first instruction.
        evm.ctx.tx.nonce = nonce;
        pre_execution::validate_against_state_and_deduct_caller::<_, Failed>(evm.ctx())?;
        evm.ctx.journal_mut().load_account_mut(caller)?.data.set_nonce(nonce);
        Ok(())
    }
}
