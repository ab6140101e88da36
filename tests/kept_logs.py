"""Logs are configured once a process; what a test does to them must end with it, or others no longer hear a line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def logs_as_they_were() -> Iterator[None]:
    """Afterwards structlog and the root logger are as they were before."""
    configured, config = structlog.is_configured(), structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if configured:
        structlog.configure(**config)
    else:
        structlog.reset_defaults()
    for handler in root.handlers[:]:
        if handler not in handlers and isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(handler)
    root.setLevel(level)
