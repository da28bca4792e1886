//! What the answers ask of the chain: cheap shared reads, nothing copied, no lock held while an answer is made.

use std::sync::Arc;

use alloy_consensus::{Header, Receipt};
use alloy_primitives::{Address, B256, Bytes};
use hansa_codec::{BlockFacts, Recovered};

/// One sealed block with all that was computed for it.
#[derive(Debug)]
pub struct SealedBlock {
    /// Hash of the sealed header.
    pub hash: B256,
    /// The sealed Ethereum header.
    pub header: Header,
    /// Included transactions in order (skipped ones are not among them).
    pub transactions: Vec<Recovered>,
    /// One receipt per included transaction; `cumulative_gas_used` as in the receipts trie.
    pub receipts: Vec<Receipt>,
    /// Transactions of the order block that were skipped, with the reason's stable code.
    pub skipped: Vec<(B256, &'static str)>,
    /// Preimage of `header.extra_data`.
    pub facts: BlockFacts,
    /// Canonical RLP of the SEAL certificate; empty at genesis.
    pub certificate: Bytes,
}

/// A pooled transaction and whether it could be executed now (no nonce gap below it).
#[derive(Clone, Debug)]
pub struct Pooled {
    /// The transaction.
    pub tx: Recovered,
    /// Whether a block could take it now.
    pub executable: bool,
}

/// Why the pool refused a transaction, in the words that wallets match.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Stable code.
    pub code: String,
    /// As geth words it ("nonce too low", "already known", …).
    pub message: String,
    /// The next step.
    pub hint: String,
}

/// Reads that the chain must offer, and the one write.
pub trait Ledger: Send + Sync {
    /// EIP-155 chain id.
    fn chain_id(&self) -> u64;
    /// Whether the chain charges no fees.
    fn is_free(&self) -> bool;
    /// Base fee per gas of the next block, in wei.
    fn next_base_fee(&self) -> u64;
    /// Number of the latest sealed block.
    fn head(&self) -> u64;
    /// A sealed block by number.
    fn block(&self, number: u64) -> Option<Arc<SealedBlock>>;
    /// Number of a sealed block by its hash.
    fn number_of(&self, hash: &B256) -> Option<u64>;
    /// Block number and index of an included transaction.
    fn locate(&self, transaction: &B256) -> Option<(u64, usize)>;
    /// Oldest block whose state is kept.
    fn oldest_state(&self) -> u64;
    /// The next nonce of an account, its executable pooled transactions counted.
    fn pending_nonce(&self, account: &Address) -> u64;
    /// A pooled transaction by hash.
    fn pooled(&self, hash: &B256) -> Option<Pooled>;
    /// Pooled transactions, of one sender or all, ordered by (sender, nonce); at most `limit`.
    fn pool_content(&self, sender: Option<&Address>, limit: usize) -> Vec<Pooled>;
    /// Executable and waiting transactions in the pool.
    fn pool_status(&self) -> (usize, usize);
    /// unknown, pending, ordered, final, refused or dropped; and why, for the last two.
    fn status_of(&self, hash: &B256) -> (&'static str, Option<String>);
    /// Admits a batch: decoded and recovered in parallel, answers in order.
    fn submit(&self, raws: Vec<Bytes>) -> Vec<Result<B256, Refusal>>;
}
