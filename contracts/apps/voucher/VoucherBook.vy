#pragma version 0.4.3
#pragma evm-version cancun
"""
@title VoucherBook
@license Apache-2.0
@notice Receivable vouchers of a supply chain: a core enterprise promises an amount at a due date, the holder may split
        the voucher, pass it on to its own suppliers, or have a bank finance it before it falls due.
@dev    ERC-3525's model <id, slot, value>: vouchers of one slot (issuer, due date, currency) are fungible in value.
        Ownership is ERC-721 in full. ERC-3525's own interface id is not claimed: it overloads `balanceOf` and
        `transferFrom` by argument type, which Vyper has not; the value side is `valueOf` and `transferValue` here, with
        ERC-3525's events. Amounts are in hundredths of the currency (`valueDecimals` = 2).
"""

flag Role:
    ISSUER  # may promise to pay
    HOLDER  # may hold, split, pass on and redeem
    BANK    # may hold, and pay before the due date

struct Slot:
    issuer: address
    due: uint64  # seconds since 1970
    currency: String[3]  # ISO 4217

struct Voucher:
    owner: address
    slot: uint256
    amount: uint256  # hundredths
    parent: uint256  # the voucher that it was split from, 0 if issued

struct Offer:
    bank: address
    price: uint256  # hundredths, what the holder is ready to take

struct Financing:
    bank: address
    price: uint256
    discount: uint256  # face value - price, hundredths
    payment: bytes32  # reference of the payment outside

interface ERC721Receiver:
    def onERC721Received(operator: address, sender: address, token: uint256, data: Bytes[1024]) -> bytes4: nonpayable

event Transfer:
    _from: indexed(address)
    _to: indexed(address)
    _tokenId: indexed(uint256)

event Approval:
    _owner: indexed(address)
    _approved: indexed(address)
    _tokenId: indexed(uint256)

event ApprovalForAll:
    _owner: indexed(address)
    _operator: indexed(address)
    _approved: bool

event TransferValue:
    _fromTokenId: indexed(uint256)
    _toTokenId: indexed(uint256)
    _value: uint256

event SlotChanged:
    _tokenId: indexed(uint256)
    _oldSlot: indexed(uint256)
    _newSlot: indexed(uint256)

event RoleSet:
    account: indexed(address)
    role: Role

event Issued:
    token: indexed(uint256)
    issuer: indexed(address)
    holder: indexed(address)
    amount: uint256
    due: uint64
    currency: String[3]
    invoice: bytes32

event Split:
    token: indexed(uint256)
    child: indexed(uint256)
    amount: uint256

event Offered:
    token: indexed(uint256)
    bank: indexed(address)
    price: uint256

event Financed:
    token: indexed(uint256)
    bank: indexed(address)
    seller: indexed(address)
    price: uint256
    discount: uint256
    payment: bytes32

event Redeemed:
    token: indexed(uint256)
    holder: indexed(address)
    amount: uint256
    payment: bytes32

name: public(constant(String[16])) = "Voucher Book"
symbol: public(constant(String[4])) = "VCHR"
valueDecimals: public(constant(uint8)) = 2

administrator: public(address)
roleOf: public(HashMap[address, Role])
slots: public(HashMap[uint256, Slot])
outstanding: public(HashMap[uint256, uint256])  # slot -> value not yet redeemed
offers: public(HashMap[uint256, Offer])
financings: public(HashMap[uint256, Financing])
balanceOf: public(HashMap[address, uint256])  # vouchers held
isApprovedForAll: public(HashMap[address, HashMap[address, bool]])
count: public(uint256)  # vouchers made so far; ids go from 1 to this
vouchers: HashMap[uint256, Voucher]
approved: HashMap[uint256, address]


@deploy
def __init__():
    self.administrator = msg.sender


# ---- who may do what


@external
def setRole(account: address, role: Role):
    """
    @notice Give an account its roles, or none. Only the administrator.
    """
    assert msg.sender == self.administrator, "only the administrator"
    self.roleOf[account] = role
    log RoleSet(account=account, role=role)


@external
def setAdministrator(account: address):
    """
    @notice Hand the book over. Only the administrator.
    """
    assert msg.sender == self.administrator, "only the administrator"
    assert account != empty(address), "zero address"
    self.administrator = account


# ---- the life of a voucher


