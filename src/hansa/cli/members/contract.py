"""The membership contract as commands ask it and send to it."""

import ssl
from dataclasses import dataclass
from typing import Any

from hansa.alliance.artefact import membership_artefact
from hansa.alliance.errors import NoSuchMember
from hansa.alliance.membership import CALL_GAS_MAX, MEMBERSHIP_ADDRESS, STATUS_NAMES
from hansa.cli.errors import ReceiptFailed
from hansa.cli.members.refusals import with_next_step
from hansa.crypto.suite import KeyPair
from hansa.sdk.client import Client
from hansa.sdk.contract import (
    argument_text,
    decode_events,
    decode_output,
    encode_call,
    function_signature,
    parse_artefact,
)
from hansa.sdk.errors import RpcFailed
from hansa.sdk.signing import CONFIRM_S, Intent, call_object, explained, send_and_wait, sign_intent
from hansa.types.epoch import EpochFacts, EpochNode

KINDS = {1: "invite", 2: "remove", 3: "node", 4: "consensus", 5: "account"}
STATES = {1: "open", 2: "accepted", 3: "done", 4: "refused"}
_ADDRESS = bytes.fromhex(MEMBERSHIP_ADDRESS[2:])


@dataclass(frozen=True, slots=True)
class Organisation:
    """A member, as the contract holds it."""

    index: int
    name: str
    role: str
    account: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A node, as it is in force for the coming block."""

    index: int
    name: str
    organisation: int
    public_key: bytes  # 33 bytes
    account: bytes  # 20 bytes
    certificate: bytes  # SHA-256 of its TLS certificate
    endpoint: str
    status: str
    since: int  # epoch


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal with its votes."""

    number: int
    kind: str
    state: str
    subject: int
    status: int
    name: str
    account: str
    votes: int
    needed: int
    notice_until: int | None  # seconds since 1970: the other one of two organisations may object so long
    expires_at: int  # seconds since 1970


