"""Listens to the log while a story runs: an ERROR that the story did not announce fails it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from structlog.testing import capture_logs


class Ears(logging.Handler):
    """Both kinds of log: structlog's lines, and what libraries say through `logging`."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[Any] = []
        self._said: list[str] = []
        self._expected: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(self.format(record))

    def expect(self, part: str) -> None:
        """An ERROR line with this in it is part of the story."""
        self._expected.append(part)

    def errors(self) -> list[str]:
        """What was said and not expected, and what was expected and not said."""
        said = [*self._said, *(str(line) for line in self.lines if line["log_level"] in ("error", "critical"))]
        missing = [f"no error with {part!r} was logged" for part in self._expected if not any(part in s for s in said)]
        return [s for s in said if not any(part in s for part in self._expected)] + missing

    @contextmanager
    def listening(self) -> Iterator[None]:
        root = logging.getLogger()
        root.addHandler(self)
        try:
            with capture_logs() as self.lines:
                yield
        finally:
            root.removeHandler(self)
