"""Backups in an S3-compatible object store: the files of a backup's folder under one prefix, its manifest last.

Keys, region and address come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
`AWS_ENDPOINT_URL`, …) and are never arguments, nor repeated in messages. An object without a manifest beside it is no
backup: an upload that was interrupted leaves nothing that could be taken for one.
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from hansa.alliance.errors import FolderTaken, NoAlliance
from hansa.cli.errors import BackupBroken, StoreFailed
from hansa.cli.recovery.backup import MANIFEST, Manifest, files_of, read_manifest

SCHEME = "s3://"
PART_BYTES = 8 << 20  # of an upload in parts
PARTS_AT_ONCE = 4
RETRIES_MAX = 3
CHUNK_BYTES = 1 << 20
CAUSE_MAX = 200


def is_remote(place: str) -> bool:
    """Whether a place is in an object store rather than a folder."""
    return place.startswith(SCHEME)


def upload_backup(folder: Path, url: str) -> None:
    """Put a backup's folder under `url` (s3://bucket/prefix), where nothing may be yet.

    Raises
    ------
    FolderTaken: a backup is there already. StoreFailed: the store refuses, or does not answer.
    """
    store = _open(url)
    if _asked(lambda: _exists(store, MANIFEST), url):
        raise FolderTaken(f"{url} holds a backup already", "name a new prefix for each backup")
    for path in [*files_of(folder), folder / MANIFEST]:
        name = path.relative_to(folder).as_posix()
        _asked(lambda path=path, name=name: _put(store, name, path), url)  # type: ignore[misc]


def download_backup(url: str, folder: Path) -> Manifest:
    """Fetch the backup under `url` into an empty folder; what its manifest does not name is not looked at.

    Raises
    ------
    NoAlliance: there is no backup. BackupBroken: its manifest does not hold. StoreFailed: as for `upload_backup`.
    """
    store = _open(url)
    if not _asked(lambda: _exists(store, MANIFEST), url):
        raise NoAlliance(f"{url} holds no backup", "name the prefix that `hansa backup create --to` was given")
    _asked(lambda: _get(store, MANIFEST, folder / MANIFEST), url)
    manifest = read_manifest(folder)
    for file in manifest.files:
        path = PurePosixPath(file.name)
        if path.is_absolute() or ".." in path.parts:
            raise BackupBroken(f"{url}: its manifest names {file.name!r}", "use another backup")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _asked(lambda file=file, target=target: _get(store, file.name, target, file.size), url)  # type: ignore[misc]
    return manifest


def _open(url: str) -> Any:
    try:
        from obstore.store import from_url
    except ImportError:
        raise StoreFailed("object stores need obstore", "pip install 'hansa[s3]'") from None
    return _asked(lambda: from_url(url, retry_config={"max_retries": RETRIES_MAX}), url)


def _asked(ask: Callable[[], Any], url: str) -> Any:
    """Do something with the store. Of its words only the first line is repeated: the rest is for its developers."""
    from obstore.exceptions import BaseError

    try:
        return ask()
    except (BaseError, OSError, ValueError) as error:
        cause = (str(error).splitlines() or [""])[0][:CAUSE_MAX]
        raise StoreFailed(f"{url}: {cause}", "check the address, the bucket and the AWS_… environment") from None


def _exists(store: Any, name: str) -> bool:
    import obstore

    try:
        obstore.head(store, name)
    except FileNotFoundError:
        return False
    return True


def _put(store: Any, name: str, path: Path) -> None:
    import obstore

    obstore.put(store, name, path, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)


def _get(store: Any, name: str, target: Path, size_max: int | None = None) -> None:
    import obstore

    answer = obstore.get(store, name)
    left = answer.meta["size"] if size_max is None else size_max
    with target.open("wb") as file:
        for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"{name} is longer than the manifest says")
            file.write(chunk)
