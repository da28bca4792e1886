"""The command line of `hansa bench`."""

import argparse
import asyncio
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import uvloop

from hansa.bench.agreement import AgreementOptions, check_agreement
from hansa.bench.crash import CrashOptions, check_crashes
from hansa.bench.errors import InvalidPlan
from hansa.bench.faults import FAULTS
from hansa.bench.ingress import IngressOptions, measure_ingress
from hansa.bench.moves.study import MovesOptions, measure_moves
from hansa.bench.outages.catch_up import BAR, CatchUpOptions, measure_catch_up
from hansa.bench.report import RunReport, read_result, run_text, say, show_data, write_result
from hansa.bench.results.compare import compare_text
from hansa.bench.results.plots import draw_plots
from hansa.bench.rot import RotOptions, check_rot
from hansa.bench.run import RunOptions, measure_workload
from hansa.bench.scale.study import SIZES, study_scale
from hansa.bench.state.measure import StateOptions, measure_state
from hansa.bench.workloads import WORKLOADS

EXIT_TERMINATED = 128 + signal.SIGTERM
DESCRIPTION = "Measurements and long checks of an alliance; the client runs outside the nodes, everything from a seed."


def main(arguments: Sequence[str]) -> int:
    """Run one measurement; 0 when it held what it must.

    Raises
    ------
    InvalidPlan, NodeFailed, Unreachable, VoidRun, Disagreement: see `hansa.bench.errors`.
    """
    options = build_parser().parse_args(arguments)
    if options.command == "run":
        return _in_folder(options, lambda folder: _measure(options, folder))
    if options.command == "plots":
        return _plots([read_result(path) for path in options.results], options.to)
    if options.command == "scale":
        return _scale(options)
    if options.command == "ingress":
        return _in_folder(options, lambda folder: _ingress(options, folder))
    if options.command == "agreement":
        return _in_folder(options, lambda folder: _agreement(options, folder))
    if options.command == "moves":
        return _in_folder(options, lambda folder: _moves(options, folder))
    if options.command == "rot":
        return _in_folder(options, lambda folder: _rot(options, folder))
    if options.command == "state":
        return _in_folder(options, lambda folder: _state(options, folder))
    if options.command == "catch-up":
        return _in_folder(options, lambda folder: _catch_up(options, folder))
    return _in_folder(options, lambda folder: _crash(options, folder))


