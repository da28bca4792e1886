# pragma version 0.4.3
"""
@title A token for measurements
@license Apache-2.0
@notice Everybody may mint and name operators, who move anybody's tokens; `fail` always reverts. Nothing of value
        belongs here. `balanceOf` lies in slot 1 and `operators` in slot 3: benchmarks write both into genesis.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
operators: public(HashMap[address, bool])


@external
def mint(receiver: address, amount: uint256):
    self.totalSupply += amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=empty(address), receiver=receiver, value=amount)


@external
def mintMany(receivers: DynArray[address, 200], amount: uint256):
    self.totalSupply += amount * len(receivers)
    for receiver: address in receivers:
        self.balanceOf[receiver] += amount


@external
def setOperator(operator: address):
    self.operators[operator] = True


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=msg.sender, receiver=receiver, value=amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    if not self.operators[msg.sender]:
        self.allowance[owner][msg.sender] -= amount
    self.balanceOf[owner] -= amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=owner, receiver=receiver, value=amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    log Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@external
def fail():
    raise "it always fails"
