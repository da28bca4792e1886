"""What happens to the disk of a node: files that rot, vanish, or return as they were; a disk that is full."""

import shutil
from pathlib import Path
from random import Random

from hansa.alliance.layout import NodeFolder
from hansa.io.vote_log_file import SPARE, SUFFIX

SECTOR_BYTES = 512
COPY_BYTES = 4_096  # each copy of a vote frame begins at a multiple of this
_BALLAST = "ballast"
_BALLAST_BYTES = 64 * 1024


def lose_votes(folder: NodeFolder) -> None:
    """The vote log is gone."""
    shutil.rmtree(folder.votes, ignore_errors=True)


def rot_votes(folder: NodeFolder, draw: Random) -> None:
    """One sector of the vote log flips its bits."""
    for segment in folder.votes.glob(f"*{SUFFIX}"):
        data = bytearray(segment.read_bytes())
        used = len(data.rstrip(b"\0"))
        _flip(data, draw.randrange(max(1, used // SECTOR_BYTES)) * SECTOR_BYTES)
        segment.write_bytes(data)


def rot_votes_twice(folder: NodeFolder) -> None:
    """Both copies of every frame rot."""
    for segment in folder.votes.glob(f"*{SUFFIX}"):
        data = bytearray(segment.read_bytes())
        for at in range(0, len(data.rstrip(b"\0")), COPY_BYTES):
            _flip(data, at)
        segment.write_bytes(data)


def rot_blocks(folder: NodeFolder, draw: Random) -> None:
    """One sector of the block log flips its bits."""
    segments = [path for path in sorted((folder.data / "blocks").glob("*.seg")) if path.name != SPARE]
    for segment in segments[-1:]:
        data = bytearray(segment.read_bytes())
        used = len(data.rstrip(b"\0"))
        _flip(data, draw.randrange(max(1, used // SECTOR_BYTES)) * SECTOR_BYTES)
        segment.write_bytes(data)


def _flip(data: bytearray, at: int) -> None:
    for place in range(at, min(at + SECTOR_BYTES, len(data))):
        data[place] ^= 0xFF


def take_image(folder: NodeFolder, image: Path) -> None:
    """Copy a node's data, as an image of its machine would hold it; the node must stand still meanwhile."""
    shutil.rmtree(image, ignore_errors=True)
    shutil.copytree(folder.data, image)


def return_image(folder: NodeFolder, image: Path) -> None:
    """Put the image in place of the data."""
    shutil.rmtree(folder.data)
    shutil.copytree(image, folder.data)


def fill_disk(folder: NodeFolder) -> None:
    """Leave no byte free on the node's disk."""
    with (folder.data / _BALLAST).open("ab", buffering=0) as file:
        try:
            while file.write(bytes(_BALLAST_BYTES)):
                pass
        except OSError:
            return


def free_disk(folder: NodeFolder) -> None:
    """Give the room back."""
    (folder.data / _BALLAST).unlink(missing_ok=True)
