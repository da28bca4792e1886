//! Replays of our own transaction type (rules.md 2.7): which numbers were used lately, and what the order makes void.
//!
//! Everything here follows from the order blocks alone, never from what execution gave: a transaction whose turn
//! came has used its number, also if it was skipped then for lack of funds. So nodes agree before they execute,
//! and the window is rebuilt from the last [`BLOCK_LIMIT_HORIZON`] blocks wherever those are.

use std::collections::{BTreeSet, HashMap, VecDeque};

use hansa_codec::own::BLOCK_LIMIT_HORIZON;
use hansa_codec::{OrderBlock, OwnTransaction, Recovered, ReplayKey, Transaction, intrinsic_gas};
use hansa_evm::{ChainRules, SkipReason};

/// What the order of a block says about its transactions of our own type.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Screened {
    /// Index and reason of those that are skipped whatever the state is, ascending.
    pub void: Vec<(usize, SkipReason)>,
    /// What the others used, ascending.
    pub used: Vec<ReplayKey>,
}

/// Screens an ordered block; `is_used` tells whether one of the 1,023 blocks before it used a key.
///
/// What could never have been executed, signed for another chain above all, uses nothing: otherwise a leader could
/// use up a sender's numbers with what the sender signed elsewhere.
///
/// # Complexity
/// One byte is looked at for each transaction of another type.
pub fn screen(
    rules: &ChainRules,
    order: &OrderBlock,
    transactions: &[Recovered],
    is_used: impl Fn(&ReplayKey) -> bool,
) -> Screened {
    let (number, timestamp) = (order.height, order.time_ms / 1_000);
    let mut void = Vec::new();
    let mut used = BTreeSet::new();
    for (index, tx) in transactions.iter().enumerate() {
        let (Some(own), Some(key)) = (tx.tx.own(), tx.replay_key()) else { continue };
        let (block_limit, expires_at) = (own.block_limit, own.expires_at);
        let reason = if let Some(never) = never_valid(rules, &tx.tx, own) {
            never
        } else if block_limit < number || expires_at < timestamp {
            SkipReason::Expired { block_limit, expires_at, number, timestamp }
        } else if block_limit - number >= BLOCK_LIMIT_HORIZON {
            SkipReason::BlockLimitFar { block_limit, number }
        } else if is_used(&key) || !used.insert(key) {
            SkipReason::NonceUsed(key.nonce)
        } else {
            continue;
        };
        void.push((index, reason));
    }
    Screened { void, used: used.into_iter().collect() }
}

/// Why a transaction is valid in no block of this chain, by its own fields.
fn never_valid(rules: &ChainRules, tx: &Transaction, own: &OwnTransaction) -> Option<SkipReason> {
    if own.chain_id != rules.chain_id {
        return Some(SkipReason::ChainId);
    }
    let limit = own.gas_limit;
    if let Some(cap) = rules.tx_gas_cap.filter(|cap| limit > *cap) {
        return Some(SkipReason::GasCap { limit, cap });
    }
    let needed = intrinsic_gas(tx, rules.gas_rules()).required();
    (limit < needed).then_some(SkipReason::IntrinsicGas { limit, needed })
}

/// The keys used by the newest sealed blocks; some 90 bytes for each.
#[derive(Debug, Default)]
pub struct ReplayWindow {
    /// Blocks that used any, ascending.
    blocks: VecDeque<(u64, Vec<ReplayKey>)>,
    /// The newest block that used each.
    heights: HashMap<ReplayKey, u64>,
}

impl ReplayWindow {
    /// Adds a sealed block and forgets those that no replay can be of any more.
    pub fn push(&mut self, height: u64, used: &[ReplayKey]) {
        if !used.is_empty() {
            self.heights.extend(used.iter().map(|key| (*key, height)));
            self.blocks.push_back((height, used.to_vec()));
        }
        let first = first_remembered(height + 1);
        while self.blocks.front().is_some_and(|(oldest, _)| *oldest < first) {
            let Some((oldest, keys)) = self.blocks.pop_front() else { break };
            for key in keys {
                if self.heights.get(&key) == Some(&oldest) {
                    self.heights.remove(&key);
                }
            }
        }
    }

    /// Whether a replay of `key` at block `number` would be one of a sealed transaction.
    pub fn is_used(&self, key: &ReplayKey, number: u64) -> bool {
        self.heights.get(key).is_some_and(|height| *height >= first_remembered(number))
    }

    /// Forgets blocks above `height` (development chains only).
    pub fn truncate(&mut self, height: u64) {
        self.blocks.retain(|(number, _)| *number <= height);
        let kept = self.blocks.iter().flat_map(|(number, keys)| keys.iter().map(|key| (*key, *number)));
        self.heights = kept.collect();
    }
}

