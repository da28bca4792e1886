"""FISCO BCOS's public audit of 2026 against our pool, executor and signatures, on the native core.

The findings stand in FISCO-BCOS/FISCO-BCOS pull requests 5094 (FIB-51, nonce races), 5101 (FIB-58, nonces in several
spellings), 5168 (FIB-127, certificates not checked), 5528 (the code cache), and issue 5588 (recovery ids).
"""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import rlp
from eth_keys import keys
from eth_utils import keccak

from hansa import _native
from hansa._native import Chain, NativeError, Rpc
from tests.unit.native.alliance_fixture import (
    CHAIN_ID,
    GAS_LIMIT,
    USERS,
    VALIDATORS,
    address,
    certify,
    genesis,
    grow,
    order_next,
    seal,
    transfers,
)

THREADS = 8
NONCES = 40
KEY = keys.PrivateKey(USERS[0])
# What follows an address in the calldata: the size of the code there goes to slot 0.
PROBE = bytes.fromhex("5f353b5f5500")
PROBE_INIT = bytes.fromhex("65") + PROBE + bytes.fromhex("5f526006601af3")


def transaction(user: int, nonce: int, **fields: object) -> bytes:
    given = {"chain_id": CHAIN_ID, "nonce": nonce, "gas": 200_000, "to": b"\x09" * 20} | fields
    return _native.sign_transaction(USERS[user], {key: value for key, value in given.items() if value is not None})


def admit(chain: Chain, raw: bytes) -> bytes:
    ((found, error),) = chain.submit([raw])
    assert found is not None, error
    return found


def race(work: Callable[[int], Any]) -> list[Any]:
    """Call `work` in all threads at the same moment."""
    gate = threading.Barrier(THREADS)

    def run(index: int) -> Any:
        gate.wait()
        return work(index)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.mark.parametrize("round_", range(4))
def test_one_of_many_transactions_with_one_nonce_enters_the_pool(round_: int) -> None:
    """FIB-51: nonces were looked up and noted in two steps, so that two threads could both be first."""
    chain = Chain.create(None, genesis())
    batches = [
        [transaction(0, nonce, value=1 + round_ * THREADS + index) for nonce in range(NONCES)]
        for index in range(THREADS)
    ]
    answers = race(lambda index: chain.submit(batches[index]))
    admitted = [found for answer in answers for found, _ in answer if found is not None]
    assert len(admitted) == NONCES
    refs, count, _ = chain.propose([], GAS_LIMIT, 1_000, 1 << 20)
    assert count == NONCES and {refs[at : at + 32] for at in range(0, len(refs), 32)} == set(admitted)
    order_hash = order_next(chain)
    assert chain.execute(order_hash)[3] == NONCES  # none was skipped


def test_one_random_number_enters_the_pool_once() -> None:
    """FIB-51, for our own transaction type, whose numbers have no order."""
    chain = Chain.create(None, genesis())
    own = {"type": 0x48, "block_limit": 1_000, "expires_at": 4 * 10**12}
    batches = [[transaction(0, 7_000 + n, value=1 + index, **own) for n in range(NONCES)] for index in range(THREADS)]
    answers = race(lambda index: chain.submit(batches[index]))
    assert sum(found is not None for answer in answers for found, _ in answer) == NONCES
    assert chain.execute(order_next(chain))[3] == NONCES


def test_submitting_while_blocks_are_sealed_includes_nothing_twice() -> None:
    """FIB-51, against the moment in which a nonce goes from the pool into the state."""
    chain = Chain.create(None, genesis())
    raws = [transaction(0, nonce, value=1) for nonce in range(NONCES)]
    stop = threading.Event()

    def resend() -> None:
        while not stop.is_set():
            chain.submit(raws)

    senders = [threading.Thread(target=resend) for _ in range(3)]
    chain.submit(raws[:1])
    for sender in senders:
        sender.start()
    included = 0
    while included < NONCES:
        if chain.has_executable([]):
            order_hash = order_next(chain)
            height, sealed_hash, _, count = chain.execute(order_hash)
            chain.seal(height, certify(chain, height, sealed_hash))
            included += count
    stop.set()
    for sender in senders:
        sender.join()
    assert included == NONCES and not chain.has_executable([])


