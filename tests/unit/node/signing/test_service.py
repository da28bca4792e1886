"""Who may sign: one node at a time, by a lease; and whatever the lease says, the marks hold."""

import errno
from pathlib import Path

import pytest

from hansa.consensus.signer import Signer
from hansa.consensus.values import Vote, VoteRecord, VoteType
from hansa.crypto.suite import generate_key_pair
from hansa.io.errors import DiskFailed
from hansa.io.key_file import sign_birth
from hansa.io.vote_log_file import VoteLogFile, create_vote_log, open_vote_log
from hansa.io.vote_signer import LoggedSigner, VoteToSign
from hansa.node.signing.service import LEASE_MS, WAITING_MS, SignerService
from hansa.node.signing.wire import (
    Acquire,
    AskTakeover,
    Done,
    Failed,
    Granted,
    Held,
    Look,
    Prune,
    Release,
    Renew,
    Renewed,
    Request,
    Sign,
    Signed,
    State,
)

GENESIS = b"\7" * 32
FIRST, SECOND, COMMAND = 1, 2, 3  # connections


class Desk:
    """A signer with a real vote log, and a clock that is told."""

    def __init__(self, folder: Path) -> None:
        create_vote_log(folder, sign_birth(generate_key_pair(), GENESIS, 0))
        self.log: VoteLogFile = open_vote_log(folder, GENESIS, 0, lambda birth: True)
        signer = Signer(0, lambda vote: bytes(64))
        self.service = SignerService(LoggedSigner(signer, self.log), lambda: self.log.records)
        self.now_ms = 1_000

    def ask(self, connection: int, request: Request) -> object:
        return self.service.answer(connection, request, self.now_ms)

    def sign(self, connection: int, *votes: Vote) -> object:
        return self.ask(connection, Sign(tuple(VoteToSign(vote, b"") for vote in votes)))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "votes")


def prepare(view: int, height: int, content: int = 1) -> Vote:
    return Vote(VoteType.PREPARE, 0, view, height, bytes([content]) * 32)


def test_one_node_signs_and_the_other_waits(desk: Desk) -> None:
    assert desk.ask(FIRST, Acquire("a")) == Granted(1, ())
    assert desk.ask(SECOND, Acquire("b")) == Held("a")
    signed = desk.sign(FIRST, prepare(0, 1), prepare(0, 2))
    assert isinstance(signed, Signed)
    assert [one.vote.height for one in signed.votes] == [1, 2]
    refused = desk.sign(SECOND, prepare(0, 3))
    assert isinstance(refused, Failed) and refused.code == "SIGNER-2"
    assert desk.ask(COMMAND, Look()) == State("a", 1, ("b",))


def test_who_is_granted_the_right_learns_all_that_was_signed(desk: Desk) -> None:
    desk.ask(FIRST, Acquire("a"))
    signed = desk.sign(FIRST, prepare(0, 1))
    assert isinstance(signed, Signed)
    desk.service.on_closed(FIRST)
    assert desk.ask(SECOND, Acquire("b")) == Granted(2, (VoteRecord(signed.votes[0], b""),))


def test_a_silent_holder_loses_the_right_and_is_refused_when_it_wakes_up(desk: Desk) -> None:
    desk.ask(FIRST, Acquire("a"))
    desk.sign(FIRST, prepare(0, 1))
    desk.now_ms += LEASE_MS
    assert desk.ask(SECOND, Acquire("b")) == Held("a")
    desk.now_ms += 1
    assert isinstance(desk.ask(SECOND, Acquire("b")), Granted)
    refused = desk.sign(FIRST, prepare(0, 2))
    assert isinstance(refused, Failed) and refused.code == "SIGNER-2"
    renewed = desk.ask(FIRST, Renew())
    assert isinstance(renewed, Failed) and renewed.code == "SIGNER-2"
    assert isinstance(desk.sign(SECOND, prepare(0, 2)), Signed)


def test_renewing_keeps_the_right_for_ever(desk: Desk) -> None:
    desk.ask(FIRST, Acquire("a"))
    for _ in range(10):
        desk.now_ms += LEASE_MS - 1
        assert desk.ask(FIRST, Renew()) == Renewed(is_wanted=False)
        assert desk.ask(SECOND, Acquire("b")) == Held("a")


def test_the_marks_outlast_the_lease(desk: Desk) -> None:
    """Even a signer that grants the right to two nodes at once contradicts nothing."""
    desk.ask(FIRST, Acquire("a"))
    desk.sign(FIRST, prepare(0, 5))
    desk.service.on_closed(FIRST)
    desk.ask(SECOND, Acquire("b"))
    other = desk.sign(SECOND, prepare(0, 5, content=2))
    assert isinstance(other, Failed) and other.code == "CONSENSUS-2"
    assert isinstance(desk.sign(SECOND, prepare(0, 6)), Signed)


