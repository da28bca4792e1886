//! Accounts, blocks and transactions of the measuring examples.

use std::sync::Arc;

use alloy_consensus::{SignableTransaction, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use hansa_codec::{Recovered, Transaction};
use hansa_crypto::keccak256;
use hansa_evm::BlockContext;

pub const CHAIN_ID: u64 = 4_711;

/// Enough for a transfer, and for a call that sets two slots.
const GAS: [u64; 2] = [21_000, 200_000];

pub fn address(index: u64) -> Address {
    Address::from_slice(&keccak256(index.to_be_bytes())[..20])
}

pub fn context(number: u64) -> BlockContext {
    BlockContext {
        number,
        parent_hash: B256::ZERO,
        timestamp: number,
        beneficiary: Address::repeat_byte(0xbe),
        gas_limit: 1_000_000_000,
        base_fee: 0,
        prevrandao: B256::ZERO,
        extra_data: Bytes::new(),
        excess_blob_gas: 0,
        hashes: Arc::new(|_| None),
        void: Vec::new(),
    }
}

/// The next of a series of numbers that look random.
pub fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// A transaction whose signature nobody looks at.
pub fn call(from: u64, nonce: u64, to: Address, value: U256, input: Bytes) -> Recovered {
    let tx = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 1_000_000_000,
        gas_limit: GAS[usize::from(!input.is_empty())],
        to: TxKind::Call(to),
        value,
        input,
    };
    let signature = Signature::new(U256::from(from + 1), U256::from(nonce + 1), false);
    let tx = Transaction::from_envelope(tx.into_signed(signature).into());
    Recovered { tx: Arc::new(tx), sender: address(from) }
}
