"""What the demo shows: one line for each thing that happens, in colour where the terminal has any."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from time import strftime
from typing import Any, Final, TextIO

_LINK: Final = re.compile(r"https?://[^\s<>\"]+")
_COLOURS: Final = {"red": "31;1", "green": "32;1", "yellow": "33;1", "blue": "34;1", "dim": "2", "bold": "1", "": "0"}
_LOOKS: Final[Mapping[str, str]] = {"alert": "red", "text": "yellow", "mail": "yellow", "ok": "green", "say": "blue"}
WIDTH: Final = 10


class Terminal:
    """`what` in the left column says of what kind a line is."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._coloured = self._out.isatty() and "NO_COLOR" not in os.environ

    def line(self, kind: str, what: str, text: str = "") -> None:
        """`kind` chooses the colour: alert, text, mail, ok, say or anything else."""
        left = self.paint(f"{what:<{WIDTH}}", _LOOKS.get(kind, "dim"))
        self._print(f"{self.paint(strftime('%H:%M:%S'), 'dim')}  {left} {text}")

    def under(self, text: str, colour: str = "") -> None:
        """More of the line before."""
        self._print(" " * (10 + WIDTH + 1) + self.paint(text, colour))

    def message(self, kind: str, what: str, text: str) -> None:
        """A text or mail, its link on a line of its own where it can be clicked."""
        links = _LINK.findall(text)
        self.line(kind, what, " ".join(_LINK.sub("", text).split()))
        if links:
            self.under(links[-1], "bold")

    def heading(self, text: str, facts: Mapping[str, str]) -> None:
        self._print(f"\n{self.paint(text, 'bold')}\n")
        for name, fact in facts.items():
            self._print(f"  {self.paint(f'{name:<12}', 'dim')} {fact}")
        self._print("")

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._coloured and colour else text

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def instant(entry: Mapping[str, Any]) -> datetime:
    """When an entry of a timeline happened, on the service's clock."""
    return datetime.fromisoformat(str(entry["at"]))
