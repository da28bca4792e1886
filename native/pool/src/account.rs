//! What the pool asks about an account.

use alloy_primitives::{Address, U256};
use hansa_codec::own::BLOCK_LIMIT_HORIZON;
use hansa_codec::{Recovered, ReplayKey};

use crate::PoolError;

/// Whether an account carries code, and of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccountCode {
    /// An ordinary account, held by a key.
    #[default]
    None,
    /// An EIP-7702 delegation (code 0xef0100 ‖ address): still held by a key.
    Delegated,
    /// A contract; it cannot send transactions (EIP-3607).
    Contract,
}

/// An account at the sealed head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountFacts {
    /// The next nonce that will execute.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Kind of code.
    pub code: AccountCode,
}

/// Accounts at the sealed head.
///
/// The pool asks while it holds its lock. An implementation answers from the head at the moment of
/// the question ([`Live`]), and the head is moved *before* [`crate::Pool::update_accounts`] is
/// called; then no account can be filed with facts that are older than the last update. A snapshot
/// taken before a batch was prepared would break this: a sender whose transaction was sealed
/// meanwhile would be filed with its old nonce and wait for a transaction that never comes.
pub trait AccountView {
    /// The account's facts; the default for an account that does not exist.
    fn account(&self, address: &Address) -> AccountFacts;

    /// Says which accounts are asked for soon, before the pool is locked. A large state finds many together faster
    /// than one by one. What is found counts for as long as the head stays where it is.
    fn expect(&self, _addresses: &[Address]) {}

    /// The height of the sealed head; asked of our own type alone, and 0 where nobody has such.
    fn height(&self) -> u64 {
        0
    }

    /// Whether a block that still matters used that number of that sender (rules.md 2.7).
    fn has_used(&self, _: &ReplayKey) -> bool {
        false
    }
}

impl<T: AccountView + ?Sized> AccountView for &T {
    fn account(&self, address: &Address) -> AccountFacts {
        (**self).account(address)
    }

    fn expect(&self, addresses: &[Address]) {
        (**self).expect(addresses);
    }

    fn height(&self) -> u64 {
        (**self).height()
    }

    fn has_used(&self, key: &ReplayKey) -> bool {
        (**self).has_used(key)
    }
}

/// A view that asks anew each time, such as `Live(|address| head.load().account(address))`.
#[derive(Debug, Clone, Copy)]
pub struct Live<F>(pub F);

impl<F: Fn(&Address) -> AccountFacts> AccountView for Live<F> {
    fn account(&self, address: &Address) -> AccountFacts {
        (self.0)(address)
    }
}

/// What admission asks of a transaction of our own type; of others nothing.
///
/// # Errors
/// `OutOfTime`, `BlockLimit`, `NonceUsed` of [`PoolError`], looked for in this order.
pub(crate) fn check_own(
    recovered: &Recovered,
    view: &impl AccountView,
    now_ms: u64,
) -> Result<(), PoolError> {
    let (Some(own), Some(key)) = (recovered.tx.own(), recovered.replay_key()) else { return Ok(()) };
    let (block_limit, height) = (own.block_limit, view.height());
    if own.expires_at < now_ms / 1_000 {
        return Err(PoolError::OutOfTime { expires_at: own.expires_at });
    }
    // What the next block may hold.
    if block_limit <= height || block_limit - height > BLOCK_LIMIT_HORIZON {
        return Err(PoolError::BlockLimit { block_limit, height });
    }
    match view.has_used(&key) {
        true => Err(PoolError::NonceUsed { nonce: key.nonce }),
        false => Ok(()),
    }
}
