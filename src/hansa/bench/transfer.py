"""`hansa bench transfer`: the highest rate of plain transfers that an alliance sustains."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from hansa.bench.accounts import Accounts, derive_accounts
from hansa.bench.client.funding import fund_senders
from hansa.bench.client.http_connection import Endpoint, HttpConnection, call, parse_endpoint
from hansa.bench.errors import NodeFailed, VoidRun
from hansa.bench.own_alliance import OwnAlliance
from hansa.bench.probes import Machine, read_machine
from hansa.bench.report import RESULT_VERSION, TransferReport, now_text, release, say, trial_line
from hansa.bench.trial import FOREIGN_SHARE_MAX, NodeProbe, Plan, TrialResult, run_trial
from hansa.bench.workload import Nonces, make_transfers

STEP = 1.15
BISECTIONS = 3
TRIALS_MAX = 64
CONFIRMATIONS_MAX = 4
BACK_OFF = 0.93  # after a confirmation failed
SETTLE_S_MAX = 30.0  # for what an overloaded run left behind


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """What the command line asks for."""

    seed: int = 1
    validators: int = 4
    accounts: int = 10_000
    senders: int = 10_000
    batch: int = 50
    rate: float | None = None  # None: search
    start_rate: float = 1_000.0
    duration_s: float = 60.0  # of the run that counts
    trial_s: float = 10.0  # of the runs that search
    p99_ms_max: float = 1_200.0
    rpc: tuple[str, ...] = ()  # a network that runs already
    funder: bytes | None = None  # secret of an account there that pays the senders
    folder: Path | None = None
    allow_load: bool = False  # count a run even though others used the machine


class Bench:
    """An alliance under measurement and the state that passes from one run to the next."""

    def __init__(self, options: TransferOptions, folder: Path) -> None:
        self.options = options
        self.trials: list[TrialResult] = []
        self.accounts: Accounts = derive_accounts(options.seed, options.senders, options.accounts)
        self._nonces = Nonces(options.senders)
        self._folder = folder
        self._alliance: OwnAlliance | None = None
        self._founded = 0
        self._endpoints = [parse_endpoint(url) for url in options.rpc]

    async def open(self) -> None:
        """Start the alliance, or find the senders of a running network.

        Raises
        ------
        NodeFailed, Unreachable: nothing there to measure.
        InvalidPlan: no free ports, or nobody to fund the senders.
        """
        if self._endpoints:
            self._nonces.next = await fund_senders(self._endpoints[0], self.accounts, self.options.funder)
        else:
            self._found()

    def close(self) -> None:
        """Stop the alliance, if it is ours."""
        if self._alliance is not None:
            self._alliance.stop()
            self._alliance = None

    async def run(self, rate: float, seconds: float) -> TrialResult:
        """One run; afterwards the alliance is ready for the next."""
        if self._alliance is None and not self._endpoints:
            self._found()
        count = max(self.options.batch, round(rate * seconds))
        chain_id = await read_chain_id(self._targets()[0])
        workload = make_transfers(self.accounts, self._nonces, count, chain_id, self.options.seed)
        plan = Plan(workload, rate, self.options.batch, self.options.p99_ms_max)
        result = await run_trial(self._targets(), plan, self._probes())
        self.trials.append(result)
        say(trial_line(result))
        if result.final < result.offered:
            await self._recover()
        return result

    async def _recover(self) -> None:
        """What an overloaded run left behind must not weigh on the next: begin with a fresh ledger."""
        if self._endpoints:
            await asyncio.sleep(SETTLE_S_MAX)
            self._nonces.next = await fund_senders(self._endpoints[0], self.accounts, self.options.funder)
        else:
            self.close()
            self._nonces = Nonces(self.options.senders)

    def _found(self) -> None:
        self._founded += 1
        root = self._folder / f"alliance-{self._founded}"
        self._alliance = OwnAlliance(root, self.accounts, self.options.validators)
        try:
            seconds = self._alliance.start()
        except NodeFailed:
            self.close()
            raise
        say(f"  {self.options.validators} nodes ready in {seconds:.1f} s")

    def _targets(self) -> list[Endpoint]:
        return self._endpoints or (self._alliance.endpoints if self._alliance else [])

    def _probes(self) -> list[NodeProbe]:
        if self._alliance is None:
            return []
        return [NodeProbe(n.process.pid, n.folder.data) for n in self._alliance.nodes if n.process is not None]


async def read_chain_id(endpoint: Endpoint) -> int:
    """Ask a node for its chain id.

    Raises
    ------
    Unreachable: no answer.
    """
    connection = HttpConnection(endpoint)
    try:
        return int(str(await call(connection, "eth_chainId")), 16)
    finally:
        connection.close()


async def measure_transfers(options: TransferOptions, folder: Path) -> TransferReport:
    """Found an alliance (or use a running one), find the rate, confirm it.

    Raises
    ------
    NodeFailed, Unreachable, InvalidPlan: there is nothing to measure.
    VoidRun: others used too much of the machine meanwhile.
    """
    machine = read_machine(folder)
    bench = Bench(options, folder)
    try:
        await bench.open()
        best = await (_fixed(bench, options.rate) if options.rate else _search(bench))
    finally:
        bench.close()
    report = _report(options, machine, bench, best)
    if best is not None and best.foreign_cpu_share > FOREIGN_SHARE_MAX and not options.allow_load:
        raise VoidRun(
            f"others used {best.foreign_cpu_share:.0%} of the machine during the run, {FOREIGN_SHARE_MAX:.0%} may be",
            "stop what else runs here, or count it all the same with --allow-load",
        )
    return report


async def _fixed(bench: Bench, rate: float) -> TrialResult | None:
    result = await bench.run(rate, bench.options.duration_s)
    return result if result.is_sustained else None


async def _search(bench: Bench) -> TrialResult | None:
    """Steps upwards, then bisection, then a long run at what was found."""
    highest = await find_highest(
        lambda rate: _is_sustained(bench, rate, bench.options.trial_s), bench.options.start_rate
    )
    for _ in range(CONFIRMATIONS_MAX):
        if highest is None:
            return None
        say(f"  confirming {highest:,.0f} tx/s for {bench.options.duration_s:.0f} s")
        result = await bench.run(highest, bench.options.duration_s)
        if result.is_sustained:
            return result
        highest *= BACK_OFF
    return None


async def _is_sustained(bench: Bench, rate: float, seconds: float) -> bool:
    return (await bench.run(rate, seconds)).is_sustained


async def find_highest(is_sustained: Callable[[float], Awaitable[bool]], start: float) -> float | None:
    """The highest rate that is sustained: by steps of `STEP` from `start`, downwards if need be, then bisected.

    Returns None when nothing down to a sixteenth of `start` is.
    """
    good, bad = 0.0, math.inf
    rate = start
    for _ in range(TRIALS_MAX):
        if await is_sustained(rate):
            good = rate
            if bad < math.inf:
                break
            rate *= STEP
        else:
            bad = rate
            if good > 0:
                break
            rate /= 2
            if rate < start / 16:
                return None
    for _ in range(BISECTIONS):
        if bad == math.inf:
            break
        middle = (good + bad) / 2
        if await is_sustained(middle):
            good = middle
        else:
            bad = middle
    return good


def _report(options: TransferOptions, machine: Machine, bench: Bench, best: TrialResult | None) -> TransferReport:
    return TransferReport(
        version=RESULT_VERSION,
        workload="transfer",
        hansa=release(),
        taken_at=now_text(),
        seed=options.seed,
        validators=len(options.rpc) or options.validators,
        accounts=options.accounts,
        senders=options.senders,
        batch=options.batch,
        own_alliance=not options.rpc,
        durable=not options.rpc,
        machine=machine,
        trials=tuple(bench.trials),
        best=best,
    )
