"""`hansa backup create`, `verify`, `restore`: a node's ledger in a folder of its own, or in an object store."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.commands.ledger import NodeDir
from hansa.cli.options import screen_of

BackupPlace = Annotated[str, typer.Argument(help="What `hansa backup create --to` was given.")]


def create(
    context: typer.Context,
    directory: NodeDir,
    to: Annotated[str, typer.Option("--to", help="New folder for the backup, or s3://bucket/prefix.")],
) -> None:
    """Back up a node's ledger while it runs, and check the copy.

    Every block of the copy is executed again and compared with its sealed header and certificate. Keys and votes are
    no part of it.
    """
    import msgspec

    from hansa.cli.recovery.backup import create_backup
    from hansa.cli.recovery.object_store import is_remote, upload_backup

    screen = screen_of(context)
    if not is_remote(to):
        manifest = create_backup(screen, directory, Path(to))
    else:
        with tempfile.TemporaryDirectory(prefix="hansa-backup-") as temporary:
            folder = Path(temporary) / "backup"
            manifest = create_backup(screen, directory, folder)
            upload_backup(folder, to)
        screen.step("uploaded", to, "")
    screen.data(msgspec.to_builtins(manifest) | {"backup": str(to)}, "")


@contextmanager
def _fetched(backup: str) -> Iterator[Path]:
    """The folder of a backup, which was fetched before where it lies in an object store."""
    from hansa.cli.recovery.object_store import download_backup, is_remote

    if not is_remote(backup):
        yield Path(backup)
        return
    with tempfile.TemporaryDirectory(prefix="hansa-backup-") as temporary:
        download_backup(backup, Path(temporary))
        yield Path(temporary)


def verify(context: typer.Context, backup: BackupPlace) -> None:
    """Check a backup: every byte, every block, every certificate."""
    import time

    import msgspec

    from hansa.cli.recovery.backup import verify_backup

    screen = screen_of(context)
    began = time.monotonic()
    with _fetched(backup) as folder:
        manifest = verify_backup(folder)
    detail = f"{backup}: {manifest.node} at block {manifest.height}, {manifest.created}"
    screen.step("verified", detail, f"{time.monotonic() - began:.1f} s")
    screen.data(msgspec.to_builtins(manifest) | {"backup": str(backup)}, "")


def restore(
    context: typer.Context,
    backup: BackupPlace,
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
    with _fetched(backup) as folder:
        manifest = restore_backup(screen, folder, directory, yes)
    if manifest is None:
        raise typer.Exit(1)
    screen.data(msgspec.to_builtins(manifest) | {"backup": str(backup), "directory": str(directory)}, "")
