# pragma version 0.4.3
"""
@title SmallBank, the banking benchmark
@license Apache-2.0
@notice Six operations on customers with a savings and a checking account each, as in M. Alomari et al., "The Cost of
        Serializability on Platforms That Use Snapshot Isolation" (ICDE 2008). Customers are addresses; nobody is
        asked who he is. Accounts may go below zero, so that an operation succeeds whatever came before it: the order of
        transactions is not known when they are signed. `savings` lies in slot 0, `checking` in slot 1.
"""

savings: public(HashMap[address, int256])
checking: public(HashMap[address, int256])
PENALTY: constant(int256) = 1


@external
def openMany(customers: DynArray[address, 200], amount: int256):
    for customer: address in customers:
        self.savings[customer] = amount
        self.checking[customer] = amount


@external
def readBalance(customer: address) -> int256:
    """
    @notice Reads both accounts; not a view, so that it is measured as a transaction.
    """
    return self.savings[customer] + self.checking[customer]


@external
def depositChecking(customer: address, amount: int256):
    self.checking[customer] += amount


@external
def transactSavings(customer: address, amount: int256):
    self.savings[customer] += amount


@external
def amalgamate(source: address, target: address):
    total: int256 = self.savings[source] + self.checking[source]
    self.savings[source] = 0
    self.checking[source] = 0
    self.checking[target] += total


@external
def sendPayment(source: address, target: address, amount: int256):
    self.checking[source] -= amount
    self.checking[target] += amount


@external
def writeCheck(customer: address, amount: int256):
    if self.savings[customer] + self.checking[customer] < amount:
        self.checking[customer] -= amount + PENALTY
    else:
        self.checking[customer] -= amount
