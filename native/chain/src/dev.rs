//! What a development chain in memory may do beyond the rules: mine at will, go back, change accounts, send as
//! anybody.

use std::sync::Arc;

use alloy_consensus::{Signed, TxEip1559, TxEip2930, TxEnvelope, TxLegacy};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use hansa_codec::order::{ORDER_VERSION, PAYLOAD_HASHES};
use hansa_codec::{OrderBlock, Recovered, ReplayKey, Transaction};
use hansa_crypto::keccak256;
use hansa_pool::{AccountCode, AccountFacts, AccountView, PoolError, SelectLimits};
use hansa_state::{AccountDiff, StateDiff, WorldState};
use serde::Deserialize;

use crate::chain::{Chain, genesis_head, now_ms};
use crate::engine::NextBlock;
use crate::head::{Head, Live};
use crate::ordering::{BODY_BYTES_MAX, Ordering};
use crate::{ChainError, birth};

/// Snapshots held at most; the oldest gives way.
const SNAPSHOTS_MAX: usize = 4_096;
/// Organisation index of impersonated senders.
const IMPERSONATED: u32 = u32::MAX - 1;

/// What development calls remember between each other.
#[derive(Default)]
pub struct DevState {
    snapshots: Vec<(u64, Arc<Head>)>,
    next_id: u64,
    next_block: NextBlock,
}

/// `eth_sendTransaction`'s argument.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    to: Option<Address>,
    gas: Option<U256>,
    gas_price: Option<U256>,
    max_fee_per_gas: Option<U256>,
    max_priority_fee_per_gas: Option<U256>,
    value: Option<U256>,
    nonce: Option<U256>,
    data: Option<Bytes>,
    input: Option<Bytes>,
    access_list: Option<AccessList>,
}

/// The head, with the impersonated account shown as one that a key holds.
struct Impersonated<'a>(Live<'a>);

impl AccountView for Impersonated<'_> {
    fn account(&self, address: &Address) -> AccountFacts {
        AccountFacts { code: AccountCode::None, ..self.0.account(address) }
    }

    fn height(&self) -> u64 {
        self.0.height()
    }

    fn has_used(&self, key: &ReplayKey) -> bool {
        self.0.has_used(key)
    }
}

impl Chain {
    /// Whether development calls work here.
    pub fn is_playground(&self) -> bool {
        self.genesis.dev && self.folder.is_none()
    }

    fn check_playground(&self, call: &'static str) -> Result<(), ChainError> {
        if self.is_playground() { Ok(()) } else { Err(ChainError::DevOnly(call)) }
    }

    /// Remembers the chain as it stands; the snapshot's id, from 1.
    ///
    /// # Errors
    /// `DevOnly`.
    pub fn dev_snapshot(&self) -> Result<u64, ChainError> {
        self.check_playground("dev_snapshot")?;
        let mut work = self.work.lock();
        work.next_id += 1;
        let id = work.next_id;
        if work.snapshots.len() >= SNAPSHOTS_MAX {
            work.snapshots.remove(0);
        }
        let head = self.head();
        work.snapshots.push((id, head));
        Ok(id)
    }

    /// Goes back to a snapshot, which ends it and all later ones, and empties the pool; whether there was one.
    ///
    /// # Errors
    /// `DevOnly`.
    pub fn dev_revert(&self, id: u64) -> Result<bool, ChainError> {
        self.check_playground("dev_revert")?;
        let mut work = self.work.lock();
        let Some(at) = work.snapshots.iter().position(|(known, _)| *known == id) else { return Ok(false) };
        let (_, head) = work.snapshots[at].clone();
        work.snapshots.truncate(at);
        self.go_back(head);
        Ok(true)
    }

    /// Goes back to genesis.
    ///
    /// # Errors
    /// `DevOnly`, `Genesis`.
    pub fn dev_reset(&self) -> Result<(), ChainError> {
        self.check_playground("dev_reset")?;
        let mut work = self.work.lock();
        *work = DevState { next_id: work.next_id, ..DevState::default() };
        let (header, state) = birth::build(&self.genesis)?;
        self.go_back(Arc::new(genesis_head(&self.genesis, &header, self.genesis_hash, state)));
        Ok(())
    }

    fn go_back(&self, head: Arc<Head>) {
        let height = head.height;
        self.index.write().truncate(height);
        self.replays.write().truncate(height);
        self.ends.write().truncate(height);
        self.cache.truncate(height);
        {
            self.history.truncate(height);
            self.history.replace_newest(head.state.clone());
        }
        self.head.store(head.clone());
        *self.ordering.lock() = Ordering::default();
        self.pool.set_rules(birth::pool_rules(&self.genesis, &self.rules, &head.header));
        self.pool.lock().clear();
    }

