//! The sealed header: Ethereum's form, with what does not exist here empty (rules.md 2.2).

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, Receipt, RlpEncodableReceipt};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B64, B256, Bloom, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use hansa_codec::Recovered;
use hansa_crypto::HashLanes;

use crate::ordered_root::{Strings, ordered_root};
use crate::{BlockContext, ChainRules};

/// Bytes of a receipt without logs, rounded up.
const RECEIPT_BYTES: usize = 280;

/// What the header's roots commit to.
#[derive(Debug, Clone, Copy)]
pub struct BlockBody<'a> {
    /// All transactions ordered.
    pub transactions: &'a [Recovered],
    /// Indexes of those in the block, ascending.
    pub included: &'a [usize],
    /// Their receipts.
    pub receipts: &'a [Receipt],
    /// Gas used by them.
    pub gas_used: u64,
    /// EIP-4844; 0 on a chain.
    pub blob_gas_used: u64,
}

/// What of the header follows from the body.
#[derive(Debug, Clone, Copy)]
pub struct BodyRoots {
    /// Root of the transactions.
    pub transactions: B256,
    /// Root of the receipts.
    pub receipts: B256,
    /// The blooms of all receipts together.
    pub logs_bloom: Bloom,
}

/// Computes the roots of a body.
pub fn body_roots(body: &BlockBody<'_>) -> BodyRoots {
    let blooms = blooms(body.receipts);
    let logs_bloom = blooms.iter().fold(Bloom::ZERO, |all, bloom| all | *bloom);
    BodyRoots { transactions: transactions_root(body), receipts: receipts_root(body, &blooms), logs_bloom }
}

/// Builds the header of an executed block.
pub fn build_header(
    rules: &ChainRules,
    block: &BlockContext,
    body: &BlockBody<'_>,
    roots: &BodyRoots,
    state_root: B256,
) -> Header {
    Header {
        parent_hash: block.parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: block.beneficiary,
        state_root,
        transactions_root: roots.transactions,
        receipts_root: roots.receipts,
        logs_bloom: roots.logs_bloom,
        difficulty: U256::ZERO,
        number: block.number,
        gas_limit: block.gas_limit,
        gas_used: body.gas_used,
        timestamp: block.timestamp,
        extra_data: block.extra_data.clone(),
        mix_hash: block.prevrandao,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(block.base_fee),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(body.blob_gas_used),
        excess_blob_gas: Some(block.excess_blob_gas),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: rules.has_requests_hash().then_some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: None,
        slot_number: None,
    }
}

/// The header of block 0 has no body.
pub(crate) const NO_BODY: BlockBody<'static> =
    BlockBody { transactions: &[], included: &[], receipts: &[], gas_used: 0, blob_gas_used: 0 };

/// The bloom of each receipt.
fn blooms(receipts: &[Receipt]) -> Vec<Bloom> {
    let mut blooms = vec![Bloom::ZERO; receipts.len()];
    let mut inputs: Vec<(usize, &[u8])> = Vec::new();
    for (index, receipt) in receipts.iter().enumerate() {
        for log in &receipt.logs {
            inputs.push((index, log.address.as_slice()));
            inputs.extend(log.topics().iter().map(|topic| (index, topic.as_slice())));
        }
    }
    let add = |input: usize, hash: B256| blooms[inputs[input].0].m3_2048_hashed(&hash);
    HashLanes::best().hash(inputs.len(), |input| inputs[input].1, add);
    blooms
}

/// Root of the trie of EIP-2718 transactions by RLP-encoded index.
fn transactions_root(body: &BlockBody<'_>) -> B256 {
    let raw = |index: &usize| &body.transactions[*index].tx.raw;
    let bytes = body.included.iter().map(|index| raw(index).len()).sum();
    let mut values = Strings::with_capacity(body.included.len(), bytes);
    for index in body.included {
        values.push(|out| out.extend_from_slice(raw(index)));
    }
    ordered_root(&values)
}

/// Root of the trie of EIP-2718 receipts by RLP-encoded index.
fn receipts_root(body: &BlockBody<'_>, blooms: &[Bloom]) -> B256 {
    let mut values = Strings::with_capacity(blooms.len(), blooms.len() * RECEIPT_BYTES);
    for ((index, receipt), bloom) in body.included.iter().zip(body.receipts).zip(blooms) {
        let kind = body.transactions[*index].tx.kind_id();
        values.push(|out| {
            if kind != 0 {
                out.push(kind);
            }
            receipt.rlp_encode_with_bloom(bloom, out);
        });
    }
    ordered_root(&values)
}
