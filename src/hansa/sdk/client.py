"""JSON-RPC 2.0 over one kept HTTP connection; blocking, for one thread."""

import http.client
import json
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from hansa.sdk.errors import BY_RPC_CODE, InvalidAnswer, InvalidCall, NodeUnreachable, RpcFailed

ANSWER_BYTES_MAX = 256 << 20
TIMEOUT_S = 30.0

Json = Any  # what json.loads gives; its shape is the method's


class Client:
    """A connection to one node.

    Parameters
    ----------
    url: `http://host:port` with an optional path.
    timeout_s: patience with one answer.
    token: the bearer token that the node asks for, if it does.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S, token: str | None = None) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidCall(f"{url!r} is not an address of a node", "write http://127.0.0.1:8545")
        self.url = parts.geturl()
        self.timeout_s = timeout_s
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(
            parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), timeout=timeout_s
        )
        self._path = parts.path or "/"
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._next_id = 0

    def call(self, method: str, *params: Json) -> Json:
        """Call one method and return its result.

        Raises
        ------
        NodeUnreachable: nobody answers there, or not in time.
        InvalidAnswer: whoever answers does not speak JSON-RPC.
        RpcFailed: the node answered with an error (one subclass per kind).
        """
        answer = self._exchange(self._request(method, params))
        if not isinstance(answer, dict):
            raise InvalidAnswer(f"{self.url} answered a list to a single call")
        return _result_of(answer)

    def batch(self, calls: Sequence[tuple[str, Sequence[Json]]]) -> list[Json | RpcFailed]:
        """Send many calls in one request; results in their order, an error in place of the result that failed.

        Raises
        ------
        NodeUnreachable, InvalidAnswer: as `call`; the whole batch has no answer then.
        """
        if not calls:
            return []
        requests = [self._request(method, params) for method, params in calls]
        answers = self._exchange(requests)
        if not isinstance(answers, list):
            raise InvalidAnswer(f"{self.url} answered a batch with one value: {str(answers)[:200]}")
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        results: list[Json | RpcFailed] = []
        for request in requests:
            answer = by_id.get(request["id"])
            if answer is None:
                raise InvalidAnswer(f"{self.url} left {request['method']} unanswered")
            try:
                results.append(_result_of(answer))
            except RpcFailed as failure:
                results.append(failure)
        return results

    def batch_all(self, calls: Sequence[tuple[str, Sequence[Json]]]) -> list[Json]:
        """As `batch`, for calls that only make sense together.

        Raises
        ------
        RpcFailed: the first call that failed.
        NodeUnreachable, InvalidAnswer: as `call`.
        """
        answers = self.batch(calls)
        for answer in answers:
            if isinstance(answer, RpcFailed):
                raise answer
        return answers

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, method: str, params: Sequence[Json]) -> dict[str, Json]:
        self._next_id += 1
        return {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": list(params)}

    def _exchange(self, request: Json) -> Json:
        body = json.dumps(request, separators=(",", ":")).encode()
        was_open = self._connection.sock is not None
        try:
            try:
                text = self._post(body)
            except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
                # A kept connection may have been closed by the node since; a fresh one may not.
                self.close()
                if not was_open:
                    raise
                text = self._post(body)
        except TimeoutError as error:
            self.close()
            raise NodeUnreachable(
                f"{self.url} gave no answer within {self.timeout_s:g} s", "is the node overloaded?"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NodeUnreachable(
                f"no node answers at {self.url}: {cause}", "start it: hansa up, or hansa dev"
            ) from error
        try:
            return json.loads(text)
        except ValueError as error:
            raise InvalidAnswer(f"{self.url} did not answer JSON: {text[:80]!r}", "is this a JSON-RPC port?") from error

    def _post(self, body: bytes) -> bytes:
        self._connection.request("POST", self._path, body, self._headers)
        if self._connection.sock is not None:
            # Small requests on a kept connection must not wait for the acknowledgement of the last one.
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        response = self._connection.getresponse()
        text = response.read(ANSWER_BYTES_MAX + 1)
        if len(text) > ANSWER_BYTES_MAX:
            self.close()
            raise InvalidAnswer(f"{self.url} answered more than {ANSWER_BYTES_MAX >> 20} MiB", "ask for less at once")
        return text


def _result_of(answer: dict[str, Json]) -> Json:
    error = answer.get("error")
    if error is None:
        if "result" not in answer:
            raise InvalidAnswer(f"an answer has neither result nor error: {str(answer)[:200]}")
        return answer["result"]
    raise failure_of(error)


def failure_of(error: Json) -> RpcFailed:
    """The exception for a JSON-RPC error object."""
    if not isinstance(error, dict):
        return RpcFailed(f"the node answered the error {error!r}")
    number = error.get("code")
    data = error.get("data")
    facts = dict(data) if isinstance(data, dict) else ({} if data is None else {"revert_data": data})
    hint = facts.pop("hint", "")
    facts.pop("cause", None)
    kind = BY_RPC_CODE.get(number, RpcFailed) if isinstance(number, int) else RpcFailed
    return kind(str(error.get("message", "no message")), str(hint), rpc_code=number, **facts)
