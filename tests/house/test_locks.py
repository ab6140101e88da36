"""Lock files name what is installed and pin it by hash; where it comes from is the machine's business."""

from __future__ import annotations

import re
import tomllib

import pytest
from tree import ROOT, files

LOCKS = [p for p in files() if p.name.endswith(".lock") or p.name == "package-lock.json"]


def test_there_are_locks():
    assert {p.name for p in LOCKS} >= {"requirements.lock", "requirements-dev.lock"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.name)
def test_locks_hold_no_address(lock):
    assert "://" not in lock.read_text()


@pytest.mark.parametrize("lock", [p for p in LOCKS if p.suffix == ".lock"], ids=lambda p: p.name)
def test_every_requirement_is_pinned_by_hash(lock):
    for requirement in lock.read_text().replace("\\\n", " ").splitlines():
        assert re.match(r"[\w.-]+(\[[\w,.-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", requirement), requirement[:80]


@pytest.mark.parametrize(("lock", "extras"), [("requirements.lock", ()), ("requirements-dev.lock", ("dev",))])
def test_what_is_declared_is_locked(lock, extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for e in extras for r in project["optional-dependencies"][e])]
    locked = {_name(line) for line in (ROOT / lock).read_text().splitlines() if line and not line.startswith(" ")}
    assert {_name(r) for r in wanted} - locked == set()


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()
