"""A validator whose proposals, or all of whose messages, come late."""

from random import Random

from hansa.consensus.messages import Message, PrePrepare
from hansa.sim.attackers.attacker import Attacker, Puppet


class Slow(Attacker):
    """Lateness is drawn once: just too little to be replaced, or too much."""

    def __init__(self, puppet: Puppet, rng: Random) -> None:
        super().__init__(puppet, rng)
        self._delay_us = rng.choice((100_000, 400_000, 900_000, 3_000_000))
        self._is_only_proposing = rng.random() < 0.5

    def delay_us(self, message: Message) -> int:
        """As drawn."""
        return self._delay_us if isinstance(message, PrePrepare) or not self._is_only_proposing else 0
