//! Sealed blocks between nodes: self-contained, checked against the validators' signatures, executed again.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Encodable};
use hansa_codec::transaction::decode_owned;
use hansa_codec::{BodyRecord, Certificate, OrderBlock, WireError};
use hansa_evm::block::block_facts;

use crate::ChainError;
use crate::chain::{Chain, held, recover_all};
use crate::executed::Executed;
use crate::membership::set_hash;

const VERSION: u8 = 1;
const WHAT: &str = "exported block";
/// Blocks that one export returns at most.
pub const EXPORT_BLOCKS_MAX: usize = 1_024;

/// A block as it travels: `u8 version`, then body record, header, certificate and, of an epoch's last block, the next
/// epoch's set, each after its u32 length (big-endian).
#[derive(Debug, Clone)]
pub struct ExportedBlock {
    /// Order block and raw transactions.
    pub body: BodyRecord,
    /// The sealed header.
    pub header: Header,
    /// The SEAL certificate.
    pub certificate: Certificate,
    /// The certificate's bytes.
    pub certificate_bytes: Bytes,
    /// The next epoch's encoded set; empty but in an epoch's last block.
    pub next_set: Bytes,
}

/// What importing a block answers.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Block number.
    pub height: u64,
    /// Hash of the sealed header.
    pub sealed_hash: B256,
    /// Hash of the order block.
    pub order_hash: B256,
    /// Canonical RLP of the certificate.
    pub certificate: Bytes,
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn take(bytes: &Bytes, at: &mut usize) -> Result<Bytes, WireError> {
    let short = WireError::Truncated { what: WHAT };
    let field =
        bytes.get(*at..*at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok()).ok_or(short.clone())?;
    let start = *at + 4;
    let end = start
        .checked_add(u32::from_be_bytes(field) as usize)
        .filter(|end| *end <= bytes.len())
        .ok_or(short)?;
    *at = end;
    Ok(bytes.slice(start..end))
}

impl ExportedBlock {
    /// Decodes a travelling block.
    ///
    /// # Errors
    /// `Wire`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let bytes = Bytes::copy_from_slice(bytes);
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(WireError::Version { what: WHAT, version }),
            None => return Err(WireError::Truncated { what: WHAT }),
        }
        let mut at = 1;
        let body = BodyRecord::decode(&take(&bytes, &mut at)?)?;
        let header_bytes = take(&bytes, &mut at)?;
        let mut rest: &[u8] = &header_bytes;
        let header = Header::decode(&mut rest).map_err(|error| WireError::Rlp { what: WHAT, error })?;
        let certificate_bytes = take(&bytes, &mut at)?;
        let next_set = if at < bytes.len() { take(&bytes, &mut at)? } else { Bytes::new() };
        let left = bytes.len() - at + rest.len();
        if left > 0 {
            return Err(WireError::TrailingBytes { what: WHAT, count: left });
        }
        let certificate = Certificate::decode(&certificate_bytes)?;
        Ok(Self { body, header, certificate, certificate_bytes, next_set })
    }
}

impl Chain {
    /// Sealed blocks from `first` on, at least one if there is one, at most `max_count` and about `max_bytes`.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn export_blocks(
        &self,
        first: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, ChainError> {
        let mut exported = Vec::new();
        let mut bytes = 0;
        for height in first.max(1).. {
            if exported.len() >= max_count.min(EXPORT_BLOCKS_MAX) || bytes >= max_bytes {
                break;
            }
            let Some(block) = self.export_block(height)? else { break };
            bytes += block.len();
            if bytes > max_bytes && !exported.is_empty() {
                break;
            }
            exported.push(block);
        }
        Ok(exported)
    }

    /// The oldest block that may be exported.
    pub fn oldest_exported(&self) -> u64 {
        self.index.read().oldest()
    }

    pub(crate) fn export_block(&self, height: u64) -> Result<Option<Vec<u8>>, ChainError> {
        let Some(body) = self.index.read().get(height).and_then(|entry| entry.body) else { return Ok(None) };
        // Neither transactions nor receipts are looked at: the other node does that.
        let Some(result) = self.result_at(height)? else { return Ok(None) };
        let body = self.log.read(body).map_err(ChainError::from);
        let Some(body) = held(self.unless_dropped(height, body))? else { return Ok(None) };
        let mut header = Vec::new();
        result.header.encode(&mut header);
        let mut out = vec![VERSION];
        put(&mut out, &body);
        put(&mut out, &header);
        put(&mut out, &result.certificate);
        if !result.next_set.is_empty() {
            put(&mut out, &result.next_set);
        }
        Ok(Some(out))
    }