def build_parser() -> argparse.ArgumentParser:
    """All options with their defaults."""
    parser = argparse.ArgumentParser(prog="hansa bench", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands.add_parser("run", help="the highest rate of one workload that is sustained"))
    plots = commands.add_parser("plots", help="draw results: latency, growth with accounts, workloads, stages")
    plots.add_argument("results", type=Path, nargs="+", help="files that --out wrote")
    plots.add_argument("--to", type=Path, default=Path("bench-results"), help="folder for the PNG files")
    ingress = commands.add_parser("ingress", help="sends in requests of their own that one node takes on one core")
    ingress.add_argument("--seed", type=int, default=1, help="same seed, same transactions")
    ingress.add_argument("--transactions", type=int, default=50_000)
    ingress.add_argument("-d", "--dir", type=Path, help="where the node is founded; kept. Else a temporary folder")
    ingress.add_argument("--out", type=Path, help="write the result as JSON here")
    scale = commands.add_parser("scale", help="larger alliances, simulated with the costs of a result file")
    scale.add_argument("--costs", type=Path, required=True, help="what hansa bench run wrote, with a searched rate")
    scale.add_argument("--validators", type=int, action="append", help="an alliance of that size; 4, 16 and 64 if none")
    scale.add_argument("--seed", type=int, default=1, help="same seed, same tables")
    scale.add_argument("--out", type=Path, help="write the result as JSON here")
    agreement = commands.add_parser("agreement", help="mixed transactions, then compare every block of every node")
    _add_common(agreement)
    agreement.add_argument("--transactions", type=int, default=100_000)
    agreement.add_argument("--rate", type=float, default=1_000.0, help="transactions per second")
    crash = commands.add_parser("crash", help="kill -9 the leader, then all nodes, under load; nothing final is lost")
    _add_common(crash)
    crash.add_argument("--rounds", type=int, default=10, help="how often all nodes are killed at once")
    crash.add_argument("--rate", type=float, default=500.0, help="transactions per second")
    moves = commands.add_parser("moves", help="a validator on two nodes: take-overs, planned moves")
    _add_common(moves)
    moves.add_argument("--rounds", type=int, default=3, help="how often each move is made")
    moves.add_argument("--rate", type=float, default=300.0, help="transactions per second")
    rot = commands.add_parser("rot", help="single bytes of a stopped node's files change; verify names, repair heals")
    _add_common(rot)
    rot.add_argument("--changes", type=int, default=50)
    state = commands.add_parser("state", help="gaps between blocks while checkpoints are written; restarts to voting")
    _add_common(state)
    state.add_argument("--accounts", type=int, default=1_000_000, help="accounts that exist")
    state.add_argument("--rate", type=float, default=2_000.0, help="transactions per second")
    state.add_argument("--restarts", type=int, default=3, help="of one node, of each kind")
    catch_up = commands.add_parser(
        "catch-up", help="a node is away under load; how fast it makes up for what it missed"
    )
    _add_common(catch_up)
    catch_up.add_argument("--rate", type=float, default=500.0, help="transactions per second, throughout")
    catch_up.add_argument("--away", type=float, default=60.0, help="seconds for which the node is away")
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="same seed, same transactions")
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--batch", type=int, default=50, help="transactions in one request")
    parser.add_argument("-d", "--dir", type=Path, help="where the alliance is founded; kept. Else a temporary folder")
    parser.add_argument("--out", type=Path, help="write the result as JSON here")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workload", choices=WORKLOADS, help="what is sent; docs/operate/measure.md describes them")
    _add_common(parser)
    parser.add_argument(
        "--accounts", type=int, default=10_000, help="accounts that exist; receivers are drawn from all"
    )
    parser.add_argument("--senders", type=int, help="accounts that send; at most 20,000 unless given")
    parser.add_argument("--rate", type=float, help="measure this rate only, instead of searching the highest")
    parser.add_argument("--start", type=float, default=1_000.0, help="rate at which the search begins")
    parser.add_argument("--duration", type=float, default=60.0, help="seconds of the runs that count")
    parser.add_argument(
        "--trial", type=float, default=10.0, help="seconds of a run while searching, and of an overload"
    )
    parser.add_argument("--p99-max", type=float, default=1_200.0, help="milliseconds")
    parser.add_argument("--repeat", type=int, default=1, help="runs that count; the median is reported")
    parser.add_argument(
        "--overload", type=float, action="append", default=[], help="offer this multiple of the rate afterwards"
    )
    parser.add_argument("--fault", choices=FAULTS, help="one validator is stopped, or slow, throughout")
    parser.add_argument("--rpc", action="append", default=[], help="measure a running network; once per node")
    parser.add_argument("--allow-remote", action="store_true", help="with --rpc: it may be on another machine")
    parser.add_argument("--funder", help="with --rpc: secret key (hex) of an account there that pays the senders")
    parser.add_argument("--compare", type=Path, help="an earlier result file, against which the change is shown")
    parser.add_argument("--plots", type=Path, help="folder for plots of this run (needs matplotlib)")
    parser.add_argument("--allow-load", action="store_true", help="count the run although others use the machine")


