//! What development nodes build and sign for their unlocked accounts.

use alloy_consensus::{SignableTransaction, TypedTransaction};
use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use hansa_codec::{Transaction, sign_transaction};

use crate::error::RpcError;
use crate::rpc::Rpc;

/// The EIP-712 digest of a typed-data document.
///
/// # Errors
/// Invalid parameters.
pub fn typed_data_digest(json: &[u8]) -> Result<B256, RpcError> {
    let data: TypedData = serde_json::from_slice(json)
        .map_err(|error| RpcError::invalid_params(format!("invalid argument 1 (TypedData): {error}")))?;
    data.eip712_signing_hash().map_err(|error| RpcError::invalid_params(error.to_string()))
}

/// Builds a transaction from a complete request (nonce, gas, fees, chain id). Without a secret the signature only
/// tells senders apart, as the chain's development calls take it.
///
/// # Errors
/// Invalid parameters.
pub fn build_transaction(json: &[u8], secret: Option<&[u8; 32]>) -> Result<Bytes, RpcError> {
    let mut request: TransactionRequest = serde_json::from_slice(json)
        .map_err(|error| RpcError::invalid_params(format!("invalid argument 0 (Transaction): {error}")))?;
    request.to.get_or_insert(TxKind::Create);
    let sender = request.from.unwrap_or_default();
    let unsigned = request.build_typed_tx().map_err(|_| {
        RpcError::invalid_params("the transaction lacks what its type needs, or is a blob one")
    })?;
    let signed = match secret {
        Some(secret) => {
            sign_transaction(unsigned, secret).map_err(|error| RpcError::internal(error.to_string()))?
        }
        None => marked(unsigned, sender),
    };
    Ok(signed.raw)
}

/// Signed by nobody: the sender's address stands where r would.
fn marked(unsigned: TypedTransaction, sender: Address) -> Transaction {
    let signature = Signature::new(U256::from_be_bytes(sender.into_word().0), U256::from(1), false);
    Transaction::from_envelope(unsigned.into_signed(signature).into())
}

impl Rpc {
    /// Admits one transaction.
    ///
    /// # Errors
    /// The pool's refusal.
    pub fn submit_one(&self, raw: Bytes) -> Result<B256, RpcError> {
        let answer = self.chain.submit(vec![raw]).pop();
        answer.unwrap_or(Err(hansa_pool::PoolError::AlreadyKnown)).map_err(crate::pool::refusal)
    }
}
