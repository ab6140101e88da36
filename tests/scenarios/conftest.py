"""A town for every story."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from town import Town, opened

AT_WORK = """
    SELECT pid, state, now() - xact_start AS for, pg_blocking_pids(pid) AS waits_for, left(query, 200) AS query
    FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
"""
TIMELINES = "SELECT at, kind, data FROM timeline_entries ORDER BY id LIMIT 200"
PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
async def town(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    """With Cara, an admin with a phone, as the last resort. `@pytest.mark.parametrize("town", [{...}], indirect=True)`
    hands `town.opened` other arguments; `last_resort=()` leaves Cara without a phone."""
    given = dict(getattr(request, "param", {}))
    with_phone = given.pop("last_resort", "sms")
    async with opened(database_url, tmp_path, **given) as town:
        (cara,) = await town.people("Cara", each_with=with_phone, role="admin")
        await town.build.last_resort([cara])
        yield town
    passed = request.node.stash.get(PASSED, False)
    try:
        if passed:
            town.inspect()
    except AssertionError:
        passed = False
        raise
    finally:
        if not passed:
            print("What was logged:", *town.ears.lines, sep="\n")
            print("What the database does:", *await town.rows(AT_WORK), sep="\n")
            print("What the timelines say:", *await town.rows(TIMELINES), sep="\n")