    /// Changes an account on top of the latest block; what is not given stays.
    ///
    /// # Errors
    /// `DevOnly`.
    pub fn dev_set_account(
        &self,
        address: Address,
        balance: Option<U256>,
        nonce: Option<u64>,
        code: Option<Bytes>,
    ) -> Result<(), ChainError> {
        self.check_playground("dev_set_account")?;
        let _work = self.work.lock();
        let head = self.head();
        let mut info = head.state.account(&address).unwrap_or_default();
        info.balance = balance.unwrap_or(info.balance);
        info.nonce = nonce.unwrap_or(info.nonce);
        if let Some(code) = &code {
            info.code_hash = keccak256(code);
        }
        let change = AccountDiff { info: (!info.is_empty()).then_some(info), ..AccountDiff::default() };
        self.alter(&head, StateDiff::new(vec![(address, change)], code.into_iter().collect()));
        Ok(())
    }

    /// Changes a storage slot on top of the latest block.
    ///
    /// # Errors
    /// `DevOnly`.
    pub fn dev_set_storage(&self, address: Address, slot: U256, value: U256) -> Result<(), ChainError> {
        self.check_playground("dev_set_storage")?;
        let _work = self.work.lock();
        let head = self.head();
        let info = Some(head.state.account(&address).unwrap_or_default());
        let change = AccountDiff { info, storage_wiped: false, storage: vec![(slot, value)] };
        self.alter(&head, StateDiff::new(vec![(address, change)], Vec::new()));
        Ok(())
    }

    fn alter(&self, head: &Head, diff: StateDiff) {
        let mut state: WorldState = head.state.clone();
        state.apply(&diff);
        self.history.replace_newest(state.clone());
        let altered = Arc::new(head.with_state(state));
        self.head.store(altered.clone());
        self.pool.lock().reset_accounts(&*altered);
    }

    /// Sends a transaction as `sender`, unsigned; `tx_json` is what `eth_sendTransaction` takes. Its hash.
    ///
    /// # Errors
    /// `DevOnly`, `Dev` (malformed, or refused by the pool, with its reason).
    pub fn dev_submit_as(&self, sender: Address, tx_json: &[u8]) -> Result<B256, ChainError> {
        self.check_playground("dev_submit_as")?;
        let request: Request = serde_json::from_slice(tx_json)
            .map_err(|error| ChainError::Dev(format!("the transaction: {error}")))?;
        let head = self.head();
        let envelope = self.unsigned(sender, request, &head)?;
        self.admit_as(sender, Transaction::from_envelope(envelope))
    }

    /// Sends a transaction as `sender`, whatever its signature says. Its hash.
    ///
    /// # Errors
    /// `DevOnly`, `Transaction`, `Dev` (refused by the pool, with its reason).
    pub fn dev_submit_raw_as(&self, sender: Address, raw: &[u8]) -> Result<B256, ChainError> {
        self.check_playground("dev_submit_raw_as")?;
        let tx = hansa_codec::decode_transaction(raw, &self.pool.rules().tx_limits)?;
        self.admit_as(sender, tx)
    }

    fn admit_as(&self, sender: Address, tx: Transaction) -> Result<B256, ChainError> {
        let tx = Arc::new(tx);
        self.senders.insert(tx.hash, sender);
        let view = Impersonated(self.live());
        let answers = self.pool.add_recovered([Recovered { tx, sender }], IMPERSONATED, &view, now_ms());
        let answer = answers.into_iter().next().unwrap_or(Err(PoolError::NonceMax));
        answer.map_err(|error| ChainError::Dev(error.to_string()))
    }

