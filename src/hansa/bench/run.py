"""`hansa bench run WORKLOAD`: the highest rate that an alliance sustains, what it costs, and what lies beyond."""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

from hansa.bench.accounts import Accounts, derive_accounts
from hansa.bench.client.deployment import deploy_workload
from hansa.bench.client.funding import fund_senders
from hansa.bench.client.http_connection import Endpoint, HttpConnection, call, parse_endpoint
from hansa.bench.client.reader import RpcState
from hansa.bench.client.schedule import follow_trace
from hansa.bench.errors import InvalidPlan, NodeFailed, VoidRun
from hansa.bench.faults import FAULTS, Fault
from hansa.bench.own_alliance import OwnAlliance, own_contract_address
from hansa.bench.probes import Machine, read_machine
from hansa.bench.report import RESULT_VERSION, Beyond, RunReport, core_digest, now_text, release, say, trial_line
from hansa.bench.search import find_highest
from hansa.bench.transactions import Nonces, sign_draft
from hansa.bench.trial import FOREIGN_SHARE_MAX, NodeProbe, Plan, TrialResult, run_trial
from hansa.bench.workloads import WORKLOADS
from hansa.bench.workloads.shape import Workload

CONFIRMATIONS_MAX = 4
BACK_OFF = 0.93  # after a confirmation failed
SETTLE_S_MAX = 30.0  # for what an overloaded run left behind
WARM_UP_S = 2.0
WARM_UP_RATE = 1_000.0
CONNECTIONS = 8  # to each node
CONNECTIONS_CROWD = 64  # the same, where more is offered than can be taken
SENDERS_MAX = 20_000  # unless more are asked for
READS_MAX = 100_000  # different ones
GAS_PRICE_FACTOR = 2  # on a network that wants fees: what it asks now, twice
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line asks for."""

    workload: str = "transfer"
    seed: int = 1
    validators: int = 4
    accounts: int = 10_000
    senders: int | None = None
    batch: int = 50
    rate: float | None = None  # None: search
    start_rate: float = 1_000.0
    duration_s: float = 60.0  # of the runs that count
    trial_s: float = 10.0  # of the runs that search
    p99_ms_max: float = 1_200.0
    repeat: int = 1  # runs that count; the median is reported
    overload: tuple[float, ...] = ()  # factors on the sustained rate, offered afterwards
    fault: str | None = None  # see `hansa.bench.faults`
    rpc: tuple[str, ...] = ()  # a network that runs already
    allow_remote: bool = False  # such a network may be elsewhere than on this machine
    funder: bytes | None = None  # secret of an account there that pays the senders
    allow_load: bool = False  # count a run even though others used the machine

    @property
    def kind(self) -> type[Workload]:
        return WORKLOADS[self.workload]

    def senders_count(self) -> int:
        """How many accounts send: whole batches where there are several, so that each has its turn with the same ones.

        Raises
        ------
        InvalidPlan: more senders than accounts, or none.
        """
        senders = min(self.accounts, SENDERS_MAX) if self.senders is None else self.senders
        if not 0 < senders <= self.accounts:
            raise InvalidPlan(f"{senders} senders of {self.accounts} accounts", "--senders is between 1 and --accounts")
        senders = min(senders, self.kind.senders_max or senders)
        batch = self.batch_size()
        return senders - senders % batch if senders > batch else senders

    def batch_size(self) -> int:
        """Transactions in one request."""
        return min(self.batch, self.kind.batch_max or self.batch)

    def endpoints(self) -> list[Endpoint]:
        """The nodes of a network that runs already.

        Raises
        ------
        InvalidPlan: an address that is none, or of another machine without leave.
        """
        found = [parse_endpoint(url) for url in self.rpc]
        for endpoint in found:
            if endpoint.host not in LOOPBACK and not self.allow_remote:
                raise InvalidPlan(
                    f"{endpoint} is not on this machine", "if that network is yours to load, add --allow-remote"
                )
        return found


class Bench:
    """An alliance under measurement and the state that passes from one run to the next."""

    def __init__(self, options: RunOptions, folder: Path) -> None:
        self.options = options
        self.trials: list[TrialResult] = []
        self.accounts: Accounts = derive_accounts(options.seed, options.senders_count(), options.accounts)
        self.workload: Workload | None = None
        self.conflict_share: float | None = None  # of the last draft that counts
        self.unsettled = 0  # transactions of this ledger that were sent and not seen final
        self._nonces = Nonces(len(self.accounts.senders))
        self._folder = folder
        self._alliance: OwnAlliance | None = None
        self._fault: Fault | None = None
        self._founded = 0
        self._endpoints = options.endpoints()
        self._gas_price = 0

    async def open(self) -> None:
        """Start the alliance, or find the senders of a running network, and make the workload.

        Raises
        ------
        NodeFailed, Unreachable: nothing there to measure.
        InvalidPlan: no free ports, or nobody to fund the senders.
        VoidRun: the network did not take what the workload needs.
        """
        if self._endpoints:
            await self._prepare()
        else:
            self._found()
        assert self.workload is not None
        state = RpcState(self.targets()[0])
        try:
            await self.workload.begin(state)
        finally:
            state.close()
        self.unsettled = 0

    def close(self) -> None:
        """Stop the alliance, if it is ours."""
        if self._fault is not None:
            self._fault.end()
            self._fault = None
        if self._alliance is not None:
            self._alliance.stop()
            self._alliance = None
        self.workload = None

    async def run(self, rate: float, seconds: float, counts: bool = False, crowd: bool = False) -> TrialResult:
        """One run; afterwards the alliance is ready for the next.

        Parameters
        ----------
        counts: the run is reported, so receipts and the state it left are checked.
        crowd: many clients send at once, none waits for another's answer, and all that is accepted is waited for.

        Raises
        ------
        Disagreement: the state is not what the transactions make.
        """
        if self.workload is None:
            await self.open()
            await self._warm_up(rate)
        assert self.workload is not None
        plan = await self._plan(self.workload, rate, seconds, counts, crowd)
        result = await run_trial(self.targets(), plan, self._probes())
        self.trials.append(result)
        self.unsettled += result.offered - result.final
        say(trial_line(result))
        if counts and not self.unsettled and not result.failed:
            await self._check(self.workload)
        if self.unsettled:
            await self._renew()
        return result

    async def _warm_up(self, rate: float) -> None:
        """A short run that nobody counts: connections, caches and freshly mapped memory cost once."""
        assert self.workload is not None
        plan = await self._plan(self.workload, min(rate, WARM_UP_RATE), WARM_UP_S, counts=False, crowd=False)
        result = await run_trial(self.targets(), plan, self._probes())
        self.unsettled += result.offered - result.final

    async def _plan(self, workload: Workload, rate: float, seconds: float, counts: bool, crowd: bool) -> Plan:
        options, batch = self.options, self.options.batch_size()
        schedule = follow_trace(workload.trace, rate, seconds, batch)
        chain_id = await read_quantity(self.targets()[0], "eth_chainId")
        draft = workload.draft(schedule.count)
        if counts:
            self.conflict_share = round(workload.conflict_share(draft), 4)
        transactions = sign_draft(
            draft, self.accounts, self._nonces, chain_id, workload.gas, workload.value, self._gas_price
        )
        reads_per_s = workload.reads_per_write * schedule.rate
        return Plan(
            transactions,
            schedule,
            batch,
            options.p99_ms_max,
            lanes=max(1, len(self.accounts.senders) // batch),
            one_node=workload.one_node,
            reads=workload.reads(min(READS_MAX, round(reads_per_s * seconds)), chain_id),
            reads_per_s=reads_per_s,
            connections=CONNECTIONS_CROWD if crowd else CONNECTIONS,
            drains=crowd,
            counts=counts,
        )

    async def _check(self, workload: Workload) -> None:
        state = RpcState(self.targets()[0])
        try:
            await workload.check(state)
        finally:
            state.close()

    async def _renew(self) -> None:
        """What an overloaded run left behind must not weigh on the next: begin with a fresh ledger."""
        if self._endpoints:
            await asyncio.sleep(SETTLE_S_MAX)
            self.workload = None
        else:
            self.close()

    async def _prepare(self) -> None:
        """Senders and contracts on a network that runs already."""
        first = self._endpoints[0]
        self._nonces.next = await fund_senders(first, self.accounts, self.options.funder)
        self._nonces.turn = 0
        self._gas_price = GAS_PRICE_FACTOR * await read_quantity(first, "eth_gasPrice")
        chain_id = await read_quantity(first, "eth_chainId")
        connection = HttpConnection(first)
        try:
            self.workload = await deploy_workload(
                connection,
                self.options.kind,
                self.accounts,
                self._nonces,
                chain_id,
                self._gas_price,
                self.options.seed + self._founded,
            )
        finally:
            connection.close()
        self._founded += 1

    def _found(self) -> None:
        options = self.options
        count = options.kind.count_contracts(len(self.accounts.senders))
        addresses = [own_contract_address(number) for number in range(count)]
        self.workload = options.kind(self.accounts, addresses, options.seed + self._founded)
        self._nonces = Nonces(len(self.accounts.senders))
        self._founded += 1
        root = self._folder / f"alliance-{self._founded}"
        contracts = self.workload.contracts()
        self._alliance = OwnAlliance(root, self.accounts, options.validators, contracts=contracts)
        try:
            seconds = self._alliance.start()
        except NodeFailed:
            self.close()
            raise
        say(f"  {options.validators} nodes ready in {seconds:.1f} s")
        if options.fault is not None:
            self._fault = FAULTS[options.fault](self._alliance.nodes[-1])
            self._fault.begin()

    def targets(self) -> list[Endpoint]:
        """The nodes that are asked and sent to: all but one that is at fault."""
        if self._alliance is None:
            return self._endpoints
        return [node.rpc for node in self._alliance.nodes if self._fault is None or node is not self._fault.node]

    def _probes(self) -> list[NodeProbe]:
        if self._alliance is None:
            return []
        return [NodeProbe(n.process.pid, n.folder.data) for n in self._alliance.nodes if n.process is not None]


async def read_quantity(endpoint: Endpoint, method: str) -> int:
    """Ask a node for a number, such as its chain id.

    Raises
    ------
    Unreachable: no answer.
    """
    connection = HttpConnection(endpoint)
    try:
        return int(str(await call(connection, method)), 16)
    finally:
        connection.close()


async def measure_workload(options: RunOptions, folder: Path) -> RunReport:
    """Found an alliance (or use a running one), find the rate, confirm it, then offer more than that.

    Raises
    ------
    NodeFailed, Unreachable, InvalidPlan: there is nothing to measure.
    VoidRun: others used too much of the machine meanwhile.
    Disagreement: the state is not what the transactions make.
    """
    machine = read_machine(folder)
    bench = Bench(options, folder)
    try:
        counted = await (_repeat(bench, options.rate) if options.rate else _search(bench))
        best = median_run(counted)
        half = await bench.run(best.rate / 2, options.trial_s) if best and not options.rate else None
    finally:
        bench.close()
    beyond = [await _overload(options, folder, best, factor) for factor in options.overload] if best else []
    report = dataclasses.replace(_report(options, machine, bench, counted, best), half=half, beyond=tuple(beyond))
    foreign = report.foreign_cpu_share
    if foreign > FOREIGN_SHARE_MAX and not options.allow_load:
        raise VoidRun(
            f"others used {foreign:.0%} of the machine during a run, {FOREIGN_SHARE_MAX:.0%} may be",
            "stop what else runs here, or count it all the same with --allow-load",
        )
    return report


def median_run(runs: Sequence[TrialResult]) -> TrialResult | None:
    """The run with the median throughput, the lower of two."""
    if not runs:
        return None
    middle = median_low([run.tps for run in runs])
    return next(run for run in runs if run.tps == middle)


async def _repeat(bench: Bench, rate: float) -> list[TrialResult]:
    """The runs that count at one rate; none when one of them is not sustained."""
    runs: list[TrialResult] = []
    for _ in range(bench.options.repeat):
        runs.append(await bench.run(rate, bench.options.duration_s, counts=True))
        if not runs[-1].is_sustained:
            return []
    return runs


async def _search(bench: Bench) -> list[TrialResult]:
    """Steps upwards, then bisection, then long runs at what was found."""

    async def is_sustained(rate: float) -> bool:
        return (await bench.run(rate, bench.options.trial_s)).is_sustained

    highest = await find_highest(is_sustained, bench.options.start_rate)
    for _ in range(CONFIRMATIONS_MAX):
        if highest is None:
            break
        say(f"  confirming {highest:,.0f} tx/s for {bench.options.duration_s:.0f} s")
        if runs := await _repeat(bench, highest):
            return runs
        highest *= BACK_OFF
    return []


async def _overload(options: RunOptions, folder: Path, best: TrialResult, factor: float) -> Beyond:
    """Offer a multiple of the sustained rate to a fresh alliance; what becomes final meanwhile, against that rate.

    Everything that was accepted is waited for afterwards.
    """
    say(f"  offering {factor:g} times the sustained rate")
    bench = Bench(options, folder / f"beyond-{factor:g}")
    try:
        run = await bench.run(best.rate * factor, options.trial_s, crowd=True)
    finally:
        bench.close()
    return Beyond(factor=factor, run=run, relative=round(run.tps / best.tps, 3), lost=run.lost or 0)


def _report(
    options: RunOptions,
    machine: Machine,
    bench: Bench,
    counted: Sequence[TrialResult],
    best: TrialResult | None,
) -> RunReport:
    return RunReport(
        version=RESULT_VERSION,
        workload=options.workload,
        hansa=release(),
        core=core_digest(),
        taken_at=now_text(),
        seed=options.seed,
        validators=len(options.rpc) or options.validators,
        fault=options.fault,
        accounts=options.accounts,
        senders=len(bench.accounts.senders),
        batch=options.batch_size(),
        duration_s=options.duration_s,
        conflict_share=bench.conflict_share,
        own_alliance=not options.rpc,
        durable=not options.rpc,
        machine=machine,
        trials=tuple(bench.trials),
        counted=tuple(counted),
        best=best,
        half=None,
        beyond=(),
    )
