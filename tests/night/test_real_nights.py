"""Nights of real processes, real kills and real restarts. Not part of a plain `./tocsin test`: TOCSIN_REAL_NIGHTS says
how many, TOCSIN_REAL_NIGHTS_FROM the first seed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from nights import invariants
from nights.invariants import broken
from nights.real import RealNight, real_night
from nights.telling import story

WANTED = int(os.environ.get("TOCSIN_REAL_NIGHTS") or 0)
FIRST = int(os.environ.get("TOCSIN_REAL_NIGHTS_FROM") or 0)
RULES = (
    invariants.nobody_is_paged_about_what_somebody_has,
    invariants.what_goes_out_again_is_marked,
    invariants.the_same_page_is_planned_once,
    invariants.every_notification_ends,
    invariants.what_a_provider_took_is_on_record,
    invariants.nothing_is_an_error,
)
"""Those that need no clock which stands still; that somebody is paged at all is asserted apart."""


@pytest.mark.skipif(not WANTED, reason="TOCSIN_REAL_NIGHTS says how many nights of real processes are played")
@pytest.mark.parametrize("seed", range(FIRST, FIRST + WANTED))
async def test_no_real_night_breaks_a_rule(tmp_path: Path, seed: int) -> None:
    tmp_path.chmod(0o755)
    one = real_night(seed)
    seen = await RealNight(one, tmp_path).play()
    wrong = broken(one, seen, RULES)
    assert not wrong, story(one, seen, wrong)
    assert seen.rows.incidents
    for incident in seen.rows.incidents:
        told = {e.kind for e in seen.rows.timeline if e.number == incident.number}
        paged = any(n.number == incident.number and n.purpose == "page" for n in seen.rows.notifications)
        assert paged or told & {*invariants.REASONS, "resolved"}, story(one, seen)