def test_a_nonce_has_one_spelling() -> None:
    """FIB-58: "1", "0x1" and "0x01" were different keys of the nonce cache."""
    items = [rlp.encode(n) for n in (0, 10, 60_000)] + [rlp.encode(b"\x09" * 20), rlp.encode(1), rlp.encode(b"")]
    for spelt in (b"\x82\x00\x01", b"\x81\x01", b"\x00", b"\xb8\x01\x01"):
        payload = b"".join([spelt, *items[1:]])
        signature = KEY.sign_msg_hash(keccak(rlp.encode([1, 10, 60_000, b"\x09" * 20, 1, b"", CHAIN_ID, 0, 0])))
        tail = b"".join(rlp.encode(n) for n in (35 + 2 * CHAIN_ID + signature.v, signature.r, signature.s))
        body = payload + tail
        raw = bytes((0xF7 + 1, len(body))) + body if len(body) > 55 else bytes((0xC0 + len(body),)) + body
        chain = Chain.create(None, genesis())
        ((found, error),) = chain.submit([raw])
        assert found is None and error == "TX-RLP", (spelt, error)


def test_blocks_from_others_need_a_quorums_signatures() -> None:
    """FIB-127: what a peer called committed was cached on recovery without a look at its signatures."""
    chain = Chain.create(None, genesis())
    transfers(chain, 0, 0, 1)
    order_hash = order_next(chain)
    height, sealed_hash, _, _ = chain.execute(order_hash)
    digest = chain.seal_digest(height, sealed_hash)
    good = certify(chain, height, sealed_hash)
    other_key = _native.keccak256(b"nobody's")
    bad = [
        certify(chain, height, sealed_hash, signers=2),
        _native.certificate_encode(
            1, height, sealed_hash, [(i, _native.sign(VALIDATORS[i], digest)) for i in range(3)]
        ),
        _native.certificate_encode(0, height, sealed_hash, [(i, _native.sign(other_key, digest)) for i in range(3)]),
        _native.certificate_encode(
            0, height, sealed_hash, [(i, _native.sign(VALIDATORS[0], digest)) for i in range(3)]
        ),
    ]
    assert chain.verify_certificate(good) and not any(map(chain.verify_certificate, bad))
    chain.seal(height, good)
    (block,) = chain.export_blocks(1, 1, 1 << 24)
    for certificate in bad:
        if len(certificate) == len(good):
            forged = block.replace(good, certificate)
            assert forged != block
            with pytest.raises(NativeError):
                Chain.create(None, genesis()).import_block(forged)


# --- what a call leaves behind (pull request 5528): nothing


class Twins:
    """Two nodes of one chain. Calls are asked of the first alone; both must compute the same blocks."""

    def __init__(self) -> None:
        self.asked, self.quiet = Chain.create(None, genesis()), Chain.create(None, genesis())
        self.rpc = Rpc(self.asked)
        self.nonce = 0

    def call(self, method: str, *params: object) -> Any:
        ok, text = self.rpc.result(method, json.dumps(params).encode())
        assert ok, text
        return json.loads(text)

    def include(self, **fields: object) -> None:
        """One transaction in one block of both."""
        raw = transaction(0, self.nonce, **fields)
        self.nonce += 1
        results = []
        for chain in (self.asked, self.quiet):
            admit(chain, raw)
            seal(chain, order_next(chain))
            results.append(chain.head())
        assert results[0] == results[1], "a call changed what a block does"

    def size_seen_by(self, probe: bytes, where: bytes) -> int:
        """What a transaction finds at an address."""
        self.include(to=probe, data=where.rjust(32, b"\0"))
        return int(self.call("eth_getStorageAt", hexed(probe), "0x0", "latest"), 16)


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def created_at(nonce: int) -> bytes:
    return keccak(rlp.encode([address(USERS[0]), nonce]))[12:]


