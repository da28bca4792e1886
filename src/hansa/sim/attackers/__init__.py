"""Validators that break the protocol, one kind in each file. Twins need none: each of the two behaves."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from hansa.sim.attackers.attacker import TURN_US, Attacker, Puppet
from hansa.sim.attackers.censoring import Censoring
from hansa.sim.attackers.empty_answers import EmptyAnswers
from hansa.sim.attackers.equivocating import Equivocating
from hansa.sim.attackers.flood import Flood
from hansa.sim.attackers.foreign_epoch import ForeignEpoch
from hansa.sim.attackers.forging import Forging
from hansa.sim.attackers.garbage import Garbage
from hansa.sim.attackers.huge_view import HugeView
from hansa.sim.attackers.invalid_block import InvalidBlock
from hansa.sim.attackers.silent import Silent
from hansa.sim.attackers.slow import Slow
from hansa.sim.attackers.stale_votes import StaleVotes
from hansa.sim.attackers.withholding import Withholding
from hansa.sim.attackers.wrong_result import WrongResult
from hansa.sim.script import AttackKind

if TYPE_CHECKING:
    from hansa.sim.faults import HostPuppet

__all__ = ["ATTACKERS", "LIARS", "TURN_US", "Attacker", "Puppet"]

LIARS: dict[AttackKind, Callable[[Puppet, Random], Attacker]] = {  # real processes lie in the same way
    AttackKind.EQUIVOCATING: Equivocating,
    AttackKind.CENSORING: Censoring,
    AttackKind.WITHHOLDING: Withholding,
    AttackKind.INVALID_BLOCK: InvalidBlock,
    AttackKind.WRONG_RESULT: WrongResult,
    AttackKind.EMPTY_ANSWERS: EmptyAnswers,
    AttackKind.STALE_VOTES: StaleVotes,
}
ATTACKERS: dict[AttackKind, Callable[["HostPuppet", Random], Attacker]] = {
    **LIARS,
    AttackKind.TWINS: Attacker,
    AttackKind.SILENT: Silent,
    AttackKind.SLOW: Slow,
    AttackKind.HUGE_VIEW: HugeView,
    AttackKind.FOREIGN_EPOCH: ForeignEpoch,
    AttackKind.FORGING: Forging,
    AttackKind.GARBAGE: Garbage,
    AttackKind.FLOOD: Flood,
}
