"""Peer messages on their way in: decoded, on the right lane, every signature checked; then inputs of the replica.

Few unchecked signatures are verified at once, so that votes keep their order; many (a view change of a large alliance)
go to a worker, for no step of the event loop may take long. A certificate consists of votes that were mostly seen one
by one before: a bounded memory of verified votes saves most of the work.

Votes are judged by the keys of their epoch. Those of the next one may come before this node has executed the last block
of its own, which names the keys: they wait. Those of epochs long past are left out.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from hansa.consensus import inputs as ins
from hansa.consensus.errors import InvalidMessage
from hansa.consensus.messages import Message, VoteReport, Votes, decode_message, lane_of, signed_votes
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import SignedVote
from hansa.crypto.suite import is_signature_valid
from hansa.errors import HansaError
from hansa.io.transport import Transport
from hansa.io.worker import Worker
from hansa.network.errors import InvalidSignature
from hansa.network.lanes import Lane
from hansa.types.epoch import EpochFacts

log = logging.getLogger("hansa.node")

WAITING_BYTES_MAX = 8 * 1024 * 1024  # messages of one peer not yet taken by the replica; beyond it it is not read
MESSAGE_OVERHEAD_BYTES = 1_024  # what a small message takes once it is decoded
CHECKED_AT_ONCE_MAX = 24  # signatures of one message, about 50 us each
CHECKED_PER_TURN_MAX = 48  # signatures of all messages that one turn of the event loop brings
VERIFIED_MAX = 65_536
EARLY_OF_PEER_MAX = 64  # messages of one peer of an epoch whose keys are not known yet; the latest are kept
EARLY_OF_PEER_BYTES_MAX = 512 * 1024


class ForeignEpoch(Exception):
    """A vote of an epoch whose keys this node does not know: not yet, or no more."""

    def __init__(self, what: str, is_early: bool) -> None:
        super().__init__(what)
        self.is_early = is_early


class Verifier:
    """Knows the validators' keys and the votes that were verified lately. Used on the event loop only."""

    def __init__(self, domain: VoteDomain, epoch: EpochFacts) -> None:
        self._domain = domain
        self._keys: dict[int, tuple[bytes, ...]] = {}  # by epoch: the latest that is known, and the one before
        self._verified: dict[SignedVote, None] = {}
        self.latest = epoch.number
        self.add_epoch(epoch)

    def add_epoch(self, epoch: EpochFacts) -> None:
        """Learn the keys of an epoch; those of the one before it are kept."""
        self._keys = {number: keys for number, keys in self._keys.items() if number == epoch.number - 1}
        self._keys[epoch.number] = tuple(node.public_key for node in epoch.nodes)
        self.latest = epoch.number

    def without_old(self, message: Message) -> Message:
        """The message without votes of epochs whose keys are forgotten; nobody counts those any more."""
        if isinstance(message, Votes | VoteReport):
            kept = tuple(
                vote for vote in message.votes if vote.vote.epoch in self._keys or vote.vote.epoch > self.latest
            )
            return message if len(kept) == len(message.votes) else type(message)(kept)
        return message

    def public_key(self, epoch: int, signer: int) -> bytes | None:
        """The key that a validator signs with in an epoch, 33 bytes; None where the epoch is forgotten."""
        keys = self._keys.get(epoch)
        return None if keys is None else keys[signer]

    def unverified(self, message: Message) -> list[SignedVote]:
        """The votes in a message whose signatures were not checked yet.

        Raises
        ------
        InvalidSignature: a signer that is no node.
        ForeignEpoch: a vote of an epoch whose keys are not known.
        """
        votes = [vote for vote in signed_votes(message) if vote not in self._verified]
        for vote in votes:
            keys = self._keys.get(vote.vote.epoch)
            if keys is None:
                raise ForeignEpoch(f"a vote of epoch {vote.vote.epoch}", is_early=self._is_early(vote))
            if vote.signer >= len(keys):
                raise InvalidSignature(f"a vote of validator {vote.signer}, who does not exist")
        return votes

    def _is_early(self, vote: SignedVote) -> bool:
        return vote.vote.epoch == self.latest + 1

    def public_keys(self, votes: Sequence[SignedVote]) -> list[bytes]:
        """The key of each of these votes, which `unverified` has just returned: later an epoch may be forgotten."""
        return [self._keys[signed.vote.epoch][signed.signer] for signed in votes]

    def check(self, votes: Sequence[SignedVote], publics: Sequence[bytes]) -> None:
        """Check signatures by these keys. Safe in any thread; `remember` them on the event loop afterwards.

        Raises
        ------
        InvalidSignature: one does not hold.
        """
        for signed, public in zip(votes, publics, strict=True):
            if not is_signature_valid(public, self._domain.digest(signed.vote), signed.signature):
                what = f"a {signed.vote.type.name} vote of validator {signed.signer} does not verify"
                raise InvalidSignature(what, vote=str(signed.vote), signature=signed.signature.hex())

    def remember(self, votes: Sequence[SignedVote]) -> None:
        """Note votes as verified, forgetting the oldest beyond VERIFIED_MAX."""
        for vote in votes:
            self._verified[vote] = None
        while len(self._verified) > VERIFIED_MAX:
            del self._verified[next(iter(self._verified))]


