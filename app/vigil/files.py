"""Where the paper lies: a directory and a file that only their owner reads, since phone numbers are in it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final
from uuid import uuid4

NAME: Final = "on-call.html"


def write(directory: Path, page: str) -> Path:
    """Puts the page in place of the former one at once: whoever reads sees one or the other, whole. The file is for
    its owner only, and so is a directory that is made here. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, made = directory / NAME, directory / f".{NAME}.{uuid4().hex}"
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            made.unlink()
        raise
    return path


def former(directory: Path) -> str | None:
    """The page that lies there."""
    try:
        return (directory / NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def is_open(directory: Path) -> bool:
    """Others than the owner may look into an existing directory."""
    try:
        return bool(stat.S_IMODE(directory.stat().st_mode) & 0o077)
    except OSError:
        return False
