"""The commands `hansa chaos` and `hansa soak`."""

import argparse
import logging
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

import msgspec
import uvloop

from hansa.bench.report import say, show_data, write_result
from hansa.chaos import sandbox
from hansa.chaos.availability.page import write_soak
from hansa.chaos.availability.recovery import EVENTS, measure_recovery
from hansa.chaos.availability.soak import Soak, make_soak_script
from hansa.chaos.errors import Unplayable
from hansa.chaos.matrix import ProcessReport, decode_process_report, play_row, replace_row
from hansa.chaos.play import explain_unplayable
from hansa.chaos.run import run_script
from hansa.errors import HansaError
from hansa.sim.checkers.violation import Violation
from hansa.sim.errors import InvalidScript
from hansa.sim.matrix import ROWS
from hansa.sim.script import Script, decode_script

DESCRIPTIONS = {
    "chaos": "Torment real node processes with the simulator's fault scripts; what must hold is judged from outside.",
    "soak": "Probe an alliance from outside while a random fault strikes every period; 0 where 99.9 % were good.",
}


def main(tool: str, arguments: Sequence[str]) -> int:
    """Run `hansa chaos` or `hansa soak`; the exit code: 1 where something did not hold, 2 where it cannot be done."""
    options = build_parser(tool).parse_args(list(arguments))
    if sandbox.is_inside():
        sandbox.begin_inside()
    elif not options.loopback and sandbox.is_possible():
        return sandbox.enter(tool, arguments)
    is_sandboxed = sandbox.is_inside()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # intruders' connections break all the time
    if not is_sandboxed:
        say("  no namespaces: nodes run on loopback, without small disks")
    try:
        return uvloop.run(_TOOLS[tool](options, is_sandboxed))
    except HansaError as error:
        say(str(error))
        return error.exit_code
    except Violation as violation:
        say(f"  FAILED {violation}")
        return 1


def build_parser(tool: str) -> argparse.ArgumentParser:
    """All options with their defaults."""
    parser = argparse.ArgumentParser(f"hansa {tool}", description=DESCRIPTIONS[tool])
    if tool == "soak":
        _add_soak(parser)
        _add_common(parser)
        return parser
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="play one script, such as hansa sim --show prints")
    run.add_argument("script", type=Path, help="JSON file")
    run.add_argument("--seed", type=int, help="instead of the script's own")
    matrix = commands.add_parser("matrix", help="play every row of the fault matrix that real processes can suffer")
    matrix.add_argument(
        "--row", action="append", choices=sorted(ROWS), metavar="NAME", help="only this row, repeatable"
    )
    matrix.add_argument("--seed", type=int, action="append", help="from which the scripts are drawn, repeatable; or 0")
    recovery = commands.add_parser("recovery", help="how long an alliance needs until blocks go on, again and again")
    recovery.add_argument("event", choices=sorted(EVENTS), help="what happens")
    recovery.add_argument("--times", type=int, default=20, help="how often")
    recovery.add_argument("--nodes", type=int, default=4, help="validators")
    recovery.add_argument("--seed", type=int, default=1, help="same seed, same moments")
    for command in (run, matrix, recovery):
        _add_common(command)
        command.add_argument("--out", type=Path, help="write the result there, as JSON")
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--loopback", action="store_true", help="no namespaces: every node on a loopback address")
    parser.add_argument("-d", "--dir", type=Path, help="where alliances are founded; kept. Else a temporary folder")


def _add_soak(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=7, help="validators")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long")
    parser.add_argument("--fault-every", type=float, default=60.0, help="seconds")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same faults")
    parser.add_argument("-o", "--out", type=Path, default=Path("soak"), help="folder for report and plots")


async def _chaos(options: argparse.Namespace, is_sandboxed: bool) -> int:
    with _Folder(options.dir) as folder:
        return await _COMMANDS[options.command](options, folder, is_sandboxed)


async def _matrix(options: argparse.Namespace, folder: Path, is_sandboxed: bool) -> int:
    """Play rows; those that an earlier run left in the file and that are not played now stay in it."""
    report = ProcessReport(())
    if options.out is not None and options.out.exists():
        report = decode_process_report(options.out.read_bytes())
    failed = 0
    for name in options.row or list(ROWS):
        row = await play_row(name, options.seed or [0], folder, is_sandboxed)
        failed += sum(run.violation is not None for run in row.runs)
        report = replace_row(report, row)
        if options.out is not None:
            write_result(options.out, report)
    if options.out is None:
        show_data(report)
    say(f"  {failed} runs failed")
    return 1 if failed else 0


async def _run(options: argparse.Namespace, folder: Path, is_sandboxed: bool) -> int:
    script = _read_script(options.script)
    if options.seed is not None:
        script = msgspec.structs.replace(script, seed=options.seed)
    reason = explain_unplayable(script, is_sandboxed)
    if reason is not None:
        raise Unplayable(f"real processes cannot suffer {script.name}: {reason}", "hansa sim --script plays it")
    result = await run_script(script, folder / "run", is_sandboxed)
    _give(options, result)
    return 0 if result.violation is None else 1


async def _recovery(options: argparse.Namespace, folder: Path, is_sandboxed: bool) -> int:
    report = await measure_recovery(
        options.event, options.times, options.nodes, options.seed, folder / "run", is_sandboxed
    )
    _give(options, report)
    say(f"  {report.what}: p50 {report.p50_ms} ms, p99 {report.p99_ms} ms over {len(report.gaps_ms)}")
    return 0


def _give(options: argparse.Namespace, result: object) -> None:
    if options.out is not None:
        write_result(options.out, result)
    show_data(result)


async def _soak(options: argparse.Namespace, is_sandboxed: bool) -> int:
    script = make_soak_script(options.nodes, options.minutes, options.fault_every, options.seed)
    with _Folder(options.dir) as folder:
        report = await Soak(script, options.fault_every, folder / "run", is_sandboxed).run()
    options.out.mkdir(parents=True, exist_ok=True)
    write_soak(report, options.out)
    say(f"  {report.good} of {report.probes} probes good, {len(report.lost)} lost; see {options.out / 'soak.html'}")
    if report.violation is not None:
        say(f"  {report.violation}")
    return 0 if report.is_passed else 1


def _read_script(path: Path) -> Script:
    try:
        return decode_script(path.read_bytes())
    except OSError as error:
        raise InvalidScript(f"{path} cannot be read: {error.strerror}", "name a file") from error


class _Folder:
    """A folder that is kept if it was named, and removed otherwise."""

    def __init__(self, named: Path | None) -> None:
        self._named = named
        self.path = named or Path(tempfile.mkdtemp(prefix="hansa-chaos-"))

    def __enter__(self) -> Path:
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path

    def __exit__(self, *_: object) -> None:
        if self._named is None:
            shutil.rmtree(self.path, ignore_errors=True)


_COMMANDS: dict[str, Callable[[argparse.Namespace, Path, bool], Coroutine[None, None, int]]] = {
    "run": _run,
    "matrix": _matrix,
    "recovery": _recovery,
}
_TOOLS: dict[str, Callable[[argparse.Namespace, bool], Coroutine[None, None, int]]] = {
    "chaos": _chaos,
    "soak": _soak,
}
