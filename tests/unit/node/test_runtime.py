"""Four loops in one process over real TLS links and real vote logs, on chains without an EVM."""

import asyncio
import contextlib
import errno
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from hansa._native import NativeError, bundle_encode
from hansa.consensus.config import EngineConfig
from hansa.consensus.inputs import Executed, HeldBody, Restored
from hansa.consensus.messages import PayloadRequest, encode_message
from hansa.consensus.signer import VoteDomain
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import SealedHead
from hansa.crypto.suite import KeyPair, Suite, generate_key_pair, keccak256
from hansa.io import group_commit, worker
from hansa.io.errors import DiskFailed
from hansa.io.key_file import is_birth_signed, open_signer, sign_birth
from hansa.io.transport import Transport, TransportEvents, TransportFacts
from hansa.io.vote_log_file import create_vote_log, open_vote_log
from hansa.io.vote_signer import LoggedSigner
from hansa.network.lanes import Lane
from hansa.node import ledger_work
from hansa.node.errors import LedgerFailure, ProtocolTooNew
from hansa.node.inbox import Verifier
from hansa.node.ledger_work import SERVED_AT_ONCE_MAX
from hansa.node.replica import Replica, ReplicaConfig
from hansa.node.runtime import Runtime, RuntimeParts
from hansa.node.sealed_feed import SealedFeed
from hansa.types import versions
from hansa.types.epoch import EpochFacts
from hansa.types.order import decode_order, encode_order, genesis_order
from tests.unit.io.test_transport import Alliance
from tests.unit.node.fake_chain import GENESIS_HASH, FakeChain, epoch_of
from tests.waiting import eventually

DEADLINE_S = 30.0
SIZE = 4


class Member:
    """One node: what stays on disk and in its chain, and what runs."""

    def __init__(self, world: "World", index: int) -> None:
        self.world = world
        self.index = index
        self.chain = FakeChain()
        self.votes = world.folder / f"votes{index}"
        self.evidence = world.folder / f"evidence{index}"
        create_vote_log(self.votes, sign_birth(world.pairs[index], GENESIS_HASH, index))
        self.runtime: Runtime | None = None
        self.transport: Transport | None = None

    async def start(self) -> None:
        pair = self.world.pairs[self.index]
        votes = open_vote_log(self.votes, GENESIS_HASH, self.index, lambda birth: is_birth_signed(birth, pair.public))
        signer = open_signer(pair, self.index, self.world.domain)
        signer.restore(votes.records)
        chain = self.chain
        height, sealed_hash, order_hash = chain.head()
        block = decode_order(chain.bodies[order_hash][0]) if height else genesis_order(GENESIS_HASH, 0)
        recent = tuple((number, chain.sealed_hash(number)) for number in range(height + 1))
        bodies = tuple(HeldBody(h, decode_order(order), chain.bodies[h][1]) for h, order in chain.unsealed_bodies())
        engine = EngineConfig(
            me=self.index,
            validators=ValidatorSet([1] * SIZE),
            genesis_order_hash=chain.sealed[0][1],
            order_hash=lambda block: keccak256(encode_order(block)),
            payload_hash=keccak256,
        )
        epoch = epoch_of([pair.public for pair in self.world.pairs])
        self.runtime = Runtime(
            RuntimeParts(
                index=self.index,
                chain=cast(Any, chain),
                replica=Replica(ReplicaConfig(engine)),
                signer=LoggedSigner(signer, votes),
                feed=SealedFeed(height),
                epoch=epoch,
                verifier=Verifier(self.world.domain, epoch),
                keys=None,
                gas_limit=10**9,
                restored=Restored(SealedHead(height, sealed_hash, order_hash, block), recent, votes.records, bodies),
            )
        )
        runtime = self.runtime
        runtime.evidence = self.evidence
        addresses = self.world.alliance.addresses
        peers = {i: address for i, address in enumerate(addresses) if i != self.index}
        facts = TransportFacts(self.index, GENESIS_HASH, addresses[self.index], peers)
        events = TransportEvents(
            runtime.inbox.on_message, runtime.gossip.on_bundle, runtime.on_peer_up, runtime.on_peer_down
        )
        self.transport = Transport(facts, self.world.alliance.tls(self.index), events)
        await self.transport.start()
        self.runtime.start(self.transport)

    async def stop(self) -> None:
        if self.runtime is not None and self.transport is not None:
            await self.transport.stop()
            self.runtime.close()
        self.runtime = self.transport = None

    def submit(self, *raws: bytes) -> None:
        assert self.runtime is not None
        self.chain.submit(list(raws))
        self.runtime.kick()

    @property
    def height(self) -> int:
        return self.chain.head()[0]

    @property
    def leader(self) -> int:
        assert self.runtime is not None
        return self.runtime.replica.status().leader


