"""The command line against a real alliance of four processes: what a person sees and types, step by step."""

import json
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORTS = 12  # three for each of four nodes
RUN_S = 120
TIER2 = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"


@dataclass(frozen=True)
class Run:
    """How one command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """A person at a terminal in one folder."""

    root: Path
    port: int

    def hansa(self, *arguments: str) -> Run:
        environment = {
            "PYTHONPATH": str(ROOT / "src"),
            "PATH": "/usr/bin:/bin",
            "XDG_DATA_HOME": str(self.root / "own"),
        }
        result = subprocess.run(
            [sys.executable, "-m", "hansa.cli", *arguments],
            capture_output=True, text=True, cwd=self.root, env=environment, timeout=RUN_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Run(result.returncode, result.stdout, result.stderr)

    def node(self, name: str) -> Path:
        return self.root / "hansa-demo" / "orgs" / name / "nodes" / name


def consecutive_free_ports(count: int) -> int:
    """The first of `count` ports in a row on which nobody listens, below those that the system gives out itself."""
    draw = random.Random()
    while True:
        first = draw.randrange(12_000, 30_000)
        sockets: list[socket.socket] = []
        try:
            sockets.extend(socket.create_server(("127.0.0.1", first + offset)) for offset in range(count))
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
        return first


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """An alliance that is up, stopped whatever happens."""
    shell = Shell(tmp_path_factory.mktemp("person"), consecutive_free_ports(PORTS))
    with socket.create_server(("127.0.0.1", shell.port + 4)) as other:
        taken = shell.hansa("up", "--port", str(shell.port), "--json")
        assert other.fileno() >= 0
    assert taken.code == 6, taken
    assert taken.json()["error"]["code"] == "CLI-4"
    assert not (shell.root / "hansa-demo").exists(), "nothing is left of an alliance that cannot listen"
    try:
        first = shell.hansa("up", "--port", str(shell.port))
        assert first.code == 0, first
        (shell.root / "transcript").write_text(first.err)
        yield shell
    finally:
        shell.hansa("down")


def height_of(shell: Shell) -> int:
    return int(shell.hansa("status", "--json").json()["height"])


def test_the_first_screen_is_a_voucher_s_life(shell: Shell) -> None:
    lines = (shell.root / "transcript").read_text().splitlines()
    expected = [
        r'hansa \S+ · alliance "demo" · PBFT · 4 orgs · chain \d+ · \./hansa-demo  \(development: .*\)',
        r"  ✔ keys and genesis     4 CAs, 4 node keys, 8 user keys \(dev only\) +\d\.\d s",
        r"  ✔ nodes                core  supplier  bank  regulator   4/4 linked +\d+\.\d s",
        r"  ✔ contracts            VoucherBook at 0x[0-9a-f]{40} +\d\.\d s",
        r"  ✔ issue                core → supplier   ¥1,000,000.00 due \d{4}-\d\d-\d\d +block \d+  \d+ ms",
        r"  ✔ split                V-1 ¥600,000.00  \+  V-2 ¥400,000.00 +block \d+  \d+ ms",
        r"  ✔ transfer             V-1  supplier → tier2 +block \d+  \d+ ms",
        r"  ✔ finance              V-2  supplier → bank @ 3.60 %  paid ¥394,800.00 +block \d+  \d+ ms",
        *[
            rf"  RPC {name} +http://127.0.0.1:\d+   ws://127.0.0.1:\d+"
            for name in ("core", "supplier", "bank", "regulator")
        ],
        r"Next  hansa status   ·   .*",
    ]
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line


def test_what_the_demo_did_stands_in_the_ledger(shell: Shell) -> None:
    assert shell.hansa("call", "VoucherBook.valueOf", "1").out == "60000000\n"
    assert shell.hansa("call", "VoucherBook.ownerOf", "1").out == f"{TIER2}\n"
    assert shell.hansa("call", "VoucherBook.valueOf", "9").code == 7


def test_all_nodes_are_seen(shell: Shell) -> None:
    nodes = shell.hansa("ps", "--json").json()
    assert [(node["name"], node["state"], node["peers"]) for node in nodes] == [
        (name, "running", 3) for name in ("core", "supplier", "bank", "regulator")
    ]
    assert "peer up" in shell.hansa("logs", "-n", "1000").out


def test_transactions_in_words(shell: Shell) -> None:
    sent = shell.hansa("send", "tier2", "--value", "1.5ether", "--as", "bank", "--json")
    receipt = sent.json()
    assert (sent.code, receipt["status"], receipt["to"].lower()) == (0, "0x1", TIER2.lower())
    transaction = receipt["transactionHash"]
    assert shell.hansa("receipt", transaction, "--json").json() == receipt
    assert shell.hansa("tx", transaction, "--json").json()["hansa"]["status"] == "final"
    block = shell.hansa("block", str(int(receipt["blockNumber"], 16)), "--json").json()
    assert block["hash"] == receipt["blockHash"]
    assert shell.hansa("block", receipt["blockHash"], "--json").json() == block

    refused = shell.hansa("send", "VoucherBook.split", "1", "600000000", "--as", "tier2", "--json")
    assert (refused.code, refused.json()["error"]["cause"]) == (7, 'reverted: "amount is not below the value"')
    unknown = shell.hansa("receipt", "0x" + "00" * 32, "--json")
    assert (unknown.code, unknown.json()["error"]["code"]) == (5, "NOTFOUND-1")
    poor = shell.hansa("send", "tier2", "--value", "9999999999ether", "--as", "bank", "--json")
    assert poor.code in (2, 4), poor
    assert poor.json()["error"]["hint"]


def test_a_contract_gets_a_name(shell: Shell) -> None:
    deployed = shell.hansa("deploy", "VoucherBook", "--name", "Second", "--as", "core", "--json")
    assert deployed.code == 0, deployed
    assert shell.hansa("call", "Second.administrator").out.startswith("0xf39Fd6e5")
    address = deployed.json()["contractAddress"]
    assert shell.hansa("call", address, "symbol()(string)").out == "VCHR\n"
    missing = shell.hansa("call", "Third.symbol", "--json")
    assert (missing.code, missing.json()["error"]["code"]) == (5, "CLI-11")


def test_a_broken_ledger_is_named_and_healed_while_the_others_go_on(shell: Shell) -> None:
    bank = str(shell.node("bank"))
    running = shell.hansa("verify", bank, "--json")
    assert (running.code, running.json()["error"]["code"]) == (6, "CLI-7")
    assert shell.hansa("down", "bank").code == 0
    assert shell.hansa("verify", bank, "--json").json() == {"directory": bank, "findings": []}
    before = height_of(shell)

    segment = sorted((shell.node("bank") / "data" / "blocks").glob("*.seg"))[0]
    data = bytearray(segment.read_bytes())
    data[9_000] ^= 1
    segment.write_bytes(data)
    broken = shell.hansa("verify", bank, "--json")
    assert broken.code == 9
    [finding] = broken.json()["error"]["findings"]
    assert finding["file"] == f"blocks/{segment.name}"
    assert finding["what"]

    assert shell.hansa("send", "tier2", "--value", "1", "--as", "core").code == 0
    assert height_of(shell) == before + 1
    repaired = shell.hansa("repair", bank, "--yes", "--json")
    assert repaired.code == 0, repaired
    assert repaired.json()["height"] == before + 1
    assert shell.hansa("verify", bank).code == 0
    assert shell.hansa("up", "bank", "--no-demo").code == 0


def test_down_keeps_the_data_and_up_goes_on(shell: Shell) -> None:
    before = height_of(shell)
    assert shell.hansa("down").code == 0
    assert {node["state"] for node in shell.hansa("ps", "--json").json()} == {"stopped"}
    assert shell.hansa("status").code == 5
    again = shell.hansa("up", "--json")
    assert again.code == 0, again
    assert {node["height"] for node in again.json()["nodes"]} == {before}
    assert "issue" not in again.err
    assert "ran already" in shell.hansa("up").err


def test_wiping_asks(shell: Shell) -> None:
    asked = shell.hansa("down", "--wipe", "--json")
    assert (asked.code, asked.json()["error"]["code"]) == (4, "CLI-2")
    assert len(shell.hansa("ps", "--json").json()) == 4
    assert shell.hansa("down", "--wipe", "--yes").code == 0
    assert not (shell.root / "hansa-demo").exists()


def test_organisations_found_an_alliance_from_public_files_alone(shell: Shell) -> None:
    names = ("alpha", "beta", "gamma")
    password = shell.root / "password"
    password.write_text("correct horse")
    port = str(consecutive_free_ports(PORTS))
    assert shell.hansa("init", "--draft", "-d", "agreed", "--orgs", ",".join(names), "--port", port).code == 0
    agreed = (shell.root / "agreed" / "alliance.toml").read_text()
    for name in names:
        (shell.root / name).mkdir()
        (shell.root / name / "alliance.toml").write_text(agreed)
        made = shell.hansa("account", "new", "clerk", "--org", name, "-d", name, "--password-file", str(password))
        assert made.code == 0, made
        assert shell.hansa("init", "-d", name, "--org", name).code == 0
    assert shell.hansa("init", "-d", "alpha", "--json").json()["error"]["code"] == "REFUSED-1"
    parts = [f"{name}/parts/{name}.public.json" for name in names]
    for turn, name in enumerate(names):
        # Each in another order, its own part already in its folder.
        assert shell.hansa("genesis", "assemble", *parts[turn:], *parts[:turn], "-d", name).code == 0
        assert shell.hansa("init", "-d", name, "--org", name, "--finish").code == 0
    assert len({(shell.root / name / "genesis.json").read_bytes() for name in names}) == 1
    assert not list((shell.root / "alpha").glob("orgs/beta"))
    try:
        for name in names:
            assert shell.hansa("up", "-d", name).code == 0
        # Its clerk has the credit of the alliance in genesis, and all three members must agree (3 of 3 = quorum).
        to = "0x" + "11" * 20
        sent = shell.hansa(
            "send", to, "--value", "1ether", "--as", "clerk", "-d", "beta", "--password-file", str(password), "--json"
        )
        assert sent.code == 0, sent
        assert sent.json()["status"] == "0x1"
        assert shell.hansa("status", "-d", "gamma", "--json").json()["dev"] is False
    finally:
        for name in names:
            shell.hansa("down", "-d", name)
