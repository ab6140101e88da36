"""Listens to the log while a night is played: nothing in a night is worth an ERROR."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.testing import capture_logs


class Ears(logging.Handler):
    """Both kinds of log: structlog's lines, and what libraries say through `logging`."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(self.format(record))

    def errors(self) -> list[str]:
        return list(self._said)

    @contextmanager
    def listening(self) -> Iterator[None]:
        root = logging.getLogger()
        root.addHandler(self)
        try:
            with capture_logs() as lines:
                yield
        finally:
            root.removeHandler(self)
            self._said += [str(line) for line in lines if line["log_level"] in ("error", "critical")]
