"""I10: who contradicts itself before an honest node is named by evidence."""

from typing import TYPE_CHECKING

from hansa.consensus.values import Equivocation
from hansa.sim.checkers.violation import Violation
from hansa.sim.scenario import Scenario
from hansa.sim.script import Attack

if TYPE_CHECKING:
    from hansa.sim.world import World

PROVOCATIONS = 5  # after so many, one must have met a node that was in that view and awake


class GuiltyAreNamed:
    """Counts provocations in runs where messages arrive and nobody crashes; elsewhere they may never be heard."""

    def __init__(self, scenario: Scenario) -> None:
        is_quiet = scenario.loss == 0.0 and all(isinstance(fault, Attack) for fault in scenario.script.faults)
        self._is_watched = is_quiet and not scenario.twins
        self._provocations: dict[int, int] = {}
        self._named: set[int] = set()

    def on_provoked(self, world: "World", guilty: int, peer: int) -> None:
        """Both messages go out to a sound peer."""
        if self._is_watched and world.hosts_of(peer)[0].is_sound:
            self._provocations[guilty] = self._provocations.get(guilty, 0) + 1

    def on_evidence(self, proof: Equivocation) -> None:
        """A node holds evidence."""
        self._named.add(proof.first.signer)

    def on_end(self) -> None:
        """The run is over.

        Raises
        ------
        Violation: somebody lied again and again, and nobody can prove it.
        """
        for guilty, count in self._provocations.items():
            if count >= PROVOCATIONS and guilty not in self._named:
                raise Violation("evidence", f"validator {guilty} contradicted itself {count} times and is not named")