def test_a_refused_vote_takes_all_of_its_request_with_it(desk: Desk) -> None:
    desk.ask(FIRST, Acquire("a"))
    desk.sign(FIRST, prepare(1, 5))
    assert isinstance(desk.sign(FIRST, prepare(1, 6), prepare(0, 7)), Failed)
    assert [record.signed.vote.height for record in desk.log.records] == [5]
    assert isinstance(desk.sign(FIRST, prepare(1, 6, content=2)), Signed)


def test_on_command_the_holder_is_asked_to_pass_the_right_on_and_does_not_get_it_back_at_once(desk: Desk) -> None:
    desk.ask(FIRST, Acquire("a"))
    nobody = desk.ask(COMMAND, AskTakeover())
    assert isinstance(nobody, Failed) and nobody.code == "SIGNER-3"
    desk.ask(SECOND, Acquire("b"))
    assert desk.ask(COMMAND, AskTakeover()) == Done()
    assert desk.ask(FIRST, Renew()) == Renewed(is_wanted=True)
    desk.ask(FIRST, Release())
    assert desk.ask(4, Acquire("a")) == Held("the standby")
    assert isinstance(desk.ask(SECOND, Acquire("b")), Granted)


def test_nodes_that_listen_alike_on_two_machines_are_told_apart(desk: Desk) -> None:
    label = "0.0.0.0:30300"
    desk.ask(FIRST, Acquire(label, b"active"))
    assert desk.ask(SECOND, Acquire(label, b"standby")) == Held(label)
    assert desk.ask(COMMAND, AskTakeover()) == Done()
    desk.ask(FIRST, Release())
    assert desk.ask(4, Acquire(label, b"active, started anew")) == Held("the standby")
    assert isinstance(desk.ask(SECOND, Acquire(label, b"standby")), Granted)
    assert desk.ask(4, Acquire(label, b"active, started anew")) == Held(label)
    assert desk.ask(COMMAND, Look()) == State(label, 2, (label,))


def test_a_right_that_nobody_takes_comes_back(desk: Desk) -> None:
    desk.ask(FIRST, Acquire("a", b"1"))
    desk.ask(SECOND, Acquire("b", b"2"))
    desk.ask(COMMAND, AskTakeover())
    desk.ask(FIRST, Release())
    desk.now_ms += LEASE_MS - 1
    assert desk.ask(4, Acquire("a", b"3")) == Held("the standby")
    desk.now_ms += 1
    assert isinstance(desk.ask(4, Acquire("a", b"3")), Granted)


def test_who_asked_long_ago_waits_no_more(desk: Desk) -> None:
    desk.ask(FIRST, Acquire("a"))
    desk.ask(SECOND, Acquire("b"))
    desk.now_ms += WAITING_MS + 1
    desk.ask(FIRST, Renew())
    assert isinstance(desk.ask(COMMAND, AskTakeover()), Failed)
    assert desk.ask(COMMAND, Look()) == State("a", 1, ())


def test_old_votes_are_forgotten_and_the_marks_stay(desk: Desk) -> None:
    desk.ask(FIRST, Acquire("a"))
    desk.sign(FIRST, *(prepare(0, height) for height in range(1, 9)))
    assert desk.ask(FIRST, Prune(8)) == Done()
    assert [record.signed.vote.height for record in desk.log.records] == [1, 8]  # 1 holds the base of the view
    assert isinstance(desk.sign(FIRST, prepare(0, 8, content=2)), Failed)


def test_a_full_disk_is_said_and_may_pass(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ask(FIRST, Acquire("a"))
    with monkeypatch.context() as patch:
        patch.setattr(desk.log, "append", lambda records: raise_error(OSError(errno.ENOSPC, "no space", "votes")))
        full = desk.sign(FIRST, prepare(0, 1))
        assert isinstance(full, Failed) and full.code == "DISK-1"
    assert isinstance(desk.sign(FIRST, prepare(0, 1)), Signed)


def test_a_failed_sync_ends_the_signer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ask(FIRST, Acquire("a"))
    monkeypatch.setattr(desk.log, "sync", lambda: raise_error(OSError(errno.EIO, "broken", "votes")))
    with pytest.raises(DiskFailed):
        desk.sign(FIRST, prepare(0, 1))


def raise_error(error: OSError) -> None:
    raise error
