//! Blocks, their transactions and receipts, in the shapes of ethereum/execution-apis.

use alloy_consensus::transaction::Recovered as Signed;
use alloy_consensus::{ReceiptWithBloom, RlpEncodableReceipt, TxEnvelope, TxReceipt};
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip4895::Withdrawals;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U128, U256};
use alloy_rlp::{BufMut, Encodable};
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt};
use hansa_chain::SealedBlock;
use hansa_codec::{Envelope, Recovered};
use serde::Serialize;

use crate::answer::{Answer, json_bytes, null};
use crate::error::RpcError;
use crate::request::Params;
use crate::rpc::Rpc;

/// A transaction as `eth_` shows it.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum EthTransaction {
    Ethereum(Transaction<TxEnvelope>),
    Own(OwnShown),
}

/// Our own type in the fields of 0x2. Its nonce is shown as 0: clients count with it, and libraries refuse
/// numbers beyond 2^53. `hansa_getTransaction` tells the real one with the fields that are ours (rules.md 2.7).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnShown {
    #[serde(rename = "type")]
    kind: U64,
    chain_id: U64,
    nonce: U64,
    gas: U64,
    gas_price: U128,
    max_fee_per_gas: U128,
    max_priority_fee_per_gas: U128,
    to: Address,
    value: U256,
    access_list: AccessList,
    input: Bytes,
    r: U256,
    s: U256,
    y_parity: U64,
    v: U64,
    hash: B256,
    from: Address,
    block_hash: Option<B256>,
    block_number: Option<U64>,
    transaction_index: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_timestamp: Option<U64>,
}

/// A receipt with the type of its transaction, whichever that is.
#[derive(Serialize)]
pub(crate) struct TypedReceipt {
    #[serde(rename = "type")]
    kind: U64,
    #[serde(flatten)]
    receipt: ReceiptWithBloom<alloy_consensus::Receipt<Log>>,
}

type EthReceipt = TransactionReceipt<TypedReceipt>;

/// A transaction as it stands in an Ethereum block: a list, or a string around the typed bytes.
struct Nested<'a>(&'a Recovered);

impl Encodable for Nested<'_> {
    fn encode(&self, out: &mut dyn BufMut) {
        match self.0.tx.kind_id() {
            0 => out.put_slice(&self.0.tx.raw),
            _ => self.0.tx.raw.encode(out),
        }
    }

    fn length(&self) -> usize {
        match self.0.tx.kind_id() {
            0 => self.0.tx.raw.len(),
            _ => self.0.tx.raw.length(),
        }
    }
}

/// A block and the index in it.
type Place<'a> = (&'a SealedBlock, usize);

fn shown(tx: &Recovered, place: Option<Place<'_>>, price: u128) -> EthTransaction {
    let (block, index) = (place.map(|(block, _)| block), place.map(|(_, index)| index as u64));
    match &tx.tx.envelope {
        Envelope::Ethereum(envelope) => EthTransaction::Ethereum(Transaction {
            inner: Signed::new_unchecked(envelope.clone(), tx.sender),
            block_hash: block.map(|block| block.hash),
            block_number: block.map(|block| block.header.number),
            transaction_index: index,
            effective_gas_price: Some(price),
            block_timestamp: block.map(|block| block.header.timestamp),
        }),
        Envelope::Own(signed) => {
            let (own, signature) = (signed.tx(), signed.signature());
            EthTransaction::Own(OwnShown {
                kind: U64::from(tx.tx.kind_id()),
                chain_id: U64::from(own.chain_id),
                nonce: U64::ZERO,
                gas: U64::from(own.gas_limit),
                gas_price: U128::from(price),
                max_fee_per_gas: U128::from(own.max_fee_per_gas),
                max_priority_fee_per_gas: U128::from(own.max_priority_fee_per_gas),
                to: own.to,
                value: own.value,
                access_list: own.access_list.clone(),
                input: own.input.clone(),
                r: signature.r(),
                s: signature.s(),
                y_parity: U64::from(signature.v()),
                v: U64::from(signature.v()),
                hash: tx.tx.hash,
                from: tx.sender,
                block_hash: block.map(|block| block.hash),
                block_number: block.map(|block| U64::from(block.header.number)),
                transaction_index: index.map(U64::from),
                block_timestamp: block.map(|block| U64::from(block.header.timestamp)),
            })
        }
    }
}

impl Rpc {
    fn price_paid(&self, block: &SealedBlock, tx: &Recovered) -> u128 {
        let base_fee = u128::from(block.header.base_fee_per_gas.unwrap_or(0));
        let (cap, tip) = (tx.tx.max_fee_per_gas(), tx.tx.max_priority_fee_per_gas());
        if self.is_free() { 0 } else { cap.min(base_fee.saturating_add(tip)) }
    }

