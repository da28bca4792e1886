"""Whatever bytes come in, an answer goes out, and it is never an internal error."""

import asyncio
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hansa.api import ApiOptions
from hansa.api.dispatch import Dispatcher
from hansa.api.methods import NATIVE, PYTHON
from hansa.node.dev import DevNode, DevOptions

# Those that wait for real time, or do much on purpose.
SLOW = {"eth_sendRawTransactionSync", "hardhat_mine", "anvil_mine", "evm_mine"}
METHODS = sorted((set(NATIVE) | set(PYTHON)) - SLOW)
ADDRESS = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        ["latest", "earliest", "pending", "0x", "0x0", "0x1", "0xzz", ADDRESS, "0x" + "11" * 32, "0x" + "f" * 65]
    ),
)
keys = st.sampled_from(
    ["from", "to", "data", "value", "gas", "nonce", "blockHash", "fromBlock", "toBlock", "address", "topics", "x"]
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
calls = st.fixed_dictionaries(
    {
        "jsonrpc": st.just("2.0"),
        "id": st.one_of(st.integers(0, 9), st.text(max_size=4), st.none()),
        "method": st.sampled_from(METHODS),
        "params": st.one_of(st.lists(values, max_size=5), st.dictionaries(keys, values, max_size=3), scalars),
    }
)
relaxed = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


class Asked:
    """One node for all examples; what a method does to it is part of the test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.dispatcher = self.loop.run_until_complete(self._make())

    async def _make(self) -> Dispatcher:
        node = DevNode(DevOptions())
        return Dispatcher(node, ApiOptions(), node)

    def answer(self, body: bytes) -> Any:
        text = self.loop.run_until_complete(asyncio.wait_for(self.dispatcher.answer(body), 20))
        return json.loads(text) if text else None


asked = Asked()


def check(answer: Any) -> None:
    assert answer["jsonrpc"] == "2.0"
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert answer["error"]["code"] != -32603, answer
        assert answer["error"]["message"]


@relaxed
@given(calls)
def test_any_parameters(call: dict[str, Any]) -> None:
    answer = asked.answer(json.dumps(call).encode())
    check(answer)
    assert answer["id"] == call["id"]


@relaxed
@given(st.lists(st.one_of(calls, values), max_size=6))
def test_any_batch(batch: list[Any]) -> None:
    answer = asked.answer(json.dumps(batch).encode())
    for one in answer if isinstance(answer, list) else [answer] if answer is not None else []:
        check(one)


@relaxed
@given(
    st.one_of(
        st.binary(max_size=200), st.text(max_size=200).map(str.encode), values.map(lambda one: json.dumps(one).encode())
    )
)
def test_any_bytes(body: bytes) -> None:
    answer = asked.answer(body)
    for one in answer if isinstance(answer, list) else [answer] if answer is not None else []:
        check(one)
