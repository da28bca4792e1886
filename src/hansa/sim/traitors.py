"""What traitors do to their outgoing messages. (Twins need nothing here: each of the two behaves.)"""

from collections.abc import Callable
from random import Random

import msgspec

from hansa.consensus.messages import (
    BlockResponse,
    Message,
    PayloadResponse,
    PrePrepare,
    RangeResponse,
    Status,
    ViewChange,
    Votes,
)
from hansa.consensus.values import SignedVote, Vote, VoteType
from hansa.sim.scenario import Scenario

Betrayal = Callable[[Message], Message | None]  # what is sent instead; None = nothing


def make_betrayal(scenario: Scenario, index: int, rng: Random) -> Betrayal | None:
    """Return what a validator does to its messages, None for one that does nothing to them."""
    if index in scenario.mutes:
        kinds = (PrePrepare, Votes, ViewChange, Status, BlockResponse, PayloadResponse, RangeResponse)
        return mute(tuple(kind for kind in kinds if rng.random() < 0.5))
    if index in scenario.liars:
        return lie(index, rng)
    return None


def mute(kinds: tuple[type, ...]) -> Betrayal:
    """Withhold messages of these kinds: a silent or censoring validator."""
    return lambda message: None if isinstance(message, kinds) else message


def lie(index: int, rng: Random) -> Betrayal:
    """Claim what is not: heights never reached, views nobody asked for, payloads that are empty."""

    def betray(message: Message) -> Message | None:
        far = rng.choice((1, 5, 1_000_000))
        match message:
            case Status():
                return msgspec.structs.replace(
                    message,
                    view=message.view + far,
                    sealed_height=message.sealed_height + far,
                    high_qc_height=message.high_qc_height + far,
                    stalled=True,
                )
            case Votes() if rng.random() < 0.2:
                vote = message.votes[0].vote
                asked = Vote(VoteType.VIEW_CHANGE, 0, vote.view + far, 0, vote.hash, 0)
                signed = SignedVote(asked, index, message.votes[0].signature)
                return Votes((signed,))  # a VIEW-CHANGE where none belongs
            case ViewChange():
                asked = msgspec.structs.replace(message.vote.vote, view=message.vote.vote.view + far)
                return ViewChange(msgspec.structs.replace(message.vote, vote=asked), message.high_qc)
            case PayloadResponse():
                return PayloadResponse(message.order_hash, b"")
            case RangeResponse():
                return RangeResponse(message.request, message.first, message.blocks[1:])
            case _:
                return message

    return betray
