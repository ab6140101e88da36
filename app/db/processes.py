"""Which processes belong to a PostgreSQL cluster, and signals for them."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def postmaster(pgdata: Path) -> tuple[int, Path, bool] | None:
    """(pid, socket directory, ready) as postmaster.pid says; None when there is none. The process may be long dead.

    PostgreSQL fills the file line by line while it starts (miscadmin.h, LOCK_FILE_LINE_*); a standalone backend
    writes its pid negated.
    """
    try:
        lines = (pgdata / "postmaster.pid").read_text().splitlines() + [""] * 8
        return abs(int(lines[0])), Path(lines[4]), lines[7].strip() == "ready"
    except (OSError, ValueError):
        return None


def leftovers(pgdata: Path) -> list[int]:
    """Live processes of a server of this cluster, whoever started it. PostgreSQL's all have `pgdata` as their cwd."""
    home = str(pgdata.resolve())
    told = postmaster(pgdata)
    if not Path("/proc/self/cwd").exists():
        return [told[0]] if told and alive(told[0]) else []
    return [pid for pid in _processes() if _serves(pid, home, told[0] if told else None)]


def tell(pid: int, sig: signal.Signals) -> None:
    """Sends a signal; one who is gone already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sig)


def alive(pid: int) -> bool:
    """Whether there is such a process, of whatever program and user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _serves(pid: int, home: str, told: int | None) -> bool:
    about = Path("/proc") / str(pid)
    try:
        if about.joinpath("comm").read_text().strip() not in ("postgres", "postmaster"):
            return False
        return str(about.joinpath("cwd").readlink()) == home
    except PermissionError:
        return pid == told  # a sandbox hides where it runs: believe the pid file
    except OSError:
        return False
