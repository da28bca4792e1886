"""Inputs of a fuzzer between a folder, one file each, and the text that is kept: one input a line, in hex, sorted.

`fuzz_corpus.py unpack FILE FOLDER` · `fuzz_corpus.py pack FILE FOLDER`
"""

import sys
from pathlib import Path

INPUT_BYTES_MAX = 4096
FILE_BYTES_MAX = 8 * 1024  # so that all of them together stay small


def unpack(file: Path, folder: Path) -> None:
    """One file for each line."""
    for number, line in enumerate(file.read_text().splitlines()):
        (folder / f"{number:04}").write_bytes(bytes.fromhex(line))


def pack(file: Path, folder: Path) -> None:
    """The shortest inputs, as many as fit; what is kept already stays."""
    known = set(file.read_text().splitlines()) if file.exists() else set()
    found = {path.read_bytes().hex() for path in folder.iterdir() if path.stat().st_size <= INPUT_BYTES_MAX}
    size = sum(len(line) + 1 for line in known)
    for line in sorted(found - known, key=lambda line: (len(line), line)):
        if size + len(line) + 1 > FILE_BYTES_MAX:
            break
        known.add(line)
        size += len(line) + 1
    file.write_text("".join(line + "\n" for line in sorted(known, key=lambda line: (len(line), line))))


if __name__ == "__main__":
    {"pack": pack, "unpack": unpack}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
