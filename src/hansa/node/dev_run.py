"""The process of `hansa dev`: listen, print the accounts, serve until told to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable

import uvloop

from hansa.api import ApiOptions, ApiServer
from hansa.node.dev import DevNode, DevOptions

DEV_NAMESPACES = ("eth", "net", "web3", "txpool", "debug", "hansa", "rpc")


def run_dev(options: DevOptions, ready: Callable[[DevNode, int], None] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code.

    Parameters
    ----------
    ready: called with the node and its port once it listens; prints the banner when not given.

    Raises
    ------
    UnsafeListen, PortTaken: the address is not loopback, or in use.
    """
    return uvloop.run(_serve(options, ready or print_banner))


async def _serve(options: DevOptions, ready: Callable[[DevNode, int], None]) -> int:
    node = DevNode(options)
    server = ApiServer(node, ApiOptions(options.host, options.port, namespaces=DEV_NAMESPACES), node)
    await server.start()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    ready(node, server.port)
    try:
        await ended.wait()
    finally:
        node.close()
        await server.stop()
    return 0


def print_banner(node: DevNode, port: int) -> None:
    """Show accounts, keys and the address, as development nodes do."""
    lines = ["", "Hansa development node: one validator, Ethereum fees, blocks sealed at once", ""]
    lines += ["Accounts (public test keys: never use them for anything of value)"]
    for index, pair in enumerate(node.keys):
        lines.append(f"  ({index}) 0x{pair.address.hex()}  key 0x{pair.secret.hex()}")
    lines += ["", f"Chain id  {node.chain.chain_id}", f"RPC       http://127.0.0.1:{port}  (and ws://)", ""]
    print("\n".join(lines), file=sys.stdout, flush=True)
