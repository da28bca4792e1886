"""Single requests, many on the way: answers are counted however the network cuts them."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from hansa.bench.ingress import _Stream

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"
ANSWERS = (ANSWER + b'{"result"' + ANSWER + b'{"error":') * 2


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written.append(data)

    def close(self) -> None:
        self.written.append(b"closed")


@given(st.sets(st.integers(1, len(ANSWERS) - 1)))
async def test_answers_are_counted_however_they_are_cut(cuts: set[int]) -> None:
    stream, wire = _Stream([b"first", b"second"], [2, 2]), Wire()
    stream.connection_made(wire)
    places = sorted({0, *cuts, len(ANSWERS) // 2, len(ANSWERS)})  # nobody answers what was not asked yet
    for start, end in zip(places, places[1:], strict=False):
        stream.data_received(ANSWERS[start:end])
    assert stream.refused == 2
    assert stream.done.done()
    assert wire.written == [b"first", b"second", b"closed"]