@external
def issue(holder: address, amount: uint256, due: uint64, currency: String[3], invoice: bytes32) -> uint256:
    """
    @notice Promise to pay `amount` to whoever holds the voucher at the due date.
    @param invoice Digest of the invoice behind it.
    @return The id of the new voucher.
    """
    assert Role.ISSUER in self.roleOf[msg.sender], "not an issuer"
    assert amount > 0, "amount is zero"
    assert convert(due, uint256) > block.timestamp, "due date is past"
    assert len(currency) == 3, "currency is not three letters"
    slot: uint256 = convert(keccak256(abi_encode(msg.sender, due, currency)), uint256)
    self.slots[slot] = Slot(issuer=msg.sender, due=due, currency=currency)
    self.outstanding[slot] += amount
    token: uint256 = self._mint(holder, slot, amount, 0)
    log TransferValue(_fromTokenId=0, _toTokenId=token, _value=amount)
    log Issued(
        token=token, issuer=msg.sender, holder=holder, amount=amount, due=due, currency=currency, invoice=invoice
    )
    return token


@external
def split(token: uint256, amount: uint256) -> uint256:
    """
    @notice Move `amount` into a new voucher of the same holder.
    @return The id of the new voucher.
    """
    owner: address = self._check_spender(token)
    child: uint256 = self._split(token, owner, amount)
    return child


@external
def transferValue(token: uint256, target: uint256, amount: uint256):
    """
    @notice Move `amount` into another voucher of the same slot, whoever holds it.
    """
    self._check_spender(token)
    assert token != target, "same voucher"
    assert self._owner(target) != empty(address), "no such voucher"
    assert self.vouchers[token].slot == self.vouchers[target].slot, "slots differ"
    self._move_value(token, target, amount)


@external
def transferValueTo(token: uint256, receiver: address, amount: uint256) -> uint256:
    """
    @notice Move `amount` into a new voucher for somebody else.
    @return The id of the new voucher.
    """
    self._check_spender(token)
    return self._split(token, receiver, amount)


@external
def offer(token: uint256, bank: address, price: uint256):
    """
    @notice Ask a bank to finance the whole voucher for `price`; replaces an earlier offer, bank zero withdraws it.
    """
    assert msg.sender == self._owner(token), "not the holder"
    assert price <= self.vouchers[token].amount, "price above the face value"
    assert bank == empty(address) or Role.BANK in self.roleOf[bank], "not a bank"
    self.offers[token] = Offer(bank=bank, price=price)
    log Offered(token=token, bank=bank, price=price)


@external
def finance(token: uint256, price: uint256, payment: bytes32):
    """
    @notice Take the voucher over at the price offered, which was paid to the holder outside.
    @param price Repeats the offer, so that a changed one is not accepted by mistake.
    @param payment Reference of that payment.
    """
    terms: Offer = self.offers[token]
    assert Role.BANK in self.roleOf[msg.sender], "not a bank"
    assert terms.bank == msg.sender, "not offered to you"
    assert terms.price == price, "price differs from the offer"
    assert payment != empty(bytes32), "no payment reference"
    seller: address = self._owner(token)
    discount: uint256 = self.vouchers[token].amount - price
    self.financings[token] = Financing(bank=msg.sender, price=price, discount=discount, payment=payment)
    self._transfer(seller, msg.sender, token)
    log Financed(token=token, bank=msg.sender, seller=seller, price=price, discount=discount, payment=payment)


@external
def redeem(token: uint256, payment: bytes32):
    """
    @notice The holder confirms that the issuer paid; the voucher ends.
    """
    assert msg.sender == self._owner(token), "not the holder"
    assert payment != empty(bytes32), "no payment reference"
    voucher: Voucher = self.vouchers[token]
    self.outstanding[voucher.slot] -= voucher.amount
    self.balanceOf[voucher.owner] -= 1
    self.vouchers[token] = empty(Voucher)
    self._forget_permissions(token)
    log TransferValue(_fromTokenId=token, _toTokenId=0, _value=voucher.amount)
    log SlotChanged(_tokenId=token, _oldSlot=voucher.slot, _newSlot=0)
    log Transfer(_from=voucher.owner, _to=empty(address), _tokenId=token)
    log Redeemed(token=token, holder=voucher.owner, amount=voucher.amount, payment=payment)


# ---- reading


@view
@external
def ownerOf(token: uint256) -> address:
    """
    @notice The holder of a voucher; reverts for one that does not exist.
    """
    return self._existing(token)


@view
@external
def valueOf(token: uint256) -> uint256:
    """
    @notice The face value in hundredths.
    """
    self._existing(token)
    return self.vouchers[token].amount


@view
@external
def slotOf(token: uint256) -> uint256:
    """
    @notice The slot of a voucher; `slots` says what it stands for.
    """
    self._existing(token)
    return self.vouchers[token].slot


@view
@external
def parentOf(token: uint256) -> uint256:
    """
    @notice The voucher from which this one was split, 0 if it was issued.
    """
    self._existing(token)
    return self.vouchers[token].parent


