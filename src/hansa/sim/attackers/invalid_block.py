"""A leader whose blocks break one rule each: parent, height, time, base, sealed block, payload, gas to pay for."""

from collections.abc import Callable
from random import Random

import msgspec

from hansa.sim.attackers.attacker import Puppet, Rewriting
from hansa.sim.ledger import compute_digest
from hansa.types.order import OrderBlock

WRONGS: dict[str, Callable[[OrderBlock], dict[str, object]]] = {
    "unknown parent": lambda block: {"parent_hash": compute_digest(block.parent_hash)},
    "height of another": lambda block: {"height": block.height + 1},
    "time before its parent's": lambda block: {"time_ms": max(0, block.time_ms - 3_600_000)},
    "time of tomorrow": lambda block: {"time_ms": block.time_ms + 86_400_000},
    "another base": lambda block: {"base_height": max(0, block.base_height - 1)},
    "sealed block that nobody has": lambda block: {"sealed_hash": compute_digest(block.sealed_hash)},
    "other transactions": lambda block: {"payload_hash": compute_digest(block.payload_hash)},
    "empty": lambda block: {"tx_count": 0, "payload_hash": compute_digest(b"")},
    "another's name": lambda block: {"proposer": block.proposer + 1},
    "another epoch": lambda block: {"epoch": 1},
}


class InvalidBlock(Rewriting):
    """Proposes blocks with one wrong, drawn anew for each block."""

    def __init__(self, puppet: Puppet, rng: Random) -> None:
        super().__init__(puppet, rng)
        self._wrongs = rng.sample(sorted(WRONGS), 3)

    def rewrite_block(self, block: OrderBlock) -> OrderBlock:
        """One of this attacker's three wrongs, or now and then none."""
        if self.rng.random() < 0.2:
            return block
        return msgspec.structs.replace(block, **WRONGS[self.rng.choice(self._wrongs)](block))
