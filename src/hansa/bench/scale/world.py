"""One run: an alliance of some size at some place, offered some rate on virtual time, without faults."""

import heapq

import msgspec

from hansa.alliance.model import Consensus
from hansa.bench.scale.costs import Costs
from hansa.bench.scale.links import Place, ScaleNetwork
from hansa.bench.scale.processor import Processor, Thread
from hansa.bench.scale.validator import PARCEL, CostedHost
from hansa.bench.trial import percentile
from hansa.consensus.config import PRUNE_EVERY_HEIGHTS
from hansa.sim.host import Host
from hansa.sim.ledger import compute_digest
from hansa.sim.network import SimNetwork
from hansa.sim.scenario import Scenario
from hansa.sim.script import Script
from hansa.sim.world import World

POLL_US = 10_000  # a client looks for new blocks that often, as that of `hansa bench run` does
WARM_UP_SHARE = 0.4  # of the run, not counted
GRACE_US = 1_500_000  # after the last transaction
LATENCY_MS_MAX = 1_200.0  # p99, as `hansa bench run` asks
GROWTH_MAX = 0.1  # of latency, in seconds per second: beyond it the rate is not one that lasts


class Load(msgspec.Struct, frozen=True):
    """What one run is made from."""

    size: int  # validators
    place: Place
    rate: float  # transactions per second
    seconds: float  # of virtual time
    seed: int
    cores: float  # that the validators of the measured machine share; not used where each has its own
    rivals: float = 0.0  # threads of others that compete for them


class Figures(msgspec.Struct, frozen=True):
    """What one run gave; times in milliseconds of virtual time."""

    rate: float
    tps: float
    latency_ms_p50: float
    latency_ms_p99: float
    growth: float  # seconds of latency per second
    block_transactions_mean: float
    blocks: int
    views: int  # highest view; 0 = the first leader led throughout
    bytes_per_node_and_transaction: float
    leader_share: float  # of all bytes sent
    busiest: str  # thread of the leader
    busiest_share: float  # of the time in which it worked; what it waits for a core does not count
    events: int

    @property
    def is_sustained(self) -> bool:
        """Whether the rate would last."""
        return self.tps > 0 and self.growth <= GROWTH_MAX and self.latency_ms_p99 <= LATENCY_MS_MAX


