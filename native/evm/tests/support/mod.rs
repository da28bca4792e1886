//! Blocks, transactions and contracts for the executor's tests.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, bytes};
use hansa_codec::{Recovered, Transaction};
use hansa_crypto::{address_of, public_key, sign_recoverable};
use hansa_evm::{
    BlockContext, BlockOutcome, ChainRules, Fees, GenesisAccount, GenesisSettings, build_genesis,
};
use hansa_state::WorldState;

pub const CHAIN_ID: u64 = 4_711;
pub const GWEI: u128 = 1_000_000_000;
pub const ETHER: u128 = GWEI * GWEI;

/// sstore(0, sload(0) + 1)
pub const COUNTER: Bytes = bytes!("5f546001015f5500");
/// sstore(calldata[0], calldata[1])
pub const STORE: Bytes = bytes!("6020355f355500");
/// revert(calldata)
pub const REVERT: Bytes = bytes!("365f5f37365ffd");
/// log1(topic 42)
pub const LOG: Bytes = bytes!("602a5f5fa100");
/// sstore(0, gasprice); sstore(1, basefee + 1); sstore(2, prevrandao)
pub const READ_ENV: Bytes = bytes!("3a5f55486001016001554460025500");
/// return(blockhash(calldata[0]))
pub const BLOCK_HASH: Bytes = bytes!("5f35405f5260205ff3");
/// return(balance(calldata[0]))
pub const BALANCE: Bytes = bytes!("5f35315f5260205ff3");
/// return(sload(calldata[0]))
pub const LOAD: Bytes = bytes!("5f35545f5260205ff3");
/// An endless loop.
pub const LOOP: Bytes = bytes!("5b5f56");
/// The deterministic CREATE2 deployer: calldata = salt ‖ creation code.
pub const FACTORY: Bytes = bytes!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

pub fn account(n: u8) -> Address {
    Address::repeat_byte(n)
}

pub fn rules() -> ChainRules {
    ChainRules::alliance(CHAIN_ID)
}

pub fn fee_rules() -> ChainRules {
    ChainRules { fees: Fees::Ethereum, ..rules() }
}

pub fn contract(code: &Bytes) -> GenesisAccount {
    GenesisAccount { nonce: 1, code: code.clone(), ..GenesisAccount::default() }
}

pub fn funded(wei: u128) -> GenesisAccount {
    GenesisAccount { balance: U256::from(wei), ..GenesisAccount::default() }
}

pub fn state(alloc: impl IntoIterator<Item = (Address, GenesisAccount)>) -> WorldState {
    let alloc: BTreeMap<_, _> = alloc.into_iter().collect();
    let settings = GenesisSettings {
        timestamp: 0,
        gas_limit: 30_000_000,
        extra_data: B256::ZERO,
        alloc,
        ranges: Vec::new(),
    };
    build_genesis(&rules(), &settings).state
}

pub fn block(number: u64) -> BlockContext {
    BlockContext {
        number,
        parent_hash: B256::repeat_byte(0xaa),
        timestamp: 1_700_000_000 + number,
        beneficiary: account(0xbe),
        gas_limit: 1_000_000_000,
        base_fee: 0,
        prevrandao: B256::repeat_byte(0x77),
        extra_data: B256::repeat_byte(0xed).0.into(),
        excess_blob_gas: 0,
        hashes: Arc::new(|number: u64| Some(B256::from(U256::from(number + 1_000)))),
        void: Vec::new(),
    }
}

/// A call by an account whose signature nobody looks at.
#[derive(Clone)]
pub struct Call {
    pub from: Address,
    pub nonce: u64,
    pub to: TxKind,
    pub value: u128,
    pub input: Bytes,
    pub gas: u64,
    pub price: u128,
    pub tip: Option<u128>,
    pub chain_id: Option<u64>,
}

