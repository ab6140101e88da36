"""Who may import whom: the contracts of pyproject.toml hold, and none of them has forgotten a room."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tree import ROOT, files

PURE_NAMES = {"assign", "conditions", "correlation", "dedup", "ladder", "matrix", "plan", "shifts", "states",
              "suppression", "timeline"}  # fmt: skip
"""House rule 2. What a room plans with the database at hand is named otherwise or listed in `NOT_PURE`."""
NOT_PURE = {"app.cli.plan", "app.configuration.plan"}
MAY_BE_USED_BY_DEV = {"app.dev", "app.cli", "app.settings", "app.clock", "app.logs", "app.metrics", "app.watch_metrics",
                      "app.hours", "app.errors", "app.__main__"}  # fmt: skip
"""Itself, what the layers forbid anyway, and what belongs to no room."""


@pytest.fixture(scope="module")
def contracts() -> dict[str, Any]:
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {c["name"].split(":")[0]: c for c in written}


def modules() -> set[str]:
    """Dotted names of all files of `app`."""
    here = (p.relative_to(ROOT).with_suffix("") for p in files() if p.suffix == ".py")
    return {".".join(p.parts).removesuffix(".__init__") for p in here if p.parts[0] == "app"}


def test_contracts_hold():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


def test_dev_is_kept_from_every_room(contracts):
    rooms = {".".join(m.split(".")[:2]) for m in modules() if "." in m}
    forbidden = set(contracts["dev imports no room"]["forbidden_modules"])
    assert rooms - MAY_BE_USED_BY_DEV - forbidden == set()
    assert forbidden <= rooms


def test_files_with_the_names_of_pure_files_are_held_to_it(contracts):
    pure = set(contracts["Pure files import no database, web or clock"]["source_modules"])
    named = {m for m in modules() if m.rpartition(".")[2] in PURE_NAMES}
    assert named - NOT_PURE - pure == set()
    assert pure <= modules()


def test_the_program_runs_without_the_models():
    """They are for migrations: to map them would be a twentieth of a start."""
    look = (
        "import sys, app.main; print(*sorted(m for m in sys.modules if m.startswith('app.') and m.endswith('.tables')))"
    )
    said = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.split() == []
