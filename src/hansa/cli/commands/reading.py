"""`hansa receipt`, `hansa tx`, `hansa block`: what stands in the ledger."""

from typing import Annotated

import typer

from hansa.cli.options import Folder, Rpc, screen_of

Hash = Annotated[str, typer.Argument(help="Hash of a transaction.")]


def receipt(
    context: typer.Context,
    transaction: Hash,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for it.")] = 0.0,
    rpc: Rpc = None,
    folder: Folder = None,
) -> None:
    """Show what happened to a transaction, once it is final."""
    from hansa.cli.network import open_client
    from hansa.cli.receipts import receipt_rows
    from hansa.cli.screen import table
    from hansa.cli.words import parse_hash
    from hansa.errors import NotFound
    from hansa.sdk.signing import wait_receipt

    wanted = parse_hash(transaction)
    client = open_client(rpc, folder)
    found = client.call("eth_getTransactionReceipt", transaction)
    if found is None and wait > 0:
        found = wait_receipt(client, wanted, wait)
    if found is None:
        raise NotFound(
            f"{transaction} is not final", f"hansa receipt {transaction} --wait 30, or hansa tx {transaction}"
        )
    screen_of(context).data(found, table(receipt_rows(found)))


def tx(context: typer.Context, transaction: Hash, rpc: Rpc = None, folder: Folder = None) -> None:
    """Show a transaction and how far it has come."""
    from hansa.cli.network import open_client
    from hansa.cli.receipts import transaction_rows
    from hansa.cli.screen import table
    from hansa.cli.words import parse_hash
    from hansa.errors import NotFound
    from hansa.sdk.errors import RpcFailed

    parse_hash(transaction)
    client = open_client(rpc, folder)
    found, status = client.batch(
        [("eth_getTransactionByHash", [transaction]), ("hansa_getTransactionStatus", [transaction])]
    )
    if isinstance(found, RpcFailed):
        raise found
    if isinstance(status, RpcFailed):
        status = None
    if found is None:
        why = f": {status['status']} {status.get('reason') or ''}".rstrip() if status else ""
        raise NotFound(f"{transaction} is not known here{why}", "is it another alliance's, or was it dropped?")
    screen_of(context).data(found | ({"hansa": status} if status else {}), table(transaction_rows(found, status)))


def block(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="Number, hash or tag.")] = "latest",
    full: Annotated[bool, typer.Option("--full", help="With whole transactions (JSON).")] = False,
    rpc: Rpc = None,
    folder: Folder = None,
) -> None:
    """Show a block."""
    from hansa.cli.network import open_client
    from hansa.cli.receipts import block_rows
    from hansa.cli.screen import table
    from hansa.cli.words import parse_block
    from hansa.errors import NotFound

    wanted, is_hash = parse_block(number)
    method = "eth_getBlockByHash" if is_hash else "eth_getBlockByNumber"
    found = open_client(rpc, folder).call(method, wanted, full)
    if found is None:
        raise NotFound(f"there is no block {number}", "hansa block latest")
    screen_of(context).data(found, table(block_rows(found)))
