"""Feeds and calendars on screens: made, shown once, rotated and removed; read, mended, edited and deleted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import pytest_asyncio
from databases import TestServer
from forms import get, press, refused, send, wrong
from whole import Whole, shared

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEEKLY = {"name": "weekly", "unit": "week", "length": 1, "anchor": "2026-01-05T09:00", "members": [["ana"]]}
SCHEDULE: dict[str, Any] = {
    "key": "primary", "name": "Primary", "team": "payments", "time_zone": "UTC", "layers": [WEEKLY],
}  # fmt: skip
ENTRY = "BEGIN:VEVENT\nUID:{n}\nDTSTART:{day}T080000Z\nDTEND:{day}T200000Z\nSUMMARY:{who}\nEND:VEVENT\n"


async def rota(house: Whole, *names: str) -> str:
    """One shift a day from tomorrow on."""
    now = await house.one("SELECT tocsin_now()")
    days = [f"{now + timedelta(days=n + 1):%Y%m%d}" for n in range(len(names))]
    entries = "".join(ENTRY.format(n=n, day=day, who=who) for n, (day, who) in enumerate(zip(days, names, strict=True)))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example//rota//EN\n{entries}END:VCALENDAR\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with shared(server, tmp_path_factory.mktemp("tocsin")) as running:
        yield running


async def furnish(house: Whole) -> None:
    for table in ("calendar_feeds", "schedules", "calendars"):
        await house.execute(f"DELETE FROM {table}")
    made = await house.http.post("/api/v1/schedules", json=SCHEDULE, headers=house.as_person("cara"))
    assert made.is_success, made.text


def address(screen: str) -> str:
    [found] = re.findall(r'id="address">(.*?)</code>', screen)
    return str(found)


async def reads(house: Whole, url: str) -> int:
    return (await house.http.get("/feeds/" + url.rpartition("/")[2])).status_code


@pytest.mark.parametrize(("path", "person"), [("/shifts/feeds", "ana"), ("/schedules/primary/feeds", "ana")])
async def test_a_feed_is_made_shown_once_rotated_and_removed(house: Whole, path: str, person: str) -> None:
    await furnish(house)
    assert "No feed yet" in await get(house, path, person)
    made = await send(house, path, person, name="My phone")
    assert made.headers["cache-control"] == "no-store"
    first = address(made.text)
    assert await reads(house, first) == 200
    assert f"webcal://{first.partition('://')[2]}" in made.text
    again = await get(house, path, person)
    token = first.rpartition("/")[2].removesuffix(".ics")
    assert "My phone" in again
    assert token not in again
    assert f"…{token[-4:]}.ics" in again
    [number] = re.findall(r'id="feed-(\d+)"', again)
    second = address((await send(house, f"{path}/{number}/rotate", person)).text)
    assert [await reads(house, url) for url in (first, second)] == [404, 200]
    said = await press(house, f"{path}/{number}/remove", person)
    assert "Removed: the address counts no more." in said
    assert "No feed yet" in said
    assert await reads(house, second) == 404


async def test_what_is_no_name_is_said_beside_the_field(house: Whole) -> None:
    await furnish(house)
    for path in ("/shifts/feeds", "/schedules/primary/feeds"):
        assert list(wrong(await refused(house, path, 422, "ana", name=" "))) == ["name"]


async def test_feeds_of_others_are_theirs_and_the_managers(house: Whole) -> None:
    await furnish(house)
    await send(house, "/schedules/primary/feeds", "ana", name="Ana's wall")
    path = "/schedules/primary/feeds"
    [number] = re.findall(r'id="feed-(\d+)"', await get(house, path, "dan"))
    assert "New address…" not in await get(house, path, "dan")
    assert (await send(house, f"{path}/{number}/remove", "dan")).status_code == 403
    assert "New address…" in await get(house, path, "ben"), "who manages the team"
    await press(house, f"{path}/{number}/remove", "ben")


async def test_feeds_are_where_people_look(house: Whole) -> None:
    await furnish(house)
    assert 'href="/shifts/feeds"' in await get(house, "/shifts", "ana")
    assert 'href="/schedules/primary/feeds"' in await get(house, "/schedules/primary", "ana")
    assert 'href="/calendars"' in await get(house, "/on-call", "ana")


NEW = {"name": "Rota", "team": "payments", "purpose": "shifts", "source": "text", "minutes": "15"}


async def test_a_calendar_is_made_its_unknown_names_are_meant_and_layers_that_use_it_named(house: Whole) -> None:
    await furnish(house)
    assert "No calendars yet" in await get(house, "/calendars", "ana")
    said = await press(house, "/calendars", "ben", NEW, text=await rota(house, "ana", "Annie", "Annie"))
    assert "1 unknown name" in said
    assert "Annie" in said
    assert "2 entries" in said
    version = re.findall(r'name="version" value="(\d+)"', said)[0]
    said = await press(house, "/calendars/rota/people", "ben", name="Annie", user="ana", version=version)
    assert "the name means this person from now on" in said
    assert "Names that mean nobody" not in said
    assert "Annie = ana" in said
    layer = {"name": "from the rota", "calendar": "rota"}
    schedule = {name: value for name, value in SCHEDULE.items() if name != "key"} | {"layers": [layer]}
    saved = await house.http.put("/api/v1/schedules/primary", json=schedule, headers=house.as_person("cara"))
    assert saved.is_success, saved.text
    listed = await get(house, "/calendars", "dan")
    assert "shifts of the layer from the rota" in listed
    assert 'href="/schedules/primary"' in listed
    version = re.findall(r'name="version" value="(\d+)"', await get(house, "/calendars/rota", "ben"))[0]
    refusal = await refused(house, "/calendars/rota/delete", 409, "ben", version=version)
    assert "Nothing was done: calendar 'rota' is still used by schedule primary" in refusal


async def test_holidays_of_a_country_are_read_at_once_and_deleted(house: Whole) -> None:
    await furnish(house)
    given: dict[str, str | list[str]] = {
        "name": "Holidays in Berlin", "purpose": "holidays", "source": "country", "country": "de", "subdivision": "BE",
        "everybody": "yes", "teams": ["payments"], "observers": "ana ben", "minutes": "15",
    }  # fmt: skip
    said = await press(house, "/calendars", "cara", given)
    assert "Fine" in said
    assert "Holidays of DE BE" in said
    stored = await house.http.get("/api/v1/calendars/holidays-in-berlin", headers=house.as_person("cara"))
    assert stored.json()["observed_by"] == {"everybody": True, "teams": ["payments"], "users": ["ana", "ben"]}
    version = re.findall(r'name="version" value="(\d+)"', said)[0]
    assert "is deleted" in await press(house, "/calendars/holidays-in-berlin/delete", "cara", version=version)


async def test_an_address_is_never_shown_again_and_is_read_when_asked(house: Whole) -> None:
    await furnish(house)
    secret = "https://calendar.example.org/private-5f3a/rota.ics"
    said = await press(house, "/calendars", "ben", NEW, source="address", address=secret, text="")
    assert "https://calendar.example.org/…" in said
    assert "5f3a" not in said
    assert "Not read yet" in said
    await house.execute("UPDATE calendars SET due_at = tocsin_now() + interval '1 hour'")
    assert "It is read within seconds" in await press(house, "/calendars/rota/refresh", "ben")
    assert await house.one("SELECT due_at <= tocsin_now() FROM calendars")
    version = re.findall(r'name="version" value="(\d+)"', said)[0]
    other = await press(house, "/calendars/rota/address", "ben", version=version, address="https://b.example.org/x")
    assert "https://b.example.org/…" in other
    refusal = await refused(house, "/calendars/rota/address", 422, "ben", version=version, address="ftp://x")
    assert "Nothing was done: give an address that begins with https://, http:// or webcal://" in refusal
    outdated = await refused(
        house, "/calendars/rota/address", 412, "ben", version="1", address="https://c.example.org/"
    )
    assert "was edited meanwhile" in outdated


async def test_how_a_calendar_fares_when_it_cannot_be_read(house: Whole) -> None:
    await furnish(house)
    await press(house, "/calendars", "ben", NEW, text=await rota(house, "ana"))
    await house.execute("UPDATE calendars SET failing_since = tocsin_now(), error = 'the server answered 500'")
    for path in ("/calendars", "/calendars/rota"):
        said = await get(house, path, "ana")
        assert "Cannot be read" in said
        assert "the server answered 500. Its last good copy stands in." in said


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": " "}, {"name"}),
        ({"text": ""}, {"text"}),
        ({"people": "Ann B."}, {"people"}),
        ({"people": "Ann B. = zoe"}, {"people"}),
        ({"minutes": "1"}, {"refresh_s"}),
        ({"minutes": "often"}, {"refresh_s"}),
        ({"time_zone": "Europe/Berln"}, {"time_zone"}),
        ({"purpose": "shifts", "source": "country", "country": "DE"}, {"country"}),
        ({"purpose": "holidays", "source": "country", "country": "XX"}, {"country"}),
    ],
)
async def test_what_cannot_be_is_said_beside_its_field(house: Whole, changes: dict[str, str], fields: set[str]) -> None:
    await furnish(house)
    screen = await refused(house, "/calendars", 422, "ben", NEW | {"text": await rota(house, "ana")} | changes)
    assert set(wrong(screen)) == fields
    await press(house, "/calendars", "ben", NEW, text=await rota(house, "ana"))
    screen = await refused(house, "/calendars/rota", 422, "ben", NEW | {"version": "1", "name": ""})
    assert "name" in wrong(screen)


async def test_only_who_may_changes_anything(house: Whole) -> None:
    await furnish(house)
    await press(house, "/calendars", "cara", NEW | {"team": ""}, text=await rota(house, "ana"))
    said = await get(house, "/calendars/rota", "ben")
    assert "You see it read only" in said
    assert "Edit…" not in said
    answer = await send(house, "/calendars/rota/delete", "ben", version="1")
    assert answer.status_code == 403
    assert "New calendar" not in await get(house, "/calendars", "ana")
    await get(house, "/calendars/new", "ana", 403)
    refusal = await send(house, "/calendars", "ben", NEW | {"team": ""}, text=await rota(house, "ana"), key="other")
    assert refusal.status_code == 403
    assert "does not manage the team" in unescape(refusal.text)
