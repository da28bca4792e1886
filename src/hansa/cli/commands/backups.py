"""`hansa backup create`, `verify`, `restore`: a node's ledger in a folder of its own."""

from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.commands.ledger import NodeDir
from hansa.cli.options import screen_of

BackupDir = Annotated[Path, typer.Argument(help="Folder that `hansa backup create` made.")]


def create(
    context: typer.Context,
    directory: NodeDir,
    to: Annotated[Path, typer.Option("--to", help="New folder for the backup.")],
) -> None:
    """Back up a node's ledger while it runs, and check the copy.

    Every block of the copy is executed again and compared with its sealed header and certificate. Keys and votes are
    no part of it.
    """
    import msgspec

    from hansa.cli.recovery.backup import create_backup

    screen = screen_of(context)
    manifest = create_backup(screen, directory, to)
    screen.data(msgspec.to_builtins(manifest) | {"backup": str(to)}, "")


def verify(context: typer.Context, backup: BackupDir) -> None:
    """Check a backup: every byte, every block, every certificate."""
    import time

    import msgspec

    from hansa.cli.recovery.backup import verify_backup

    screen = screen_of(context)
    began = time.monotonic()
    manifest = verify_backup(backup)
    detail = f"{backup}: {manifest.node} at block {manifest.height}, {manifest.created}"
    screen.step("verified", detail, f"{time.monotonic() - began:.1f} s")
    screen.data(msgspec.to_builtins(manifest) | {"backup": str(backup)}, "")


def restore(
    context: typer.Context,
    backup: BackupDir,
    directory: NodeDir,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put a backup in place of a stopped node's ledger.

    What was there is put aside, also the votes: the node then serves reads at once, fetches what is missing, and votes
    again by itself.
    """
    import msgspec

    from hansa.cli.recovery.backup import restore_backup

    screen = screen_of(context)
    manifest = restore_backup(screen, backup, directory, yes)
    if manifest is None:
        raise typer.Exit(1)
    screen.data(msgspec.to_builtins(manifest) | {"backup": str(backup), "directory": str(directory)}, "")