class World:
    """Four members."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.alliance = Alliance(folder, SIZE)
        self.pairs: list[KeyPair] = [generate_key_pair() for _ in range(SIZE)]
        self.domain = VoteDomain(GENESIS_HASH, keccak256(b"main"), Suite.STANDARD, keccak256)
        self.members = [Member(self, index) for index in range(SIZE)]

    def pools_are_empty(self) -> bool:
        return not any(member.chain.pool or member.chain.outgoing for member in self.members)

    def check_agreement(self) -> None:
        lowest = min(member.height for member in self.members)
        assert len({tuple(entry[:2] for entry in m.chain.sealed[: lowest + 1]) for m in self.members}) == 1

    def sealed_raws(self, member: Member) -> set[bytes]:
        found: set[bytes] = set()
        for _, order_hash, _ in member.chain.sealed[1:]:
            refs = member.chain.bodies[order_hash][1]
            found |= {member.chain.raws[refs[at : at + 32]] for at in range(0, len(refs), 32)}
        return found


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[World]:
    world = World(folder)
    try:
        for member in world.members:
            await member.start()
        yield world
    finally:
        for member in world.members:
            await member.stop()


async def test_transactions_of_every_member_are_sealed_by_all(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        sent = {f"{member.index}/{number}".encode() for member in world.members for number in range(25)}
        for raw in sorted(sent):
            world.members[int(raw[:1])].submit(raw)
        await eventually(
            lambda: all(world.sealed_raws(member) == sent for member in world.members), DEADLINE_S, "all sealed"
        )
        world.check_agreement()
        assert all(member.chain.syncs > 0 for member in world.members)


async def test_an_idle_alliance_seals_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.members[2].submit(b"one")
        await eventually(lambda: all(member.height >= 1 for member in world.members), DEADLINE_S, "sealed")
        height = world.members[0].height
        world.members[1].submit(b"two")
        await eventually(lambda: all(m.height > height for m in world.members), DEADLINE_S, "sealed again")
        assert world.members[0].height <= height + 2


async def test_a_stopped_leader_is_replaced_and_catches_up(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.members[0].submit(b"before")
        await eventually(lambda: all(member.height >= 1 for member in world.members), DEADLINE_S, "first block")
        leader = world.members[world.members[0].leader]
        others = [member for member in world.members if member is not leader]
        await leader.stop()
        for number in range(20):
            others[0].submit(f"during {number}".encode())
        await eventually(
            lambda: all(len(world.sealed_raws(member)) == 21 for member in others), DEADLINE_S, "blocks without it"
        )
        await leader.start()
        await eventually(lambda: len(world.sealed_raws(leader)) == 21, DEADLINE_S, "caught up")
        leader.submit(b"after")
        await eventually(lambda: all(len(world.sealed_raws(m)) == 22 for m in world.members), DEADLINE_S, "after")
        world.check_agreement()


def break_disk(member: Member, number: int) -> None:
    """From now on the member's vote log refuses every record."""
    assert member.runtime is not None

    def append(records: object) -> None:
        raise OSError(number, "the disk says no", "votes")

    signer = member.runtime._parts.signer
    assert isinstance(signer, LoggedSigner)
    signer._log.append = append  # type: ignore[method-assign]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is tried again at once."""
    monkeypatch.setattr(group_commit, "RETRY_FULL_S", 0.02)
    monkeypatch.setattr(worker, "RETRY_FULL_S", 0.02)


