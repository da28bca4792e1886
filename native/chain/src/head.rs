//! The latest sealed block, published for readers that must never wait.

use alloy_consensus::Header;
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
pub struct Live<'a>(&'a Chain);

impl Chain {
    /// The view of whoever admits transactions.
    pub(crate) fn live(&self) -> Live<'_> {
        Live(self)
    }
}

impl AccountView for Live<'_> {
    fn account(&self, address: &Address) -> AccountFacts {
        self.0.head.load().account(address)
    }

    fn expect(&self, addresses: &[Address]) {
        // What is found is read again under the pool's lock; by then it lies in the cache.
        self.0.head.load().state.accounts(addresses);
    }

    fn height(&self) -> u64 {
        self.0.head.load().height
    }

    fn has_used(&self, key: &ReplayKey) -> bool {
        self.0.replays.read().is_used(key, self.height() + 1)
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
