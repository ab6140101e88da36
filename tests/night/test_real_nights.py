"""Nights of real processes, real kills and real restarts. Not part of a plain `./tocsin test`: TOCSIN_REAL_NIGHTS says
how many (`nights/asked.py`). Most of a night is waiting: `-n 3` plays three at a time."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from nights import digest_rules, hook_rules, invariants, wording_rules
from nights.asked import Asked
from nights.invariants import broken
from nights.real import RealNight, found, real_night
from nights.telling import story

ASKED = Asked("REAL_NIGHT", unless=0)
RULES = (
    invariants.nobody_is_paged_about_what_somebody_has,
    invariants.what_goes_out_again_is_marked,
    invariants.the_same_page_is_planned_once,
    invariants.every_notification_ends,
    invariants.what_a_provider_took_is_on_record,
    invariants.nothing_is_an_error,
    digest_rules.no_quiet_page_wakes_who_has_a_digest,
    digest_rules.what_waits_for_a_digest_goes_out_together,
    digest_rules.what_waits_says_so,
    hook_rules.webhooks_are_told_what_happens,
    hook_rules.a_call_is_repeated_only_when_it_must_be,
    hook_rules.steps_call_webhooks,
    *wording_rules.RULES,
)
"""Those that need no clock which stands still; that somebody is paged at all is asserted apart."""


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server that has a migrated database."""
    return asyncio.run(found(tmp_path_factory.mktemp("founded")))


@pytest.mark.skipif(not ASKED.seeds, reason="TOCSIN_REAL_NIGHTS says how many nights of real processes are played")
@pytest.mark.parametrize("seed", ASKED.seeds)
async def test_no_real_night_breaks_a_rule(founded: Path, tmp_path: Path, seed: int) -> None:
    if ASKED.time_is_up():
        pytest.skip(f"no night begins after {ASKED.for_s} s")
    tmp_path.chmod(0o755)
    shutil.copytree(founded, tmp_path / "data")
    played = RealNight(real_night(seed), tmp_path)
    seen, one = await played.play(), played.night
    wrong = broken(one, seen, RULES)
    assert not wrong, story(one, seen, wrong)
    assert seen.rows.incidents
    for incident in seen.rows.incidents:
        told = {e.kind for e in seen.rows.timeline if e.number == incident.number}
        paged = any(n.number == incident.number and n.purpose == "page" for n in seen.rows.notifications)
        assert paged or told & {*invariants.REASONS, "resolved"}, story(one, seen)
