"""A real node whose words are bent: what it sends and proposes passes through one of the simulator's liars first.

Everything below stays genuine: its replica is honest, its signatures are good, its ledger executes. So it is the same
attack on the same protocol as in the simulator (`sim/attackers`), on real links, disks and clocks.
"""

import asyncio
import os
from functools import partial
from random import Random
from unittest.mock import patch

import msgspec

from hansa import _native
from hansa.bench.own_alliance import CHAIN_ID
from hansa.chaos.watch import GAS
from hansa.consensus import inputs as ins
from hansa.consensus.config import EngineConfig
from hansa.consensus.messages import Message, decode_message, encode_message, lane_of
from hansa.consensus.values import QuorumCertificate, SignedVote, Vote, genesis_qc
from hansa.crypto.suite import generate_key_pair, keccak256
from hansa.io.transport import Transport
from hansa.network.frames import FrameKind
from hansa.network.lanes import Lane
from hansa.node import assemble
from hansa.node.gossip import split_hashes
from hansa.node.replica import Replica
from hansa.node.runtime import Runtime, RuntimeParts
from hansa.node.supervise import run_node
from hansa.sdk.signing import Intent, sign_parallel
from hansa.sim.attackers import LIARS, TURN_US, Attacker
from hansa.sim.script import AttackKind
from hansa.types.order import OrderBlock

MODULE = "hansa.chaos.traitors"
ATTACK, SEED = "HANSA_CHAOS_ATTACK", "HANSA_CHAOS_SEED"  # in the environment of the process
SIGNATURE_BYTES = 64


class LyingTransport(Transport):
    """Links on which an attacker speaks."""

    attacker: Attacker | None = None

    def send(self, peer: int, lane: Lane, kind: FrameKind, payload: bytes) -> None:
        """Send what the attacker makes of a message; bundles pass."""
        if self.attacker is None or kind is not FrameKind.MESSAGE:
            super().send(peer, lane, kind, payload)
            return
        for told in self.attacker.on_send(peer, decode_message(payload)):
            self.tell(peer, told)

    def broadcast(self, lane: Lane, kind: FrameKind, payload: bytes) -> None:
        """Tell each peer what is meant for it."""
        if self.attacker is None or kind is not FrameKind.MESSAGE:
            super().broadcast(lane, kind, payload)
            return
        for peer in self.attacker.puppet.peers:
            self.send(peer, lane, kind, payload)

    def tell(self, peer: int, message: Message) -> None:
        """Send a message as it is."""
        super().send(peer, Lane(lane_of(message)), FrameKind.MESSAGE, encode_message(message))


class LyingRuntime(Runtime):
    """The loop of a node that lies."""

    def __init__(self, parts: RuntimeParts, kind: AttackKind, seed: int) -> None:
        super().__init__(parts)
        self.kind = kind
        self.keys = parts.keys
        self.attacker: Attacker | None = None
        self._draw = Random(f"liar/{seed}/{parts.index}")

    def start(self, transport: Transport | None) -> None:
        """Begin to lie."""
        assert isinstance(transport, LyingTransport), "one alone has nobody to lie to"
        self.attacker = transport.attacker = LIARS[self.kind](ProcessPuppet(self, transport, self._draw), self._draw)
        self._act()
        super().start(transport)

    def push(self, event: ins.Input) -> None:
        """Queue an input; the attacker hears messages, and chooses what is proposed."""
        if self.attacker is not None:
            if isinstance(event, ins.MessageIn):
                self.attacker.on_receive(event.peer, event.message)
            elif isinstance(event, ins.Proposed) and event.tx_count:
                event = choose(self.attacker, event)
        super().push(event)

    def _act(self) -> None:
        if self.attacker is not None:
            self.attacker.on_turn()
        asyncio.get_running_loop().call_later(TURN_US / 1_000_000, self._act)


class ProcessPuppet:
    """A node in an attacker's hands."""

    def __init__(self, runtime: LyingRuntime, transport: LyingTransport, draw: Random) -> None:
        self.index = runtime.index
        self.size = len(runtime.epoch.nodes)
        self.stories: dict[bytes, OrderBlock] = {}
        self._runtime = runtime
        self._transport = transport
        self._draw = draw
        self._digest = assemble.vote_domain(runtime.chain).digest
        self._pair = generate_key_pair()

    @property
    def peers(self) -> list[int]:
        """All other nodes."""
        return [node.index for node in self._runtime.epoch.nodes if node.is_linked and node.index != self.index]

    @property
    def epoch(self) -> int:
        """The epoch that the node is in."""
        return self._runtime.epoch.number

    def root_qc(self) -> QuorumCertificate:
        """The QC that everybody may name."""
        config = self._config
        return genesis_qc(config.genesis_order_hash, config.epoch, config.root_height)

    def order_hash(self, block: OrderBlock) -> bytes:
        """The hash of a block."""
        return self._config.order_hash(block)

    @property
    def _config(self) -> EngineConfig:
        replica = self._runtime.replica
        assert isinstance(replica, Replica), "a liar votes"
        return replica.engine_config

    def sign(self, vote: Vote) -> SignedVote:
        """Sign anything with the validator's key."""
        assert self._runtime.keys is not None, "a liar has its key here"
        return SignedVote(vote, self.index, self._runtime.keys.sign_vote(vote, self._digest(vote)))

    def forge(self, signer: int, vote: Vote) -> SignedVote:
        """Claim that another signed a vote."""
        return SignedVote(vote, signer, self._draw.randbytes(SIGNATURE_BYTES))

    def tell(self, peer: int, message: Message) -> None:
        """Send something of the own."""
        self._transport.tell(peer, message)

    def invent(self) -> bytes:
        """Put a transaction into this node's pool alone."""
        intent = Intent(to=self._draw.randbytes(20))
        height = self._runtime.feed.height
        signed = sign_parallel(self._pair, intent, chain_id=CHAIN_ID, gas_price=0, height=height, gas=GAS)
        self._runtime.chain.add_bundle(self.index, _native.bundle_encode([signed.raw]))
        return signed.hash

    def note_provoked(self, peer: int) -> None:
        """What the others wrote into their logs is read in the end."""


def choose(attacker: Attacker, proposed: ins.Proposed) -> ins.Proposed:
    """What the attacker proposes instead. All transactions of a run ask for the same gas."""
    refs = attacker.choose(proposed.refs)
    count = len(split_hashes(refs))
    gas = proposed.gas // proposed.tx_count * count
    return msgspec.structs.replace(proposed, refs=refs, payload_hash=keccak256(refs), tx_count=count, gas=gas)


def run_lying(folder: str) -> int:
    """Run the node of a folder as the environment says; the exit code."""
    kind, seed = AttackKind(os.environ[ATTACK]), int(os.environ[SEED])
    with (
        patch.object(assemble, "Runtime", partial(LyingRuntime, kind=kind, seed=seed)),
        patch.object(assemble, "Transport", LyingTransport),
    ):
        return run_node(folder)
