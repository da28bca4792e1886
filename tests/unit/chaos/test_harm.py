"""What is done to a node's files is what the fault says, and nothing else."""

from pathlib import Path
from random import Random

import pytest

from hansa.alliance.layout import NodeFolder
from hansa.chaos.disks import harm


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    """A node's folder with a vote log and a block log, both with room at their ends."""
    node = NodeFolder(tmp_path)
    for place, name in ((node.votes, "00000001.seg"), (node.data / "blocks", "00000001.seg")):
        place.mkdir(parents=True)
        (place / name).write_bytes(Random(name).randbytes(20_000) + bytes(50_000))
    return node


def bytes_of(node: NodeFolder) -> dict[str, bytes]:
    return {str(path.relative_to(node.root)): path.read_bytes() for path in node.data.rglob("*") if path.is_file()}


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, list[int]]:
    """Places that differ, by file."""
    assert {name: len(data) for name, data in before.items()} == {name: len(data) for name, data in after.items()}
    found = {name: [i for i, byte in enumerate(data) if byte != after[name][i]] for name, data in before.items()}
    return {name: places for name, places in found.items() if places}


def test_one_sector_of_the_votes_rots(folder: NodeFolder) -> None:
    before = bytes_of(folder)
    harm.rot_votes(folder, Random(1))
    ((name, places),) = changed(before, bytes_of(folder)).items()
    assert name.startswith("data/votes/")
    assert len(places) == harm.SECTOR_BYTES and places[-1] - places[0] == harm.SECTOR_BYTES - 1


def test_every_copy_of_every_frame_rots(folder: NodeFolder) -> None:
    before = bytes_of(folder)
    harm.rot_votes_twice(folder)
    ((_, places),) = changed(before, bytes_of(folder)).items()
    assert {place // harm.COPY_BYTES for place in places} == set(range(-(-20_000 // harm.COPY_BYTES)))


def test_a_written_sector_of_the_blocks_rots(folder: NodeFolder) -> None:
    before = bytes_of(folder)
    harm.rot_blocks(folder, Random(1))
    ((name, places),) = changed(before, bytes_of(folder)).items()
    assert name.startswith("data/blocks/") and max(places) < 20_000 + harm.SECTOR_BYTES


def test_an_image_returns_as_it_was(folder: NodeFolder) -> None:
    before = bytes_of(folder)
    harm.take_image(folder, folder.root / "image")
    harm.lose_votes(folder)
    assert not folder.votes.exists()
    harm.return_image(folder, folder.root / "image")
    assert bytes_of(folder) == before
