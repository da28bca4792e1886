//! Senders: each signature is checked once per node, batches in parallel.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes};
use hansa_crypto::batch::BATCH_STEP;
use hansa_crypto::{B256, CryptoError, HashLanes, SenderCache, Suite, keccak256_many_into, recover, workers};

use crate::transaction::decode_hashed;
use crate::{Recovered, Transaction, TxError, TxLimits};

/// The account that signed `tx`, from the cache or by recovery (about 35 µs).
///
/// # Errors
/// [`TxError::Signature`].
pub fn recover_sender(tx: &Transaction, cache: &SenderCache) -> Result<Address, TxError> {
    if let Some(sender) = cache.get(&tx.hash) {
        return Ok(sender);
    }
    let sender = recover_once(tx)?;
    cache.insert(tx.hash, sender);
    Ok(sender)
}

/// As [`recover_sender`], for who asks for one transaction and remembers nothing.
///
/// # Errors
/// [`TxError::Signature`].
pub fn recover_once(tx: &Transaction) -> Result<Address, TxError> {
    Ok(tx.suite().recover(&tx.signing_hash(), &tx.signature())?)
}

/// The senders of a batch, answers in its order: from the cache or recovered, many signatures at once
/// (`hansa_crypto::batch`) and over the worker pool. Each answer is that of [`recover_sender`].
///
/// # Errors
/// [`TxError::Signature`] for each transaction on its own.
pub fn recover_senders(
    batch: &[impl AsRef<Transaction> + Sync],
    cache: &SenderCache,
) -> Vec<Result<Address, TxError>> {
    workers::map_chunks(batch, BATCH_STEP, |chunk| recover_chunk(chunk, cache))
}

fn recover_chunk(batch: &[impl AsRef<Transaction>], cache: &SenderCache) -> Vec<Result<Address, TxError>> {
    let known: Vec<Option<Address>> = batch.iter().map(|tx| cache.get(&tx.as_ref().hash)).collect();
    let unknown = || batch.iter().map(AsRef::as_ref).zip(&known).filter(|(_, known)| known.is_none());
    let digests = signing_hashes(unknown().map(|(tx, _)| tx));
    let signed: Vec<_> = digests.into_iter().zip(unknown().map(|(tx, _)| tx.signature())).collect();
    // Every transaction belongs to the one suite there is; another suite gets its own batch.
    let answers = Suite::Standard.recover_batch(&signed);
    for ((tx, _), sender) in unknown().zip(&answers) {
        if let Ok(sender) = sender {
            cache.insert(tx.hash, *sender);
        }
    }
    let mut answers = answers.into_iter();
    let mut fresh = || answers.next().unwrap_or(Err(CryptoError::InvalidSignature)).map_err(TxError::from);
    known.into_iter().map(|known| known.map_or_else(&mut fresh, Ok)).collect()
}

/// The digests that the senders signed, in the order of the transactions, hashed in lanes.
fn signing_hashes<'a>(batch: impl Iterator<Item = &'a Transaction>) -> Vec<B256> {
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    for tx in batch {
        tx.encode_for_signing(&mut bytes);
        ends.push(bytes.len());
    }
    let mut digests = vec![B256::ZERO; ends.len() - 1];
    let message = |index: usize| &bytes[ends[index]..ends[index + 1]];
    HashLanes::best().hash(ends.len() - 1, message, |index, digest| digests[index] = digest);
    digests
}

/// Recovers the senders of a batch over the worker pool; answers stand in the order of the batch.
pub fn recover_batch(batch: Vec<Arc<Transaction>>, cache: &SenderCache) -> Vec<Result<Recovered, TxError>> {
    let senders = recover_senders(&batch, cache);
    batch.into_iter().zip(senders).map(|(tx, sender)| Ok(Recovered { tx, sender: sender? })).collect()
}

/// Hashes a batch in lanes and decodes it over the worker pool; answers stand in the order of the batch.
pub fn decode_many(batch: Vec<Bytes>, limits: &TxLimits) -> Vec<Result<Arc<Transaction>, TxError>> {
    let mut hashes = vec![B256::ZERO; batch.len()];
    keccak256_many_into(&batch, &mut hashes);
    let hashed = batch.into_iter().zip(hashes).collect();
    workers::map(hashed, |(raw, hash)| decode_hashed(raw, hash, limits).map(Arc::new))
}

/// Decodes and recovers a batch over the worker pool; answers stand in the order of the batch.
pub fn decode_batch(
    batch: Vec<Bytes>,
    limits: &TxLimits,
    cache: &SenderCache,
) -> Vec<Result<Recovered, TxError>> {
    recover_decoded(decode_many(batch, limits), cache)
}

/// Recovers the senders of what could be decoded; everything else keeps its place and its error.
pub fn recover_decoded<E: From<TxError>>(
    decoded: Vec<Result<Arc<Transaction>, E>>,
    cache: &SenderCache,
) -> Vec<Result<Recovered, E>> {
    let good = decoded.iter().flatten().cloned().collect();
    let mut recovered = recover_batch(good, cache).into_iter();
    let mut with_sender = |tx: Arc<Transaction>| match recovered.next() {
        Some(answer) => answer.map_err(E::from),
        None => recover_sender(&tx, cache).map(|sender| Recovered { tx, sender }).map_err(E::from),
    };
    decoded.into_iter().map(|tx| tx.and_then(&mut with_sender)).collect()
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
