//! What an account is.

use alloy_primitives::{B256, KECCAK256_EMPTY, U256};
use alloy_rlp::Encodable;
use alloy_trie::EMPTY_ROOT_HASH;

use crate::diff::{Reader, push_number};
use crate::trie::LeafValue;
use crate::trie::node::Leaf;

/// An account without its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountInfo {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// keccak-256 of the code; of nothing for an account without code.
    pub code_hash: B256,
}

impl Default for AccountInfo {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl AccountInfo {
    /// Whether EIP-161 counts it as not existing.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && !self.has_code()
    }

    /// Whether it carries code (a contract, or an EIP-7702 delegation).
    pub fn has_code(&self) -> bool {
        self.code_hash != KECCAK256_EMPTY
    }
}

const CODE_FLAG: u8 = 0x01;
const ROOT_BYTES: usize = 32;

/// An account as its leaf keeps it: flags, nonce and balance as a length byte and that many bytes, the
/// code's hash where there is code, the root of the storage where there is storage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccountLeaf {
    pub(crate) info: AccountInfo,
    pub(crate) storage_root: B256,
}

impl AccountLeaf {
    pub(crate) fn of(leaf: Leaf<'_>) -> Self {
        Self::unpack(leaf.value)
    }
}

impl LeafValue for AccountLeaf {
    fn pack(&self, out: &mut Vec<u8>) {
        let stores = self.storage_root != EMPTY_ROOT_HASH;
        let code = if self.info.has_code() { CODE_FLAG } else { 0 };
        out.push(code | if stores { crate::trie::NESTED_FLAG } else { 0 });
        push_number(U256::from(self.info.nonce), out);
        push_number(self.info.balance, out);
        if self.info.has_code() {
            out.extend_from_slice(self.info.code_hash.as_slice());
        }
        if stores {
            out.extend_from_slice(self.storage_root.as_slice());
        }
    }

    fn unpack(packed: &[u8]) -> Self {
        let mut reader = Reader { bytes: packed, offset: 0 };
        // Packed bytes are our own, checked where they come from a file; the defaults are for none.
        let flags = reader.byte().unwrap_or_default();
        let nonce = reader.number().unwrap_or_default().saturating_to();
        let balance = reader.number().unwrap_or_default();
        let hash = |reader: &mut Reader<'_>| B256::new(reader.array().unwrap_or_default());
        let code_hash = if flags & CODE_FLAG == 0 { KECCAK256_EMPTY } else { hash(&mut reader) };
        let storage_root =
            if flags & crate::trie::NESTED_FLAG == 0 { EMPTY_ROOT_HASH } else { hash(&mut reader) };
        Self { info: AccountInfo { nonce, balance, code_hash }, storage_root }
    }

    /// RLP of \[nonce, balance, storage root, code hash\].
    fn encode_packed(packed: &[u8], out: &mut Vec<u8>) {
        let Self { info, storage_root } = Self::unpack(packed);
        let payload = info.nonce.length() + info.balance.length() + 2 * (1 + ROOT_BYTES);
        alloy_rlp::Header { list: true, payload_length: payload }.encode(out);
        info.nonce.encode(out);
        info.balance.encode(out);
        storage_root.encode(out);
        info.code_hash.encode(out);
    }
}

/// A slot's value as its leaf keeps it: without leading zeros. Zero is never stored.
impl LeafValue for U256 {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes::<32>()[32 - self.byte_len()..]);
    }

    fn unpack(packed: &[u8]) -> Self {
        Self::from_be_slice(packed)
    }

    /// RLP of the number.
    fn encode_packed(packed: &[u8], out: &mut Vec<u8>) {
        packed.encode(out);
    }
}
