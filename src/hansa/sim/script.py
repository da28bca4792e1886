"""The one format of a fault script: who suffers what, from when until when. Written as JSON, played by the simulator.

Nodes are named by their stable index; the first leader is validator 0. Times are milliseconds since the alliance began
to run. Nothing here says how a fault is brought about, so that whole processes can be tormented by the same script.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from hansa.sim.errors import InvalidScript

SCRIPT_BYTES_MAX = 1024 * 1024
FAULTS_MAX = 1024
Validators = Annotated[tuple[int, ...], msgspec.Meta(max_length=100)]
Millis = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class DiskTrouble(StrEnum):
    """What a disk does. `torn` is no trouble of its own: every power cut tears what was not synced."""

    SLOW = "slow"  # every sync takes `amount_ms` longer
    FULL = "full"  # nothing can be appended until the end
    LYING = "lying"  # syncs are acknowledged and nothing is safe; the power fails at the end
    ROTTEN = "rotten"  # one sector of the vote log flips bits while the node is down
    ROTTEN_TWICE = "rotten twice"  # both copies of one vote frame do
    ROTTEN_BLOCKS = "rotten blocks"  # a record of the block log does
    MISDIRECTED = "misdirected"  # one write of the vote log lands elsewhere; the power fails at the end
    LOST = "lost"  # the vote log is gone after a restart
    STALE = "stale"  # the node restarts from an image of its disks taken at the beginning


class AttackKind(StrEnum):
    """What a validator that does not follow the protocol does; one file each in `sim/attackers`."""

    TWINS = "twins"  # two processes with one key, each talking with a changing part of the others
    EQUIVOCATING = "equivocating"
    SILENT = "silent"
    SLOW = "slow"
    CENSORING = "censoring"
    WITHHOLDING = "withholding"
    INVALID_BLOCK = "invalid block"
    WRONG_RESULT = "wrong result"
    EMPTY_ANSWERS = "empty answers"
    HUGE_VIEW = "huge view"
    STALE_VOTES = "stale votes"
    FOREIGN_EPOCH = "foreign epoch"
    FORGING = "forging"
    GARBAGE = "garbage"
    FLOOD = "flood"


class ChangeKind(StrEnum):
    """What a vote of the members changes; it takes effect where the epoch that it ends is over."""

    ADD = "add"  # the node becomes a validator
    REMOVE = "remove"  # the validator loses its vote; its node goes on
    REPLACE = "replace"  # the first node loses its vote, the second one gets one
    ROTATE_KEY = "rotate key"  # the validator signs with another key


class Crash(msgspec.Struct, frozen=True, tag_field="kind", tag="crash"):
    """Loss of power (or kill -9), and a start at the end."""

    at_ms: Millis
    until_ms: Millis
    nodes: Validators


class Cut(msgspec.Struct, frozen=True, tag_field="kind", tag="cut"):
    """Nothing goes from `nodes` to `peers`, nor back unless it is one-way."""

    at_ms: Millis
    until_ms: Millis
    nodes: Validators
    peers: Validators
    is_one_way: bool = False


class Links(msgspec.Struct, frozen=True, tag_field="kind", tag="links"):
    """What goes from `nodes` to `peers` suffers. Delay is drawn for each message, so that messages overtake others."""

    at_ms: Millis
    until_ms: Millis
    nodes: Validators
    peers: Validators
    loss_percent: Percent = 0
    duplicate_percent: Percent = 0
    delay_ms: Millis = 0  # longest additional delay
    flip_percent: Percent = 0  # a bit flips on the way; TLS notices, so that what was sent is lost


class Clock(msgspec.Struct, frozen=True, tag_field="kind", tag="clock"):
    """Wall clocks jump by `jump_ms`; all clocks of the nodes run at `rate_percent` of their speed."""

    at_ms: Millis
    until_ms: Millis
    nodes: Validators
    jump_ms: int = 0
    rate_percent: Annotated[int, msgspec.Meta(ge=50, le=200)] = 100


class Disk(msgspec.Struct, frozen=True, tag_field="kind", tag="disk"):
    """Disks misbehave. What happens to a node that is down happens between a power cut and the next start."""

    at_ms: Millis
    until_ms: Millis
    nodes: Validators
    trouble: DiskTrouble
    amount_ms: Millis = 0


class Attack(msgspec.Struct, frozen=True, tag_field="kind", tag="attack"):
    """Validators break the protocol. They count as faulty for the whole run."""

    at_ms: Millis
    until_ms: Millis
    nodes: Validators
    attack: AttackKind


class Membership(msgspec.Struct, frozen=True, tag_field="kind", tag="membership"):
    """The members agree at the end on a change. A node that is to come runs from the beginning on, and catches up."""

    at_ms: Millis
    until_ms: Millis
    nodes: Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=2)]
    change: ChangeKind

    @property
    def joiner(self) -> int | None:
        """The node that comes."""
        return self.nodes[-1] if self.change in (ChangeKind.ADD, ChangeKind.REPLACE) else None


Fault = Crash | Cut | Links | Clock | Disk | Attack | Membership


class Script(msgspec.Struct, frozen=True):
    """What happens to one alliance, and what is demanded of it afterwards."""

    name: str
    seed: int
    size: Annotated[int, msgspec.Meta(ge=1, le=100)]  # validators at first
    faults: Annotated[tuple[Fault, ...], msgspec.Meta(max_length=FAULTS_MAX)]
    calm_ms: Millis  # from here on only attacks go on: messages arrive in bounded time
    demand_heights: int = 6  # new blocks demanded after calm; 0 = safety only, more than t may be faulty
    deadline_ms: Millis = 60_000  # by when

    @property
    def nodes(self) -> int:
        """All nodes: the first validators, then those that come, by index in the order of their coming."""
        return self.size + len({fault.joiner for fault in self.changes if (fault.joiner or 0) >= self.size})

    @property
    def changes(self) -> tuple[Membership, ...]:
        """What the members agree on, in the order of the script."""
        return tuple(fault for fault in self.faults if isinstance(fault, Membership))

    @property
    def traitors(self) -> frozenset[int]:
        """Validators that do not follow the protocol at some time."""
        return frozenset(node for fault in self.faults if isinstance(fault, Attack) for node in fault.nodes)

    @property
    def damaged(self) -> frozenset[int]:
        """Validators that never come back, or whose disk loses what it had said was safe: they count as faulty."""
        return frozenset(node for fault in self.faults if self._is_damaging(fault) for node in fault.nodes)

    def _is_damaging(self, fault: Fault) -> bool:
        if isinstance(fault, Crash):
            return fault.until_ms >= self.deadline_ms
        return isinstance(fault, Disk) and fault.trouble not in HARMLESS


HARMLESS = frozenset({DiskTrouble.SLOW, DiskTrouble.FULL, DiskTrouble.ROTTEN})
_DECODER = msgspec.json.Decoder(Script)
_ENCODER = msgspec.json.Encoder()


def encode_script(script: Script) -> bytes:
    """Return the script as indented JSON."""
    return msgspec.json.format(_ENCODER.encode(script), indent=2) + b"\n"


def decode_script(data: bytes) -> Script:
    """Return the script that some JSON holds.

    Raises
    ------
    InvalidScript: too long, malformed, out of bounds, or a fault that names a validator which does not exist.
    """
    if len(data) > SCRIPT_BYTES_MAX:
        raise InvalidScript(f"a script of {len(data)} bytes exceeds {SCRIPT_BYTES_MAX}", "split it")
    try:
        script = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise InvalidScript(f"this is no fault script: {error}", "hansa sim --show writes one to begin with") from error
    for fault in script.faults:
        named = (*fault.nodes, *(fault.peers if isinstance(fault, Cut | Links) else ()))
        if any(not 0 <= node < script.nodes for node in named) or fault.until_ms < fault.at_ms:
            cause = f"a fault names a node out of 0 to {script.nodes - 1}, or ends before it begins: {fault}"
            raise InvalidScript(cause, "correct the script")
        if isinstance(fault, Membership) and len(fault.nodes) != 1 + (fault.change is ChangeKind.REPLACE):
            raise InvalidScript(f"a change names one node, a replacement two: {fault}", "correct the script")
    return script
