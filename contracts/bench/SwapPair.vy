# pragma version 0.4.3
"""
@title A pool that swaps two tokens at constant product
@license Apache-2.0
@notice Each swap takes 0.3 % and leaves the product of the reserves at least as large. For measurements: the pool must be
        an operator of both tokens. Slots: tokens 0 and 1, reserves 2 and 3.
"""

interface Token:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(owner: address, receiver: address, amount: uint256) -> bool: nonpayable

event Swap:
    trader: indexed(address)
    zeroForOne: bool
    paid: uint256
    received: uint256

tokens: public(address[2])
reserves: public(uint256[2])


@deploy
def __init__(first: address, second: address, reserve: uint256):
    self.tokens = [first, second]
    self.reserves = [reserve, reserve]


@external
def swap(zeroForOne: bool, paid: uint256) -> uint256:
    side: uint256 = 0 if zeroForOne else 1
    before: uint256 = self.reserves[side]
    other: uint256 = self.reserves[1 - side]
    counted: uint256 = paid * 997
    received: uint256 = counted * other // (before * 1000 + counted)
    self.reserves[side] = before + paid
    self.reserves[1 - side] = other - received
    assert (before + paid) * (other - received) >= before * other, "the product fell"
    extcall Token(self.tokens[side]).transferFrom(msg.sender, self, paid)
    extcall Token(self.tokens[1 - side]).transfer(msg.sender, received)
    log Swap(trader=msg.sender, zeroForOne=zeroForOne, paid=paid, received=received)
    return received
