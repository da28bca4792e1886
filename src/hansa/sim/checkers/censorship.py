"""Row of the matrix: what a leader passes over, the leaders after it take."""

from typing import TYPE_CHECKING

from hansa.sim.attackers.censoring import is_censored
from hansa.sim.checkers.violation import Violation
from hansa.sim.ledger import split_hashes
from hansa.sim.scenario import Scenario
from hansa.sim.script import Attack, AttackKind

if TYPE_CHECKING:
    from hansa.sim.world import World


LEADERS = 3  # so many at most pass until everything is ordered that was there before
WAITING = 4  # fewer may only just have come


class Censorship:
    """Where a leader censors, and the run is long enough for three leaders: censored transactions are in the chain."""

    def __init__(self, scenario: Scenario) -> None:
        script = scenario.script
        attacks = [fault for fault in script.faults if isinstance(fault, Attack)]
        is_censored_only = bool(attacks) and all(attack.attack is AttackKind.CENSORING for attack in attacks)
        self._is_watched = is_censored_only and script.demand_heights >= LEADERS * scenario.term

    def on_end(self, world: "World") -> None:
        """The run is over.

        Raises
        ------
        Violation: the chain holds none of the transactions that a censor passes over.
        """
        if not self._is_watched:
            return
        longest = max(world.sound, key=lambda host: host.ledger.head.height)
        transactions = [tx for block in longest.ledger.sealed for tx in split_hashes(block.refs)]
        waiting = [tx for tx in longest.ledger.pool if is_censored(tx)]
        if len(waiting) >= WAITING and not any(map(is_censored, transactions)):
            raise Violation("censorship", f"none of {len(waiting)} censored transactions stands in the chain")
