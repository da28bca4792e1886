"""The script format: what is written is read again, and nonsense is refused with a code."""

from pathlib import Path

import pytest

from hansa.sim.command import main
from hansa.sim.errors import InvalidScript
from hansa.sim.matrix import ROWS, make_row_scenario
from hansa.sim.scenario import make_scenario
from hansa.sim.script import SCRIPT_BYTES_MAX, Crash, Disk, DiskTrouble, Script, decode_script, encode_script


def test_scripts_of_rows_and_seeds_survive_their_encoding() -> None:
    scripts = [make_row_scenario(row, 1).script for row in ROWS.values()]
    scripts += [make_scenario(seed).script for seed in range(50)]
    for script in scripts:
        assert decode_script(encode_script(script)) == script


def make_change(nodes: str, change: str) -> bytes:
    fault = f'{{"kind": "membership", "at_ms": 5, "until_ms": 9, {nodes}, "change": "{change}"}}'
    return f'{{"name": "x", "seed": 1, "size": 4, "calm_ms": 10, "faults": [{fault}]}}'.encode()


def test_nodes_that_come_are_numbered_behind_the_first_validators() -> None:
    script = decode_script(make_change('"nodes": [1, 4]', "replace"))
    assert (script.size, script.nodes) == (4, 5)
    assert [change.joiner for change in script.changes] == [4]
    assert decode_script(make_change('"nodes": [3]', "rotate key")).nodes == 4


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"name": "x", "seed": 1, "size": 4, "calm_ms": 1, "faults": [{"kind": "plague"}]}',
        b'{"name": "x", "seed": 1, "size": 4, "calm_ms": 1, '
        b'"faults": [{"kind": "crash", "at_ms": 5, "until_ms": 9, "nodes": [4]}]}',
        b'{"name": "x", "seed": 1, "size": 4, "calm_ms": 1, '
        b'"faults": [{"kind": "crash", "at_ms": 9, "until_ms": 5, "nodes": [0]}]}',
        b'{"name": "x", "seed": 1, "size": 4, "calm_ms": -1, "faults": []}',
        b" " * (SCRIPT_BYTES_MAX + 1),
        make_change('"nodes": [0]', "replace"),
        make_change('"nodes": [0, 4]', "add"),
        make_change('"nodes": [5]', "add"),  # the next one would be 4
        make_change('"nodes": [4]', "remove"),
        make_change('"nodes": []', "rotate key"),
    ],
)
def test_what_is_no_script_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidScript):
        decode_script(text)


def test_who_counts_as_faulty() -> None:
    faults = (
        Crash(100, 60_000, (0,)),
        Crash(100, 200, (1,)),
        Disk(100, 200, (2,), DiskTrouble.SLOW),
        Disk(100, 200, (3,), DiskTrouble.LOST),
    )
    script = Script("x", 1, 5, faults, 300)
    assert script.damaged == {0, 3}
    assert script.traitors == set()


def test_the_command_shows_a_script_and_plays_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scenario", "leader crash and return", "--seed", "3", "--show"]) == 0
    path = tmp_path / "script.json"
    path.write_text(capsys.readouterr().out)
    assert main(["--script", str(path)]) == 0
    assert capsys.readouterr().out.startswith("leader crash and return 3: clean")


def test_the_command_refuses_what_is_no_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--script", str(tmp_path / "absent.json")]) == 2
    assert "SIM-1" in capsys.readouterr().out
