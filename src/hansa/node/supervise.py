"""Running one node as a process: signals, the end of everything, the exit code.

The one broad `except` of this room stands here: whatever no one expected is written down whole and stops the node,
since a node that goes on after a broken invariant could lie to the others.
"""

import asyncio
import logging
import signal
from pathlib import Path

import uvloop

from hansa.errors import HansaError
from hansa.node.assemble import open_node
from hansa.node.view import RunningNode

log = logging.getLogger("hansa.node")

EXIT_OK = 0
EXIT_BUG = 70  # sysexits.h: internal software error


def run_node(directory: str | Path) -> int:
    """Run the node of a folder until SIGTERM, SIGINT or its own end; the exit code is of docs/reference/errors.md."""
    try:
        return uvloop.run(_run(Path(directory)))
    except HansaError as error:
        log.error(error.cause, extra=error.as_json() | {"code": error.code})
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_OK
    except Exception:
        log.critical("the node stops: this is a bug in Hansa", extra={"code": "NODE-70"}, exc_info=True)
        return EXIT_BUG


async def _run(directory: Path) -> int:
    node: RunningNode = await open_node(directory)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.request_stop, f"signal {signal.Signals(number).name}")
    await node.run()
    return EXIT_OK
