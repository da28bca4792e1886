//! Our own transaction, EIP-2718 type 0x48 (rules.md 2.7): a number drawn at random in place of a sequence, so
//! that one account sends thousands that do not wait for one another, and a height and a time after which it is void.
//!
//! Raw form: 0x48 ‖ rlp([chain_id, suite, nonce, block_limit, expires_at, max_priority_fee_per_gas,
//! max_fee_per_gas, gas_limit, to, value, input, access_list, y_parity, r, s]); what is signed is keccak-256 of the
//! same without the last three.

use alloy_consensus::Typed2718;
use alloy_consensus::transaction::{RlpEcdsaDecodableTx, RlpEcdsaEncodableTx};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_rlp::{BufMut, Decodable, Encodable};
use hansa_crypto::{Suite, keccak256};

/// The EIP-2718 type of our own transaction: 'H'.
pub const OWN_TRANSACTION_TYPE: u8 = 0x48;

/// Blocks that a transaction may stay valid for: in block h it has a block limit from h to h + 1,023. A replay at h
/// can therefore only be of a transaction in one of the 1,023 blocks before it.
pub const BLOCK_LIMIT_HORIZON: u64 = 1_024;

/// What a replay is known by: a sender uses each number once within the horizon of block limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplayKey {
    /// The account that signed.
    pub sender: Address,
    /// The number it drew.
    pub nonce: u64,
}

/// The fields of a transaction of our own type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTransaction {
    /// The chain it is signed for.
    pub chain_id: u64,
    /// Hash and signature suite of the sender.
    pub suite: Suite,
    /// Any number that the sender has not used lately; the account's own nonce is not concerned.
    pub nonce: u64,
    /// The last block that may hold it.
    pub block_limit: u64,
    /// The last second (since 1970) whose blocks may hold it.
    pub expires_at: u64,
    /// Most wei per gas above the base fee.
    pub max_priority_fee_per_gas: u128,
    /// Most wei per gas.
    pub max_fee_per_gas: u128,
    /// Most gas.
    pub gas_limit: u64,
    /// The account called; contracts are created by Ethereum's types.
    pub to: Address,
    /// Wei moved to it.
    pub value: U256,
    /// Call data.
    pub input: Bytes,
    /// Accounts and slots announced beforehand.
    pub access_list: AccessList,
}

impl OwnTransaction {
    /// The digest that the sender signs.
    pub fn signing_hash(&self) -> B256 {
        let mut bytes = Vec::with_capacity(1 + self.rlp_encoded_length());
        self.encode_for_signing(&mut bytes);
        keccak256(&bytes)
    }

    /// Appends the bytes that [`Self::signing_hash`] is the hash of.
    pub(crate) fn encode_for_signing(&self, out: &mut Vec<u8>) {
        out.push(OWN_TRANSACTION_TYPE);
        self.rlp_encode(out);
    }
}

impl Typed2718 for OwnTransaction {
    fn ty(&self) -> u8 {
        OWN_TRANSACTION_TYPE
    }
}

impl RlpEcdsaEncodableTx for OwnTransaction {
    fn rlp_encoded_fields_length(&self) -> usize {
        self.chain_id.length()
            + self.suite.id().length()
            + self.nonce.length()
            + self.block_limit.length()
            + self.expires_at.length()
            + self.max_priority_fee_per_gas.length()
            + self.max_fee_per_gas.length()
            + self.gas_limit.length()
            + self.to.length()
            + self.value.length()
            + self.input.length()
            + self.access_list.length()
    }

    fn rlp_encode_fields(&self, out: &mut dyn BufMut) {
        self.chain_id.encode(out);
        self.suite.id().encode(out);
        self.nonce.encode(out);
        self.block_limit.encode(out);
        self.expires_at.encode(out);
        self.max_priority_fee_per_gas.encode(out);
        self.max_fee_per_gas.encode(out);
        self.gas_limit.encode(out);
        self.to.encode(out);
        self.value.encode(out);
        self.input.encode(out);
        self.access_list.encode(out);
    }
}

impl RlpEcdsaDecodableTx for OwnTransaction {
    const DEFAULT_TX_TYPE: u8 = OWN_TRANSACTION_TYPE;

    fn rlp_decode_fields(bytes: &mut &[u8]) -> alloy_rlp::Result<Self> {
        Ok(Self {
            chain_id: Decodable::decode(bytes)?,
            suite: Suite::from_id(Decodable::decode(bytes)?)
                .map_err(|_| alloy_rlp::Error::Custom("the transaction names an unknown signature suite"))?,
            nonce: Decodable::decode(bytes)?,
            block_limit: Decodable::decode(bytes)?,
            expires_at: Decodable::decode(bytes)?,
            max_priority_fee_per_gas: Decodable::decode(bytes)?,
            max_fee_per_gas: Decodable::decode(bytes)?,
            gas_limit: Decodable::decode(bytes)?,
            to: match Decodable::decode(bytes)? {
                TxKind::Call(to) => to,
                TxKind::Create => {
                    return Err(alloy_rlp::Error::Custom("a transaction of type 0x48 creates no contract"));
                }
            },
            value: Decodable::decode(bytes)?,
            input: Decodable::decode(bytes)?,
            access_list: Decodable::decode(bytes)?,
        })
    }
}