@view
@external
def getApproved(token: uint256) -> address:
    """
    @notice Who else may act for this voucher.
    """
    self._existing(token)
    return self.approved[token]


@pure
@external
def supportsInterface(interface_id: bytes4) -> bool:
    """
    @notice ERC-165 itself and ERC-721.
    """
    return interface_id in [0x01ffc9a7, 0x80ac58cd]


# ---- ERC-721


@external
@payable
def approve(spender: address, token: uint256):
    """
    @notice Let somebody act for one voucher.
    """
    assert msg.value == 0, "takes no coins"
    owner: address = self._existing(token)
    assert msg.sender == owner or self.isApprovedForAll[owner][msg.sender], "not the holder"
    self.approved[token] = spender
    log Approval(_owner=owner, _approved=spender, _tokenId=token)


@external
def setApprovalForAll(operator: address, is_approved: bool):
    """
    @notice Let somebody act for all vouchers of the caller.
    """
    self.isApprovedForAll[msg.sender][operator] = is_approved
    log ApprovalForAll(_owner=msg.sender, _operator=operator, _approved=is_approved)


@external
@payable
def transferFrom(sender: address, receiver: address, token: uint256):
    """
    @notice Pass the whole voucher on.
    """
    assert msg.value == 0, "takes no coins"
    assert self._check_spender(token) == sender, "not the holder"
    self._transfer(sender, receiver, token)


@external
@payable
def safeTransferFrom(sender: address, receiver: address, token: uint256, data: Bytes[1024] = b""):
    """
    @notice Pass the whole voucher on; a contract that receives it must say that it can.
    """
    assert msg.value == 0, "takes no coins"
    assert self._check_spender(token) == sender, "not the holder"
    self._transfer(sender, receiver, token)
    if receiver.is_contract:
        answer: bytes4 = extcall ERC721Receiver(receiver).onERC721Received(msg.sender, sender, token, data)
        assert answer == 0x150b7a02, "receiver refuses vouchers"


# ---- inside


@view
@internal
def _owner(token: uint256) -> address:
    return self.vouchers[token].owner


@view
@internal
def _existing(token: uint256) -> address:
    owner: address = self.vouchers[token].owner
    assert owner != empty(address), "no such voucher"
    return owner


@view
@internal
def _check_spender(token: uint256) -> address:
    owner: address = self._existing(token)
    is_spender: bool = (
        msg.sender == owner or self.approved[token] == msg.sender or self.isApprovedForAll[owner][msg.sender]
    )
    assert is_spender, "not the holder"
    return owner


@view
@internal
def _check_receiver(receiver: address):
    assert self.roleOf[receiver] & (Role.HOLDER | Role.BANK) != empty(Role), "receiver may not hold vouchers"


@internal
def _mint(holder: address, slot: uint256, amount: uint256, parent: uint256) -> uint256:
    self._check_receiver(holder)
    token: uint256 = self.count + 1
    self.count = token
    self.vouchers[token] = Voucher(owner=holder, slot=slot, amount=amount, parent=parent)
    self.balanceOf[holder] += 1
    log Transfer(_from=empty(address), _to=holder, _tokenId=token)
    log SlotChanged(_tokenId=token, _oldSlot=0, _newSlot=slot)
    return token


@internal
def _split(token: uint256, holder: address, amount: uint256) -> uint256:
    assert amount < self.vouchers[token].amount, "amount is not below the value"
    child: uint256 = self._mint(holder, self.vouchers[token].slot, 0, token)
    self._move_value(token, child, amount)
    log Split(token=token, child=child, amount=amount)
    return child


@internal
def _move_value(token: uint256, target: uint256, amount: uint256):
    assert amount > 0, "amount is zero"
    assert amount <= self.vouchers[token].amount, "amount above the value"
    self.vouchers[token].amount -= amount
    self.vouchers[target].amount += amount
    # An offer was made for the whole value as it stood.
    self.offers[token] = empty(Offer)
    self.offers[target] = empty(Offer)
    log TransferValue(_fromTokenId=token, _toTokenId=target, _value=amount)


@internal
def _transfer(sender: address, receiver: address, token: uint256):
    self._check_receiver(receiver)
    self._forget_permissions(token)
    self.vouchers[token].owner = receiver
    self.balanceOf[sender] -= 1
    self.balanceOf[receiver] += 1
    log Transfer(_from=sender, _to=receiver, _tokenId=token)


@internal
def _forget_permissions(token: uint256):
    self.approved[token] = empty(address)
    self.offers[token] = empty(Offer)
