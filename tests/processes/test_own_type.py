"""Type 0x48 through four processes: thousands of one account at once, and no replay, whoever restarts."""

import json
import secrets
from typing import Any

from hansa.crypto.suite import KeyPair
from hansa.sdk.signing import Intent, sign_parallel
from tests.processes.alliance import Node, RunningAlliance

COUNT = 2_000


def signed(alliance: RunningAlliance, key: KeyPair, count: int) -> list[tuple[str, str]]:
    """Raw form and hash of transfers of one account, each with a number of its own."""
    height = alliance.nodes[0].height()
    made = []
    for _ in range(count):
        intent = Intent(to=secrets.token_bytes(20))
        one = sign_parallel(key, intent, chain_id=alliance.alliance.chain_id, gas_price=0, height=height, gas=21_000)
        made.append(("0x" + one.raw.hex(), "0x" + one.hash.hex()))
    return made


def send(node: Node, raws: list[str]) -> list[dict[str, Any]]:
    """The errors with which `node` answers a batch."""
    calls = [
        {"jsonrpc": "2.0", "id": i, "method": "eth_sendRawTransaction", "params": [raw]} for i, raw in enumerate(raws)
    ]
    return [answer["error"] for answer in node.post(json.dumps(calls).encode()) if "error" in answer]


def test_one_account_sends_through_every_port_and_nothing_comes_twice(alliance: RunningAlliance) -> None:
    key = alliance.accounts[0]
    made = signed(alliance, key, COUNT)
    portion = COUNT // len(alliance.nodes)
    for at, node in enumerate(alliance.nodes):
        assert send(node, [raw for raw, _ in made[at * portion : (at + 1) * portion]]) == []
    hashes = [hash_ for _, hash_ in made]
    for node in alliance.nodes:
        alliance.wait_final(node, hashes)
    assert alliance.nodes[0].rpc("eth_getTransactionCount", "0x" + key.address.hex(), "latest") == "0x0"
    receipt = alliance.nodes[1].rpc("eth_getTransactionReceipt", hashes[0])
    assert receipt["type"] == "0x48"
    shown = alliance.nodes[2].rpc("hansa_getTransaction", hashes[0])
    assert (shown["type"], int(shown["blockLimit"], 16) >= 1_000) == ("0x48", True)

    # Killed or stopped: what was used before stays used.
    for node in alliance.nodes[:3]:
        node.kill()
    alliance.nodes[3].stop()
    alliance.start()
    again = [raw for raw, _ in made[::100]]
    for node in alliance.nodes:
        refused = send(node, again)
        assert len(refused) == len(again)
        # A killed node may lack its newest seals for a moment, and hold those transactions as ordered.
        assert {error["data"]["code"] for error in refused} <= {"POOL-NONCE-USED", "POOL-KNOWN"}
    fresh = signed(alliance, key, 10)
    assert send(alliance.nodes[3], [raw for raw, _ in fresh]) == []
    alliance.wait_final(alliance.nodes[0], [hash_ for _, hash_ in fresh])
    alliance.check_agreement()
    node = alliance.nodes[0]
    included = [node.rpc("eth_getBlockTransactionCountByNumber", hex(at)) for at in range(node.height() + 1)]
    assert sum(int(count, 16) for count in included) == COUNT + len(fresh)