CALLS = ("eth_call", "eth_estimateGas", "eth_createAccessList")


@pytest.mark.parametrize("method", CALLS)
def test_a_contract_made_in_a_call_exists_nowhere(method: str) -> None:
    twins = Twins()
    probe = created_at(0)
    twins.include(to=None, data=PROBE_INIT)
    where = created_at(2)  # the nonce of the second transaction from here on
    creating = {"from": hexed(address(USERS[0])), "data": hexed(PROBE_INIT), "gas": "0x30d40"}
    for nonce in ("0x1", "0x2", "0x3"):
        twins.call(method, creating | {"nonce": nonce}, "latest")
    assert twins.size_seen_by(probe, where) == 0
    twins.include(to=where, data=b"\x01")
    assert twins.call("eth_getCode", hexed(where), "latest") == "0x"


def test_code_that_a_call_puts_somewhere_is_not_executed_by_blocks() -> None:
    twins = Twins()
    probe = created_at(0)
    twins.include(to=None, data=PROBE_INIT)
    where = b"\x77" * 20
    big = {"code": "0x" + "5b" * 900}
    asked = {"to": hexed(probe), "data": hexed(where.rjust(32, b"\0"))}
    for place in (where, probe):
        twins.call("eth_call", asked, "latest", {hexed(place): big})
    assert twins.size_seen_by(probe, where) == 0
    twins.call("eth_call", asked, "latest", {hexed(probe): {"state": {"0x" + "00" * 32: "0x" + "00" * 31 + "09"}}})
    assert twins.size_seen_by(probe, probe) == len(PROBE)
    assert twins.call("eth_getStorageAt", hexed(probe), "0x0", "latest")[-2:] == f"{len(PROBE):02x}"


def test_calls_beside_execution_change_nothing_either() -> None:
    twins = Twins()
    probe = created_at(0)
    twins.include(to=None, data=PROBE_INIT)
    stop, asked = threading.Event(), []
    where = b"\x66" * 20
    overrides = {hexed(where): {"code": "0x6001"}, hexed(probe): {"code": "0x5f5f5500"}}
    question = json.dumps([{"to": hexed(probe), "data": hexed(where)}, "latest", overrides]).encode()

    def ask() -> None:
        rpc = Rpc(twins.asked)
        while not stop.is_set():
            asked.append(rpc.result("eth_call", question)[0])

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        for _ in range(30):
            twins.include(to=probe, data=where.rjust(32, b"\0"))
    finally:
        stop.set()
        for thread in asking:
            thread.join()
    assert asked and all(asked)
    assert int(twins.call("eth_getStorageAt", hexed(probe), "0x0", "latest"), 16) == 0


def test_a_block_that_was_executed_and_given_up_leaves_no_code() -> None:
    """The second way into that cache: abandoned proposals, whose state is thrown away."""
    results = []
    for gives_up in (True, False):
        chain = Chain.create(None, genesis())
        admit(chain, transaction(0, 0, to=None, data=PROBE_INIT))
        seal(chain, order_next(chain))
        probe, where = created_at(0), created_at(1)
        creating = admit(chain, transaction(0, 1, to=None, data=PROBE_INIT))
        probing = admit(chain, transaction(1, 0, to=probe, data=where.rjust(32, b"\0")))
        if gives_up:
            chain.execute(add(chain, creating, 7_001))
        order_hash = add(chain, probing, 7_002)
        height, sealed_hash, _, included = chain.execute(order_hash)
        assert included == 1
        chain.seal(height, certify(chain, height, sealed_hash))
        results.append(chain.head())
    assert results[0] == results[1]


def add(chain: Chain, refs: bytes, time_ms: int) -> bytes:
    """A body on the head, with these transactions."""
    height, sealed_hash, order_hash = chain.head()
    count = len(refs) // 32
    order = _native.order_encode(
        (0, 0, height + 1, order_hash, 0, height, sealed_hash, 1_000_000 + time_ms, 0, 1, keccak(refs), count, 200_000)
    )
    return chain.add_body(order, refs)


