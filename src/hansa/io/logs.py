"""Structured logs on stderr: one line per event, human on a terminal, JSON elsewhere.

Fields: ts, level, code, org, node, height, view, what, and whatever the caller gave as `extra`. Nothing secret is ever
a field: callers pass names, numbers and hashes only.
"""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

import msgspec

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class LogContext(msgspec.Struct, frozen=True):
    """Who logs, and where it stands at the moment."""

    organisation: str
    node: str
    position: Callable[[], tuple[int, int]] = lambda: (0, 0)  # (sealed height, view)


class _Fields(logging.Formatter):
    """What both forms share: the facts of one record."""

    def __init__(self, context: LogContext) -> None:
        super().__init__()
        self.context = context

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """The record's own extras, without what the logging library adds."""
        return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}

    def trace(self, record: logging.LogRecord) -> str | None:
        """The traceback of a bug, if one is attached."""
        return self.formatException(record.exc_info) if record.exc_info else None


class JsonFormatter(_Fields):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        extras = self.fields(record)
        height, view = self.context.position()
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "code": extras.pop("code", None),
            "org": self.context.organisation,
            "node": self.context.node,
            "height": height,
            "view": view,
            "what": record.getMessage(),
        }
        line |= extras
        if trace := self.trace(record):
            line["trace"] = trace
        return json.dumps(line, default=str)


class HumanFormatter(_Fields):
    """One aligned line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        height, view = self.context.position()
        when = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        extras = " ".join(f"{key}={value}" for key, value in self.fields(record).items())
        head = f"{when} {record.levelname.lower():7} {self.context.node:14} h={height} v={view}"
        line = f"{head}  {record.getMessage()}  {extras}".rstrip()
        trace = self.trace(record)
        return f"{line}\n{trace}" if trace else line


def open_logs(level: str, context: LogContext, stream: TextIO = sys.stderr) -> None:
    """Send everything that `hansa.*` and its servers log to `stream`, from now on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(HumanFormatter(context) if stream.isatty() else JsonFormatter(context))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("hansa").setLevel(level.upper())
