"""`tocsin demo --script`: the whole road in one process tree, as the README promises it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_story_goes_as_told() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    told = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", "--script", "--json"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    story = json.loads(told.stdout)
    assert story["ok"], story
    assert told.returncode == 0
    assert [entry["what"] for entry in story["happened"]] == [
        "ready",
        "fired",
        "paged Ana by text",
        "paged Ana by mail",
        "fired again",
        "climbed: paged Ben by text",
        "acknowledged by the link in the text",
        "resolved by the source",
        "stopped",
    ]
    paged, climbed = (next(e["at_s"] for e in story["happened"] if e["what"] == what) for what in
                      ("paged Ana by text", "climbed: paged Ben by text"))  # fmt: skip
    assert 2.5 < climbed - paged < 15.0, "five minutes, 90 times as fast"
