"""What Hansa's nodes say of themselves: processor time by stage, lateness of their loops, commits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from hansa.bench.client.http_connection import Endpoint, HttpConnection, encode_call
from hansa.bench.errors import Unreachable

COMMIT_STAGE = "write and sync logs"


class _Stage(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    calls: int
    cpu_us: int


class _LoopLag(msgspec.Struct, frozen=True, rename="camel"):
    bounds_ms: tuple[float, ...]
    counts: tuple[int, ...]


class NodeStages(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of hansa_stages, as far as it is read here."""

    stages: tuple[_Stage, ...]
    loop_lag: _LoopLag
    checkpoints: int = 0  # written by this process


class _Answer(msgspec.Struct, frozen=True):
    result: NodeStages | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class StageCosts:
    """What happened in the nodes between two readings."""

    nodes: int
    cpu_us: dict[str, int]  # by stage, the dearest first; all nodes together
    loop_lag_ms_p99: float  # of the node whose loop was latest; the bound below which it was
    commits: int  # rounds of writing and syncing the logs, all nodes together
    checkpoints: int  # written, all nodes together


async def read_stages(endpoints: Sequence[Endpoint]) -> list[NodeStages]:
    """Read every node's counters; empty where a node has none, such as another network's.

    Raises
    ------
    Unreachable: a node does not answer.
    """
    found = []
    for endpoint in endpoints:
        connection = HttpConnection(endpoint)
        try:
            answer = _ANSWER.decode(await connection.ask(endpoint.encode(encode_call("hansa_stages", []))))
        except msgspec.DecodeError as error:
            raise Unreachable(f"{endpoint} gave no stages that can be read: {error}") from error
        finally:
            connection.close()
        if answer.result is None:
            return []
        found.append(answer.result)
    return found


def compare_stages(before: Sequence[NodeStages], after: Sequence[NodeStages]) -> StageCosts | None:
    """What two readings of the same nodes differ in; None without readings."""
    if not before or len(before) != len(after):
        return None
    spent: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for old, new in zip(before, after, strict=True):
        for stage in new.stages:
            spent[stage.name] += stage.cpu_us
            calls[stage.name] += stage.calls
        for stage in old.stages:
            spent[stage.name] -= stage.cpu_us
            calls[stage.name] -= stage.calls
    lag = max(_lag_p99(old.loop_lag, new.loop_lag) for old, new in zip(before, after, strict=True))
    checkpoints = sum(new.checkpoints - old.checkpoints for old, new in zip(before, after, strict=True))
    return StageCosts(len(after), dict(spent.most_common()), lag, calls[COMMIT_STAGE], checkpoints)


def _lag_p99(before: _LoopLag, after: _LoopLag) -> float:
    counts = [new - old for old, new in zip(before.counts, after.counts, strict=True)]
    beyond = 0
    for place in range(len(counts) - 1, 0, -1):
        beyond += counts[place]
        if beyond > sum(counts) * 0.01:
            return after.bounds_ms[min(place, len(after.bounds_ms) - 1)]
    return after.bounds_ms[0]
