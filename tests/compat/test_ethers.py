"""ethers v6 with its default fee logic, contract factory, events and error classes (its result cache is off)."""

import json
import subprocess
from pathlib import Path

from web3 import Web3

from .conftest import FOLDER, Endpoint


def test_ethers_lives_through_a_contract(node_modules: Path, endpoint: Endpoint, w3: Web3) -> None:
    command = ["node", "ethers_client.mjs", endpoint.url, endpoint.ws_url, endpoint.key]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["chainId"] == w3.eth.chain_id
    if seen["fees"]["maxFee"] == "null":  # ethers goes back to a gas price where the base fee is 0
        assert seen["fees"]["gasPrice"] == "0"
    else:
        assert int(seen["fees"]["maxFee"]) >= int(seen["fees"]["tip"])
    assert seen["transfer"]["status"] == 1
    assert (seen["start"], seen["total"], seen["historic"]) == ("7", "12", "7")
    assert seen["event"] == [seen["wallet"], "5", "12"]
    assert seen["logs"] == ["5"]
    assert seen["heads"]
    assert seen["revert"] == {"code": "CALL_EXCEPTION", "reason": "nothing to add"}
    assert seen["nonce"] == "NONCE_EXPIRED"
    assert seen["block"] == {"transactions": True, "number": True}
    assert seen["gas"]
    assert seen["signed"]
