//! The facts of a protocol version, in one frozen value.

use alloy_consensus::Header;
use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};
use hansa_codec::intrinsic::GasRules;
use hansa_crypto::Suite;
use revm::primitives::hardfork::SpecId;

/// EIP-7825: the most gas that one transaction may ask for.
pub const TX_GAS_CAP: u64 = 1 << 24;

/// The base fee in block 0 of a chain with Ethereum fees: 1 gwei, as on London's first block.
pub const INITIAL_BASE_FEE: u64 = 1_000_000_000;

/// Which of Ethereum's forks the EVM follows. Forks that the library has not finished have no name
/// here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spec {
    /// March 2024; for tests.
    Cancun,
    /// May 2025; for tests.
    Prague,
    /// December 2025; what chains run.
    Osaka,
}

impl Spec {
    /// The name as in genesis files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancun => "cancun",
            Self::Prague => "prague",
            Self::Osaka => "osaka",
        }
    }

    /// The fork of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cancun, Self::Prague, Self::Osaka].into_iter().find(|spec| spec.name() == name)
    }

    pub(crate) fn id(self) -> SpecId {
        match self {
            Self::Cancun => SpecId::CANCUN,
            Self::Prague => SpecId::PRAGUE,
            Self::Osaka => SpecId::OSAKA,
        }
    }
}

/// Whether gas costs anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fees {
    /// Alliances: the executor sees gas price and tip 0 whatever a client signed, the base fee is 0,
    /// and only the value moved is checked against the balance.
    None,
    /// EIP-1559: base fee burned, tip to the beneficiary.
    Ethereum,
}

impl Fees {
    /// The name as in genesis files.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ethereum => "ethereum",
        }
    }

    /// The fees of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Ethereum].into_iter().find(|fees| fees.name() == name)
    }
}

/// Everything that execution may ask about the chain. Frozen per protocol version; code asks for a
/// fact, never for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainRules {
    /// CHAINID, and what transactions must be signed for.
    pub chain_id: u64,
    /// Hash and signature suite of the chain.
    pub suite: Suite,
    /// The EVM.
    pub evm: Spec,
    /// What gas costs.
    pub fees: Fees,
    /// The most gas one transaction may ask for (EIP-7825); none lifts the cap.
    pub tx_gas_cap: Option<u64>,
    /// Whether EIP-7702 authorisations for chain id 0 ("any chain") take effect.
    pub any_chain_authorizations: bool,
    /// Whether legacy transactions without a chain id are executed.
    pub unprotected_transactions: bool,
    /// Whether EIP-4844 transactions are executed.
    pub blob_transactions: bool,
    /// Whether accounts that carry code may send (development: impersonated contracts). Delegated
    /// accounts (EIP-7702) always may.
    pub code_senders: bool,
}

impl ChainRules {
    /// What an alliance runs: Osaka, no fees.
    pub fn alliance(chain_id: u64) -> Self {
        Self {
            chain_id,
            suite: Suite::Standard,
            evm: Spec::Osaka,
            fees: Fees::None,
            tx_gas_cap: Some(TX_GAS_CAP),
            any_chain_authorizations: false,
            unprotected_transactions: false,
            blob_transactions: false,
            code_senders: false,
        }
    }

    /// What Ethereum's test vectors assume, as of a fork.
    pub fn ethereum(chain_id: u64, evm: Spec) -> Self {
        Self {
            evm,
            fees: Fees::Ethereum,
            tx_gas_cap: (evm >= Spec::Osaka).then_some(TX_GAS_CAP),
            any_chain_authorizations: true,
            unprotected_transactions: true,
            blob_transactions: true,
            ..Self::alliance(chain_id)
        }
    }

    /// Whether gas costs something.
    pub fn has_fees(&self) -> bool {
        self.fees == Fees::Ethereum
    }

    /// Whether block hashes are kept in the state (EIP-2935).
    pub fn keeps_block_hashes(&self) -> bool {
        self.evm >= Spec::Prague
    }

    /// Whether headers carry a hash of execution requests (EIP-7685).
    pub fn has_requests_hash(&self) -> bool {
        self.evm >= Spec::Prague
    }

    /// The base fee of the block after `parent`, wei per gas (EIP-1559; 0 without fees).
    pub fn next_base_fee(&self, parent: &Header) -> u64 {
        match self.fees {
            Fees::None => 0,
            Fees::Ethereum => calc_next_block_base_fee(
                parent.gas_used,
                parent.gas_limit,
                parent.base_fee_per_gas.unwrap_or(INITIAL_BASE_FEE),
                BaseFeeParams::ethereum(),
            ),
        }
    }

    /// The base fee in the header of block 0.
    pub fn initial_base_fee(&self) -> u64 {
        if self.has_fees() { INITIAL_BASE_FEE } else { 0 }
    }

    /// What the least gas of a transaction is computed by, for admission.
    pub fn gas_rules(&self) -> GasRules {
        if self.evm >= Spec::Prague { GasRules::PRAGUE } else { GasRules::CANCUN }
    }
}
