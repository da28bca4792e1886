"""Options that several commands share, so that they are called the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.screen import Screen

Folder = Annotated[
    Path | None,
    typer.Option("-d", "--dir", help="Alliance folder; else the current one, else ./hansa-demo.", show_default=False),
]
Rpc = Annotated[
    str | None,
    typer.Option("--rpc", envvar="HANSA_RPC", help="Node to ask, e.g. http://127.0.0.1:8545.", show_default=False),
]
As = Annotated[
    str | None,
    typer.Option("--as", help="Who signs: a user of the alliance, a keystore file, or dev:N.", show_default=False),
]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="Read the password from this file.", show_default=False)
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="Token that the node named by --rpc asks for.", show_default=False),
]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait until it is final; 0 = do not wait.")]


def screen_of(context: typer.Context) -> Screen:
    """How this run speaks."""
    screen = context.obj
    return screen if isinstance(screen, Screen) else Screen()