class Members:
    """The membership contract behind one node."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._artefact = parse_artefact(membership_artefact(), "membership")

    def ask(self, function: str, *arguments: Any) -> list[Any]:
        """The outputs of a view.

        Raises
        ------
        RpcFailed: the node refuses; also where the alliance has no such contract.
        """
        signature = function_signature(self._artefact, function, len(arguments))
        data = encode_call(signature, [str(argument) for argument in arguments])
        try:
            answer = self.client.call("eth_call", call_object(Intent(_ADDRESS, data)), "latest")
        except RpcFailed as failure:
            raise with_next_step(explained(failure)) from None
        return decode_output(signature, bytes.fromhex(answer[2:]))

    def send(
        self, key: KeyPair, function: str, *arguments: Any, wait_s: float = CONFIRM_S
    ) -> dict[str, dict[str, Any]]:
        """Send, wait until it is final, and return the events by name.

        Raises
        ------
        Reverted: the contract refuses, in its own words; the hint says what to do.
        ReceiptFailed: it refused only in its block. NotConfirmed: not final in time.
        """
        signature = function_signature(self._artefact, function, len(arguments))
        data = encode_call(signature, [argument_text(argument) for argument in arguments])
        intent = Intent(_ADDRESS, data, gas=CALL_GAS_MAX if self._is_boundary() else None)
        try:
            receipt = send_and_wait(self.client, sign_intent(self.client, key, intent), wait_s)
        except RpcFailed as failure:
            raise with_next_step(failure) from None
        if receipt["status"] != "0x1":
            transaction = receipt["transactionHash"]
            raise ReceiptFailed(f"{function} reverted in its block", f"hansa tx {transaction}", hash=transaction)
        return decode_events(self._artefact, receipt["logs"])

    def _is_boundary(self) -> bool:
        """Whether the latest block is the last of its epoch: what the next one brings cannot be estimated on it."""
        end = self.count("epoch_end")
        return end != 0 and int(self.client.call("eth_blockNumber"), 16) == end

    def count(self, name: str) -> int:
        """A number that the contract publishes."""
        return int(self.ask(name)[0])

    def organisations(self) -> list[Organisation]:
        """All that ever were members, by index."""
        found = []
        for index in range(self.count("organisation_count")):
            name, role, _, account, is_active = self.ask("organisations", index)[0]
            found.append(Organisation(index, name, role, account, is_active))
        return found

    def organisation(self, name: str) -> Organisation:
        """The active member of that name.

        Raises
        ------
        NoSuchMember: there is none; the hint lists all.
        """
        known = [one for one in self.organisations() if one.is_active]
        for one in known:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in known)
        raise NoSuchMember(f"the alliance has no organisation {name!r}", f"its organisations: {names}")

    def nodes(self) -> list[Node]:
        """All nodes in force, by index."""
        found = []
        for index in range(self.count("node_count")):
            node = self.node(index)
            if node is not None:
                found.append(node)
        return found

    def node(self, index: int) -> Node | None:
        """A node in force; None while it is only staged."""
        return self._node("node", index)

    def coming_nodes(self) -> list[Node]:
        """All nodes as they will be in the next epoch, by index."""
        found = [self._node("comingNode", index) for index in range(self.count("node_count"))]
        return [node for node in found if node is not None]

    def _node(self, function: str, index: int) -> Node | None:
        name, owner, key, account, certificate, endpoint, status, since, _ = self.ask(function, index)[0]
        if int(status) == 0:
            return None
        return Node(
            index, name, int(owner), _bytes(key), _bytes(account), _bytes(certificate), endpoint,
            STATUS_NAMES[int(status)], int(since),
        )  # fmt: skip

    def node_named(self, name: str) -> Node:
        """The node of that name.

        Raises
        ------
        NoSuchMember: there is none.
        """
        nodes = self.nodes()
        for node in nodes:
            if node.name == name:
                return node
        raise NoSuchMember(f"the alliance has no node {name!r}", f"its nodes: {', '.join(n.name for n in nodes)}")

    def epoch(self) -> EpochFacts:
        """What is in force for the coming block."""
        end = self.count("epoch_end")
        number = self.count("epoch")
        first_height = self.count("epoch_first")
        if end and int(self.client.call("eth_blockNumber"), 16) >= end:
            number, first_height = number + 1, end + 1
        owners = [self.ask("organisations", index)[0] for index in range(self.count("organisation_count"))]
        nodes = tuple(
            EpochNode(
                node.index, node.name, owners[node.organisation][0], node.public_key, node.account, node.certificate,
                ssl.DER_cert_to_PEM_cert(_bytes(owners[node.organisation][2])), node.endpoint,
                int(node.status == "validator"), node.status != "removed" or node.since == number,
            )
            for node in self.nodes()
        )  # fmt: skip
        view_timeout_ms, block_interval_ms, protocol = map(int, self.ask("consensusInForce")[0])
        return EpochFacts(number, first_height, nodes, view_timeout_ms, block_interval_ms, protocol)

    def proposal(self, number: int) -> Proposal:
        """A proposal.

        Raises
        ------
        NoSuchMember: there is none of that number.
        """
        found = self.ask("proposals", number)[0]
        kind, state, _, subject, _, status, name, _, account, _, _, _, expires_at = found
        if int(kind) == 0:
            raise NoSuchMember(f"there is no proposal {number}", "hansa proposal list")
        votes, needed, notice_until = (
            int(self.ask(function, number)[0]) for function in ("votesOf", "neededFor", "noticeUntil")
        )
        return Proposal(
            number, KINDS[int(kind)], STATES[int(state)], int(subject), int(status), name, account,
            votes, needed, notice_until or None, int(expires_at),
        )  # fmt: skip

    def proposals(self) -> list[Proposal]:
        """All proposals, the oldest first."""
        return [self.proposal(number) for number in range(1, self.count("proposal_count") + 1)]


def _bytes(printed: str) -> bytes:
    return bytes.fromhex(printed.removeprefix("0x"))
