"""Backups in an S3-compatible store: uploaded in parts, verified and restored from there; no secret is ever shown.

The server is other people's (`make test-stores`); without it these tests are skipped.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.alliance import DEADLINE_S, RunningAlliance, free_ports
from tests.waiting import wait_until

SERVER = os.environ.get("HANSA_STORES")
SECRET = "a-secret-that-nobody-may-see"

pytestmark = pytest.mark.skipif(SERVER is None, reason="no S3-compatible server: make test-stores")


@pytest.fixture
def store() -> Iterator[dict[str, str]]:
    """A server with the bucket `backups`; the environment that reaches it."""
    (port,) = free_ports(1)
    server = subprocess.Popen(
        [str(SERVER), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, DEADLINE_S, "the server listens")
        scope = "Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}"}
        urllib.request.urlopen(urllib.request.Request(f"{address}/backups", method="PUT", headers=headers)).close()
        yield {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": address,
            "AWS_ALLOW_HTTP": "true",
        }
    finally:
        server.kill()
        server.wait()


def hansa(environment: dict[str, str], *arguments: object, exit_code: int = 0) -> Any:
    """Run a command; returns what --json prints."""
    command = [sys.executable, "-m", "hansa.cli", *map(str, arguments), "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE_S, check=False, env=os.environ | environment
    )
    assert done.returncode == exit_code, done.stderr
    assert SECRET not in done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_backup_in_a_store_brings_a_node_back(
    alliance: RunningAlliance, store: dict[str, str], tmp_path: Path
) -> None:
    node = alliance.nodes[2]
    hashes = alliance.send(alliance.nodes[0], 20)
    alliance.wait_final(node, hashes)
    assert node.stop() == 0
    url = "s3://backups/bank/one"
    made = hansa(store, "backup", "create", node.folder.root, "--to", url)
    assert made["height"] > 0 and made["backup"] == url
    assert hansa(store, "backup", "verify", url)["sealed_hash"] == made["sealed_hash"]
    taken = hansa(store, "backup", "create", node.folder.root, "--to", url, exit_code=6)
    assert taken["error"]["cause"].endswith("holds a backup already")
    nothing = hansa(store, "backup", "verify", "s3://backups/bank/two", exit_code=5)
    assert "holds no backup" in nothing["error"]["cause"]

    shutil.rmtree(node.folder.data)
    node.folder.data.mkdir()
    hansa(store, "backup", "restore", url, node.folder.root, "--yes")
    node.start()
    node.wait_ready()
    assert node.height() >= made["height"]
    alliance.wait_final(node, hashes)


def test_a_store_that_does_not_answer_is_named_without_secrets(
    alliance: RunningAlliance, store: dict[str, str]
) -> None:
    wrong = store | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    answer = hansa(wrong, "backup", "verify", "s3://backups/bank/one", exit_code=3)
    assert answer["error"]["code"] == "CLI-17"
