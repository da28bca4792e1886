"""The ledger of an alliance whose keys the test holds: blocks are signed by the validators of their epoch."""

import datetime
from pathlib import Path
from typing import Any

import msgspec

from hansa import _native
from hansa.alliance.authority import Authority, create_authority
from hansa.alliance.draft import draft_alliance
from hansa.alliance.genesis import assemble_genesis
from hansa.alliance.membership import MEMBERSHIP_ADDRESS, prove_key
from hansa.alliance.public_part import PublicPart, build_public_part
from hansa.crypto.suite import KeyPair, keccak256, key_pair
from hansa.sdk.contract import parse_artefact
from tests.contracts.ledger import BLOCK_MS, CHAIN_ID, GAS_LIMIT, START_MS, Contract, Ledger

ARTEFACT = Path(__file__).resolve().parents[2] / "src/hansa/alliance/artefacts/membership.json"
NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
WINDOW = 3
OBSERVER, VALIDATOR, REMOVED = 1, 2, 3
OPEN, ACCEPTED, DONE, REFUSED = 1, 2, 3, 4
STATE, AGAINST, VOTES = 1, 4, 10  # places in a proposal


def authority_of(name: str) -> Authority:
    return create_authority(name, "contracts", NOW)


class AllianceLedger(Ledger):
    """An alliance of `size` organisations with one validator each, in one process."""

    def __init__(self, size: int = 4, directory: Path | None = None) -> None:
        self.size = size
        self.voters = [key_pair((100 + index).to_bytes(32)) for index in range(size)]
        self.validators: dict[bytes, KeyPair] = {}  # by public key
        for index in range(size):
            self.add_validator(key_pair((200 + index).to_bytes(32)))
        self.authorities = [authority_of(f"org{index}") for index in range(size)]
        super().__init__(directory=directory)
        self._nonces |= dict.fromkeys((key.address for key in self.voters), 0)
        artefact = parse_artefact(ARTEFACT.read_bytes(), "membership")
        self.members = Contract.at(self, artefact, MEMBERSHIP_ADDRESS)

    def add_validator(self, pair: KeyPair) -> KeyPair:
        """A key that signs once its node may."""
        self.validators[pair.public] = pair
        return pair

    def account(self, pair: KeyPair) -> KeyPair:
        """A key that sends transactions."""
        self._nonces.setdefault(pair.address, 0)
        return pair

    def _genesis(self) -> bytes:
        names = tuple(f"org{index}" for index in range(self.size))
        terms = draft_alliance("contracts", CHAIN_ID, START_MS, dev=False, organisations=names)
        consensus = msgspec.structs.replace(terms.consensus, kind="pbft", window=WINDOW)
        terms = msgspec.structs.replace(terms, consensus=consensus)
        pairs = list(self.validators.values())
        parts: list[PublicPart] = [
            build_public_part(
                terms, authority, [(authority.organisation, pairs[index], bytes([index + 1]) * 32)],
                [self.voters[index].address],
            )
            for index, authority in enumerate(self.authorities)
        ]  # fmt: skip
        return assemble_genesis(parts)

    def facts(self) -> Any:
        """What is in force above the head."""
        facts = self.chain.epoch_facts(self.chain.head()[2])
        assert facts is not None
        return facts

    def seal_block(self) -> None:
        """As the validators of the epoch would: a quorum of them signs."""
        height, sealed_hash, parent = self.chain.head()
        epoch, _, nodes, *_ = self.facts()
        voters = [(index, node[2]) for index, node in enumerate(nodes) if node[7]]
        refs, count, gas = self.chain.propose([], GAS_LIMIT, 1_000, 1 << 20)
        self.now_ms += BLOCK_MS
        leader = voters[height % len(voters)][0]
        fields = (
            epoch, 0, height + 1, parent, height, height, sealed_hash, self.now_ms, leader, 1, keccak256(refs), count,
            gas,
        )  # fmt: skip
        order_hash = self.chain.add_body(_native.order_encode(fields), refs)
        new_height, new_hash, _, _ = self.chain.execute(order_hash)
        digest = self.chain.seal_digest(new_height, new_hash)
        quorum = voters[: len(voters) - (len(voters) - 1) // 3]
        signatures = [(index, _native.sign(self.validators[key].secret, digest)) for index, key in quorum]
        certificate = _native.certificate_encode(epoch, new_height, new_hash, signatures)
        assert self.chain.verify_certificate(certificate)
        self.chain.seal(new_height, certificate)

    def end_epoch(self) -> int:
        """Seal empty blocks until the epoch's end, which is set; its height."""
        end = self.chain.epoch_end(self.chain.head()[2])
        assert end is not None
        while self.chain.head()[0] < end:
            self.seal_block()
        return end

    def expiry(self) -> int:
        """An hour from now."""
        return self.now_ms // 1_000 + 3_600

    def propose(self, function: str, *arguments: Any, by: int = 0) -> int:
        """Open a proposal as an organisation; its number."""
        events = self.members.send(self.voters[by], function, *arguments, self.expiry())
        return int(events["Opened"]["proposal"])

    def approve(self, proposal: int) -> None:
        """Let as many organisations vote as it takes, in their order."""
        for index, voter in enumerate(self.voters):
            found = self.members.call("proposals", proposal)
            if int(found[STATE]) != OPEN:
                return
            if not int(found[VOTES]) >> index & 1 and index != int(found[AGAINST]):
                self.members.send(voter, "approve", proposal)

    def invite(self, name: str, invitee: KeyPair, status: int = VALIDATOR) -> int:
        """An invitation that the alliance has accepted; its number."""
        events = self.members.send(
            self.voters[0], "invite", name, "member", self.account(invitee), status, self.expiry()
        )
        proposal = int(events["Opened"]["proposal"])
        self.approve(proposal)
        return proposal

    def join(self, proposal: int, invitee: KeyPair, name: str, **changes: Any) -> dict[str, dict[str, Any]]:
        """Complete an invitation; the events."""
        node = changes.get("node") or self.add_validator(key_pair(keccak256(name.encode())))
        voter = changes.get("voter") or key_pair(keccak256(b"voter " + name.encode()))
        certificate = changes.get("certificate", keccak256(b"certificate " + name.encode()))
        proof = changes.get("proof") or prove_key(node, name, CHAIN_ID)
        self.voters.append(self.account(voter))
        return self.members.send(
            invitee, "join", proposal, voter, b"\x30authority of " + name.encode(), name, *proof, certificate,
            "127.0.0.1:30399",
        )  # fmt: skip
