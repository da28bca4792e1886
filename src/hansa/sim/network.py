"""Links with delay, loss, duplication, reordering and directed cuts. Twins hear and reach a changing part of the
others."""

from collections.abc import Callable
from random import Random

from hansa.consensus.messages import Message, decode_message, encode_message
from hansa.sim.scenario import Scenario
from hansa.sim.script import Links

TWIN_SHUFFLE_US = 700_000  # how often the twins' halves of the world are drawn anew
DUPLICATE_LATE_US = 50_000


class SimNetwork:
    """Decides for every message whether, when and to which instances it arrives."""

    def __init__(self, scenario: Scenario, rng: Random, deliver: Callable[[int, int, int, Message], None]) -> None:
        self._scenario = scenario
        self._rng = rng
        self._deliver = deliver  # (at_us, instance, sender index, message)
        self._cuts: dict[tuple[int, int], int] = {}  # directed link -> number of cuts that hold it
        self._troubled: dict[tuple[int, int], list[Links]] = {}  # directed link -> what it suffers
        self._twins = scenario.twins
        self._twin_side: dict[tuple[int, int], int] = {}  # (twin, peer) -> 0, 1, or 2 = both
        self._instances: dict[int, tuple[int, ...]] = {}
        self.calm = False

    def set_instances(self, instances: dict[int, tuple[int, ...]]) -> None:
        """Say which instances run under each index: one, or two for a twin."""
        self._instances = instances
        self.shuffle_twins()

    def shuffle_twins(self) -> None:
        """Draw anew which instance of each twin speaks with whom."""
        for twin in self._twins:
            for peer in range(self._scenario.script.nodes):
                self._twin_side[(twin, peer)] = self._rng.choice((0, 1, 2))

    def cut(self, senders: tuple[int, ...], receivers: tuple[int, ...], delta: int) -> None:
        """Add (1) or take away (-1) a cut of every link from senders to receivers."""
        for sender in senders:
            for receiver in receivers:
                self._cuts[(sender, receiver)] = self._cuts.get((sender, receiver), 0) + delta

    def trouble(self, fault: Links, begins: bool) -> None:
        """Let a fault of links begin or end."""
        for sender in fault.nodes:
            for receiver in fault.peers:
                found = self._troubled.setdefault((sender, receiver), [])
                if begins:
                    found.append(fault)
                else:
                    found.remove(fault)

    def send(self, at_us: int, instance: int, sender: int, receiver: int, message: Message) -> None:
        """Put one message on the wire at some time."""
        scenario, rng = self._scenario, self._rng
        link = (sender, receiver)
        if not self.calm and (self._cuts.get(link, 0) > 0 or rng.random() < scenario.loss):
            return
        copies = 1
        for fault in self._troubled.get(link, ()):
            if rng.randrange(100) < fault.loss_percent + fault.flip_percent:
                return
            at_us += rng.randint(0, fault.delay_ms * 1_000)
            copies += rng.randrange(100) < fault.duplicate_percent
        if scenario.has_codec:
            message = decode_message(encode_message(message))
        for target in self._targets(instance, sender, receiver):
            low, high = scenario.delay_us
            delay = low + int(rng.random() * (high - low))
            if not self.calm and rng.random() < scenario.slow_share:
                delay *= rng.randint(2, 10)
            self._deliver(at_us + delay, target, sender, message)
            if copies > 1 or rng.random() < scenario.duplicates:
                self._deliver(at_us + delay + rng.randint(0, DUPLICATE_LATE_US), target, sender, message)

    def _targets(self, instance: int, sender: int, receiver: int) -> tuple[int, ...]:
        senders = self._instances[sender]
        if len(senders) == 2 and self._twin_side[(sender, receiver)] not in (2, senders.index(instance)):
            return ()
        receivers = self._instances[receiver]
        side = self._twin_side[(receiver, sender)] if len(receivers) == 2 else 2
        return receivers if side == 2 else (receivers[side],)
