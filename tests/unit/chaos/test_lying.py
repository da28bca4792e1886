"""What a lying node proposes and says in the place of what its honest replica wants."""

from collections.abc import Iterable
from random import Random
from types import SimpleNamespace
from typing import cast

from hansa.chaos.traitors.lying import LyingTransport, choose
from hansa.consensus.inputs import Proposed
from hansa.consensus.messages import Message, VoteQuery, encode_message
from hansa.crypto.suite import keccak256
from hansa.network.frames import FrameKind
from hansa.network.lanes import Lane
from hansa.sim.attackers import LIARS, Attacker, Puppet
from hansa.sim.script import AttackKind

PUPPET = cast(Puppet, SimpleNamespace(index=0, peers=[1, 2, 3]))


def test_a_censor_proposes_what_it_lets_pass_with_gas_for_just_that() -> None:
    kept, censored = b"\xff" * 32, b"\x01" * 32
    refs = kept + censored + kept
    told = choose(
        LIARS[AttackKind.CENSORING](PUPPET, Random(1)), Proposed(5, b"p" * 32, refs, keccak256(refs), 3, 63_000)
    )
    assert told == Proposed(5, b"p" * 32, kept + kept, keccak256(kept + kept), 2, 42_000)


class Twice(Attacker):
    """Says everything twice to the first peer, and nothing to the second one."""

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        return (message,) * {1: 2, 2: 0}.get(peer, 1)


def test_each_peer_is_told_what_the_attacker_wants_and_bundles_pass() -> None:
    sent: list[int] = []
    transport = object.__new__(LyingTransport)  # no links: only what is pushed into them counts
    transport.attacker = Twice(PUPPET, Random(1))
    transport._peers = dict.fromkeys((1, 2, 3))  # type: ignore[assignment]
    transport._push = lambda peer, lane, frame: sent.append(peer)  # type: ignore[method-assign]
    payload = encode_message(VoteQuery())
    transport.broadcast(Lane.SYNC, FrameKind.MESSAGE, payload)
    assert sent == [1, 1, 3]
    sent.clear()
    transport.broadcast(Lane.TRANSACTIONS, FrameKind.BUNDLE, b"bundle")
    assert sent == [1, 2, 3]
