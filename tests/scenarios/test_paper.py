"""Paper mode: one file that is whole, private, readable without us, and says when it is old; a mail that says news."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from town import Town, minutes

from app.vigil import files, paper_texts, sheet
from app.vigil.paper import Paper
from app.vigil.sheet import Sheet

ROOT = Path(__file__).resolve().parents[2]


async def furnished(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    layer = {"name": "days", "rotation": {"every": 1, "unit": "day", "at": "09:00"}, "members": [["ana"], ["ben"]]}
    layer |= {"starts_at": "2026-01-05T09:00:00"}
    primary = await town.schedule("primary", [_layer()])
    await town.service("checkout", policy=[primary, minutes(5), [ana, ben]], repeats=1)


def _layer() -> dict[str, object]:
    from test_handoffs import ROTATION

    return ROTATION


async def sheet_of(town: Town) -> Sheet:
    return await Paper(replace(town.settings, paper_dir="unused"), town.engine).read()