@pytest.mark.usefixtures("impatient")
async def test_a_full_disk_gives_leadership_away_and_goes_on_by_itself(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.members[0].submit(b"before")
        await eventually(lambda: all(member.height >= 1 for member in world.members), DEADLINE_S, "first block")
        full = world.members[world.members[0].leader]
        runtime = full.runtime
        assert runtime is not None
        sync = full.chain.sync

        def refuse() -> None:
            raise NativeError("LOG-FULL", "blocks: no space left on the device", "")

        full.chain.sync = refuse  # type: ignore[method-assign]
        full.submit(b"on a full disk")
        await eventually(
            lambda: all(len(world.sealed_raws(member)) == 2 for member in world.members), DEADLINE_S, "sealed by all"
        )
        assert "DISK-1" in str(runtime.full)
        assert not runtime.replica.status().voting
        assert all(m.runtime is not None and not m.runtime.replica._pbft.state.failures for m in world.members)
        full.chain.sync = sync  # type: ignore[method-assign]
        await eventually(lambda: runtime.full is None and runtime.replica.status().voting, DEADLINE_S, "votes again")
        full.submit(b"afterwards")
        await eventually(
            lambda: all(len(world.sealed_raws(member)) == 3 for member in world.members), DEADLINE_S, "sealed by all"
        )
        world.check_agreement()


@pytest.mark.usefixtures("impatient")
async def test_work_on_a_full_block_log_is_done_once_there_is_room(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.members[0].submit(b"before")
        await eventually(lambda: all(member.height >= 1 for member in world.members), DEADLINE_S, "first block")
        full = world.members[(world.members[0].leader + 1) % SIZE]
        others = [member for member in world.members if member is not full]
        seal, sync = full.chain.seal, full.chain.sync

        def refuse(*_: object) -> None:
            raise NativeError("LOG-FULL", "blocks: no space left on the device", "")

        full.chain.seal = full.chain.sync = refuse  # type: ignore[method-assign]
        for number in range(3):
            others[0].submit(f"during {number}".encode())
            await eventually(
                lambda n=number: all(len(world.sealed_raws(m)) == 2 + n for m in others),  # type: ignore[misc]
                DEADLINE_S,
                "blocks of the others",
            )
        assert full.runtime is not None
        assert "DISK-1" in str(full.runtime.full)
        assert not full.runtime._ended.done()
        full.chain.seal, full.chain.sync = seal, sync  # type: ignore[method-assign]
        await eventually(lambda: len(world.sealed_raws(full)) == 4, DEADLINE_S, "caught up")
        await eventually(lambda: full.runtime is not None and full.runtime.full is None, DEADLINE_S, "votes again")
        world.check_agreement()


def refuse_checkpoints(member: Member, code: str) -> list[str]:
    """Have the core say once that a checkpoint failed; what it said."""
    said: list[str] = []

    def check_checkpoint() -> None:
        if not said:
            said.append(code)
            raise NativeError(code, "checkpoints: it was not written", "")

    member.chain.check_checkpoint = check_checkpoint  # type: ignore[method-assign]
    return said


async def test_a_checkpoint_that_finds_no_room_costs_no_vote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_work, "CHECKPOINT_LOOK_S", 0.01)
    async with running(tmp_path) as world:
        member = world.members[1]
        said = refuse_checkpoints(member, "LOG-FULL")
        await eventually(lambda: bool(said), DEADLINE_S, "word of it")
        world.members[0].submit(b"one")
        await eventually(lambda: len(world.sealed_raws(member)) == 1, DEADLINE_S, "blocks go on")
        assert member.runtime is not None
        assert member.runtime.full is None and not member.runtime._ended.done()


async def test_a_checkpoint_that_fails_ends_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_work, "CHECKPOINT_LOOK_S", 0.01)
    async with running(tmp_path) as world:
        member = world.members[1]
        refuse_checkpoints(member, "CHAIN-CHECKPOINT")
        assert member.runtime is not None
        with pytest.raises(LedgerFailure, match="it was not written"):
            await asyncio.wait_for(member.runtime.wait_ended(), DEADLINE_S)


