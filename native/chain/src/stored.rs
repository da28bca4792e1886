//! Sealed blocks read back from the log.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use hansa_codec::transaction::decode_owned;
use hansa_codec::{BodyRecord, Recovered, Transaction, TxLimits};
use hansa_crypto::SenderCache;
use hansa_evm::block::block_facts;
use hansa_log::Log;

use crate::ChainError;
use crate::chain::recover_all;
use crate::index::BlockEntry;
use crate::membership::set_hash;
use crate::records::ResultRecord;
use crate::sealed::SealedBlock;
use crate::skips;

/// A body with its transactions decoded and their senders recovered.
///
/// # Errors
/// `Wire`, `Transaction`.
pub fn decode_body(
    bytes: Vec<u8>,
    senders: &SenderCache,
) -> Result<(BodyRecord, Vec<Recovered>), ChainError> {
    let record = BodyRecord::decode(&Bytes::from(bytes))?;
    let decoded = record.raws.iter().map(|raw| decode_owned(raw.clone(), &TxLimits::STANDARD).map(Arc::new));
    let transactions = decoded.collect::<Result<Vec<Arc<Transaction>>, _>>()?;
    Ok((record, recover_all(transactions, senders)?))
}

/// Reads a sealed block.
///
/// # Errors
/// `Log`, `Corrupt`, `Wire`, `Transaction`.
pub fn read_block(log: &Log, entry: &BlockEntry, senders: &SenderCache) -> Result<SealedBlock, ChainError> {
    let (Some(body), Some(result)) = (entry.body, entry.result) else {
        return Err(ChainError::corrupt(0, "genesis has no body"));
    };
    let result = ResultRecord::decode(&log.read(result)?)?;
    let (body, transactions) = decode_body(log.read(body)?, senders)?;
    assemble(entry.hash, entry.order_hash, result, &body, transactions)
}

/// Which of `count` transactions are not skipped.
pub fn included(count: usize, result: &ResultRecord) -> Vec<usize> {
    let mut skipped = result.skipped.iter().map(|skip| skip.index as usize).peekable();
    (0..count).filter(|at| skipped.next_if_eq(at).is_none()).collect()
}

fn assemble(
    hash: B256,
    order_hash: B256,
    result: ResultRecord,
    body: &BodyRecord,
    transactions: Vec<Recovered>,
) -> Result<SealedBlock, ChainError> {
    let height = result.header.number;
    let corrupt = |what: &str| ChainError::corrupt(height, what);
    let kept = included(transactions.len(), &result);
    if kept.len() != result.receipts.len() {
        return Err(corrupt("the result record does not fit its body"));
    }
    let mut skipped = Vec::with_capacity(result.skipped.len());
    for skip in &result.skipped {
        let tx =
            transactions.get(skip.index as usize).ok_or_else(|| corrupt("a skip names no transaction"))?;
        let reason = skips::code_of(skip.reason).ok_or_else(|| corrupt("a skip has no known reason"))?;
        skipped.push((tx.tx.hash, reason));
    }
    let facts = block_facts(&body.order, order_hash, set_hash(&result.next_set));
    Ok(SealedBlock {
        hash,
        header: result.header,
        transactions: kept.into_iter().map(|at| transactions[at].clone()).collect(),
        receipts: result.receipts,
        skipped,
        facts,
        certificate: result.certificate,
    })
}
