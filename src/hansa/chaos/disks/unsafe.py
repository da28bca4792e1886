"""Writes that never reached the place that they were meant for, as the files show it after the power failed."""

import shutil
from pathlib import Path
from random import Random

from hansa.alliance.layout import NodeFolder
from hansa.chaos.disks.harm import COPY_BYTES, return_image
from hansa.consensus.vote_log import HEADER_BYTES
from hansa.io.vote_log_file import SUFFIX

SHIFT_BLOCKS_MAX = 16  # how far from its place a write lands, in blocks of COPY_BYTES
_LOGS = ("votes", "blocks")
_SIZE = slice(4, 8)  # of a vote frame's header: the bytes of its records


def lose_unsynced(folder: NodeFolder, image: Path, draw: Random) -> None:
    """Nothing written since the image was safe, whatever the syncs said: of each block of the two logs that changed
    since, the old or the new one is on the disk; everything else is as it was.
    """
    written = folder.root / "written"
    shutil.rmtree(written, ignore_errors=True)
    for name in _LOGS:
        shutil.copytree(folder.data / name, written / name)
    return_image(folder, image)
    for name in _LOGS:
        for later in sorted((written / name).iterdir()):
            path = folder.data / name / later.name
            older = path.read_bytes() if path.exists() else b""
            if path.exists() or draw.random() < 0.5:  # else not even its name is there
                path.write_bytes(mix_blocks(older, later.read_bytes(), draw))
    shutil.rmtree(written)


def mix_blocks(older: bytes, later: bytes, draw: Random) -> bytes:
    """Each block as it was or as it became; what was never there is zero."""
    older = older.ljust(len(later), b"\0")
    blocks = range(0, len(later), COPY_BYTES)
    return b"".join((older if draw.random() < 0.5 else later)[at : at + COPY_BYTES] for at in blocks)


def misdirect_votes(folder: NodeFolder, draw: Random) -> None:
    """One of the last writes of the vote log landed up to SHIFT_BLOCKS_MAX blocks beside its place; later ones did
    not.
    """
    segment = max(folder.votes.glob(f"*{SUFFIX}"))
    data = segment.read_bytes()
    frames = find_frames(data)
    if len(frames) < 2:
        return  # a segment begins with a write that is renamed into place
    at, size = draw.choice(frames[1:][-SHIFT_BLOCKS_MAX:])
    wrong = at + draw.choice((-1, 1)) * draw.randint(1, SHIFT_BLOCKS_MAX) * COPY_BYTES
    segment.write_bytes(move_write(data, (at, size), max(0, wrong), frames[-1][0] + frames[-1][1]))


def find_frames(data: bytes) -> list[tuple[int, int]]:
    """Place and bytes of every frame of a sound segment, both copies."""
    frames: list[tuple[int, int]] = []
    at = 0
    while data[at : at + 4].strip(b"\0"):
        copy = -(-(HEADER_BYTES + int.from_bytes(data[at : at + HEADER_BYTES][_SIZE])) // COPY_BYTES) * COPY_BYTES
        frames.append((at, 2 * copy))
        at += 2 * copy
    return frames


def move_write(data: bytes, frame: tuple[int, int], wrong: int, end: int) -> bytes:
    """The segment where a frame was written at `wrong`; the frames after it, up to `end`, were written later."""
    at, size = frame
    moved = bytearray(data)
    moved[at : at + size] = bytes(size)
    for block in range(0, size, COPY_BYTES):
        place = wrong + block
        is_overwritten = at + size <= place < end
        if not is_overwritten and place + COPY_BYTES <= len(moved):
            moved[place : place + COPY_BYTES] = data[at + block : at + block + COPY_BYTES]
    return bytes(moved)