async def test_a_transaction_that_leaves_the_pool_during_a_check_is_fetched(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        follower = world.members[(world.members[0].leader + 1) % SIZE]
        add_body, losses = follower.chain.add_body, iter((True,))

        def lose_one(order: bytes, refs: bytes) -> bytes:
            if next(losses, False):
                follower.chain.raws.pop(refs[:32])
                raise NativeError("BODY-MISSING", "a transaction is not held", "")
            return add_body(order, refs)

        follower.chain.add_body = lose_one  # type: ignore[method-assign]
        world.members[0].submit(b"one")
        await eventually(lambda: all(member.height >= 1 for member in world.members), DEADLINE_S, "sealed by all")
        assert all(member.runtime is not None and member.runtime.halted is None for member in world.members)
        world.check_agreement()


async def test_a_peer_is_served_a_bounded_number_of_requests_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        served = world.members[0]
        assert served.runtime is not None
        gate, calls = threading.Event(), []

        def payload(hashes: bytes) -> bytes:
            gate.wait(DEADLINE_S)
            calls.append(hashes)
            return bundle_encode([])

        served.chain.payload = payload  # type: ignore[method-assign]
        for number in range(3 * SERVED_AT_ONCE_MAX):
            message = PayloadRequest(bytes(32), number.to_bytes(32))
            served.runtime.inbox.on_message(1, Lane.PROPOSALS, encode_message(message))
        other = PayloadRequest(bytes(32), bytes(32))
        served.runtime.inbox.on_message(2, Lane.PROPOSALS, encode_message(other))
        waiting = served.runtime._workers["serve"]
        await eventually(lambda: waiting.waiting == SERVED_AT_ONCE_MAX + 1, DEADLINE_S, "the requests")
        gate.set()
        await eventually(lambda: waiting.waiting == 0, DEADLINE_S, "the answers")
        assert len(calls) == SERVED_AT_ONCE_MAX + 1


async def test_a_failing_disk_ends_the_node_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        broken = world.members[1]
        break_disk(broken, errno.EIO)
        world.members[0].submit(b"one")
        assert broken.runtime is not None
        with pytest.raises(DiskFailed):
            await asyncio.wait_for(broken.runtime.wait_ended(), DEADLINE_S)


async def test_all_stop_and_go_on(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        for round_ in range(3):
            world.members[round_].submit(*(f"{round_}/{number}".encode() for number in range(10)))
            await eventually(
                lambda n=round_: all(len(world.sealed_raws(m)) == 10 * (n + 1) for m in world.members),  # type: ignore[misc]
                DEADLINE_S,
                "sealed",
            )
            for member in world.members:
                await member.stop()
            for member in world.members:
                await member.start()
        world.check_agreement()


def epoch_with_protocol(protocol: int, first_height: int) -> EpochFacts:
    """An epoch of which only the protocol matters here."""
    return EpochFacts(1, first_height, (), 1_000, 50, protocol)


async def test_a_node_stops_behind_the_last_block_before_a_protocol_that_it_does_not_know(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        runtime = world.members[0].runtime
        assert runtime is not None
        runtime.push(Executed(5, bytes(32), bytes(32), None, epoch_with_protocol(versions.PROTOCOL_MAX + 1, 6)))
        runtime.on_sealed(4)
        assert not runtime._ended.done()
        runtime.on_sealed(5)
        with pytest.raises(ProtocolTooNew, match="from block 6 on"):
            await asyncio.wait_for(runtime.wait_ended(), DEADLINE_S)


async def test_a_known_protocol_becomes_active_with_its_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "PROTOCOL_MAX", 2)
    async with running(tmp_path) as world:
        runtime = world.members[0].runtime
        assert runtime is not None
        runtime.push(Executed(5, bytes(32), bytes(32), None, epoch_with_protocol(2, 6)))
        assert runtime.protocol == versions.PROTOCOL_GENESIS
        runtime.on_sealed(5)
        assert runtime.protocol == 2 and not runtime._ended.done()
