"""Running one node as a process: signals, the end of everything, the exit code.

The one broad `except` of this room stands here: whatever no one expected is written down whole and stops the node,
since a node that goes on after a broken invariant could lie to the others. That holds for callbacks too, whose errors
an event loop only logs.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from hansa.errors import HansaError
from hansa.node.assemble import open_node
from hansa.node.signing.errors import RightLost
from hansa.node.view import RunningNode

log = logging.getLogger("hansa.node")

EXIT_OK = 0
EXIT_BUG = 70  # sysexits.h: internal software error
# Rooms whose callbacks keep the node's promises. Errors of the API and its libraries cost one client its connection.
WATCHED = ("hansa.consensus", "hansa.io", "hansa.network", "hansa.node", "hansa.sync")


def run_node(directory: str | Path) -> int:
    """Run the node of a folder until SIGTERM, SIGINT or its own end; the exit code is of docs/reference/errors.md."""
    try:
        if not uvloop.run(_run(Path(directory))):
            return EXIT_OK
        _begin_anew(directory)
    except RightLost as lost:
        log.warning(str(lost), extra={"code": lost.code})
        _begin_anew(directory)
    except HansaError as error:
        log.error(error.cause, extra=error.as_json() | {"code": error.code})
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_OK
    except Exception:
        log.critical("the node stops: this is a bug in Hansa", extra={"code": "NODE-70"}, exc_info=True)
        return EXIT_BUG


def _begin_anew(directory: str | Path) -> NoReturn:
    """Run the node as a new process under the same id: nothing of this one's memory is left behind."""
    os.execv(sys.executable, [sys.executable, "-m", "hansa.node", str(directory)])


def watch_loop(loop: asyncio.AbstractEventLoop, fail: Callable[[BaseException], None]) -> None:
    """Have `fail` called with what a callback of the node raises: effects after it are lost, so it must not go on.

    An error in what a link does with received bytes closes that link and is logged, for the peer may have caused it.
    """

    def on_error(running: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException) and "handle" in context and _is_watched(error):
            fail(error)
        else:
            running.default_exception_handler(context)

    loop.set_exception_handler(on_error)


def _is_watched(error: BaseException) -> bool:
    at = error.__traceback__
    while at is not None:
        if str(at.tb_frame.f_globals.get("__name__")).startswith(WATCHED):
            return True
        at = at.tb_next
    return False


async def _run(directory: Path) -> bool:
    """Run the node until its end; whether it is to begin anew."""
    node: RunningNode = await open_node(directory)
    loop = asyncio.get_running_loop()
    watch_loop(loop, node.fail)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.request_stop, f"signal {signal.Signals(number).name}")
    loop.add_signal_handler(signal.SIGUSR1, node.step_down)
    loop.add_signal_handler(signal.SIGUSR2, node.begin_checkpoint)
    await node.run()
    return node.begins_anew
