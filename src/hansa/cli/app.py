"""The list of all commands, and how a run ends: every expected failure becomes code, cause, hint and an exit code.

To add a command: write a function in `commands/`, name it here.
"""

import errno
import sys
from collections.abc import Callable
from typing import Any

import typer

from hansa.cli.commands import (
    accounts,
    backups,
    founding,
    health,
    joining,
    ledger,
    lifecycle,
    membership,
    observing,
    pairing,
    reading,
    tools,
    transacting,
    upgrading,
)
from hansa.cli.errors import SystemRefuses, Usage
from hansa.cli.screen import Screen
from hansa.errors import HansaError

EXIT_INTERRUPTED = 130

COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("init", founding.init),
    ("up", lifecycle.up),
    ("down", lifecycle.down),
    ("ps", observing.ps),
    ("status", observing.status),
    ("logs", observing.logs),
    ("send", transacting.send),
    ("call", transacting.call),
    ("deploy", transacting.deploy),
    ("receipt", reading.receipt),
    ("tx", reading.tx),
    ("block", reading.block),
    ("doctor", health.doctor),
    ("verify", ledger.verify),
    ("repair", ledger.repair),
    ("dev", tools.dev),
)
# Their own options are parsed by the tools themselves, which are not imported before they are called.
FORWARDED: tuple[tuple[str, Callable[..., None]], ...] = (
    ("sim", tools.sim),
    ("bench", tools.bench),
    ("chaos", tools.chaos),
    ("soak", tools.soak),
)
GROUPS: tuple[tuple[str, str, tuple[tuple[str, Callable[..., None]], ...]], ...] = (
    (
        "genesis",
        "The first block, from public parts.",
        (("assemble", founding.assemble), ("install", founding.install)),
    ),
    (
        "node",
        "One node by itself, and the second one of a validator.",
        (
            ("run", ledger.node_run),
            ("join", joining.join),
            ("add", joining.add),
            ("standby", pairing.standby),
            ("takeover", pairing.takeover),
            ("signer", pairing.signer),
            ("step-down", pairing.step_down),
        ),
    ),
    (
        "org",
        "The organisations of the alliance.",
        (
            ("invite", membership.invite),
            ("remove", membership.remove),
            ("account", membership.account),
            ("list", membership.list_),
        ),
    ),
    (
        "proposal",
        "What the organisations vote on.",
        (
            ("list", membership.proposals),
            ("approve", membership.approve),
            ("object", membership.object_),
            ("node", membership.propose_node),
            ("consensus", membership.propose_consensus),
        ),
    ),
    ("key", "Keys of one's own nodes.", (("rotate", joining.rotate),)),
    (
        "upgrade",
        "Another release, node by node; another protocol, by vote.",
        (("status", upgrading.status), ("apply", upgrading.apply)),
    ),
    (
        "backup",
        "A node's ledger in a folder of its own.",
        (("create", backups.create), ("verify", backups.verify), ("restore", backups.restore)),
    ),
    ("evidence", "Proofs that a validator lied.", (("verify", health.evidence_verify),)),
    ("account", "Keys that sign.", (("new", accounts.new), ("import", accounts.import_), ("list", accounts.list_))),
)
EPILOG = "Everywhere: --json (result as JSON on stdout), --no-input (never ask), --quiet."


def build_app() -> typer.Typer:
    """All commands, without running any."""
    app = _group("An alliance chain: one ledger kept jointly by organisations that do not fully trust each other.")
    for name, function in COMMANDS:
        app.command(name, epilog=EPILOG)(function)
    for name, function in FORWARDED:
        passing = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
        app.command(name, context_settings=passing)(function)
    for name, text, members in GROUPS:
        group = typer.Typer(
            help=text, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True
        )
        for member, function in members:
            group.command(member, epilog=EPILOG)(function)
        app.add_typer(group, name=name, help=text)
    app.callback(epilog=EPILOG)(_root)
    return app


def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    """An alliance chain: one ledger kept jointly by organisations that do not fully trust each other."""
    if version:
        from hansa import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


def _group(text: str) -> typer.Typer:
    return typer.Typer(
        help=text,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def take_common_flags(arguments: list[str]) -> tuple[Screen, list[str]]:
    """Take out the flags that hold everywhere, wherever they stand before a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    before, after = arguments[:end], arguments[end:]
    screen = Screen(json="--json" in before, no_input="--no-input" in before, quiet="--quiet" in before)
    return screen, [a for a in before if a not in ("--json", "--no-input", "--quiet")] + after


def _hint_for(error: OSError) -> str:
    hints = {
        errno.ENOSPC: "make room on the disk, then do it again",
        errno.EACCES: "are the folder and its files yours?",
        errno.EPERM: "are the folder and its files yours?",
        errno.EROFS: "choose a folder on a disk that can be written to",
        errno.ENOTDIR: "a file stands where a folder is needed: choose another folder with -d",
    }
    return hints.get(error.errno or 0, "mend that, then do it again")


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    screen, rest = take_common_flags(arguments)
    try:
        result: Any = build_app()(rest, obj=screen, standalone_mode=False, prog_name="hansa")
    except HansaError as error:
        screen.failure(error)
        return error.exit_code
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error, file=sys.stderr)
            return Usage.exit_code
        failure = Usage(getattr(error, "message", "") or str(error) or "the command is incomplete", "hansa --help")
        screen.failure(failure)
        return failure.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        return 0
    except OSError as error:
        refusal = SystemRefuses(f"{error.strerror or error}: {error.filename or 'no file named'}", _hint_for(error))
        screen.failure(refusal)
        return refusal.exit_code
    return result if isinstance(result, int) else 0
