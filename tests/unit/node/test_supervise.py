"""What a callback of the node raises ends the node; what others raise does not."""

import asyncio

from hansa.consensus.signer import Signer
from hansa.consensus.values import Vote, VoteType
from hansa.io.group_commit import CommitEvents, GroupCommit
from hansa.io.stages import StageClock
from hansa.io.vote_log_file import VoteLogNowhere
from hansa.io.vote_signer import LoggedSigner, VoteToSign
from hansa.io.worker import Worker
from hansa.node.supervise import watch_loop


class World:
    """A watched loop and what it was told."""

    def __init__(self) -> None:
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        watch_loop(asyncio.get_running_loop(), self.failed.set_result)


def refuse(_: object) -> None:
    raise KeyError("a broken invariant")


async def test_an_answer_that_cannot_be_handled_ends_the_node() -> None:
    world = World()
    worker = Worker("work", StageClock(), refuse, lambda error: False)
    worker.submit("work", lambda: 1, refuse)
    assert isinstance(await world.failed, KeyError)
    worker.close()


async def test_a_commit_that_fails_for_no_known_reason_ends_the_node() -> None:
    world = World()

    def sync_blocks() -> None:
        raise AssertionError("a bound is broken")

    events = CommitEvents(refuse, refuse, refuse, lambda: refuse(None), refuse)
    signer = LoggedSigner(Signer(0, lambda vote: bytes(32)), VoteLogNowhere())
    commit = GroupCommit(signer, sync_blocks, events, StageClock())
    commit.mark_blocks_dirty()
    commit.add(VoteToSign(Vote(VoteType.SEAL, 0, 0, 1, bytes(32)), b""))
    commit.flush()
    assert isinstance(await world.failed, AssertionError)
    commit.close()


async def test_others_may_fail() -> None:
    world = World()
    loop = asyncio.get_running_loop()
    loop.call_soon(refuse, None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not world.failed.done()
