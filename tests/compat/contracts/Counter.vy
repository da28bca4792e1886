# pragma version 0.4.3
"""
Counts, and says so: the smallest contract with state, events, a constructor and reverts. Used by the client tests.
"""

event Added:
    by: indexed(address)
    amount: uint256
    total: uint256

total: public(uint256)
given: public(HashMap[address, uint256])


@deploy
def __init__(start: uint256):
    self.total = start


@external
def add(amount: uint256) -> uint256:
    assert amount > 0, "nothing to add"
    self.total += amount
    self.given[msg.sender] += amount
    log Added(by=msg.sender, amount=amount, total=self.total)
    return self.total


@external
@payable
def pay():
    self.given[msg.sender] += msg.value


@external
@view
def now() -> (uint256, uint256):
    return (block.number, block.timestamp)
