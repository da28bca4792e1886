"""`hansa dev`, `sim`, `bench`, `chaos`, `soak`: each is a tool of its own, imported only when called."""

from typing import Annotated

import typer


def dev(
    port: Annotated[int, typer.Option("--port", help="JSON-RPC over HTTP and WebSocket.")] = 8545,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; loopback only.")] = "127.0.0.1",
    chain_id: Annotated[int, typer.Option("--chain-id", help="Chain id.")] = 31_337,
    accounts: Annotated[int, typer.Option("--accounts", help="How many funded accounts.", min=1, max=1_000)] = 10,
    balance: Annotated[int, typer.Option("--balance", help="Coins of each account.")] = 10_000,
    mining: Annotated[bool, typer.Option("--mining/--no-mining", help="Seal a block for each send.")] = True,
    mnemonic: Annotated[
        str | None, typer.Option("--mnemonic", help="Words of the accounts.", show_default=False)
    ] = None,
) -> None:
    """Run a development chain with instant blocks.

    One node, Ethereum's fees, funded accounts, and the evm_ hardhat_ anvil_ helpers that contract tests use.
    """
    from hansa.node.dev import DevOptions, run_dev

    options = DevOptions(host=host, port=port, chain_id=chain_id, accounts=accounts, balance=balance, automine=mining)
    if mnemonic is not None:
        import msgspec

        options = msgspec.structs.replace(options, mnemonic=mnemonic)
    code = run_dev(options)
    if code:
        raise typer.Exit(code)


def sim(context: typer.Context) -> None:
    """Run the simulator: networks and disks that fail."""
    from hansa.sim.command import main

    code = main(context.args)
    if code:
        raise typer.Exit(code)


def bench(context: typer.Context) -> None:
    """Measure throughput and latency (hansa bench --help)."""
    from hansa.bench import main

    code = main(context.args)
    if code:
        raise typer.Exit(code)


def chaos(context: typer.Context) -> None:
    """Torment real node processes: crashes, disks, links, intruders (hansa chaos --help)."""
    from hansa.chaos.command import main

    code = main("chaos", context.args)
    if code:
        raise typer.Exit(code)


def soak(context: typer.Context) -> None:
    """Measure availability while faults strike (hansa soak --help)."""
    from hansa.chaos.command import main

    code = main("soak", context.args)
    if code:
        raise typer.Exit(code)
