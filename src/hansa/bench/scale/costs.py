"""What work costs a node, taken from a result file of `hansa bench run`.

Stages are counted per transaction there. Blocks grow with load, so runs at several rates tell what a stage costs for
each transaction and what for each block: time per transaction = a + b / (transactions in a block), by least squares.
What blocks cost in consensus is divided by the messages of a block among four validators, so that it can be multiplied
by those of more. Links are charged by frames, of which those of bundles go by time and not by block.
"""

from collections.abc import Sequence

import msgspec

from hansa.bench.errors import InvalidPlan
from hansa.bench.report import RunReport
from hansa.bench.trial import GOODPUT_MIN, TrialResult
from hansa.node.gossip import BUNDLE_INTERVAL_S

VALIDATORS = 4  # of the measured alliance
RUNS_MIN = 3
SPREAD_MIN = 1.5  # largest blocks against smallest ones: below it the two parts cannot be told apart
REF_BYTES = 32
# For each block, an average one of four validators: 9 votes in and out, three proposals and what is told of them.
MESSAGES_PER_BLOCK = 9.75
INPUTS_PER_BLOCK = MESSAGES_PER_BLOCK + 8  # own votes, answers of the ledger, news of work, timers
COMMITS_PER_BLOCK = 3

LOOP = "loop: links, HTTP, timers"
CONSENSUS = "consensus and sync"
MESSAGES = "decode messages, verify votes"
ADMIT_OWN = "admit own transactions"
BUNDLE_OWN = "bundle own transactions"
ADMIT_BUNDLES = "admit bundles"
CHECK = "check and log bodies"
EXECUTE = "execute"
SEAL = "seal"
COMMIT = "write and sync logs"
PROPOSE = "propose"
NAMED = (LOOP, CONSENSUS, MESSAGES, ADMIT_OWN, BUNDLE_OWN, ADMIT_BUNDLES, CHECK, EXECUTE, SEAL, COMMIT, PROPOSE)


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of processor time."""

    per_transaction: float
    per_block: float

    def of(self, transactions: int) -> float:
        """What a block of so many transactions costs."""
        return self.per_block + self.per_transaction * transactions


class Costs(msgspec.Struct, frozen=True):
    """What one node spends, microseconds of processor time unless it says otherwise."""

    own_admission: float  # per transaction that a client sent here
    own_bundle: float  # the same, to pass it on
    bundle_admission: float  # per transaction of another member
    traffic: float  # per transaction: HTTP and links
    frame: float  # per message or bundle in or out: links
    message: float  # per signed message: decode, verify
    step: float  # per input of the replica
    ordering: float  # per transaction of a proposal: decoding, hashing, encoding
    check: Cost
    execute: Cost
    seal: Cost
    commit: Cost  # per round, and per transaction of a body that it holds
    propose: Cost
    rest: Cost  # whatever else the process does, beside the path of a block
    client: float  # per transaction; only where the client shares the machine
    sync_us: float  # how long one sync takes; no processor time
    transaction_bytes: float  # raw, in a bundle


def read_costs(report: RunReport) -> Costs:
    """Fit the costs to the runs of a result in which next to nothing was lost.

    Those above the sustained rate count as well: they tell what the largest blocks cost.

    Raises
    ------
    InvalidPlan: it is not of four validators, or its runs cannot tell blocks from transactions.
    """
    runs = [
        run for run in report.trials if run.goodput >= GOODPUT_MIN and run.stage_us_per_tx and run.tps and run.blocks
    ]
    sizes = [run.block_transactions_mean for run in runs]
    if report.validators != VALIDATORS or report.fault is not None or not report.own_alliance:
        raise InvalidPlan("costs are taken from four validators without a fault", "run hansa bench run WORKLOAD --out")
    if len(runs) < RUNS_MIN or max(sizes) < SPREAD_MIN * min(sizes):
        cause = f"{len(runs)} runs with stages do not tell what a block costs from what a transaction does"
        raise InvalidPlan(cause, "let hansa bench run search the rate: it then tries several")

    def stage(*names: str) -> Cost:
        return _fit(sizes, [sum((run.stage_us_per_tx or {}).get(name, 0.0) for name in names) for run in runs])

    consensus, messages, commit = stage(CONSENSUS), stage(MESSAGES), stage(COMMIT)
    sparse = [size / _frames_per_block(run, report.batch) for run, size in zip(runs, sizes, strict=True)]
    loop = _fit(sparse, [(run.stage_us_per_tx or {}).get(LOOP, 0.0) for run in runs])
    propose = stage(PROPOSE)
    others = sorted({name for run in runs for name in run.stage_us_per_tx or {}} - set(NAMED))
    network = _fit(sizes, [run.network_bytes_per_tx or 0.0 for run in runs])
    others_share = (VALIDATORS - 1) / VALIDATORS
    return Costs(
        own_admission=_mean(runs, ADMIT_OWN) * VALIDATORS,
        own_bundle=_mean(runs, BUNDLE_OWN) * VALIDATORS,
        bundle_admission=_mean(runs, ADMIT_BUNDLES) / others_share,
        traffic=loop.per_transaction,
        frame=loop.per_block,  # the fit is by frames here
        message=messages.per_block / MESSAGES_PER_BLOCK,
        step=consensus.per_block / INPUTS_PER_BLOCK,
        ordering=consensus.per_transaction + messages.per_transaction,
        check=stage(CHECK),
        execute=stage(EXECUTE),
        seal=stage(SEAL),
        commit=Cost(commit.per_transaction, commit.per_block / COMMITS_PER_BLOCK),
        propose=Cost(propose.per_transaction * VALIDATORS, propose.per_block * VALIDATORS),
        rest=stage(*others),
        client=sum(run.client_cpu_us_per_tx for run in runs) / len(runs),
        sync_us=report.machine.sync_ms_p50 * 1_000,
        transaction_bytes=max(0.0, network.per_transaction / others_share - REF_BYTES),
    )


def _frames_per_block(run: TrialResult, batch: int) -> float:
    """Messages and bundles that one node sends and receives from one block to the next."""
    interval_s = run.block_transactions_mean / run.tps
    requests = run.block_transactions_mean / VALIDATORS / batch
    bundles = min(requests, interval_s / BUNDLE_INTERVAL_S)
    return 2 * MESSAGES_PER_BLOCK + 2 * (VALIDATORS - 1) * bundles


def _fit(sizes: Sequence[float], per_transaction: Sequence[float]) -> Cost:
    """Least squares of y = a + b / size, neither part below zero."""
    inverse = [1 / size for size in sizes]
    mean_x, mean_y = sum(inverse) / len(inverse), sum(per_transaction) / len(inverse)
    spread = sum((x - mean_x) ** 2 for x in inverse)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(inverse, per_transaction, strict=True)) / spread
    if slope <= 0:
        return Cost(mean_y, 0.0)
    if mean_y < slope * mean_x:
        return Cost(0.0, mean_y / mean_x)
    return Cost(mean_y - slope * mean_x, slope)


def _mean(runs: Sequence[TrialResult], name: str) -> float:
    return sum((run.stage_us_per_tx or {}).get(name, 0.0) for run in runs) / len(runs)
