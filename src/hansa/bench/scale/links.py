"""Links of the simulated alliances: latency between regions, and the bandwidth of each validator's own line."""

import msgspec

from hansa.consensus.messages import Message, encode_message, lane_of, signed_votes
from hansa.network.lanes import Lane
from hansa.sim.network import SimNetwork

FRAME_BYTES = 90  # headers of TCP/IP, TLS and the frame itself, around each message
SIGNATURE_BYTES = 64
JITTER_SHARE = 0.05  # of the latency, uniformly drawn


class Place(msgspec.Struct, frozen=True):
    """Where the validators of an alliance stand. Validator i stands in region i modulo their number."""

    name: str
    latency_us: tuple[tuple[int, ...], ...]  # one way, from region to region; the diagonal holds within one
    bandwidth_bps: int | None  # of each validator's line, outwards; None = unlimited
    cores: int | None  # of each validator's own machine; None = all share the machine that was measured


def _matrix(within_us: int, between_us: dict[tuple[int, int], int], regions: int) -> tuple[tuple[int, ...], ...]:
    return tuple(
        tuple(within_us if a == b else between_us[min(a, b), max(a, b)] for b in range(regions)) for a in range(regions)
    )


GIGABIT = 1_000_000_000
OWN_CORES = 4
REGIONS_US = {(0, 1): 20_000, (0, 2): 45_000, (0, 3): 70_000, (1, 2): 30_000, (1, 3): 55_000, (2, 3): 40_000}
MEASURED = Place("the measured machine", ((50,),), None, None)
PLACES = (
    Place("LAN", ((200,),), GIGABIT, OWN_CORES),
    Place("metro", ((2_000,),), GIGABIT, OWN_CORES),
    Place("four regions", _matrix(200, REGIONS_US, 4), GIGABIT, OWN_CORES),
)


class Line(msgspec.Struct):
    """What one validator sent."""

    free_us: float = 0.0  # when bulk may leave again
    sent_bytes: int = 0


class ScaleNetwork(SimNetwork):
    """Messages take the latency of their link. Bulk leaves one after the other, votes are never behind it."""

    place: Place = MEASURED

    def open(self, place: Place) -> None:
        """Lay the lines; before anything is sent."""
        self.place = place
        self.calm = True
        self.lines = [Line() for _ in range(self._scenario.size)]
        self._sized: tuple[Message, int] | None = None  # the last message: a broadcast has one size

    def send(self, at_us: int, instance: int, sender: int, receiver: int, message: Message) -> None:
        """Put one message on the wire at some time."""
        arrives_us = self.carry(at_us, sender, receiver, self._size(message), lane_of(message).value != Lane.VOTES)
        self._deliver(arrives_us, receiver, sender, message)

    def carry(self, at_us: int, sender: int, receiver: int, size: int, is_bulk: bool) -> int:
        """Return when so many bytes arrive that are sent now, and count them."""
        line, place = self.lines[sender], self.place
        line.sent_bytes += size
        left_us = float(at_us)
        if place.bandwidth_bps is not None:
            wire_us = size * 8_000_000 / place.bandwidth_bps
            left_us += wire_us
            if is_bulk:
                left_us = line.free_us = max(line.free_us, at_us) + wire_us
        regions = len(place.latency_us)
        latency_us = place.latency_us[sender % regions][receiver % regions]
        return round(left_us + latency_us * (1 + JITTER_SHARE * self._rng.random()))

    def _size(self, message: Message) -> int:
        if self._sized is None or self._sized[0] is not message:
            # The simulated signatures are shorter than real ones.
            size = len(encode_message(message)) + FRAME_BYTES + SIGNATURE_BYTES * len(signed_votes(message))
            self._sized = (message, size)
        return self._sized[1]
