"""A validator that replays what anybody said long ago."""

from collections import deque
from random import Random

from hansa.consensus.messages import Message
from hansa.sim.attackers.attacker import Attacker, Puppet

KEPT_MAX = 500


class StaleVotes(Attacker):
    """Remembers a sample of everything it hears, and repeats it to whom it likes."""

    def __init__(self, puppet: Puppet, rng: Random) -> None:
        super().__init__(puppet, rng)
        self._heard: deque[Message] = deque(maxlen=KEPT_MAX)

    def on_receive(self, sender: int, message: Message) -> None:
        """Keep one in four."""
        if self.rng.random() < 0.25:
            self._heard.append(message)

    def on_turn(self) -> None:
        """Repeat three old messages."""
        for _ in range(min(3, len(self._heard))):
            self.puppet.tell(self.rng.choice(self.puppet.peers), self.rng.choice(self._heard))
