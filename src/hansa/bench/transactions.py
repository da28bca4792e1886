"""Signed transactions, made before the clock starts."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from hansa import _native
from hansa.bench.accounts import Accounts
from hansa.bench.workloads.contract import BenchArtefact
from hansa.bench.workloads.shape import Draft

TRANSFER_GAS = 21_000
CALL_GAS = 150_000
DEPLOY_GAS = 3_000_000
MIXED_SHARES = (("transfer", 60), ("token", 25), ("deploy", 5), ("revert", 5), ("approve", 5))  # percent


@dataclass(frozen=True, slots=True)
class Transactions:
    """Transactions in the order in which they are sent, with their hashes."""

    raws: Sequence[bytes]
    hashes: Sequence[str]  # 0x and 64 hex digits, as JSON-RPC prints them

    def __len__(self) -> int:
        return len(self.raws)


class Nonces:
    """The next nonce of every sender, kept from one run to the next."""

    def __init__(self, senders: int) -> None:
        self.next = [0] * senders
        self.turn = 0  # who sends next

    def take(self, count: int) -> list[int]:
        """The senders of the next `count` transactions in round robin; their nonces are used up by `use`."""
        senders = len(self.next)
        chosen = [(self.turn + offset) % senders for offset in range(count)]
        self.turn = (self.turn + count) % senders
        return chosen

    def use(self, sender: int) -> int:
        """The sender's next nonce; it is used up."""
        nonce = self.next[sender]
        self.next[sender] = nonce + 1
        return nonce


def sign_draft(
    draft: Draft, accounts: Accounts, nonces: Nonces, chain_id: int, gas: int, value: int, gas_price: int
) -> Transactions:
    """Sign what a workload drafted; the nonces are used up."""
    raws = _native.sign_many(
        list(accounts.secrets),
        nonces.next,
        draft.senders,
        draft.recipients,
        draft.inputs,
        chain_id,
        value,
        gas,
        gas_price,
    )
    for sender in draft.senders:
        nonces.next[sender] += 1
    return with_hashes(raws)


def make_transfers(accounts: Accounts, nonces: Nonces, count: int, chain_id: int, seed: int) -> Transactions:
    """Transfers of one wei: senders in turn, receivers uniformly from all accounts."""
    draw = random.Random(f"transfer/{seed}/{nonces.turn}")
    draft = Draft(nonces.take(count), accounts.draw(draw, count), [b""] * count)
    return sign_draft(draft, accounts, nonces, chain_id, TRANSFER_GAS, 1, 0)


def make_mixed(
    accounts: Accounts, nonces: Nonces, count: int, chain_id: int, seed: int, contract: BenchArtefact, token: bytes
) -> Transactions:
    """Transfers, token transfers, approvals, deployments and calls that revert, in the shares of `MIXED_SHARES`.

    Parameters
    ----------
    token: 20-byte address of the deployed `contract`, of which every sender may mint.
    """
    draw = random.Random(f"mixed/{seed}/{nonces.turn}")
    kinds = draw.choices([kind for kind, _ in MIXED_SHARES], [share for _, share in MIXED_SHARES], k=count)
    recipients = accounts.draw(draw, count)
    raws = []
    for sender, kind, recipient in zip(nonces.take(count), kinds, recipients, strict=True):
        fields: dict[str, object] = {"chain_id": chain_id, "nonce": nonces.use(sender), "gas": CALL_GAS, "to": token}
        match kind:
            case "transfer":
                fields |= {"to": recipient, "gas": TRANSFER_GAS, "value": draw.randrange(1, 1_000)}
            case "token":
                fields |= {"data": _encode("mint(address,uint256)", f"0x{recipient.hex()}", "1")}
            case "approve":
                amount = str(draw.randrange(10**6))
                fields |= {"data": _encode("approve(address,uint256)", f"0x{recipient.hex()}", amount)}
            case "revert":
                fields |= {"data": _encode("fail()")}
            case "deploy":
                del fields["to"]
                fields |= {"data": contract.creation_code, "gas": DEPLOY_GAS}
        raws.append(_native.sign_transaction(accounts.secrets[sender], fields))
    return with_hashes(raws)


def _encode(signature: str, *arguments: str) -> bytes:
    return _native.abi_encode_call(signature, list(arguments))


def with_hashes(raws: Sequence[bytes]) -> Transactions:
    """Signed transactions with their hashes."""
    return Transactions(raws, ["0x" + _native.keccak256(raw).hex() for raw in raws])


def contract_address(sender: bytes, nonce: int) -> bytes:
    """The 20-byte address of the contract that `sender` creates with `nonce` (yellow paper, section 7)."""
    return _native.keccak256(_native.rlp_encode([sender, nonce]))[12:]


def fingerprint(transactions: Transactions) -> str:
    """A digest of all transactions in order: two runs with the same one sent the same bytes."""
    digest = hashlib.sha256()
    for raw in transactions.raws:
        digest.update(raw)
    return digest.hexdigest()[:16]