/// The first block that still matters to block `number`.
fn first_remembered(number: u64) -> u64 {
    number.saturating_sub(BLOCK_LIMIT_HORIZON - 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use alloy_primitives::{Address, B256, U256};
    use hansa_codec::order::{ORDER_VERSION, PAYLOAD_HASHES};
    use hansa_codec::{OwnTransaction, sign_own_transaction};
    use hansa_crypto::Suite;

    use super::*;

    /// Numbers for a test, the same ones each time (xorshift).
    struct Draw(u64);

    impl Draw {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    fn order(height: u64) -> OrderBlock {
        OrderBlock {
            version: ORDER_VERSION,
            epoch: 0,
            view: 0,
            height,
            parent_order_hash: B256::ZERO,
            base_height: 0,
            sealed_height: 0,
            sealed_hash: B256::ZERO,
            time_ms: height * 1_000,
            proposer: 0,
            payload_kind: PAYLOAD_HASHES,
            payload_hash: B256::ZERO,
            tx_count: 0,
            gas: 0,
        }
    }

    fn transaction(sender: u8, nonce: u64, block_limit: u64) -> Recovered {
        let unsigned = OwnTransaction {
            chain_id: 1,
            suite: Suite::Standard,
            nonce,
            block_limit,
            expires_at: u64::MAX,
            max_priority_fee_per_gas: 0,
            max_fee_per_gas: 0,
            gas_limit: 21_000,
            to: Address::ZERO,
            value: U256::ZERO,
            input: Default::default(),
            access_list: Default::default(),
        };
        let tx = Arc::new(sign_own_transaction(unsigned, &[sender + 1; 32]).unwrap());
        Recovered { tx, sender: Address::repeat_byte(sender) }
    }

    /// Random blocks of transactions old and new against the plain statement of the rule: no bytes twice, no
    /// number twice within the horizon, nothing out of its time; and all the rest gets in.
    #[test]
    fn the_window_does_what_remembering_everything_would() {
        let rules = ChainRules::alliance(1);
        for seed in 1..=4 {
            let mut draw = Draw(seed);
            let mut window = ReplayWindow::default();
            let mut included: Vec<(u64, B256, ReplayKey)> = Vec::new();
            let mut known = Vec::new();
            let mut height = 0;
            while height < 6_000 {
                height += 1;
                let mut body = Vec::new();
                for _ in 0..draw.below(3) {
                    let limit = (height + draw.below(BLOCK_LIMIT_HORIZON + 40)).saturating_sub(10);
                    known.push(transaction(draw.below(2) as u8, draw.below(400), limit));
                }
                for _ in 0..draw.below(4).min(known.len() as u64) {
                    let newest = known.len() as u64 - 1;
                    body.push(known[(newest - draw.below(newest.min(900) + 1)) as usize].clone());
                }
                let screened = screen(&rules, &order(height), &body, |key| window.is_used(key, height));
                let void: Vec<usize> = screened.void.iter().map(|(index, _)| *index).collect();
                for (index, tx) in body.iter().enumerate() {
                    let (key, limit) = (tx.replay_key().unwrap(), tx.tx.own().unwrap().block_limit);
                    let recent = |at: u64| at + BLOCK_LIMIT_HORIZON > height;
                    let used = included.iter().rev().any(|(at, _, other)| recent(*at) && *other == key);
                    let in_time = (height..height + BLOCK_LIMIT_HORIZON).contains(&limit);
                    assert_eq!(void.contains(&index), used || !in_time, "seed {seed} block {height}");
                    if !void.contains(&index) {
                        assert!(included.iter().all(|(_, hash, _)| *hash != tx.tx.hash), "a replay got in");
                        included.push((height, tx.tx.hash, key));
                    }
                }
                window.push(height, &screened.used);
                if draw.below(500) == 0 {
                    // A restart rebuilds the window from the last blocks alone.
                    let mut rebuilt = ReplayWindow::default();
                    for at in height.saturating_sub(BLOCK_LIMIT_HORIZON - 2)..=height {
                        let mut keys: Vec<_> =
                            included.iter().filter(|one| one.0 == at).map(|one| one.2).collect();
                        keys.sort_unstable();
                        rebuilt.push(at, &keys);
                    }
                    assert_eq!((&rebuilt.blocks, &rebuilt.heights), (&window.blocks, &window.heights));
                    window = rebuilt;
                }
            }
            assert!(included.len() > 1_000 && window.heights.len() < 3 * BLOCK_LIMIT_HORIZON as usize);
        }
    }

    #[test]
    fn what_is_taken_back_may_be_used_again() {
        let key = |nonce| ReplayKey { sender: Address::ZERO, nonce };
        let mut window = ReplayWindow::default();
        window.push(1, &[key(1)]);
        window.push(2, &[key(2)]);
        window.truncate(1);
        assert!(window.is_used(&key(1), 2) && !window.is_used(&key(2), 2));
    }
}
