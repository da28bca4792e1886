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

impl Chain {
    /// The view of whoever admits one batch of transactions.
    pub(crate) fn live(&self) -> Live<'_> {
        Live { chain: self, expected: OnceCell::new() }
    }
}

impl AccountView for Live<'_> {
    fn account(&self, address: &Address) -> AccountFacts {
        let head = self.chain.head.load();
        let expected = self.expected.get().filter(|expected| Arc::ptr_eq(&expected.head, &head));
        let found = expected.and_then(|expected| expected.accounts.get(address));
        found.copied().unwrap_or_else(|| head.account(address))
    }

    fn expect(&self, addresses: &[Address]) {
        self.expected.get_or_init(|| {
            let head = self.chain.head.load_full();
            let found = head.state.accounts(addresses).into_iter().map(|account| facts(&head.state, account));
            let accounts = addresses.iter().copied().zip(found).collect();
            Expected { head, accounts }
        });
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