    /// The envelope with a signature that stands for the sender: r is its address, so that equal transactions of
    /// two senders have two hashes.
    fn unsigned(&self, sender: Address, request: Request, head: &Head) -> Result<TxEnvelope, ChainError> {
        let small = |name: &str, value: U256| {
            u64::try_from(value).map_err(|_| ChainError::Dev(format!("{name} must fit in 64 bits")))
        };
        let fee = |name: &str, value: U256| {
            u128::try_from(value).map_err(|_| ChainError::Dev(format!("{name} must fit in 128 bits")))
        };
        let nonce = request.nonce.map_or(Ok(self.pending_nonce(&sender)), |value| small("nonce", value))?;
        let most = self.rules.tx_gas_cap.unwrap_or(u64::MAX).min(head.header.gas_limit);
        let gas_limit = request.gas.map_or(Ok(most), |value| small("gas", value))?;
        let to = request.to.map_or(TxKind::Create, TxKind::Call);
        let value = request.value.unwrap_or_default();
        let input = request.input.or(request.data).unwrap_or_default();
        let chain_id = self.chain_id();
        let base_fee = u128::from(self.rules.next_base_fee(&head.header));
        let signature = Signature::new(U256::from_be_slice(sender.as_slice()), U256::from(1), false);
        if let Some(price) = request.gas_price {
            let gas_price = fee("gasPrice", price)?;
            return Ok(match request.access_list {
                None => {
                    let tx =
                        TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input };
                    TxEnvelope::Legacy(Signed::new_unhashed(tx, signature))
                }
                Some(access_list) => {
                    let tx =
                        TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
                    TxEnvelope::Eip2930(Signed::new_unhashed(tx, signature))
                }
            });
        }
        let tip =
            request.max_priority_fee_per_gas.map_or(Ok(0), |value| fee("maxPriorityFeePerGas", value))?;
        let cap =
            request.max_fee_per_gas.map_or(Ok(2 * base_fee + tip), |value| fee("maxFeePerGas", value))?;
        let tx = TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: cap,
            max_priority_fee_per_gas: tip,
            to,
            value,
            access_list: request.access_list.unwrap_or_default(),
            input,
        };
        Ok(TxEnvelope::Eip1559(Signed::new_unhashed(tx, signature)))
    }

    /// Sets what the next mined block takes instead of its usual values; each counts once.
    ///
    /// # Errors
    /// `DevOnly`.
    pub fn dev_set_next_block(&self, next: NextBlock) -> Result<(), ChainError> {
        self.check_playground("dev_set_next_block")?;
        self.work.lock().next_block = next;
        if let Some(base_fee) = next.base_fee {
            let rules = self.pool.rules();
            self.pool.set_rules(hansa_pool::PoolRules { base_fee, ..(*rules).clone() });
        }
        Ok(())
    }

    /// Orders, executes and seals one block with up to `transactions` pooled transactions; its height and hash.
    ///
    /// # Errors
    /// `DevOnly`, `Dev` (time before the head's), `Body`, `Engine`.
    pub fn dev_mine(
        &self,
        time_ms: u64,
        base_fee: Option<u64>,
        transactions: usize,
    ) -> Result<(u64, B256), ChainError> {
        self.check_playground("dev_mine")?;
        let mut work = self.work.lock();
        let head = self.head();
        if time_ms < head.time_ms {
            let what =
                format!("time {time_ms} ms is before that of block {}, {} ms", head.height, head.time_ms);
            return Err(ChainError::Dev(what));
        }
        let mut next = std::mem::take(&mut work.next_block);
        next.base_fee = base_fee.or(next.base_fee);
        if let Some(base_fee) = next.base_fee {
            let rules = self.pool.rules();
            self.pool.set_rules(hansa_pool::PoolRules { base_fee, ..(*rules).clone() });
        }
        let limits =
            SelectLimits { gas_max: self.gas_limit(), count_max: transactions, bytes_max: BODY_BYTES_MAX };
        let chosen = self.pool.lock().select(&hansa_pool::Ancestors::none(), limits);
        let order = order_on(&head, time_ms, &chosen);
        let order_hash = order.hash();
        self.add_checked(order, order_hash, chosen)?;
        let executed = self.execute_as(&order_hash, next)?;
        self.commit(&executed, Bytes::new())?;
        Ok((executed.body.order.height, executed.outcome.hash))
    }
}

fn order_on(head: &Head, time_ms: u64, transactions: &[Recovered]) -> OrderBlock {
    let refs: Vec<u8> = transactions.iter().flat_map(|tx| tx.tx.hash.0).collect();
    OrderBlock {
        version: ORDER_VERSION,
        epoch: 0,
        view: 0,
        height: head.height + 1,
        parent_order_hash: head.order_hash,
        base_height: head.height,
        sealed_height: head.height,
        sealed_hash: head.sealed_hash,
        time_ms,
        proposer: 0,
        payload_kind: PAYLOAD_HASHES,
        payload_hash: keccak256(&refs),
        tx_count: transactions.len() as u32,
        gas: transactions.iter().map(|tx| tx.tx.gas_limit()).sum(),
    }
}
