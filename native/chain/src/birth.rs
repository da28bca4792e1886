//! What genesis says, in the terms of the executor and the pool.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_primitives::Address;
use hansa_codec::TxLimits;
use hansa_evm::{ChainRules, Fees, GenesisAccount, GenesisSettings, Spec, build_genesis};
use hansa_pool::{FeeMode, PoolRules};
use hansa_state::WorldState;

use crate::{ChainError, Genesis};

/// Creation code that one transaction may carry (EIP-3860).
const INIT_CODE_MAX: usize = 49_152;

/// Header and state of block 0.
///
/// # Errors
/// `Genesis` when an account is malformed.
pub fn build(genesis: &Genesis) -> Result<(Header, WorldState), ChainError> {
    let alloc = genesis.alloc()?.into_iter().map(|(address, account)| {
        let (balance, nonce) = (account.balance, account.nonce);
        (address, GenesisAccount { balance, nonce, code: account.code, storage: account.storage })
    });
    let alloc: BTreeMap<Address, GenesisAccount> = alloc.collect();
    let holdings = genesis.ranges.iter().flat_map(|range| &range.holdings);
    if let Some(holding) = holdings.into_iter().find(|holding| !is_contract(&alloc, &holding.contract)) {
        return Err(ChainError::Genesis(format!(
            "alloc_ranges: alloc lists no contract {}",
            holding.contract
        )));
    }
    let settings = GenesisSettings {
        timestamp: genesis.timestamp_ms / 1_000,
        gas_limit: genesis.gas_limit,
        extra_data: genesis.alliance_hash,
        alloc,
        ranges: genesis.ranges.clone(),
    };
    let built = build_genesis(&chain_rules(genesis), &settings);
    Ok((built.header, built.state))
}

/// The rules of execution. A genesis that was parsed names known ones only.
pub fn chain_rules(genesis: &Genesis) -> ChainRules {
    ChainRules {
        suite: genesis.suite,
        evm: Spec::from_name(&genesis.rules.evm).unwrap_or(Spec::Osaka),
        fees: Fees::from_name(&genesis.rules.fees).unwrap_or(Fees::None),
        // Contracts are impersonated on single development nodes only.
        code_senders: genesis.dev && genesis.consensus.kind == "solo",
        ..ChainRules::alliance(genesis.chain_id)
    }
}

/// The rules of admission for the block after `parent`.
pub fn pool_rules(genesis: &Genesis, rules: &ChainRules, parent: &Header) -> PoolRules {
    PoolRules {
        chain_id: genesis.chain_id,
        fees: if rules.has_fees() { FeeMode::Ethereum } else { FeeMode::None },
        gas: rules.gas_rules(),
        block_gas_limit: parent.gas_limit,
        tx_gas_cap: rules.tx_gas_cap,
        init_code_max: INIT_CODE_MAX,
        base_fee: rules.next_base_fee(parent),
        tx_limits: TxLimits::STANDARD,
    }
}

/// Whether an account may hold storage: it has code, or a nonce as the creator of others.
fn is_contract(alloc: &BTreeMap<Address, GenesisAccount>, address: &Address) -> bool {
    alloc.get(address).is_some_and(|account| account.nonce != 0 || !account.code.is_empty())
}