impl Call {
    pub fn new(from: Address, nonce: u64, to: Address) -> Self {
        Self {
            from,
            nonce,
            to: TxKind::Call(to),
            value: 0,
            input: Bytes::new(),
            gas: 200_000,
            price: 0,
            tip: None,
            chain_id: Some(CHAIN_ID),
        }
    }

    pub fn value(self, value: u128) -> Self {
        Self { value, ..self }
    }

    pub fn input(self, input: impl Into<Bytes>) -> Self {
        Self { input: input.into(), ..self }
    }

    pub fn gas(self, gas: u64) -> Self {
        Self { gas, ..self }
    }

    pub fn price(self, price: u128) -> Self {
        Self { price, ..self }
    }

    /// An EIP-1559 transaction, `price` being its fee cap.
    pub fn tip(self, tip: u128) -> Self {
        Self { tip: Some(tip), ..self }
    }

    pub fn create(self) -> Self {
        Self { to: TxKind::Create, ..self }
    }

    pub fn build(self) -> Recovered {
        // Distinct per sender and nonce, so that hashes are.
        let signature =
            Signature::new(U256::from_be_slice(self.from.as_slice()), U256::from(self.nonce + 1), false);
        let (nonce, input, value, to) = (self.nonce, self.input, U256::from(self.value), self.to);
        let envelope: TxEnvelope = match self.tip {
            Some(tip) => TxEip1559 {
                chain_id: self.chain_id.unwrap_or_default(),
                nonce,
                gas_limit: self.gas,
                max_fee_per_gas: self.price,
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list: Default::default(),
                input,
            }
            .into_signed(signature)
            .into(),
            None => TxLegacy {
                chain_id: self.chain_id,
                nonce,
                gas_price: self.price,
                gas_limit: self.gas,
                to,
                value,
                input,
            }
            .into_signed(signature)
            .into(),
        };
        Recovered { tx: Arc::new(Transaction::from_envelope(envelope)), sender: self.from }
    }
}

/// A delegation of the account behind `secret`, signed for a chain.
pub fn delegation(
    secret: &[u8; 32],
    chain_id: u64,
    to: Address,
    nonce: u64,
) -> (Address, SignedAuthorization) {
    let authorization = Authorization { chain_id: U256::from(chain_id), address: to, nonce };
    let signature = sign_recoverable(secret, &authorization.signature_hash()).unwrap();
    let parsed = Signature::from_bytes_and_parity(&signature[..64], signature[64] == 1);
    (address_of(&public_key(secret).unwrap()).unwrap(), authorization.into_signed(parsed))
}

pub fn delegating(from: Address, nonce: u64, authorizations: Vec<SignedAuthorization>) -> Recovered {
    let tx = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 0,
        max_priority_fee_per_gas: 0,
        to: from,
        value: U256::ZERO,
        access_list: Default::default(),
        authorization_list: authorizations,
        input: Bytes::new(),
    };
    let envelope: TxEnvelope = tx.into_signed(Signature::new(U256::from(1), U256::from(1), false)).into();
    Recovered { tx: Arc::new(Transaction::from_envelope(envelope)), sender: from }
}

/// What a block says it replaced is what the state before it held.
pub fn assert_replaced(before: &WorldState, outcome: &BlockOutcome) {
    if let Some(replaced) = &outcome.replaced {
        assert_eq!(before.replaced_by(&outcome.diff).as_ref(), Some(&**replaced));
    }
}

/// Two outcomes agree in everything that leaves the executor.
pub fn assert_same(one: &BlockOutcome, other: &BlockOutcome) {
    assert_eq!(one.skipped, other.skipped);
    assert_eq!(one.included, other.included);
    assert_eq!(one.receipts, other.receipts);
    assert_eq!(one.diff, other.diff);
    assert_eq!(one.header, other.header);
    assert_eq!((one.hash, one.gas_used), (other.hash, other.gas_used));
    assert_eq!(one.state.root(), other.state.root());
}

/// Call data of 32-byte words.
pub fn words<const N: usize>(words: [u64; N]) -> Bytes {
    words.iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect::<Vec<u8>>().into()
}
