"""A validator that claims to have everything and serves nothing of it."""

from collections.abc import Iterable

import msgspec

from hansa.consensus.messages import BlockResponse, Message, PayloadResponse, RangeResponse, Status, VoteReport
from hansa.sim.attackers.attacker import Attacker


class EmptyAnswers(Attacker):
    """Heights never reached, payloads that are empty, ranges with a hole or cut short, blocks nobody asked for."""

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Empty what is an answer; boast where it is a status."""
        match message:
            case Status():
                far = self.rng.choice((1, 5, 1_000_000))
                sealed, prepared = message.sealed_height + far, message.high_qc_height + far
                return (msgspec.structs.replace(message, sealed_height=sealed, high_qc_height=prepared, stalled=True),)
            case PayloadResponse():
                return (PayloadResponse(message.order_hash, b""),)
            case RangeResponse():
                return (RangeResponse(message.request, message.first, message.blocks[self.rng.randrange(2) :]),)
            case BlockResponse():
                return (msgspec.structs.replace(message, refs=message.refs[32:]),)
            case VoteReport():
                return (VoteReport(()),)
            case _:
                return (message,)
