//! The latest sealed block, published for readers that must never wait.

use std::cell::OnceCell;
use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256};
use hansa_codec::ReplayKey;
use hansa_pool::{AccountCode, AccountFacts, AccountView};
use hansa_state::{AccountInfo, WorldState};

use crate::chain::Chain;

/// Beginning of an EIP-7702 delegation's code.
const DELEGATION_PREFIX: [u8; 3] = [0xef, 0x01, 0x00];
const DELEGATION_BYTES: usize = 23;

/// The latest sealed block and the state after it.
pub struct Head {
    /// Block number.
    pub height: u64,
    /// Hash of the sealed header.
    pub sealed_hash: B256,
    /// Hash of the order block.
    pub order_hash: B256,
    /// The sealed header.
    pub header: Header,
    /// The proposer's time of the block in milliseconds.
    pub time_ms: u64,
    /// State after the block.
    pub state: WorldState,
}

impl Head {
    /// The same head with another form of the state.
    pub(crate) fn with_state(&self, state: WorldState) -> Self {
        Self { state, header: self.header.clone(), ..*self }
    }
}

impl AccountView for Head {
    fn account(&self, address: &Address) -> AccountFacts {
        facts(&self.state, self.state.account(address))
    }
}

/// The pool's view: accounts and used numbers at the head of the moment, whichever it is when the question comes.
pub struct Live<'a> {
    chain: &'a Chain,
    expected: OnceCell<Expected>,
}

/// Accounts that were found together, and at which head.
struct Expected {
    head: Arc<Head>,
    accounts: AddressMap<AccountFacts>,
}

impl Expected {
    fn at(head: Arc<Head>, addresses: &[Address]) -> Self {
        let found = head.state.accounts(addresses).into_iter().map(|account| facts(&head.state, account));
        let accounts = addresses.iter().copied().zip(found).collect();
        Self { head, accounts }
    }

    /// What was found, for as long as the head is the same.
    fn account(&self, head: &Arc<Head>, address: &Address) -> Option<AccountFacts> {
        self.accounts.get(address).filter(|_| Arc::ptr_eq(&self.head, head)).copied()
    }
}

impl Chain {
    /// The view of whoever admits one batch of transactions.
    pub(crate) fn live(&self) -> Live<'_> {
        Live { chain: self, expected: OnceCell::new() }
    }
}

impl AccountView for Live<'_> {
    fn account(&self, address: &Address) -> AccountFacts {
        let head = self.chain.head.load();
        let expected = self.expected.get().and_then(|expected| expected.account(&head, address));
        expected.unwrap_or_else(|| head.account(address))
    }

    fn expect(&self, addresses: &[Address]) {
        self.expected.get_or_init(|| Expected::at(self.chain.head.load_full(), addresses));
    }

    fn height(&self) -> u64 {
        self.chain.head.load().height
    }

    fn has_used(&self, key: &ReplayKey) -> bool {
        self.chain.replays.read().is_used(key, self.height() + 1)
    }
}

/// What the pool wants to know of an account.
pub fn facts(state: &WorldState, account: Option<AccountInfo>) -> AccountFacts {
    let Some(account) = account else { return AccountFacts::default() };
    let code = match state.code(&account.code_hash) {
        None => AccountCode::None,
        Some(code) if code.is_empty() => AccountCode::None,
        Some(code) if code.len() == DELEGATION_BYTES && code.starts_with(&DELEGATION_PREFIX) => {
            AccountCode::Delegated
        }
        Some(_) => AccountCode::Contract,
    };
    AccountFacts { nonce: account.nonce, balance: account.balance, code }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{KECCAK256_EMPTY, U256};
    use hansa_state::{AccountDiff, StateDiff};

    use super::*;

    fn head(nonce: u64) -> Arc<Head> {
        let info = AccountInfo { nonce, balance: U256::from(5), code_hash: KECCAK256_EMPTY };
        let change = AccountDiff { info: Some(info), ..AccountDiff::default() };
        let mut state = WorldState::new();
        state.apply(&StateDiff::new(vec![(Address::repeat_byte(1), change)], Vec::new()));
        let (sealed_hash, order_hash) = (B256::ZERO, B256::ZERO);
        Arc::new(Head { height: 1, sealed_hash, order_hash, header: Header::default(), time_ms: 0, state })
    }

    #[test]
    fn what_was_found_together_counts_until_the_head_moves() {
        let (here, absent, unasked) = (1, 2, 3);
        let address = Address::repeat_byte;
        let (before, after) = (head(7), head(8));
        let expected = Expected::at(before.clone(), &[address(here), address(absent)]);
        let found = |head: &Arc<Head>, of| expected.account(head, &address(of)).map(|facts| facts.nonce);
        assert_eq!(found(&before, here), Some(7));
        assert_eq!(found(&before, absent), Some(0));
        assert_eq!(found(&before, unasked), None);
        assert_eq!(found(&after, here), None);
    }
}
