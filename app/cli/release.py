"""Which version this is: the installed package's, or the checkout's."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final


def _version() -> str:
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if project.exists():
        return str(tomllib.loads(project.read_text())["project"]["version"])
    try:
        return version_of("tocsin")
    except PackageNotFoundError:
        return "unknown"


VERSION: Final = _version()
