//! The sealed header: Ethereum's form, with what does not exist here empty (rules.md 2.2).

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, Receipt, RlpEncodableReceipt, TxReceipt};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B64, B256, Bloom, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use alloy_trie::root::ordered_trie_root_with_encoder;
use hansa_codec::Recovered;

use crate::{BlockContext, ChainRules};

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

/// Builds the header of an executed block.
pub fn build_header(
    rules: &ChainRules,
    block: &BlockContext,
    body: &BlockBody<'_>,
    state_root: B256,
) -> Header {
    let receipts = with_blooms(body);
    let mut logs_bloom = Bloom::ZERO;
    for (_, _, bloom) in &receipts {
        logs_bloom |= *bloom;
    }
    Header {
        parent_hash: block.parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: block.beneficiary,
        state_root,
        transactions_root: transactions_root(body),
        receipts_root: receipts_root(&receipts),
        logs_bloom,
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

/// Type, receipt and bloom of each transaction.
type Bloomed<'a> = (u8, &'a Receipt, Bloom);

fn with_blooms<'a>(body: &BlockBody<'a>) -> Vec<Bloomed<'a>> {
    let kinds = body.included.iter().map(|index| body.transactions[*index].tx.kind_id());
    kinds.zip(body.receipts).map(|(kind, receipt)| (kind, receipt, receipt.bloom())).collect()
}

/// Root of the trie of EIP-2718 transactions by RLP-encoded index.
fn transactions_root(body: &BlockBody<'_>) -> B256 {
    ordered_trie_root_with_encoder(body.included, |index, out| {
        out.extend_from_slice(&body.transactions[*index].tx.raw);
    })
}

/// Root of the trie of EIP-2718 receipts by RLP-encoded index.
fn receipts_root(receipts: &[Bloomed<'_>]) -> B256 {
    ordered_trie_root_with_encoder(receipts, |(kind, receipt, bloom), out| {
        if *kind != 0 {
            out.push(*kind);
        }
        receipt.rlp_encode_with_bloom(bloom, out);
    })
}
