"""Calendars that somebody else keeps: given as text, read from a server on a real socket, holidays of a country."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import api, as_person
from pytest_httpserver import HTTPServer
from rows import cast
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from test_api_schedules import set_clock
from werkzeug import Request, Response

from app.access.secrets import Secrets
from app.calendars import commands
from app.calendars.documents import CalendarDocument
from app.calendars.refreshing import Refresher
from app.channels.hosts import HostPolicy
from app.channels.http import Http
from app.configuration import commands as configuration
from app.configuration import document, reachability_store
from app.oncall import commands as schedule_commands
from app.oncall.schedule_document import ScheduleDocument
from app.settings import Settings
from app.web.api import calendars, on_call, schedule_checks, schedule_versions, schedules, services

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def ics(*events: str) -> str:
    return "\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *events, "END:VCALENDAR", ""])


def event(summary: str, start: str, end: str, *more: str, uid: str = "") -> str:
    stamps = [f"UID:{uid or summary}", f"SUMMARY:{summary}", f"DTSTART:{start}", f"DTEND:{end}"]
    return "\n".join(["BEGIN:VEVENT", *stamps, *more, "END:VEVENT"])


WEEKS = ics(
    event("ana@example.org", "20260302T090000Z", "20260309T090000Z", "RRULE:FREQ=WEEKLY;INTERVAL=2"),
    event("Ben", "20260309T090000Z", "20260316T090000Z", "RRULE:FREQ=WEEKLY;INTERVAL=2"),
)


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    modules = (calendars, schedules, schedule_versions, schedule_checks, on_call, services)
    async with api(engine, tmp_path, *(m.router for m in modules)) as client:
        client._transport.app.state.wake = lambda: None  # type: ignore[attr-defined]
        await set_clock(engine, MONDAY)
        yield client


@pytest.fixture
async def refresher(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Refresher]:
    secrets = Secrets.load(Settings(data_dir=tmp_path))
    made = Refresher(engine, secrets, Http(HostPolicy(allow_private=True), timeout_s=5))
    yield made
    await made.close()


async def made(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def layer(calendar: str = "rota", **members: Any) -> dict[str, Any]:
    return {"name": "imported", "calendar": calendar} | members


BASE = {"name": "base", "unit": "week", "length": 1, "anchor": "2026-01-05T09:00", "members": [["dan"]]}


async def schedule(client: httpx.AsyncClient, *layers: dict[str, Any], key: str = "primary") -> dict[str, Any]:
    return await made(client, "/schedules", key=key, name=key, time_zone="UTC", layers=list(layers))


async def who(client: httpx.AsyncClient, at: datetime, key: str = "primary") -> list[str]:
    answer = (await client.get(f"/schedules/{key}/on-call", params={"at": at.isoformat()})).json()
    return [user["key"] for user in answer["users"]]


async def test_a_text_becomes_shifts(client: httpx.AsyncClient) -> None:
    made_one = await made(client, "/calendars", key="rota", name="Rota", source="text", text=WEEKS)
    assert (made_one["state"]["error"], made_one["state"]["unknown"], made_one["text"]) == ("", [], WEEKS)
    await schedule(client, layer())
    assert [await who(client, MONDAY + n * 7 * DAY) for n in range(3)] == [["ana"], ["ben"], ["ana"]]
    read = (await client.get("/schedules/primary")).json()
    absent = dict.fromkeys(("time_zone", "starts_at", "ends_at", "holidays"))
    assert read["layers"] == [layer() | {"restrictions": [], "mode": "replace"} | absent]
    [version] = (await client.get("/schedules/primary/versions")).json()["items"]
    assert version["layers"] == read["layers"]
    mine = (await as_person(client, "ben").get("/users/me/shifts", params={"days": 14})).json()
    assert [shift["starts_at"] for shift in mine] == ["2026-03-09T09:00:00Z"]


async def test_unknown_names_are_told_and_the_layer_below_shows_through(client: httpx.AsyncClient) -> None:
    text = ics(
        event("Ana", "20260302T090000Z", "20260303T090000Z"), event("Zoe", "20260303T090000Z", "20260304T090000Z")
    )
    made_one = await made(client, "/calendars", key="rota", name="Rota", source="text", text=text)
    unknown = [{"name": "Zoe", "count": 1, "starts_at": "2026-03-03T09:00:00Z"}]
    assert made_one["state"]["unknown"] == unknown
    saved = await schedule(client, BASE, layer())
    assert await who(client, MONDAY) == ["ana"]
    assert await who(client, MONDAY + DAY) == ["dan"]
    [finding] = [f for f in saved["findings"] if f["code"] == "unknown_name"]
    assert (finding["level"], finding["seconds"]) == ("warning", 86_400)
    assert "'Zoe'" in finding["message"]
    window = {"from": MONDAY.isoformat(), "to": (MONDAY + 3 * DAY).isoformat()}
    shifts = (await client.get("/schedules/primary/shifts", params=window)).json()
    assert [(u["said"], u["layer"]) for u in shifts["unknown"]] == [("Zoe", "imported")]
    aliased = made_one | {"people": {"zoe": "cara"}}
    edit = {name: aliased[name] for name in ("name", "source", "text", "people")}
    assert (await client.put("/calendars/rota", json=edit)).json()["state"]["unknown"] == []
    assert await who(client, MONDAY + DAY) == ["cara"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": "hello"}, "text"),
        ({"text": ics("BEGIN:VEVENT")}, "text"),
        ({"text": ""}, "text"),
        ({"people": {"Zoe": "zoe"}}, "people.Zoe"),
        ({"team": "nobody"}, "team"),
        ({"source": "country", "text": ""}, "country"),
        ({"purpose": "holidays", "source": "country", "text": "", "country": "ZZ"}, "country"),
        ({"purpose": "holidays", "source": "country", "text": "", "country": "DE", "subdivision": "by"}, "subdivision"),
        ({"observed_by": {"everybody": True}}, "observed_by"),
        ({"time_zone": "Europe/Berlinn"}, "time_zone"),
        ({"refresh_s": 10}, "refresh_s"),
    ],
)
async def test_what_cannot_be_right_is_refused_at_its_member(
    client: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    body = {"key": "rota", "name": "Rota", "source": "text", "text": WEEKS} | change
    answer = await client.post("/calendars", json=body)
    assert answer.status_code == 422, answer.text
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert (await client.get("/calendars")).json()["items"] == []


async def test_layers_take_calendars_of_the_right_purpose_that_exist(client: httpx.AsyncClient) -> None:
    await made(client, "/calendars", key="rota", name="Rota", source="text", text=WEEKS)
    wrong = [layer("nowhere"), BASE | {"holidays": {"calendar": "rota", "counts": "only"}}]
    body = {"key": "primary", "name": "P", "time_zone": "UTC", "layers": wrong}
    refused = (await client.post("/schedules", json=body)).json()
    assert [e["field"] for e in refused["errors"]] == ["layers[0].calendar", "layers[1].holidays.calendar"]
    refused = (await client.post("/schedules", json=body | {"layers": [layer(length=3)]})).json()
    assert [e["field"] for e in refused["errors"]] == ["layers[0].length"]
    refused = (await client.post("/schedules", json=body | {"layers": [{"name": "x"}]})).json()
    assert {e["field"] for e in refused["errors"]} >= {"layers[0].unit", "layers[0].anchor"}


async def test_what_is_named_is_not_deleted(client: httpx.AsyncClient) -> None:
    await made(client, "/calendars", key="rota", name="Rota", source="text", text=WEEKS)
    await schedule(client, layer())
    refused = await client.delete("/calendars/rota")
    assert (refused.status_code, refused.json()["used_by"]) == (409, [{"type": "schedule", "key": "primary"}])
    await client.delete("/schedules/primary")
    assert (await client.delete("/calendars/rota")).status_code == 204


async def test_permissions(client: httpx.AsyncClient) -> None:
    body = {"key": "rota", "name": "Rota", "source": "text", "text": WEEKS}
    assert (await as_person(client, "ana").post("/calendars", json=body)).status_code == 403
    assert (await as_person(client, "ben").post("/calendars", json=body)).json()["code"] == "not_your_team"
    assert (await client.post("/calendars", json=body | {"team": "payments"})).status_code == 201
    assert (await as_person(client, "ana").get("/calendars/rota")).status_code == 200


async def test_an_address_is_read_kept_and_never_shown(
    client: httpx.AsyncClient, refresher: Refresher, httpserver: HTTPServer, engine: AsyncEngine
) -> None:
    asked: list[Request] = []

    def serve(request: Request) -> Response:
        asked.append(request)
        same = request.headers.get("If-None-Match") == '"1"'
        return Response("" if same else WEEKS.replace("\n", "\r\n"), 304 if same else 200, {"ETag": '"1"'})

    httpserver.expect_request("/s3cr3t/rota.ics").respond_with_handler(serve)
    address = httpserver.url_for("/s3cr3t/rota.ics")
    answer = await client.post("/calendars", json={"key": "rota", "name": "Rota", "address": address})
    assert "s3cr3t" not in answer.text
    assert answer.json()["state"]["address"] == f"http://localhost:{httpserver.port}/…"
    async with engine.begin() as conn:
        [everything] = (await conn.execute(text("SELECT calendars::text FROM calendars"))).scalars()
    assert "s3cr3t" not in everything
    await schedule(client, layer())
    assert await refresher.refresh_due() == 1
    assert await who(client, MONDAY) == ["ana"]
    assert await refresher.refresh_due() == 0
    await set_clock(engine, MONDAY + timedelta(minutes=15))
    assert await refresher.refresh_due() == 1
    state = (await client.get("/calendars/rota")).json()["state"]
    assert (len(asked), state["fetched_at"], state["error"]) == (2, "2026-03-02T12:15:00Z", "")
    assert state["changed_at"] == "2026-03-02T12:00:00Z"


async def test_the_last_good_copy_stays_when_a_feed_breaks(
    client: httpx.AsyncClient, refresher: Refresher, httpserver: HTTPServer, engine: AsyncEngine
) -> None:
    broken: list[Response] = []
    httpserver.expect_request("/rota.ics").respond_with_handler(lambda _: broken[-1] if broken else Response(WEEKS))
    await made(client, "/calendars", key="rota", name="Rota", address=httpserver.url_for("/rota.ics"))
    await schedule(client, layer())
    await refresher.refresh_due()
    at = MONDAY
    for bad, error in (
        (Response("no", 500), "its server answered 500"),
        (Response("<html>Sign in</html>"), "it is no calendar: it does not begin with BEGIN:VCALENDAR"),
        (Response(WEEKS.replace("END:VCALENDAR\n", "")), "it was cut off: an END is missing"),
        (Response("x" * 1_100_000), "it cannot be read: ReadError: the answer is larger than 1048576 bytes"),
        (Response("", 302, {"Location": "ftp://example.org/"}), "not an http or https address: ftp"),
    ):
        broken.append(bad)
        at += timedelta(minutes=15)
        await set_clock(engine, at)
        await refresher.refresh_due()
        state = (await client.get("/calendars/rota")).json()["state"]
        assert (state["error"], state["failing_since"]) == (error, "2026-03-02T12:15:00Z")
        assert await who(client, at) == ["ana"]
    assert await who(client, MONDAY + 390 * DAY) != []
    await set_clock(engine, MONDAY + 100 * DAY)
    await refresher.refresh_due()
    assert await who(client, MONDAY + 490 * DAY) != [], "what repeats goes on, for weeks if need be"
    broken.clear()
    await set_clock(engine, MONDAY + 101 * DAY)
    await refresher.refresh_due()
    state = (await client.get("/calendars/rota")).json()["state"]
    assert (state["error"], state["failing_since"]) == ("", None)


async def test_the_host_policy_is_obeyed(
    client: httpx.AsyncClient, httpserver: HTTPServer, engine: AsyncEngine, tmp_path: Path
) -> None:
    await made(client, "/calendars", key="rota", name="Rota", address=httpserver.url_for("/rota.ics"))
    strict = Refresher(engine, Secrets.load(Settings(data_dir=tmp_path)), Http(HostPolicy()))
    await strict.refresh_due()
    await strict.close()
    assert "private network" in (await client.get("/calendars/rota")).json()["state"]["error"]
    assert httpserver.log == []


async def test_a_calendar_does_not_rewrite_the_past(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await made(client, "/calendars", key="rota", name="Rota", source="text", text=WEEKS)
    await schedule(client, layer())
    later = MONDAY + timedelta(hours=6)
    await set_clock(engine, later)
    other = {"name": "Rota", "source": "text", "text": WEEKS.replace("ana@example.org", "cara")}
    assert (await client.put("/calendars/rota", json=other)).status_code == 200
    assert [await who(client, at) for at in (MONDAY, later)] == [["ana"], ["cara"]]
    again = other | {"name": "The rota", "refresh_s": 300}
    await set_clock(engine, later + DAY)
    await client.put("/calendars/rota", json=again)
    window = {"from": MONDAY.isoformat(), "to": (MONDAY + 6 * DAY).isoformat()}
    found = (await client.get("/calendars/rota/entries", params=window)).json()["entries"]
    assert [(e["user"]["key"], e["ends_at"]) for e in found] == [
        ("ana", "2026-03-02T18:00:00Z"),
        ("cara", "2026-03-09T09:00:00Z"),
    ]


async def test_two_workers_do_not_ask_twice(
    client: httpx.AsyncClient, refresher: Refresher, httpserver: HTTPServer, engine: AsyncEngine
) -> None:
    httpserver.expect_request("/rota.ics").respond_with_data(WEEKS)
    await made(client, "/calendars", key="rota", name="Rota", address=httpserver.url_for("/rota.ics"))
    done = await asyncio.gather(refresher.refresh_due(), refresher.refresh_due())
    assert (sorted(done), len(httpserver.log)) == ([0, 1], 1)


HOLIDAYS = {
    "key": "berlin", "name": "Berlin", "purpose": "holidays", "source": "country", "country": "DE",
    "subdivision": "BE", "observed_by": {"everybody": True},
}  # fmt: skip


async def test_holidays_of_a_country_tell_days_apart_in_layers(client: httpx.AsyncClient) -> None:
    await made(client, "/calendars", **HOLIDAYS)
    held = (await client.get("/calendars/berlin/entries", params={"from": MONDAY.isoformat()})).json()
    assert held["days"] == [{"day": "2026-03-08", "name": "Women's Day"}]
    weekend = BASE | {"name": "holidays", "members": [["cara"]], "holidays": {"calendar": "berlin", "counts": "only"}}
    body = {"key": "primary", "name": "P", "time_zone": "Europe/Berlin", "layers": [BASE, weekend]}
    await made(client, "/schedules", **body)
    shifts = (await client.get("/schedules/primary/shifts", params={
        "from": "2026-05-13T00:00:00Z", "to": "2026-05-16T00:00:00Z"})).json()["shifts"]  # fmt: skip
    assert [(s["user"]["key"], s["starts_at"]) for s in shifts] == [
        ("dan", "2026-05-13T00:00:00Z"),
        ("cara", "2026-05-13T22:00:00Z"),
        ("dan", "2026-05-14T22:00:00Z"),
    ]


async def test_holidays_count_for_fairness_and_not_as_support_time(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await made(client, "/calendars", **HOLIDAYS)
    await schedule(client, BASE)
    window = {"from": "2026-05-13T00:00:00Z", "to": "2026-05-16T00:00:00Z"}
    fair = (await client.get("/schedules/primary/fairness", params=window)).json()
    assert [load["holiday_seconds"] for load in fair["people"]] == [86_400]
    support = {"time_zone": "Europe/Berlin", "spans": [], "holidays": "berlin"}
    saved = await made(client, "/services", key="shop", name="Shop", support_hours=support)
    assert saved["support_hours"] == support
    async with engine.begin() as conn:
        stored = (await conn.execute(text("SELECT support_hours FROM services WHERE key = 'shop'"))).scalar_one()
    assert "2026-05-14" in stored["days_off"]
    refused = await client.delete("/calendars/berlin")
    assert refused.json()["used_by"] == [{"type": "service", "key": "shop"}]
    wrong = {"key": "x", "name": "X", "support_hours": support | {"holidays": "nowhere"}}
    refused = await client.post("/services", json=wrong)
    assert [e["field"] for e in refused.json()["errors"]] == ["support_hours.holidays"]


async def test_the_configuration_document_has_calendars(conn: AsyncConnection, now: datetime) -> None:
    """Export, apply where they are not, export again: equal. An address is only named."""
    await cast(conn, now)
    day = {"purpose": "holidays", "source": "text"}
    text_of = ics("BEGIN:VEVENT\nUID:1\nSUMMARY:Party\nDTSTART;VALUE=DATE:20260601\nEND:VEVENT")
    wanted = document.parse({
        "calendars": [
            {"key": "elsewhere", "name": "Elsewhere"},
            {"key": "parties", "name": "Parties", "text": text_of, "observed_by": {"teams": ["payments"]}, **day},
            {"key": "rota", "name": "Rota", "team": "payments", "source": "text", "text": WEEKS},
        ],
        "schedules": [{
            "key": "primary", "name": "Primary", "time_zone": "UTC",
            "layers": [BASE | {"holidays": {"calendar": "parties", "counts": "never"}}, layer()],
        }],
        "services": [{
            "key": "shop", "name": "Shop", "support_hours": {"time_zone": "UTC", "spans": [], "holidays": "parties"},
        }],
    })  # fmt: skip
    given: dict[str, Any] = {"prune": False, "actor": "user:cara", "channels": {}, "sources": []}
    done = await configuration.apply(conn, now, wanted, **given)
    assert [(c.kind, c.key) for c in done.changes][:3] == [
        ("calendar", "elsewhere"), ("calendar", "parties"), ("calendar", "rota")
    ]  # fmt: skip
    first = document.plain(await configuration.export(conn))
    assert (await configuration.apply(conn, now, document.parse(first), **given)).changes == []
    assert [c["key"] for c in first["calendars"]] == ["elsewhere", "parties", "rota"]
    nothing = document.parse({"calendars": [], "schedules": [], "services": []})
    removed = await configuration.apply(conn, now, nothing, **(given | {"prune": True}))
    assert {(c.kind, c.action) for c in removed.changes if c.kind == "calendar"} == {("calendar", "delete")}
    await configuration.apply(conn, now, document.parse(first), **given)
    assert document.plain(await configuration.export(conn)) == first
    secrets = Secrets(b"k" * 40)
    await commands.set_address(conn, now, "elsewhere", "webcal://example.org/s3cr3t", secrets, actor="user:cara")
    last = document.plain(await configuration.export(conn))
    assert last == first | {"secrets": ["calendars/elsewhere/address"]}


async def test_whoever_stands_in_a_calendar_has_to_be_reachable(conn: AsyncConnection, now: datetime) -> None:
    ids = await cast(conn, now)
    text_of = ics(event("Ben", f"{now + DAY:%Y%m%dT%H%M%SZ}", f"{now + 2 * DAY:%Y%m%dT%H%M%SZ}"))
    rota = CalendarDocument(key="rota", name="Rota", source="text", text=text_of)
    await commands.create(conn, now, rota, actor="user:cara")
    primary = {"key": "primary", "name": "Primary", "time_zone": "UTC", "layers": [layer()]}
    await schedule_commands.create(conn, now, ScheduleDocument.model_validate(primary), actor="user:cara")
    assert await reachability_store.paged(conn, now) == {ids["ben"]: ["schedule primary"]}