class EarlyFrames:
    """What one peer said of an epoch whose keys are not known yet, oldest first."""

    def __init__(self) -> None:
        self.frames: deque[tuple[Lane, bytes]] = deque()
        self._bytes = 0

    def keep(self, lane: Lane, payload: bytes) -> None:
        """Keep a frame, in the place of as many older ones as it takes; one that is too large is not kept."""
        if len(payload) > EARLY_OF_PEER_BYTES_MAX:
            return
        self.frames.append((lane, payload))
        self._bytes += len(payload)
        while len(self.frames) > EARLY_OF_PEER_MAX or self._bytes > EARLY_OF_PEER_BYTES_MAX:
            self._bytes -= len(self.frames.popleft()[1])


class Inbox:
    """Turns frames of peers into inputs. Lives on the event loop."""

    def __init__(self, verifier: Verifier, worker: Worker, push: Callable[[ins.Input], None]) -> None:
        self._verifier = verifier
        self._worker = worker
        self._push = push
        self._transport: Transport | None = None
        self.invalid: dict[int, int] = {}  # messages against the rules, by peer
        self._checked = 0  # signatures in this turn of the event loop
        self._waiting: dict[int, deque[int]] = {}  # sizes of messages on their way to the replica, by peer
        self._waiting_bytes: dict[int, int] = {}  # their sum
        self._early: dict[int, EarlyFrames] = {}  # by peer

    def start(self, transport: Transport | None) -> None:
        """Learn whom to turn away from."""
        self._transport = transport

    def add_epoch(self, epoch: EpochFacts) -> None:
        """Learn the keys of the next epoch, and take what came too early."""
        self._verifier.add_epoch(epoch)
        early, self._early = self._early, {}
        for peer, kept in early.items():
            for lane, payload in kept.frames:
                self.on_message(peer, lane, payload)

    def on_message(self, peer: int, lane: Lane, payload: bytes) -> None:
        """A message frame came."""
        try:
            message = self._verifier.without_old(decode_on_lane(payload, lane))
            unchecked = self._verifier.unverified(message)
            if len(unchecked) > CHECKED_AT_ONCE_MAX or self._checked + len(unchecked) > CHECKED_PER_TURN_MAX:
                self._check_elsewhere(peer, payload, message, unchecked)
                return
            self._note_checked(len(unchecked))
            self._verifier.check(unchecked, self._verifier.public_keys(unchecked))
        except ForeignEpoch as error:
            if error.is_early:
                self._early.setdefault(peer, EarlyFrames()).keep(lane, payload)
            return
        except (InvalidMessage, InvalidSignature) as error:
            self._refuse(peer, error)
            return
        self._verifier.remember(unchecked)
        self._count(peer, payload)
        self._push(ins.MessageIn(peer, message))

    def _note_checked(self, count: int) -> None:
        if count and not self._checked:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        self._checked += count

    def _begin_turn(self) -> None:
        self._checked = 0

    def taken(self, peer: int) -> None:
        """The replica has taken a message of the peer."""
        sizes = self._waiting[peer]
        before = self._waiting_bytes[peer]
        after = self._waiting_bytes[peer] = before - sizes.popleft()
        if before > WAITING_BYTES_MAX // 2 >= after:
            self._pause(peer, False)

    def _count(self, peer: int, payload: bytes) -> None:
        size = len(payload) + MESSAGE_OVERHEAD_BYTES
        self._waiting.setdefault(peer, deque()).append(size)
        before = self._waiting_bytes.get(peer, 0)
        after = self._waiting_bytes[peer] = before + size
        if before <= WAITING_BYTES_MAX < after:
            self._pause(peer, True)

    def _pause(self, peer: int, paused: bool) -> None:
        if self._transport is not None:
            for lane in Lane:
                self._transport.set_paused(peer, lane, paused, "messages")

    def _check_elsewhere(self, peer: int, payload: bytes, message: Message, unchecked: list[SignedVote]) -> None:
        publics = self._verifier.public_keys(unchecked)

        def check() -> HansaError | None:
            try:
                self._verifier.check(unchecked, publics)
            except InvalidSignature as error:
                return error
            return None

        def done(error: HansaError | None) -> None:
            if error is not None:
                self.taken(peer)
                self._refuse(peer, error)
                return
            self._verifier.remember(unchecked)
            self._push(ins.MessageIn(peer, message))

        self._count(peer, payload)
        self._worker.submit("verify votes", check, done)

    def _refuse(self, peer: int, error: HansaError) -> None:
        self.invalid[peer] = self.invalid.get(peer, 0) + 1
        if self._transport is None:
            return
        if isinstance(error, InvalidSignature):  # whoever is honest passes on only what it has verified
            self._transport.ban_peer(peer, error)
        else:
            self._transport.refuse_peer(peer, error)


def decode_on_lane(payload: bytes, lane: Lane) -> Message:
    """Decode a message that came on `lane`.

    Raises
    ------
    InvalidMessage: malformed, or it travels on another lane.
    """
    message = decode_message(payload)
    if int(lane_of(message)) != int(lane):
        raise InvalidMessage(f"a {type(message).__name__} on the {lane.name} lane")
    return message