# --- crafted recovery ids (issue 5588)

IDS = [2, 3, 4, 26, 27, 28, 29, 30, 127, 128, 255, 256, 2**31, 2**32 + 1, 2**63, 2**64 - 1, 2**255]


def typed(recovery: int, nonce: int = 0) -> bytes:
    """An EIP-1559 transaction that is right but for its y parity."""
    items: list[Any] = [CHAIN_ID, nonce, 0, 0, 60_000, b"\x09" * 20, 1, b"", []]
    signature = KEY.sign_msg_hash(keccak(b"\x02" + rlp.encode(items)))
    parity = signature.v if recovery < 0 else recovery
    return b"\x02" + rlp.encode([*items, parity, signature.r, signature.s])


def legacy(v: int) -> bytes:
    items: list[Any] = [0, 0, 60_000, b"\x09" * 20, 1, b""]
    signature = KEY.sign_msg_hash(keccak(rlp.encode([*items, CHAIN_ID, 0, 0])))
    return bytes(rlp.encode([*items, v, signature.r, signature.s]))


def test_a_recovery_id_out_of_range_is_refused_and_nothing_ends() -> None:
    """Issue 5588: a recovery id beyond 3 went into the library, which ended the process."""
    chain = Chain.create(None, genesis())
    crafted = [typed(one) for one in IDS] + [legacy(one) for one in (*IDS, 0, 1, 34, 35, 36, 2 * CHAIN_ID + 34)]
    crafted += [legacy(2 * CHAIN_ID + 35 + one) for one in (2, 3, 27, 255)]
    for raw in crafted:
        ((found, error),) = chain.submit([raw])
        assert found is None and error is not None
    for one in IDS:
        with pytest.raises(NativeError):
            _native.decode_transaction(typed(one))
    assert chain.submit([typed(-1)])[0][1] is None


def test_crafted_ones_cost_their_neighbours_in_a_batch_nothing() -> None:
    """Senders are recovered eight at a time: one bad lane must not spoil the others."""
    chain = Chain.create(None, genesis())
    raws = [typed(-1, number) if number % 3 else typed(IDS[number % len(IDS)], number) for number in range(64)]
    answers = chain.submit(
        [_native.sign_transaction(USERS[1], {"chain_id": CHAIN_ID, "nonce": 0, "gas": 21_000}), *raws]
    )
    for number, (found, error) in enumerate(answers[1:]):
        assert (found is None) == (number % 3 == 0), (number, error)
    for number in range(1, 64, 3):
        assert _native.decode_transaction(raws[number])["sender"] == address(USERS[0])


@pytest.mark.parametrize("one", [*range(4, 256, 9), 255])
def test_recovery_of_any_signature_returns_or_refuses(one: int) -> None:
    digest = keccak(b"a message")
    signature = _native.sign_recoverable(USERS[0], digest)
    with pytest.raises(NativeError):
        _native.recover(digest, signature[:64] + bytes((one,)))
    for wild in (bytes(64) + bytes((one & 3,)), b"\xff" * 64 + bytes((one & 1,))):
        with pytest.raises(NativeError):
            _native.recover(digest, wild)


def test_the_precompile_answers_nothing_to_a_crafted_id() -> None:
    """The same library behind `ecrecover`, where anybody may call it with anything."""
    rpc = Rpc(grow(None, 1))
    digest = keccak(b"a message")
    signature = KEY.sign_msg_hash(digest)
    rest = signature.r.to_bytes(32) + signature.s.to_bytes(32)
    for one in [*IDS, signature.v + 27]:
        data = digest + one.to_bytes(32) + rest
        ok, text = rpc.result(
            "eth_call", json.dumps([{"to": hexed(b"\x01".rjust(20, b"\0")), "data": hexed(data)}]).encode()
        )
        assert ok
        answer = json.loads(text)
        assert (answer == "0x") == (one != signature.v + 27) or one in (27, 28)
        if one == signature.v + 27:
            assert answer[-40:] == address(USERS[0]).hex()
