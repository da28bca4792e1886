//! Senders: each signature is checked once per node, batches in parallel.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes};
use hansa_crypto::{B256, CryptoError, SenderCache, recover, workers};

use crate::transaction::decode_owned;
use crate::{Recovered, Transaction, TxError, TxLimits};

/// The account that signed `tx`, from the cache or by recovery (about 35 µs).
///
/// # Errors
/// [`TxError::Signature`].
pub fn recover_sender(tx: &Transaction, cache: &SenderCache) -> Result<Address, TxError> {
    if let Some(sender) = cache.get(&tx.hash) {
        return Ok(sender);
    }
    let sender = tx.suite().recover(&tx.signing_hash(), &tx.signature())?;
    cache.insert(tx.hash, sender);
    Ok(sender)
}

/// Recovers the senders of a batch over the worker pool; answers stand in the order of the batch.
pub fn recover_batch(batch: Vec<Arc<Transaction>>, cache: &SenderCache) -> Vec<Result<Recovered, TxError>> {
    workers::map(batch, |tx| {
        let sender = recover_sender(&tx, cache)?;
        Ok(Recovered { tx, sender })
    })
}

/// Decodes and recovers a batch over the worker pool; answers stand in the order of the batch.
pub fn decode_batch(
    batch: Vec<Bytes>,
    limits: &TxLimits,
    cache: &SenderCache,
) -> Vec<Result<Recovered, TxError>> {
    workers::map(batch, |raw| {
        let tx = Arc::new(decode_owned(raw, limits)?);
        let sender = recover_sender(&tx, cache)?;
        Ok(Recovered { tx, sender })
    })
}

/// The accounts whose code a transaction's EIP-7702 authorisations would set, in list order. An
/// entry is an error where the authorisation's signature gives no account; such an authorisation
/// has no effect when executed.
pub fn authorities(tx: &Transaction) -> Vec<Result<Address, CryptoError>> {
    tx.authorizations()
        .iter()
        .map(|signed| {
            let mut compact = [0u8; 65];
            compact[..32].copy_from_slice(&signed.r().to_be_bytes::<32>());
            compact[32..64].copy_from_slice(&signed.s().to_be_bytes::<32>());
            compact[64] = signed.y_parity();
            let digest: B256 = signed.inner().signature_hash();
            recover(&digest, &compact)
        })
        .collect()
}
