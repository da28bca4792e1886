//! Blocks, their transactions and receipts, in the shapes of ethereum/execution-apis.

use alloy_consensus::transaction::Recovered as Signed;
use alloy_consensus::{ReceiptEnvelope, ReceiptWithBloom, Transaction as _, TxReceipt, TxType};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip4895::Withdrawals;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt};
use hansa_chain::SealedBlock;
use hansa_codec::Recovered;

use crate::answer::{Answer, json_bytes, null};
use crate::error::RpcError;
use crate::request::Params;
use crate::rpc::Rpc;

type EthTransaction = Transaction<alloy_consensus::TxEnvelope>;
type EthReceipt = TransactionReceipt<ReceiptEnvelope<Log>>;

impl Rpc {
    fn price_paid(&self, block: &SealedBlock, tx: &Recovered) -> u128 {
        if self.is_free() { 0 } else { tx.tx.envelope.effective_gas_price(block.header.base_fee_per_gas) }
    }

    fn transaction(&self, block: &SealedBlock, index: usize) -> Option<EthTransaction> {
        let tx = block.transactions.get(index)?;
        Some(EthTransaction {
            inner: Signed::new_unchecked(tx.tx.envelope.clone(), tx.sender),
            block_hash: Some(block.hash),
            block_number: Some(block.header.number),
            transaction_index: Some(index as u64),
            effective_gas_price: Some(self.price_paid(block, tx)),
            block_timestamp: Some(block.header.timestamp),
        })
    }

    pub(crate) fn pooled_transaction(&self, tx: &Recovered) -> EthTransaction {
        EthTransaction {
            inner: Signed::new_unchecked(tx.tx.envelope.clone(), tx.sender),
            block_hash: None,
            block_number: None,
            transaction_index: None,
            effective_gas_price: Some(if self.is_free() { 0 } else { tx.tx.max_fee_per_gas() }),
            block_timestamp: None,
        }
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
            inner: enveloped(tx.tx.envelope.tx_type(), with_logs),
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
        transactions: block.transactions.iter().map(|tx| tx.tx.envelope.clone()).collect(),
        ommers: Vec::new(),
        withdrawals: block.header.withdrawals_root.map(|_| Withdrawals::default()),
    };
    alloy_rlp::encode(alloy_consensus::Block { header: block.header.clone(), body })
}

fn enveloped(kind: TxType, receipt: ReceiptWithBloom<alloy_consensus::Receipt<Log>>) -> ReceiptEnvelope<Log> {
    match kind {
        TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
    }
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
            let bloomed = receipt.clone().with_bloom();
            let kind = tx.tx.envelope.tx_type();
            let enveloped: ReceiptEnvelope = match kind {
                TxType::Legacy => ReceiptEnvelope::Legacy(bloomed),
                TxType::Eip2930 => ReceiptEnvelope::Eip2930(bloomed),
                TxType::Eip1559 => ReceiptEnvelope::Eip1559(bloomed),
                TxType::Eip4844 => ReceiptEnvelope::Eip4844(bloomed),
                TxType::Eip7702 => ReceiptEnvelope::Eip7702(bloomed),
            };
            Bytes::from(enveloped.encoded_2718())
        })
        .collect();
    json_bytes(&raws)
}