def _in_folder(options: argparse.Namespace, work: Callable[[Path], Awaitable[int]]) -> int:
    if options.dir is not None:
        options.dir.mkdir(parents=True, exist_ok=True)
        return _run(work(options.dir.resolve()))
    folder = Path(tempfile.mkdtemp(prefix="hansa-bench-"))
    try:
        return _run(work(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(work: Awaitable[int]) -> int:
    async def awaited() -> int:
        own = asyncio.current_task()
        assert own is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.cancel)
        return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(awaited())
        except asyncio.CancelledError:  # nodes and temporary folders are gone by now
            return EXIT_TERMINATED


async def _measure(options: argparse.Namespace, folder: Path) -> int:
    earlier = None if options.compare is None else read_result(options.compare)
    plan = RunOptions(
        workload=options.workload,
        seed=options.seed,
        validators=options.validators,
        accounts=options.accounts,
        senders=options.senders,
        batch=options.batch,
        rate=options.rate,
        start_rate=options.start,
        duration_s=options.duration,
        trial_s=options.trial,
        p99_ms_max=options.p99_max,
        repeat=options.repeat,
        overload=tuple(options.overload),
        fault=options.fault,
        rpc=tuple(options.rpc),
        allow_remote=options.allow_remote,
        funder=None if options.funder is None else _secret(options.funder),
        allow_load=options.allow_load,
    )
    report = await measure_workload(plan, folder)
    say(run_text(report))
    _hand_over(report, options.out)
    if earlier is not None and report.is_sustained:
        say(compare_text(earlier, report))
    if options.plots is not None and report.is_sustained:
        _plots([report], options.plots)
    return 0 if report.is_sustained else 1


def _plots(reports: Sequence[RunReport], folder: Path) -> int:
    for path in draw_plots(reports, folder):
        say(f"  plot  {path}")
    return 0


def _secret(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise InvalidPlan("--funder is not a key in hex", "0x and 64 hex digits") from None


def _scale(options: argparse.Namespace) -> int:
    report = study_scale(read_result(options.costs), options.seed, tuple(options.validators or SIZES), say)
    _hand_over(report, options.out)
    return 1 if report.is_void else 0


async def _ingress(options: argparse.Namespace, folder: Path) -> int:
    report = await measure_ingress(IngressOptions(options.seed, options.transactions), folder)
    say(
        f"{report.accepted_per_s:,.0f} single requests accepted per second by one node on one core,"
        f" {report.node_cpu_us_per_request} µs each, {report.refused} refused"
    )
    _hand_over(report, options.out)
    return 0


async def _agreement(options: argparse.Namespace, folder: Path) -> int:
    plan = AgreementOptions(options.seed, options.validators, options.transactions, options.rate, options.batch)
    report = await check_agreement(plan, folder)
    say(
        f"{report.transactions:,} transactions · {report.blocks:,} blocks · {report.validators} nodes hold the same"
        f" hashes and state roots at every height · supply {report.supply_before} wei before and after"
    )
    _hand_over(report, options.out)
    return 0


async def _crash(options: argparse.Namespace, folder: Path) -> int:
    plan = CrashOptions(options.seed, options.validators, options.rounds, options.rate, options.batch)
    report = await check_crashes(plan, folder)
    say(
        f"leader killed once, all nodes killed {report.rounds} times · {report.final_transactions:,} transactions had a"
        f" receipt, none was lost · longest return {report.return_s_max:.1f} s"
    )
    _hand_over(report, options.out)
    return 0


async def _moves(options: argparse.Namespace, folder: Path) -> int:
    plan = MovesOptions(options.seed, options.validators, options.rounds, options.rate, options.batch)
    report = await measure_moves(plan, folder)
    say(
        f"standby votes {max(report.voting_after_kill_s):.2f} s after kill -9 of the active node, "
        f"{max(report.voting_after_command_s):.2f} s after the command · longest time without a block: "
        f"{max(report.gap_after_kill_s):.2f} s, {max(report.gap_after_command_s):.2f} s; leader stopped "
        f"{max(report.gap_after_stop_s):.2f} s; renewed one by one {max(report.gap_while_renewed_s):.2f} s · "
        f"{report.final_transactions:,} transactions, all final"
    )
    _hand_over(report, options.out)
    return 0


async def _rot(options: argparse.Namespace, folder: Path) -> int:
    plan = RotOptions(options.seed, options.validators, options.changes, batch=options.batch)
    report = await check_rot(plan, folder)
    fell = " · ".join(f"{name} {count}" for name, count in report.per_folder.items())
    say(f"{report.changes} single-byte changes ({fell}): every one found, named and healed")
    _hand_over(report, options.out)
    return 0


async def _state(options: argparse.Namespace, folder: Path) -> int:
    plan = StateOptions(
        options.seed, options.validators, options.accounts, options.rate, options.batch, options.restarts
    )
    report = await measure_state(plan, folder)
    say(
        f"{report.accounts:,} accounts · {len(report.checkpoints)} checkpoints under {report.rate:,.0f} tx/s: longest"
        f" gap between blocks {report.block_gap_ms_max:.0f} ms, {report.block_gap_ms_max_before:.0f} ms before · votes"
        f" again {max(report.restart_s_killed, default=0.0)} s after a start behind a kill,"
        f" {max(report.restart_s_stopped, default=0.0)} s behind a stop (longest of {options.restarts} each)"
    )
    _hand_over(report, options.out)
    return 0


async def _catch_up(options: argparse.Namespace, folder: Path) -> int:
    plan = CatchUpOptions(options.seed, options.validators, options.rate, options.away, options.batch)
    report = await measure_catch_up(plan, folder)
    say(
        f"{report.missed_blocks:,} blocks with {report.missed_transactions:,} transactions missed in"
        f" {report.away_s:.0f} s; level {report.level_s:.2f} s after serving again: {report.caught_up_tps:,.0f}"
        f" transactions/s, {report.times:.1f} times production (at least {BAR:.0f} is asked)"
    )
    _hand_over(report, options.out)
    return 0 if report.times >= BAR else 1


def _hand_over(report: object, out: Path | None) -> None:
    show_data(report)
    if out is not None:
        write_result(out, report)
