"""What incidents were and what fixed them, how often they came back, and which others are like one, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from bodies import body_of
from sqlalchemy import text
from whole import Whole

from app.incidents import likeness, similar_store
from app.incidents.tables import WORDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

INCIDENTS = "/api/v1/incidents"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SET = """
    INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, statement_timestamp(), :at, 0)
    ON CONFLICT (id) DO UPDATE SET anchor_virtual = excluded.anchor_virtual
"""
SAID = {"cause": "disk full", "fix": "rotating the logs"}


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def clock(house: Whole) -> AsyncIterator[None]:
    """It is noon, until a test says otherwise."""
    await house.execute(SET, at=NOW)
    yield
    await house.execute("DELETE FROM clock_control")


async def now(house: Whole) -> str:
    return str((await house.one("SELECT tocsin_now()")).isoformat())


async def fires(house: Whole, name: str, summary: str = "", **labels: str) -> int:
    body = body_of("alertmanager", name)
    body["alerts"][0]["labels"] |= labels
    body["alerts"][0]["fingerprint"] += "".join(sorted(labels.values()))
    body["alerts"][0]["annotations"]["summary"] = summary or name
    body["alerts"][0]["startsAt"] = await now(house)
    assert (await house.post("alertmanager", body)).status_code == 202
    return int(await house.one("SELECT max(number) FROM incidents"))


async def is_over(house: Whole, name: str, **labels: str) -> None:
    body = body_of("alertmanager", name)
    body["alerts"][0]["fingerprint"] += "".join(sorted(labels.values()))
    body["alerts"][0] |= {"status": "resolved", "endsAt": await now(house)}
    assert (await house.post("alertmanager", body)).status_code == 202


async def ask(
    house: Whole, method: str, path: str, body: Any = None, *, status: int = 200, who: str = "ana", **headers: str
) -> Any:
    sent = house.as_person(who) | {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await house.http.request(method, f"{INCIDENTS}/{path}", json=body, headers=sent)
    assert answer.status_code == status, answer.text
    return answer.json()


async def resolve(house: Whole, number: int, **said: str) -> Any:
    return await ask(house, "POST", f"{number}/resolve", {"confirmed": True} | said)


# -- cause and fix


async def test_who_resolves_may_say_what_it_was(house):
    number = await fires(house, "DiskFull")
    before = await ask(house, "GET", f"{number}")
    assert (before["cause"], before["fix"], before["recurrence"]) == ("", "", None)
    done = await resolve(house, number, **SAID)
    assert (done["result"], done["incident"]["cause"], done["incident"]["fix"]) == ("resolved", *SAID.values())
    entries = (await ask(house, "GET", f"{number}/timeline"))["items"]
    assert entries[-1]["text"] == "Resolved (by Ana): disk full, fixed by rotating the logs"


async def test_what_its_source_resolved_has_no_words_until_somebody_says_them(house):
    number = await fires(house, "DiskFull")
    await is_over(house, "DiskFull")
    incident = await ask(house, "GET", f"{number}")
    assert (incident["state"], incident["cause"], incident["fix"]) == ("resolved", "", "")
    late = await resolve(house, number, **SAID)
    assert (late["result"], late["incident"]["cause"]) == ("already_resolved", "")
    said = await ask(house, "PUT", f"{number}/cause-and-fix", SAID, If_Match=f'"{incident["version"]}"')
    assert (said["incident"]["cause"], said["incident"]["fix"]) == tuple(SAID.values())
    entries = (await ask(house, "GET", f"{number}/timeline"))["items"]
    assert (entries[-1]["text"], entries[-1]["actor"]) == (
        "What it was, says Ana: disk full, fixed by rotating the logs",
        "user:ana",
    )


async def test_words_are_corrected_on_what_is_over_and_nothing_is_overwritten_unseen(house):
    number = await fires(house, "DiskFull")
    told = await ask(house, "PUT", f"{number}/cause-and-fix", SAID, status=409)
    assert told["code"] == "not_resolved"
    version = (await resolve(house, number, **SAID))["incident"]["version"]
    await ask(house, "POST", f"{number}/close")
    told = await ask(house, "PUT", f"{number}/cause-and-fix", SAID, status=412, If_Match=f'"{version}"')
    assert told["code"] == "outdated"
    now = {"cause": "the rotation was off", "fix": ""}
    version = (await ask(house, "PUT", f"{number}/cause-and-fix", now))["incident"]["version"]
    assert (await ask(house, "PUT", f"{number}/cause-and-fix", now))["incident"]["version"] == version
    kinds = [e["kind"] for e in (await ask(house, "GET", f"{number}/timeline"))["items"]]
    assert kinds.count("explained") == 1, "what says nothing new is no entry"
    assert (await ask(house, "GET", f"{number}"))["fix"] == ""


@pytest.mark.parametrize("text", ["x" * 301, "two\nlines", "bell\x07"])
async def test_words_that_are_no_line_are_refused_by_the_field(house, text):
    number = await fires(house, "DiskFull")
    for method, path, body in (
        ("POST", "resolve", {"confirmed": True, "fix": text}),
        ("PUT", "cause-and-fix", {"cause": "", "fix": text}),
    ):
        told = await ask(house, method, f"{number}/{path}", body, status=422)
        assert [e["field"] for e in told["errors"]] == ["fix"]
    assert (await ask(house, "GET", f"{number}"))["state"] == "triggered"


async def test_what_was_said_survives_a_reopening_and_a_resolve_without_words(house):
    number = await fires(house, "DiskFull")
    await resolve(house, number, **SAID)
    await is_over(house, "DiskFull")
    await house.execute(SET, at=NOW + timedelta(minutes=6))
    assert await fires(house, "DiskFull") == number
    assert (await ask(house, "GET", f"{number}"))["reopened"] == 1
    done = await resolve(house, number, cause="still full")
    assert (done["incident"]["cause"], done["incident"]["fix"]) == ("still full", "rotating the logs")


# -- the n-th time


async def happened(house: Whole, days_ago: int, name: str = "DiskFull", **said: str) -> int:
    """An incident that was over after 14 minutes, so many days ago."""
    await house.execute(SET, at=NOW - timedelta(days=days_ago, minutes=14))
    number = await fires(house, name)
    await house.execute(SET, at=NOW - timedelta(days=days_ago))
    await resolve(house, number, **said)
    await is_over(house, name)
    await house.execute(SET, at=NOW)
    return number


async def test_the_nth_time_says_what_it_was_last_time(house):
    await happened(house, 40, cause="long ago")
    await happened(house, 20, cause="the rotation was off")
    last = await happened(house, 3, **SAID)
    await happened(house, 1, name="Other")
    number = await fires(house, "DiskFull")
    known = (await ask(house, "GET", f"{number}"))["recurrence"]
    assert known["times"] == 3
    assert (known["last"]["number"], known["last"]["cause"], known["last"]["fix"]) == (last, *SAID.values())
    assert known["text"].startswith("3rd time in 30 days; last time, 3 days ago: disk full, fixed by rotating the logs")
    assert (await ask(house, "GET", f"{last}"))["recurrence"]["times"] == 2, "counted back from its own opening"


async def test_what_still_lasts_is_not_last_time(house):
    number = await fires(house, "DiskFull")
    await house.execute("UPDATE incidents SET open_key = NULL")
    again = await fires(house, "DiskFull", summary="again", host="b")
    assert again != number
    known = (await ask(house, "GET", f"{again}"))["recurrence"]
    assert (known["times"], known["last"], known["text"]) == (2, None, "2nd time in 30 days")


async def test_what_was_merged_counts_once_and_speaks_through_the_other(house):
    await house.execute(SET, at=NOW - timedelta(days=2))
    other, merged = await fires(house, "Cable"), await fires(house, "DiskFull")
    await ask(house, "POST", f"{merged}/merge", {"into": other})
    await resolve(house, other, cause="a cable")
    await is_over(house, "DiskFull")
    await house.execute(SET, at=NOW)
    number = await fires(house, "DiskFull")
    assert number > merged
    known = (await ask(house, "GET", f"{number}"))["recurrence"]
    assert (known["times"], known["last"]["number"], known["last"]["cause"]) == (2, other, "a cable")


async def test_two_of_a_key_that_were_merged_are_one_time(house):
    first = await fires(house, "DiskFull")
    await house.execute(SET, at=NOW + timedelta(hours=1))
    second = await fires(house, "DiskFull", host="b")
    assert second != first, "the window has passed"
    await ask(house, "POST", f"{second}/merge", {"into": first})
    await resolve(house, first)
    await is_over(house, "DiskFull")
    await is_over(house, "DiskFull", host="b")
    await house.execute(SET, at=NOW + timedelta(days=1))
    number = await fires(house, "DiskFull")
    assert (await ask(house, "GET", f"{number}"))["recurrence"]["times"] == 2


# -- similar incidents


async def similar(house: Whole, number: int) -> list[dict[str, Any]]:
    answer = await ask(house, "GET", f"{number}/similar", who="dan")
    assert answer["next"] is None
    return list(answer["items"])


async def test_the_same_alert_comes_first_with_why_and_what_helped(house):
    first = await happened(house, 20, **SAID)
    words = await fires(house, "Wearout", summary="Disk wears out, nearly full, on the archive host")
    number = await fires(house, "DiskFull", summary="Disk nearly full on the archive host")
    await fires(house, "Latency", summary="Login is slow")
    found = await similar(house, number)
    assert [f["number"] for f in found] == [first, words]
    assert found[0]["why"] == [
        "the same correlation key",
        "the same alert",
        "the same label: alertname=DiskFull",
        "the same words: disk, full",
    ]
    assert (found[0]["cause"], found[0]["fix"], found[0]["state"]) == (*SAID.values(), "resolved")
    assert found[1]["why"] == ["the same words: archive, disk, full, host and 1 more"]
    assert found[0]["score"] > found[1]["score"]


async def test_common_labels_make_similar_and_words_of_causes_are_searched(house):
    labels = {"host": "db-1", "mount": "/var", "disk": "sda", "rack": "r7"}
    alike = await fires(house, "Latency", summary="Slow", **labels)
    told = await fires(house, "Payments", summary="Payments fail")
    await resolve(house, told, cause="replica lag after vacuum")
    number = await fires(house, "ReplicaLag", summary="Replica lag", **labels)
    found = {f["number"]: f["why"] for f in await similar(house, number)}
    assert found == {
        alike: ["the same labels: disk=sda, host=db-1, mount=/var, rack=r7"],
        told: ["the same words: lag, replica"],
    }


async def test_nothing_is_similar_to_the_only_one_and_404_for_none(house):
    number = await fires(house, "DiskFull")
    assert await similar(house, number) == []
    assert (await ask(house, "GET", "999/similar", status=404))["code"] == "not_found"
    answer = await house.http.get(f"{INCIDENTS}/{number}/similar")
    assert answer.status_code == 401


async def test_what_is_90_days_away_is_not_similar(house):
    await happened(house, 91)
    number = await fires(house, "DiskFull")
    assert await similar(house, number) == []
    assert (await ask(house, "GET", f"{number}"))["recurrence"]["times"] == 1


@pytest.mark.parametrize(
    "title",
    [
        "o'brien's \\ disk",
        "a & b | !c:* <-> (d",
        "'' or ''1''=''1",
        '"unclosed -quote OR',
        "диск-1 полон 🔥",
        "%s {x}",
        "\\'",
    ],
)
async def test_no_title_is_read_as_a_query(house, title):
    one = await fires(house, "One", summary=f"{title} somewhere")
    two = await fires(house, "Two", summary=f"{title} somewhere")
    assert [f["number"] for f in await similar(house, two)] == [one]


async def test_postgresql_takes_every_quoted_word_as_it_is(house):
    words = ["o'brien", "c:\\temp\\", "!x|(y)&z:*", "\\'", "a b", "диск"]
    found = await house.one(
        "SELECT array_agg(w) FROM unnest(CAST(:words AS text[])) AS w "
        "WHERE array_to_tsvector(ARRAY[w]) @@ CAST(CAST(:query AS text) AS tsquery)",
        words=words,
        query=likeness.any_of(words),
    )
    assert found == words


async def test_words_that_are_everywhere_are_not_looked_for(house):
    """By the statistics of the index, which a small database need not have."""
    await fires(house, "One", summary="Everything is everywhere")
    await house.execute("""
        INSERT INTO incidents (id, service_id, correlation_key, title, state, priority, impact, urgency, verdict,
                               loudness, opened_at, triggered_at, resolved_at, last_occurrence_at, firing, occurrences)
        SELECT CAST('00000000-0001-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid), s.id, 'old:' || n,
               'Everything ' || n, 'resolved', 3, 2, 2, '{"inputs": []}', 'loud', tocsin_now(), tocsin_now(),
               tocsin_now(), tocsin_now(), 0, 1
        FROM generate_series(1, 3000) AS n, services s WHERE s.key = 'checkout'""")
    await house.execute("ANALYZE incidents")
    async with house.engine.connect() as conn:
        frequent = await similar_store.frequent(conn, ["everything", "everywhere"])
    assert frequent is not None
    assert likeness.rare(["everything", "everywhere"], frequent) == ["everywhere"]
    assert 2_500 < frequent["everything"] < 3_500


async def test_words_are_not_looked_up_in_a_large_base_that_was_not_analysed(house):
    async with house.engine.connect() as conn:
        await conn.execute(text("DROP INDEX ix_incidents_words"))
        await conn.execute(text(f"CREATE INDEX ix_incidents_words ON incidents USING gin ({WORDS})"))
        assert await similar_store.frequent(conn, ["everything"]) == {}, "small enough"
        assert await similar_store.frequent(conn, ["everything"], small=0) is None
        await conn.rollback()