class ScaleWorld(World):
    """An alliance whose validators take time for what they do."""

    network: ScaleNetwork

    def __init__(self, costs: Costs, load: Load) -> None:
        self.costs = costs
        self.load = load
        self._shared = Processor(self, load.cores, load.rivals) if load.place.cores is None else None
        self._client = None if self._shared is None else Thread(self._shared)
        self._sent: dict[bytes, tuple[int, int]] = {}  # parcel -> node, when it was due
        self._took: list[tuple[int, int]] = []  # (due, latency) of parcels in microseconds
        self._sealed: list[int] = []  # when the first node showed a parcel as final
        super().__init__(_quiet_scenario(load))
        self.network.open(load.place)

    def peer(self, index: int) -> CostedHost:
        """One validator."""
        host = self.hosts[index]
        assert isinstance(host, CostedHost)
        return host

    def _make_network(self) -> SimNetwork:
        return ScaleNetwork(self.scenario, self.rng, self._deliver)

    def _make_host(self, instance: int, index: int) -> Host:
        cores = self.load.place.cores
        return CostedHost(self, index, self._shared or Processor(self, cores or 1))

    def measure(self) -> Figures:
        """Run to the end.

        Raises
        ------
        Violation: the run broke a rule that the simulator checks.
        """
        self._begin()
        end_us = round(self.load.seconds * 1e6) + GRACE_US
        heap = self._heap
        while heap and heap[0][0] <= end_us and len(self._took) < self._planned:
            self.now_us, _, act, argument = heapq.heappop(heap)
            self.events += 1
            act(argument)
        return self._figures()

    # --- clients

    @property
    def _planned(self) -> int:
        return int(self.load.seconds * self.load.rate / PARCEL)

    def _load(self, _: None) -> None:
        """The next request is due at the next node."""
        number = len(self._sent)
        if number >= self._planned:
            return
        ref = compute_digest(b"parcel %d" % number)
        parcel = b"".join(ref[:-2] + place.to_bytes(2, "big") for place in range(PARCEL))
        node = self.peer(number % self.load.size)
        self._sent[parcel] = (node.index, self.now_us)
        if self._client is None:
            node.take_request(parcel)
        else:
            self._client.do(self.costs.client * PARCEL, node.take_request, parcel)
        self.at(round((number + 1) * PARCEL * 1e6 / self.load.rate), self._load, None)

    def on_final(self, host: CostedHost, parcels: list[bytes]) -> None:
        """A validator shows transactions as final; a client looks at the node that it sent to."""
        phase_us = host.index * POLL_US // self.load.size
        seen_us = self.now_us + POLL_US - (self.now_us - phase_us) % POLL_US
        if host.index == 0:
            self._sealed += [self.now_us] * len(parcels)
        for parcel in parcels:
            node, due_us = self._sent[parcel]
            if node == host.index:
                self._took.append((due_us, seen_us - due_us))

    # --- figures

    def _figures(self) -> Figures:
        rate, seconds = self.load.rate, self.load.seconds
        first_us, last_us = seconds * WARM_UP_SHARE * 1e6, seconds * 1e6
        counted = [(due, took) for due, took in self._took if due >= first_us]
        # A request is due when its last transaction is; the others have waited for it.
        early_ms = (PARCEL - 1) / 2 / rate * 1_000
        latencies = sorted(took / 1_000 + early_ms for _, took in counted)
        blocks = [block.head.block for block in self.peer(0).ledger.sealed]
        sent = [line.sent_bytes for line in self.network.lines]
        final = max(1, len(self._sealed) * PARCEL)
        busiest, busy_us = self.peer(0).busiest()
        return Figures(
            rate=round(rate, 1),
            tps=round(self._throughput(first_us, last_us), 1),
            latency_ms_p50=percentile(latencies, 0.50),
            latency_ms_p99=percentile(latencies, 0.99),
            growth=round(self._growth(counted, first_us, last_us), 4),
            block_transactions_mean=round(sum(b.tx_count for b in blocks) / max(1, len(blocks)), 1),
            blocks=len(blocks),
            views=max((h.replica.status().view for h in self.hosts if h.replica is not None), default=0),
            bytes_per_node_and_transaction=round(sum(sent) / self.load.size / final, 1),
            leader_share=round(sent[0] / max(1, sum(sent)), 4),
            busiest=busiest,
            busiest_share=round(busy_us / max(1, self.now_us), 3),
            events=self.events,
        )

    def _throughput(self, first_us: float, last_us: float) -> float:
        """Transactions final at validator 0 in the blocks between two moments, per second between those blocks."""
        times = [at for at in self._sealed if first_us <= at <= last_us]
        if not times or times[-1] == times[0]:
            return 0.0
        return sum(at > times[0] for at in times) * PARCEL * 1e6 / (times[-1] - times[0])

    def _growth(self, counted: list[tuple[int, int]], first_us: float, last_us: float) -> float:
        """How fast latency grows: the last third of what is counted against the first; what is not final is late."""
        third = (last_us - first_us) / 3
        early = [took for due, took in counted if due < first_us + third]
        late = [took for due, took in counted if due >= last_us - third]
        lost = sum(due >= first_us for _, due in self._sent.values()) - len(counted)
        late += [GRACE_US] * lost
        if not early or not late:
            return 1.0
        return (sum(late) / len(late) - sum(early) / len(early)) / (2 * third)


def _quiet_scenario(load: Load) -> Scenario:
    """The product's own settings, no faults; what the simulator draws otherwise is not used here."""
    rules = Consensus()
    script = Script("scale", load.seed, load.size, (), calm_ms=0, demand_heights=0, deadline_ms=86_400_000)
    return Scenario(
        script=script,
        window=rules.window,
        term=rules.term,
        block_interval_ms=rules.block_interval_ms,
        prune_every_heights=PRUNE_EVERY_HEIGHTS,
        delay_us=(0, 0),
        slow_share=0.0,
        loss=0.0,
        duplicates=0.0,
        gossip_loss=0.0,
        sync_us=(0, 0),
        execute_us=0,
        seal_us=0,
        check_us=0,
        skew_ms=(0,) * load.size,
        load_us=0,
        load_pause_us=(0, 0),
        has_codec=False,
        has_sectors=False,
    )
