//! What the pool asks about an account.

use alloy_primitives::{Address, U256};

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

    /// Says that these accounts are asked for soon, before the pool is locked. A large state finds many together
    /// faster than one by one.
    fn expect(&self, _addresses: &[Address]) {}
}

impl<T: AccountView + ?Sized> AccountView for &T {
    fn account(&self, address: &Address) -> AccountFacts {
        (**self).account(address)
    }

    fn expect(&self, addresses: &[Address]) {
        (**self).expect(addresses);
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
