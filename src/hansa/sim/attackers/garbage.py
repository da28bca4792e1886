"""A corrupted peer: bits of its frames flip on the way."""

from collections.abc import Iterable

from hansa.consensus.errors import InvalidMessage
from hansa.consensus.messages import Message, decode_message, encode_message, signed_votes
from hansa.sim.attackers.attacker import Attacker


class Garbage(Attacker):
    """Every fifth message is damaged. What cannot be decoded, or holds a signature that does not fit, is dropped."""

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Return what the receiver's shell lets through."""
        if self.rng.random() < 0.8:
            return (message,)
        data = bytearray(encode_message(message))
        for _ in range(self.rng.choice((1, 1, 2, 10))):
            data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
        try:
            damaged = decode_message(bytes(data))
        except InvalidMessage:
            return ()
        genuine = signed_votes(message)
        return (damaged,) if all(vote in genuine for vote in signed_votes(damaged)) else ()
