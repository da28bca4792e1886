"""Signed transactions from a seed, made before the clock starts."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import msgspec

from hansa import _native
from hansa.bench.accounts import Accounts

TRANSFER_GAS = 21_000
CALL_GAS = 150_000
DEPLOY_GAS = 1_500_000
MIXED_SHARES = (("transfer", 60), ("token", 25), ("deploy", 5), ("revert", 5), ("approve", 5))  # percent


class BenchContract(msgspec.Struct, frozen=True):
    """What a workload needs of contracts/bench/BenchToken.vy, the token that mixed workloads call."""

    name: str
    bytecode: str  # 0x and hex

    @property
    def creation_code(self) -> bytes:
        return bytes.fromhex(self.bytecode.removeprefix("0x"))

    def call(self, signature: str, *arguments: str) -> bytes:
        """Call data for one of its functions."""
        return _native.abi_encode_call(signature, list(arguments))


def load_contract() -> BenchContract:
    """Read the artefact that ships in the package."""
    file = resources.files("hansa.bench").joinpath("artefacts", "bench_token.json")
    return msgspec.json.decode(file.read_bytes(), type=BenchContract)


@dataclass(frozen=True, slots=True)
class Workload:
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


def make_transfers(accounts: Accounts, nonces: Nonces, count: int, chain_id: int, seed: int) -> Workload:
    """Transfers of one wei: senders in turn, receivers uniformly from all accounts."""
    draw = random.Random(f"transfer/{seed}/{nonces.turn}")
    first = nonces.take(count)[0]
    order = [*range(first, len(nonces.next)), *range(first)]
    recipients = draw.choices(accounts.all, k=count)
    raws = _native.sign_transfers(
        [accounts.secrets[sender] for sender in order],
        [nonces.next[sender] for sender in order],
        recipients,
        count,
        chain_id,
    )
    for offset in range(count):
        nonces.use(order[offset % len(order)])
    return _with_hashes(raws)


def make_mixed(
    accounts: Accounts, nonces: Nonces, count: int, chain_id: int, seed: int, contract: BenchContract, token: bytes
) -> Workload:
    """Transfers, token transfers, approvals, deployments and calls that revert, in the shares of `MIXED_SHARES`.

    Parameters
    ----------
    token: 20-byte address of the deployed `contract`, of which every sender may mint.
    """
    draw = random.Random(f"mixed/{seed}/{nonces.turn}")
    kinds = draw.choices([kind for kind, _ in MIXED_SHARES], [share for _, share in MIXED_SHARES], k=count)
    recipients = draw.choices(accounts.all, k=count)
    raws = []
    for sender, kind, recipient in zip(nonces.take(count), kinds, recipients, strict=True):
        fields: dict[str, object] = {"chain_id": chain_id, "nonce": nonces.use(sender), "gas": CALL_GAS, "to": token}
        match kind:
            case "transfer":
                fields |= {"to": recipient, "gas": TRANSFER_GAS, "value": draw.randrange(1, 1_000)}
            case "token":
                fields |= {"data": contract.call("mint(address,uint256)", f"0x{recipient.hex()}", "1")}
            case "approve":
                amount = str(draw.randrange(10**6))
                fields |= {"data": contract.call("approve(address,uint256)", f"0x{recipient.hex()}", amount)}
            case "revert":
                fields |= {"data": contract.call("fail()")}
            case "deploy":
                del fields["to"]
                fields |= {"data": contract.creation_code, "gas": DEPLOY_GAS}
        raws.append(_native.sign_transaction(accounts.secrets[sender], fields))
    return _with_hashes(raws)


def _with_hashes(raws: Sequence[bytes]) -> Workload:
    return Workload(raws, ["0x" + _native.keccak256(raw).hex() for raw in raws])


def contract_address(sender: bytes, nonce: int) -> bytes:
    """The 20-byte address of the contract that `sender` creates with `nonce` (yellow paper, section 7)."""
    return _native.keccak256(_native.rlp_encode([sender, nonce]))[12:]


def fingerprint(workload: Workload) -> str:
    """A digest of all transactions in order: two runs with the same one sent the same bytes."""
    digest = hashlib.sha256()
    for raw in workload.raws:
        digest.update(raw)
    return digest.hexdigest()[:16]
