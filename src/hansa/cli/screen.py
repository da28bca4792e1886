"""What a command prints: data on stdout, words for people on stderr, colours only on a terminal that wants them."""

import json
import os
import sys
from dataclasses import dataclass
from typing import Any

from hansa.cli.errors import NeedsAnswer
from hansa.errors import HansaError

_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Screen:
    """How this run speaks; made from the flags that hold everywhere."""

    json: bool = False  # stdout carries one JSON value
    no_input: bool = False  # never ask
    quiet: bool = False  # no words on stderr unless something fails

    def say(self, text: str = "") -> None:
        """A line for people."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def step(self, label: str, detail: str, figure: str = "") -> None:
        """A finished step: what, with what, and its measured time."""
        mark = self._coloured("✔", _GREEN)
        self.say(f"  {mark} {label:<20} {detail:<52} {figure}".rstrip())

    def data(self, value: Any, text: str | None = None) -> None:
        """The result: JSON with --json, otherwise `text` (or the value itself)."""
        if self.json:
            print(json.dumps(value, indent=1, ensure_ascii=False), flush=True)
        elif text is None:
            print(value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False), flush=True)
        elif text:
            print(text, flush=True)

    def failure(self, error: HansaError) -> None:
        """An expected failure: cause, code and hint; as data too with --json."""
        body = error.as_json()
        print(f"{self._coloured('✗', _RED)} {error.cause}", file=sys.stderr)
        print(f"  code  {body['code']}", file=sys.stderr)
        if error.hint:
            print(f"  hint  {error.hint}", file=sys.stderr, flush=True)
        if self.json:
            print(json.dumps({"error": body}, indent=1, ensure_ascii=False), flush=True)

    def confirm(self, question: str) -> bool:
        """Ask yes or no on the terminal.

        Raises
        ------
        NeedsAnswer: there is nobody to answer.
        """
        self.check_can_ask(question)
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def check_can_ask(self, question: str) -> None:
        """Check that somebody is there.

        Raises
        ------
        NeedsAnswer: stdin is no terminal, or --no-input was given.
        """
        if self.no_input or not sys.stdin.isatty():
            raise NeedsAnswer(f"this asks: {question}", "answer with its option (see --help), or run it in a terminal")

    def _coloured(self, text: str, colour: str) -> str:
        if "NO_COLOR" in os.environ or not sys.stderr.isatty():
            return text
        return f"{colour}{text}{_PLAIN}"


def table(rows: list[list[str]]) -> str:
    """Aligned columns; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)
