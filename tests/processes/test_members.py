"""An alliance of four processes changes while it runs: a fifth member, new keys, a member less; nothing is lost."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hansa import _native
from hansa.alliance.layout import AllianceFolder
from tests.processes.alliance import Node, RunningAlliance
from tests.processes.person import PORTION, CommandLine, SteadyLoad, wait_epoch


@pytest.fixture
def person(alliance: RunningAlliance, tmp_path: Path) -> Iterator[CommandLine]:
    person = CommandLine(tmp_path / "alliance")
    yield person
    if person.joined is not None:
        if person.joined.is_running:
            person.joined.kill()
        person.run("down", folder=tmp_path / "logistics")
    if person.added is not None and person.added.is_running:
        person.added.kill()


def test_members_come_and_go_while_it_runs(alliance: RunningAlliance, person: CommandLine, tmp_path: Path) -> None:
    unsafe = person.run("org", "remove", "regulator", "--as", "core")
    assert unsafe.returncode != 0
    assert "fewer than four validators" in unsafe.stderr

    alliance.take_fresh_accounts()  # the others' nonces are the command line's
    load = SteadyLoad(alliance, alliance.nodes[0])
    alliance.nodes[3].kill()  # whoever is away while members change follows when it comes back
    invitation = tmp_path / "logistics.invite"
    opened = person.hansa("org", "invite", "logistics", "-o", str(invitation), "--as", "core")
    home = tmp_path / "logistics"
    early = person.run("node", "join", str(invitation), "--timeout", "0", folder=home)
    assert early.returncode != 0 and "run this command again" in early.stderr
    person.approve(opened["proposal"], "supplier", "bank")
    person.joined = Node(AllianceFolder(home).node("logistics", "logistics"), "logistics")
    joined = person.hansa("node", "join", str(invitation), folder=home)
    assert (joined["index"], joined["status"]) == (4, "validator")
    assert person.hansa("node", "join", str(invitation), folder=home) == joined  # nothing is left to do
    alliance.nodes[3].start()
    alliance.nodes[3].wait_ready()
    wait_epoch([*alliance.nodes, person.joined], 2)

    rotated = person.hansa("key", "rotate", "node", "bank")
    assert rotated["epoch"] == 3
    wait_epoch([*alliance.nodes, person.joined], 3)

    second = person.hansa("node", "add", "core-2")
    assert (second["index"], second["status"]) == (5, "observer")
    person.added = Node(AllianceFolder(person.folder).node("core", "core-2"), "core-2")
    person.added.start()
    person.added.wait_ready()

    again = person.run("org", "account", "supplier", "bank", "--as", "supplier")
    assert again.returncode != 0 and "hansa account new NAME" in again.stderr
    person.hansa("org", "account", "supplier", "tier2", "--as", "supplier")
    removed = person.hansa("org", "remove", "regulator", "--as", "core")
    person.approve(removed["proposal"], "tier2")
    person.hansa("proposal", "approve", str(removed["proposal"]), "--as", "logistics", folder=home)
    wait_epoch([*alliance.nodes[:3], person.joined], 5)
    names = {one["name"] for one in alliance.nodes[0].rpc("hansa_validators")}
    assert names == {"core", "supplier", "bank", "logistics"}

    sent = load.stop()
    for node in (*alliance.nodes[:3], person.joined, person.added):
        alliance.wait_final(node, sent)
    alliance.nodes[2].stop()  # with its new keys it comes back
    folder = alliance.nodes[2].folder
    assert _native.verify_ledger(str(folder.data), folder.genesis.read_bytes()) == []
    alliance.nodes[2].start()
    alliance.nodes[2].wait_ready()
    wait_epoch(alliance.nodes[2:3], 5)
    alliance.wait_final(alliance.nodes[2], alliance.send(alliance.nodes[0], PORTION))
    alliance.check_agreement()

    person.hansa("down", folder=home)
    shutil.rmtree(person.joined.folder.data)  # of all that it had, its keys are left, and who was there when it joined
    person.joined.start()
    person.joined.wait_ready()
    wait_epoch([person.joined], 4)
    assert "VOTES-6" in person.joined.folder.log.read_text(), "it began in quarantine and came out of it"
    alliance.wait_final(person.joined, alliance.send(alliance.nodes[0], PORTION))