    fn transaction(&self, block: &SealedBlock, index: usize) -> Option<EthTransaction> {
        let tx = block.transactions.get(index)?;
        Some(shown(tx, Some((block, index)), self.price_paid(block, tx)))
    }

    pub(crate) fn pooled_transaction(&self, tx: &Recovered) -> EthTransaction {
        shown(tx, None, if self.is_free() { 0 } else { tx.tx.max_fee_per_gas() })
    }

    fn block_json(&self, block: &SealedBlock, full: bool) -> Answer {
        let transactions = if full {
            let count = block.transactions.len();
            BlockTransactions::Full((0..count).filter_map(|index| self.transaction(block, index)).collect())
        } else {
            BlockTransactions::Hashes(block.transactions.iter().map(|tx| tx.tx.hash).collect())
        };
        json_bytes(&Block {
            header: rpc_header(block),
            uncles: Vec::new(),
            transactions,
            withdrawals: block.header.withdrawals_root.map(|_| Withdrawals::default()),
        })
    }

    pub(crate) fn block_by(&self, id: BlockId, params: &Params<'_>) -> Answer {
        let full = params.optional::<bool>(1)?.unwrap_or(false);
        self.find_block(id)?.map_or_else(null, |block| self.block_json(&block, full))
    }

    fn transaction_of(&self, id: BlockId, params: &Params<'_>) -> Answer {
        let index: U64 = params.required(1)?;
        let found = self.find_block(id)?.and_then(|block| self.transaction(&block, index.to::<usize>()));
        found.map_or_else(null, |tx| json_bytes(&tx))
    }

    fn receipts(&self, block: &SealedBlock) -> Vec<EthReceipt> {
        let mut used = 0;
        let mut logs = 0;
        (0..block.receipts.len())
            .filter_map(|index| {
                let receipt = self.receipt(block, index, used, logs)?;
                used = block.receipts[index].cumulative_gas_used;
                logs += block.receipts[index].logs.len() as u64;
                Some(receipt)
            })
            .collect()
    }

    /// Receipt `index`; `used` and `logs` are the gas and the logs of the transactions before it.
    fn receipt(&self, block: &SealedBlock, index: usize, used: u64, logs: u64) -> Option<EthReceipt> {
        let tx = block.transactions.get(index)?;
        let plain = block.receipts.get(index)?;
        let with_logs = ReceiptWithBloom {
            logs_bloom: plain.bloom(),
            receipt: alloy_consensus::Receipt {
                status: plain.status,
                cumulative_gas_used: plain.cumulative_gas_used,
                logs: block_logs(block, index, logs).collect(),
            },
        };
        let created = tx.tx.to().is_none().then(|| tx.sender.create(tx.tx.nonce()));
        Some(EthReceipt {
            inner: TypedReceipt { kind: U64::from(tx.tx.kind_id()), receipt: with_logs },
            transaction_hash: tx.tx.hash,
            transaction_index: Some(index as u64),
            block_hash: Some(block.hash),
            block_number: Some(block.header.number),
            gas_used: plain.cumulative_gas_used - used,
            effective_gas_price: self.price_paid(block, tx),
            blob_gas_used: None,
            blob_gas_price: None,
            from: tx.sender,
            to: tx.tx.to(),
            contract_address: created,
        })
    }

    /// The receipt of an included transaction.
    pub(crate) fn receipt_of(&self, hash: &B256) -> Result<Option<EthReceipt>, RpcError> {
        let Some((block, index)) = self.find_included(hash)? else { return Ok(None) };
        let before = block.receipts.get(..index).unwrap_or_default();
        let used = before.last().map_or(0, |receipt| receipt.cumulative_gas_used);
        let logs = before.iter().map(|receipt| receipt.logs.len() as u64).sum();
        Ok(self.receipt(&block, index, used, logs))
    }
}

/// The logs of transaction `index` as clients see them; `first` is the block's log index of the first one.
pub(crate) fn block_logs(block: &SealedBlock, index: usize, first: u64) -> impl Iterator<Item = Log> + '_ {
    let transaction = block.transactions.get(index).map(|tx| tx.tx.hash);
    let logs = block.receipts.get(index).map_or(&[][..], |receipt| &receipt.logs);
    logs.iter().zip(first..).map(move |(log, log_index)| Log {
        inner: log.clone(),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: transaction,
        transaction_index: Some(index as u64),
        log_index: Some(log_index),
        removed: false,
    })
}

/// The header with the size of the block as Ethereum would encode it.
pub(crate) fn rpc_header(block: &SealedBlock) -> Header {
    Header {
        hash: block.hash,
        inner: block.header.clone(),
        total_difficulty: None,
        size: Some(U256::from(encoded_block(block).len())),
    }
}