    /// Checks a block from another node, executes it, compares the result and seals it. A block that is sealed
    /// here already is answered without work.
    ///
    /// # Errors
    /// `Wire`, `Block` (`BLOCK-…`), `Body`, `Log`, `Engine`.
    pub fn import_block(&self, bytes: &[u8]) -> Result<Imported, ChainError> {
        let block = ExportedBlock::decode(bytes)?;
        let sealed_hash = block.header.hash_slow();
        let order_hash = block.body.order.hash();
        let height = block.header.number;
        let answer =
            Imported { height, sealed_hash, order_hash, certificate: block.certificate_bytes.clone() };
        check_form(&block, sealed_hash)?;
        let work = self.work.lock();
        if let Some(known) = self.hash_at(height) {
            if known == sealed_hash {
                return Ok(answer);
            }
            let what = format!("block {height} is sealed here as {known}, not {sealed_hash}");
            return Err(ChainError::block("BLOCK-CONFLICT", what));
        }
        let head = self.head();
        if height != head.height + 1 {
            let what = format!("block {height} does not follow the head {}", head.height);
            return Err(ChainError::block("BLOCK-GAP", what));
        }
        self.quorum().check(&block.certificate)?;
        self.add_imported(&block.body, order_hash)?;
        let executed = self.execute_locked(&order_hash)?;
        if executed.outcome.hash != sealed_hash {
            return Err(result_differs(&executed, &block.header));
        }
        self.commit(&executed, answer.certificate.clone())?;
        drop(work);
        Ok(answer)
    }

    fn add_imported(&self, body: &BodyRecord, order_hash: B256) -> Result<(), ChainError> {
        if self.has_body(&order_hash) {
            return Ok(());
        }
        let limits = self.pool.rules().tx_limits;
        let decoded = body.raws.iter().map(|raw| decode_owned(raw.clone(), &limits).map(Arc::new));
        let transactions = recover_all(decoded.collect::<Result<Vec<_>, _>>()?, &self.senders)?;
        check_payload(&body.order, transactions.iter().map(|tx| tx.tx.hash))?;
        self.add_checked(body.order.clone(), order_hash, transactions)?;
        Ok(())
    }
}

/// What needs no state: the parts belong together.
pub(crate) fn check_form(block: &ExportedBlock, sealed_hash: B256) -> Result<(), ChainError> {
    let height = block.header.number;
    let wrong = |what: &str| Err(ChainError::block("BLOCK-FORM", format!("block {height}: {what}")));
    if block.certificate.sealed_hash != sealed_hash || block.certificate.height != height {
        return wrong("the certificate is of another header");
    }
    if block.body.order.height != height {
        return wrong("the order block has another height");
    }
    let facts = block_facts(&block.body.order, block.body.order.hash(), set_hash(&block.next_set));
    if block.header.extra_data.as_ref() != facts.extra_data().as_slice() {
        return wrong("the header does not name this order block");
    }
    Ok(())
}

/// Whether the transactions with these hashes are those of an order block.
pub(crate) fn check_payload(
    order: &OrderBlock,
    hashes: impl Iterator<Item = B256>,
) -> Result<(), ChainError> {
    let refs: Vec<u8> = hashes.flat_map(|hash| hash.0).collect();
    if hansa_crypto::keccak256(&refs) == order.payload_hash {
        return Ok(());
    }
    let what = format!("block {}: the transactions are not those of the order block", order.height);
    Err(ChainError::block("BLOCK-FORM", what))
}

/// Names the first header field in which the own result differs from the certified one: the node must stop.
fn result_differs(executed: &Executed, certified: &Header) -> ChainError {
    let own = &executed.outcome.header;
    let fields = [
        ("parentHash", own.parent_hash == certified.parent_hash),
        ("stateRoot", own.state_root == certified.state_root),
        ("transactionsRoot", own.transactions_root == certified.transactions_root),
        ("receiptsRoot", own.receipts_root == certified.receipts_root),
        ("gasUsed", own.gas_used == certified.gas_used),
        ("baseFeePerGas", own.base_fee_per_gas == certified.base_fee_per_gas),
    ];
    let field = fields.iter().find(|(_, equal)| !equal).map_or("another field", |(name, _)| name);
    let what = format!("block {}: own execution gives another {field} than the certified header", own.number);
    ChainError::block("BLOCK-RESULT", what)
}
