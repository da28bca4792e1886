"""The organisations of one run, which vote while their nodes are tormented: whatever node answers carries their words.

Their accounts have a nonce each that nobody else uses. So each transaction is signed once, and handed to node after
node until one of them shows its receipt: it happens once, whoever dies meanwhile.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from hansa.alliance.artefact import membership_artefact
from hansa.alliance.membership import CALL_GAS_MAX, MEMBERSHIP_ADDRESS, STATUS_OBSERVER, STATUS_VALIDATOR, prove_key
from hansa.bench.errors import Unreachable
from hansa.bench.own_alliance import CHAIN_ID
from hansa.chaos.alliance import ChaosAlliance
from hansa.chaos.client import Client
from hansa.chaos.newcomers import Newcomer, make_next_keys
from hansa.crypto.suite import KeyPair
from hansa.io.key_file import read_consensus_key
from hansa.sdk.contract import (
    argument_text,
    decode_events,
    decode_output,
    encode_call,
    function_signature,
    parse_artefact,
)
from hansa.sdk.signing import Intent, Signed, call_object, sign_fields
from hansa.sim.checkers.violation import Violation
from hansa.sim.script import ChangeKind, Membership

ACT_S_MAX = 60.0  # for one transaction to become final, whatever happens meanwhile
EXPIRY_S = 86_400
_ADDRESS = bytes.fromhex(MEMBERSHIP_ADDRESS[2:])
_POLL_S = 0.05
Events = dict[str, dict[str, Any]]


class Council:
    """All organisations, by the stable index of their one node. Lives on the event loop."""

    def __init__(self, alliance: ChaosAlliance) -> None:
        self._alliance = alliance
        self._artefact = parse_artefact(membership_artefact(), "membership")
        self._voters = [read_consensus_key(node.folder.consensus_key) for node in alliance.nodes[: alliance.size]]
        self._newcomers: dict[int, Newcomer] = {}
        self._nonces: dict[bytes, int] = {}
        self._turn = asyncio.Lock()  # one change after another

    # --- what is changed

    async def welcome(self, newcomer: Newcomer) -> tuple[int, int]:
        """Let an organisation join with a node that has no vote yet; the epoch since which it belongs, and its first
        block.

        Raises
        ------
        Violation: it is not in time, or the contract refuses it.
        """
        guest = newcomer.pair
        opened = await self._act(
            self._voters[0], "invite", newcomer.name, "member", guest.address, STATUS_VALIDATOR, _expiry()
        )
        proposal = int(opened["Opened"]["proposal"])
        await self._approve(proposal, opened)
        proof = prove_key(newcomer.pair, newcomer.name, CHAIN_ID)
        await self._act(
            guest, "join", proposal, guest.address, newcomer.authority_der, newcomer.name, *proof,
            newcomer.certificate, newcomer.endpoint,
        )  # fmt: skip
        self._newcomers[newcomer.index] = newcomer
        await self._wait_status(newcomer.index, STATUS_OBSERVER)
        number, first, end = [int((await self._ask(name))[0]) for name in ("epoch", "epoch_first", "epoch_end")]
        return (
            (number + 1, end + 1) if end else (number, first)
        )  # the contract itself notes a new epoch when it is used

    async def change(self, change: Membership) -> None:
        """Agree on a change, and wait until it is in force.

        Raises
        ------
        Violation: it is not in time, or the contract refuses it.
        """
        async with self._turn:
            first = change.nodes[0]
            if change.change is ChangeKind.ROTATE_KEY:
                await self._rotate(first)
            if change.joiner is not None:
                await self._act(self._newcomers[change.joiner].pair, "activate", change.joiner)
                await self._wait_status(change.joiner, STATUS_VALIDATOR)
            if change.change in (ChangeKind.REMOVE, ChangeKind.REPLACE):  # not in the epoch in which another one comes
                opened = await self._act(self._voters[0], "setStatus", first, STATUS_OBSERVER, _expiry())
                await self._approve(int(opened["Opened"]["proposal"]), opened, concerned=first)
                await self._wait_status(first, STATUS_OBSERVER)

    async def _rotate(self, index: int) -> None:
        alliance = self._alliance
        places = [place for place, own in enumerate(alliance.identity) if own == index]
        node = alliance.nodes[places[0]]
        fresh = make_next_keys(alliance, index, [alliance.nodes[place].folder for place in places])
        proof = prove_key(fresh.pair, node.name, CHAIN_ID)
        await self._act(self._voters[index], "rotate", index, *proof, fresh.certificate)
        await self._wait_until(lambda row: bytes.fromhex(row[2][2:]) == fresh.pair.public, index, "new key")

    async def _approve(self, proposal: int, opened: Events, concerned: int | None = None) -> None:
        """Vote until the others have accepted it; who opened it has voted by that, whom it concerns has no vote."""
        events = opened
        for index, voter in enumerate(self._voters):
            if "Accepted" in events:
                return
            if index not in (0, concerned):
                events = await self._act(voter, "approve", proposal)

    async def _wait_status(self, index: int, status: int) -> None:
        await self._wait_until(lambda row: int(row[6]) == status, index, f"status {status}")

    async def _wait_until(self, is_so: Callable[[list[Any]], bool], index: int, what: str) -> None:
        """Wait for what is in force of a node, as the contract lists it."""
        deadline_s = time.monotonic() + ACT_S_MAX
        while not is_so((await self._ask("node", index))[0]):
            if time.monotonic() > deadline_s:
                raise Violation("membership", f"node {index} has no {what} in force after {ACT_S_MAX:.0f} s")
            await asyncio.sleep(_POLL_S)

    # --- how it is said

    async def _act(self, key: KeyPair, function: str, *arguments: Any) -> Events:
        """Have a transaction of one account become final; the events of its receipt by name.

        Raises
        ------
        Violation: it is not in time, or the contract refuses it.
        """
        signature = function_signature(self._artefact, function, len(arguments))
        intent = Intent(_ADDRESS, encode_call(signature, [argument_text(argument) for argument in arguments]))
        nonce = self._nonces.get(key.address, 0)
        signed = sign_fields(key, intent, chain_id=CHAIN_ID, gas_price=0, nonce=nonce, gas=CALL_GAS_MAX)
        self._nonces[key.address] = nonce + 1
        receipt = await self._make_final(signed, function)
        if receipt["status"] != "0x1":
            raise Violation("membership", f"{function} of {arguments[:1]} was refused by the contract")
        return decode_events(self._artefact, receipt["logs"])

    async def _make_final(self, signed: Signed, function: str) -> dict[str, Any]:
        deadline_s = time.monotonic() + ACT_S_MAX
        raw, wanted = "0x" + signed.raw.hex(), "0x" + signed.hash.hex()
        while time.monotonic() < deadline_s:
            for client in self._clients():
                try:
                    _, found = await client.ask(  # what is known already is refused
                        [("eth_sendRawTransaction", [raw]), ("eth_getTransactionReceipt", [wanted])]
                    )
                except Unreachable:
                    continue
                if isinstance(found.result, dict):
                    return found.result
            await asyncio.sleep(_POLL_S)
        raise Violation("membership", f"{function} is not final after {ACT_S_MAX:.0f} s")

    async def _ask(self, function: str, *arguments: int) -> list[Any]:
        """What the contract says by the node that is furthest."""
        signature = function_signature(self._artefact, function, len(arguments))
        call = call_object(Intent(_ADDRESS, encode_call(signature, [str(argument) for argument in arguments])))
        deadline_s = time.monotonic() + ACT_S_MAX
        while time.monotonic() < deadline_s:
            found: list[tuple[int, str]] = []
            for client in self._clients():
                try:
                    height, answer = await client.ask([("eth_blockNumber", []), ("eth_call", [call, "latest"])])
                except Unreachable:
                    continue
                if isinstance(answer.result, str) and isinstance(height.result, str):
                    found.append((int(height.result, 16), answer.result))
            if found:
                return decode_output(signature, bytes.fromhex(max(found)[1][2:]))
            await asyncio.sleep(_POLL_S)
        raise Violation("membership", f"no node answered within {ACT_S_MAX:.0f} s")

    def _clients(self) -> list[Client]:
        """Clients of the nodes that run."""
        alliance = self._alliance
        return [
            client
            for client, node in zip(alliance.clients, alliance.nodes, strict=True)
            if node.process is not None and node.process.poll() is None
        ]


def _expiry() -> int:
    return int(time.time()) + EXPIRY_S