/// The block's RLP as Ethereum defines it.
pub(crate) fn encoded_block(block: &SealedBlock) -> Vec<u8> {
    let body = alloy_consensus::BlockBody {
        transactions: block.transactions.iter().map(Nested).collect(),
        ommers: Vec::new(),
        withdrawals: block.header.withdrawals_root.map(|_| Withdrawals::default()),
    };
    alloy_rlp::encode(alloy_consensus::Block { header: block.header.clone(), body })
}

fn by_hash(params: &Params<'_>) -> Result<BlockId, RpcError> {
    Ok(BlockId::from(params.required::<B256>(0)?))
}

fn by_number(params: &Params<'_>) -> Result<BlockId, RpcError> {
    Ok(BlockId::from(params.required::<BlockNumberOrTag>(0)?))
}

pub(crate) fn get_block_by_hash(rpc: &Rpc, params: &Params<'_>) -> Answer {
    rpc.block_by(by_hash(params)?, params)
}

pub(crate) fn get_block_by_number(rpc: &Rpc, params: &Params<'_>) -> Answer {
    rpc.block_by(by_number(params)?, params)
}

pub(crate) fn transaction_count_by_hash(rpc: &Rpc, params: &Params<'_>) -> Answer {
    transaction_count(rpc, by_hash(params)?)
}

pub(crate) fn transaction_count_by_number(rpc: &Rpc, params: &Params<'_>) -> Answer {
    transaction_count(rpc, by_number(params)?)
}

fn transaction_count(rpc: &Rpc, id: BlockId) -> Answer {
    rpc.find_block(id)?.map_or_else(null, |block| json_bytes(&U64::from(block.transactions.len())))
}

pub(crate) fn uncle_count_by_hash(rpc: &Rpc, params: &Params<'_>) -> Answer {
    uncle_count(rpc, by_hash(params)?)
}

pub(crate) fn uncle_count_by_number(rpc: &Rpc, params: &Params<'_>) -> Answer {
    uncle_count(rpc, by_number(params)?)
}

fn uncle_count(rpc: &Rpc, id: BlockId) -> Answer {
    rpc.find_block(id)?.map_or_else(null, |_| json_bytes(&U64::ZERO))
}

/// There are no uncles on a chain without mining.
pub(crate) fn no_uncle(_: &Rpc, _: &Params<'_>) -> Answer {
    null()
}

pub(crate) fn get_transaction_by_hash(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let hash: B256 = params.required(0)?;
    // The pool first: a transaction sealed between the two looks is then found by the second.
    let pooled = rpc.pooled(&hash);
    if let Some((block, index)) = rpc.find_included(&hash)? {
        return rpc.transaction(&block, index).map_or_else(null, |tx| json_bytes(&tx));
    }
    pooled.map_or_else(null, |tx| json_bytes(&rpc.pooled_transaction(&tx)))
}

pub(crate) fn get_transaction_by_block_hash(rpc: &Rpc, params: &Params<'_>) -> Answer {
    rpc.transaction_of(by_hash(params)?, params)
}

pub(crate) fn get_transaction_by_block_number(rpc: &Rpc, params: &Params<'_>) -> Answer {
    rpc.transaction_of(by_number(params)?, params)
}

pub(crate) fn get_transaction_receipt(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let hash: B256 = params.required(0)?;
    rpc.receipt_of(&hash)?.map_or_else(null, |receipt| json_bytes(&receipt))
}

pub(crate) fn get_block_receipts(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let id: BlockId = params.required(0)?;
    rpc.find_block(id)?.map_or_else(null, |block| json_bytes(&rpc.receipts(&block)))
}

pub(crate) fn raw_header(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let block = rpc.require_block(params.required(0)?)?;
    json_bytes(&Bytes::from(alloy_rlp::encode(&block.header)))
}

pub(crate) fn raw_block(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let block = rpc.require_block(params.required(0)?)?;
    json_bytes(&Bytes::from(encoded_block(&block)))
}

pub(crate) fn raw_transaction(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let hash: B256 = params.required(0)?;
    if let Some(pooled) = rpc.pooled(&hash) {
        return json_bytes(&pooled.tx.raw);
    }
    let found = rpc.find_included(&hash)?;
    found.map_or_else(null, |(block, index)| json_bytes(&block.transactions[index].tx.raw))
}

pub(crate) fn raw_receipts(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let block = rpc.require_block(params.required(0)?)?;
    let raws: Vec<Bytes> = block
        .transactions
        .iter()
        .zip(&block.receipts)
        .map(|(tx, receipt)| {
            let mut raw = Vec::new();
            if tx.tx.kind_id() != 0 {
                raw.push(tx.tx.kind_id());
            }
            receipt.rlp_encode_with_bloom(&receipt.bloom(), &mut raw);
            Bytes::from(raw)
        })
        .collect();
    json_bytes(&raws)
}
