"""Feeds as calendar programs read them: what they say, what stays the same, who may read them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from api_client import api, as_person
from icalendar import Calendar, Event
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from test_api_schedules import set_clock

from app import logs
from app.web import feeds as feed_door
from app.web.api import calendars, feeds, on_call, overrides, schedules, swaps

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKLY = {"name": "base", "unit": "week", "length": 1, "anchor": "2026-01-05T09:00", "members": [["ana"], ["ben"], []]}
SCHEDULE = {"key": "primary", "name": "Primary; first, always", "time_zone": "Europe/Berlin", "layers": [WEEKLY]}


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    modules = (feeds, schedules, overrides, swaps, on_call, calendars)
    async with api(engine, tmp_path, *(m.router for m in modules)) as client:
        app = client._transport.app  # type: ignore[attr-defined]
        app.include_router(feed_door.router)
        app.state.wake = lambda: None
        await set_clock(engine, NOON)
        assert (await client.post("/schedules", json=SCHEDULE)).status_code == 201
        yield client


async def made(client: httpx.AsyncClient, path: str = "/schedules/primary/feeds") -> dict[str, Any]:
    answer = await client.post(path, json={"name": "a phone"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def read(client: httpx.AsyncClient, feed: dict[str, Any], **headers: str) -> httpx.Response:
    path = urlsplit(feed["url"]).path
    return await client.get(f"http://tocsin.test{path}", headers={"Authorization": ""} | headers)


async def events(client: httpx.AsyncClient, feed: dict[str, Any]) -> list[Event]:
    answer = await read(client, feed)
    assert answer.status_code == 200, answer.text
    return [e for e in Calendar.from_ical(answer.content).walk("VEVENT") if isinstance(e, Event)]


def told(event: Event) -> tuple[str, datetime, datetime]:
    return str(event["SUMMARY"]), event.decoded("DTSTART"), event.decoded("DTEND")


def around(found: list[Event], at: datetime) -> Event:
    [event] = [e for e in found if e.decoded("DTSTART") <= at < e.decoded("DTEND")]
    return event


async def test_a_feed_says_what_calendar_programs_need(client: httpx.AsyncClient) -> None:
    feed = await made(client)
    answer = await read(client, feed)
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    lines = answer.content.split(b"\r\n")
    assert answer.content.count(b"\n") == len(lines) - 1
    assert max(map(len, lines)) <= 75
    head = answer.text.replace("\r\n ", "").split("BEGIN:VEVENT")[0]
    for line in (
        "VERSION:2.0", "METHOD:PUBLISH", "X-WR-CALNAME:On call: Primary\\; first\\, always", "X-PUBLISHED-TTL:PT1H",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
    ):  # fmt: skip
        assert f"{line}\r\n" in head
    found = await events(client, feed)
    assert all({"UID", "DTSTAMP", "SEQUENCE", "LAST-MODIFIED", "DTSTART", "DTEND"} <= e.keys() for e in found)
    assert all(e["DTSTART"].to_ical().endswith(b"Z") and "RRULE" not in e for e in found)
    assert len({e["UID"] for e in found}) == len(found)
    assert told(around(found, NOON)) == (
        "Nobody is on call: Primary; first, always",
        datetime(2026, 3, 2, 8, tzinfo=UTC),
        datetime(2026, 3, 9, 8, tzinfo=UTC),
    )
    assert {str(e["SUMMARY"]) for e in found} == {
        "On call: Ana", "On call: Ben", "Nobody is on call: Primary; first, always"
    }  # fmt: skip
    assert found[0].decoded("DTSTART") == datetime(2026, 2, 1, tzinfo=UTC)
    assert found[-1].decoded("DTEND") == datetime(2026, 9, 1, tzinfo=UTC)


async def test_what_did_not_change_is_not_sent_again(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    feed = await made(client)
    first = await read(client, feed)
    await set_clock(engine, NOON + DAY / 2)
    again = await read(client, feed, **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (await read(client, feed, **{"If-None-Match": '"other"'})).content == first.content
    assert first.headers["last-modified"] == "Tue, 03 Mar 2026 12:00:00 GMT"


async def test_a_shift_keeps_its_uid_and_counts_its_changes(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    feed = await made(client)
    before = await events(client, feed)
    at = datetime(2026, 3, 18, 12, tzinfo=UTC)
    week = around(before, at)
    taken = week.decoded("DTSTART")
    await set_clock(engine, NOON + DAY)
    override = {"user": "cara", "starts_at": taken.isoformat(), "ends_at": (taken + DAY).isoformat()}
    saved = await client.post("/schedules/primary/overrides", json=override)
    assert saved.status_code == 201
    after = await events(client, feed)
    left, new = around(after, at), around(after, taken)
    assert told(new)[0] == "On call: Cara"
    assert (left["UID"], left["SEQUENCE"], left.decoded("DTSTART")) == (week["UID"], 1, taken + DAY)
    assert left.decoded("LAST-MODIFIED") == NOON + DAY
    others = {e["UID"]: e.to_ical() for e in before if e["UID"] != week["UID"]}
    assert {e["UID"]: e.to_ical() for e in after if e["UID"] in others} == others
    await client.delete(f"/schedules/primary/overrides/{saved.json()['id']}")
    back = around(await events(client, feed), at)
    assert (back["UID"], back["SEQUENCE"], told(back)) == (week["UID"], 2, told(week))
    assert "Cara" not in (await read(client, feed)).text


async def test_an_edit_of_the_schedule_keeps_what_stays(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    feed = await made(client)
    before = {e["UID"]: told(e) for e in await events(client, feed)}
    renamed = {name: value for name, value in SCHEDULE.items() if name != "key"}
    renamed |= {"layers": [WEEKLY | {"name": "another name"}]}
    assert (await client.put("/schedules/primary", json=renamed)).status_code == 200
    assert {e["UID"]: told(e) for e in await events(client, feed)} == before


async def test_a_month_later_nothing_but_the_edges_differs(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    feed = await made(client)
    before = {e["UID"]: e.to_ical() for e in await events(client, feed)}
    await set_clock(engine, NOON + 31 * DAY)
    after = {e["UID"]: e.to_ical() for e in await events(client, feed)}
    changed = [uid for uid in before.keys() & after.keys() if before[uid] != after[uid]]
    assert len(changed) == 1, "only the shift that the end of the window cut"
    assert len(before.keys() & after.keys()) > 20


async def test_my_feed_has_my_shifts_of_all_schedules(client: httpx.AsyncClient) -> None:
    await client.post("/schedules", json=SCHEDULE | {"key": "second", "name": "Second"})
    feed = await made(as_person(client, "ana"), "/users/me/feeds")
    found = await events(client, feed)
    assert {str(e["SUMMARY"]) for e in found} == {"On call: Primary; first, always", "On call: Second"}
    coming = (await as_person(client, "ana").get("/users/me/shifts", params={"days": 150})).json()
    ends = {(e.decoded("DTEND").isoformat().replace("+00:00", "Z")) for e in found}
    assert {shift["ends_at"] for shift in coming[:-2]} <= ends


async def test_tokens_count_until_they_are_rotated_or_revoked(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    feed = await made(client)
    assert feed["url"].startswith("http://127.0.0.1:8080/feeds/")
    rotated = (await client.post(f"/schedules/primary/feeds/{feed['id']}/rotate")).json()
    gone = await read(client, feed)
    assert (gone.status_code, (await read(client, rotated)).status_code) == (404, 200)
    unknown = await client.get("http://tocsin.test/feeds/AAAAAAAAAAAAAAAAAAAAAA.ics")
    assert (unknown.status_code, unknown.content) == (404, gone.content)
    [listed] = (await client.get("/schedules/primary/feeds")).json()
    assert "url" not in listed
    assert (listed["hint"], listed["last_read_at"]) == (rotated["url"][-8:-4], "2026-03-03T12:00:00Z")
    assert (await client.delete(f"/schedules/primary/feeds/{feed['id']}")).status_code == 204
    assert (await read(client, rotated)).status_code == 404
    mine = await made(as_person(client, "dan"), "/users/me/feeds")
    async with engine.begin() as conn:
        token = mine["url"].rsplit("/", 1)[1].removesuffix(".ics")
        stored = (await conn.execute(text("SELECT string_agg(f::text, '') FROM calendar_feeds f"))).scalar_one()
        assert token not in stored
        await conn.execute(text("UPDATE users SET active = false WHERE key = 'dan'"))
    assert (await read(client, mine)).status_code == 404


async def test_permissions(client: httpx.AsyncClient) -> None:
    by_cara = await made(client)
    by_ana = await made(as_person(client, "ana"))
    refused = await client.delete(f"/schedules/primary/feeds/{by_cara['id']}")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_feed")
    assert (await client.delete(f"/schedules/primary/feeds/{by_ana['id']}")).status_code == 204
    own = await made(client, "/users/me/feeds")
    assert (await as_person(client, "cara").delete(f"/users/me/feeds/{own['id']}")).status_code == 404


async def test_who_guesses_or_hammers_is_slowed_down(client: httpx.AsyncClient) -> None:
    feed = await made(client)
    for _ in range(60):
        assert (await read(client, feed)).status_code == 200
    slowed = await read(client, feed)
    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "600")
    for n in range(30):
        await client.get(f"http://tocsin.test/feeds/AAAAAAAAAAAAAAAAAAAA{n:02}.ics")
    assert (await client.get("http://tocsin.test/feeds/AAAAAAAAAAAAAAAAAAAAzz.ics")).status_code == 429


async def test_our_own_feed_imported_gives_the_same_shifts(client: httpx.AsyncClient) -> None:
    override = {"user": "dan", "starts_at": "2026-03-20T10:30:00Z", "ends_at": "2026-03-21T00:00:00Z"}
    await client.post("/schedules/primary/overrides", json=override)
    written = (await read(client, await made(client))).text
    calendar = {"key": "copy", "name": "Copy", "source": "text", "text": written}
    imported = await client.post("/calendars", json=calendar)
    assert imported.status_code == 201, imported.text
    assert (imported.json()["state"]["unknown"], imported.json()["state"]["problems"]) == ([], [])
    layer = {"name": "from the feed", "calendar": "copy"}
    await client.post("/schedules", json=SCHEDULE | {"key": "copied", "layers": [layer]})
    window = {"from": "2026-02-01T00:00:00Z", "to": "2026-09-01T00:00:00Z"}
    both = [(await client.get(f"/schedules/{key}/shifts", params=window)).json() for key in ("primary", "copied")]
    for kind in ("shifts", "gaps"):
        first, second = ([(s.get("user"), s["starts_at"], s["ends_at"]) for s in found[kind]] for found in both)
        assert first == second
    assert len(both[1]["gaps"]) > 5


def test_no_log_has_a_token() -> None:
    assert logs.redact("GET /feeds/AbCdEfGhIjKlMnOpQrStU1.ics 200") == "GET /feeds/[hidden] 200"
