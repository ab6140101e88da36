"""The screens of silences and maintenance windows: forms as sent without scripts, refusals, who may do what."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bodies import body_of
from forms import get, hidden, press, refused, send, wrong
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = {"matchers": 'alertname="HighErrorRate"', "comment": "disks <are> swapped", "length": "120"}
NEW = "/silences/new"


def local(**ahead: float) -> str:
    """By the clocks of the organisation, UTC."""
    return f"{datetime.now(UTC) + timedelta(**ahead):%Y-%m-%dT%H:%M}"


async def silenced(house: Whole, **changes: str) -> str:
    looked = (await send(house, NEW, "ana", FORM | changes, press="preview")).text
    fields = FORM | changes | {"previewed": hidden(looked.replace("&#34;", '"'), "previewed"), "press": "make"}
    assert "The silence is made." in await press(house, NEW, "ana", fields)
    return str(await house.one("SELECT id FROM silences ORDER BY id DESC LIMIT 1"))


async def test_a_silence_shows_what_it_matches_before_it_is_made(house: Whole) -> None:
    await house.post("alertmanager", body_of("alertmanager"))
    looked = await refused(house, NEW, 200, "ana", FORM, press="preview")
    assert "1 alert that fires now matches" in looked
    assert "HighErrorRate" in looked.partition('id="preview"')[2]
    assert "Nothing is silenced yet" in await refused(house, NEW, 200, "ana", FORM, press="make")
    other = FORM | {"matchers": 'alertname="Other"', "previewed": hidden(looked, "previewed"), "press": "make"}
    assert "Nothing that fires now matches" in await refused(house, NEW, 200, "ana", other)
    assert await house.one("SELECT count(*) FROM silences") == 0
    await silenced(house)
    [made] = await house.rows("SELECT owner, comment, ends_at - starts_at AS lasts FROM silences")
    assert tuple(made) == ("ana", "disks <are> swapped", timedelta(hours=2))
    listed = await get(house, "/silences", "dan")
    assert '<code>{alertname="HighErrorRate"}</code>' in listed
    assert re.search(r"<b>(2\xa0h\xa000|1\xa0h\xa059)\xa0min left</b>", listed)
    assert "0 alerts are kept quiet now" in listed


async def test_what_is_wrong_is_said_beside_its_field_and_what_was_entered_stays(house: Whole) -> None:
    for changes, field, said in (
        ({"matchers": 'a=~"["'}, "matchers", ""),
        ({"matchers": "{}"}, "matchers", "at least one matcher is needed"),
        ({"matchers": 'a=~".*"'}, "matchers", "must not match the empty string"),
        ({"comment": "  "}, "comment", "say why"),
        ({"length": "custom", "ends_at": "soon"}, "ends_at", "a date and a time"),
        ({"length": "custom"}, "ends_at", "a date and a time"),
        ({"length": "custom", "ends_at": local(days=31)}, "ends_at", "at most 30 days"),
        ({"length": "custom", "ends_at": local(days=-1)}, "ends_at", ""),
        ({"length": "custom", "ends_at": local(hours=1), "starts_at": local(hours=2)}, "ends_at", "start time must be"),
        ({"starts_at": "x"}, "starts_at", "a date and a time"),
        ({"service": "nothing"}, "service", "nothing"),
    ):
        fields = FORM | changes
        fields |= {"press": "make", "previewed": f"{fields.get('service', '')} {fields['matchers']}"}
        again = await refused(house, NEW, 422, "ana", fields)
        assert said in wrong(again)[field], (changes, wrong(again))
        assert f'value="{fields["matchers"]}"' in again
        if "ends_at" in changes:
            assert f'value="{changes["ends_at"]}"' in again
    assert await house.one("SELECT count(*) FROM silences") == 0


async def test_extending_and_ending(house: Whole) -> None:
    silence = await silenced(house)
    await house.post("alertmanager", body_of("alertmanager"))
    assert "1 alert is kept quiet now; 1 came since it began" in await get(house, "/silences")
    longer = {"back": "silences", "length": "480"}
    assert "ends later now" in await press(house, f"/silences/{silence}/extend", "ana", longer)
    assert await house.one("SELECT ends_at - starts_at FROM silences") == timedelta(hours=10)
    custom = {"back": "silences", "length": "custom"}
    for ends_at, said in ((local(days=31), "at most 30 days"), ("", "a date and a time"), (local(days=-1), "")):
        again = await refused(house, f"/silences/{silence}/extend", 422, "ana", custom | {"ends_at": ends_at})
        assert said in wrong(again)["ends_at"]
    assert (await send(house, f"/silences/{silence}/extend", "ana", longer | {"length": "x"})).status_code == 422
    assert "ends later" in await press(house, f"/silences/{silence}/extend", "ana", custom | {"ends_at": local(days=2)})
    over = await press(house, f"/silences/{silence}/expire", "ana", back="silences")
    assert "The silence is over." in over
    assert "was over already" in await press(house, f"/silences/{silence}/extend", "ana", longer)
    ended = await get(house, "/silences?state=expired")
    assert "ended by API key ana-key" in ended
    assert "/silences/new?matchers=%7Balertname%3D%22HighErrorRate%22%7D" in ended
    begin_again = await get(house, "/silences/new?matchers=%7Balertname%3D%22HighErrorRate%22%7D", "ana")
    assert 'value="{alertname="HighErrorRate"}"' in begin_again


async def test_one_that_begins_later_is_pending(house: Whole) -> None:
    await silenced(house, starts_at=local(hours=2.5), service="checkout")
    assert "None active" in await get(house, "/silences")
    shown = await get(house, "/silences?state=pending")
    assert "begins in 2\xa0h" in shown
    assert "checkout only" in shown


async def test_a_viewer_sees_silences_and_windows_read_only(house: Whole) -> None:
    silence = await silenced(house)
    await house.execute("UPDATE users SET role = 'viewer' WHERE key = 'dan'")
    try:
        for path in ("/silences", "/maintenance"):
            shown = await get(house, path, "dan")
            assert "read only" in shown
            assert "/new" not in shown
            assert "<form" not in shown.partition("<main")[2]
            await get(house, f"{path}/new", "dan", 403)
        assert (await send(house, f"/silences/{silence}/expire", "dan")).status_code == 403
        assert (await send(house, NEW, "dan", FORM)).status_code == 403
    finally:
        await house.execute("UPDATE users SET role = 'operator' WHERE key = 'dan'")


WINDOW: dict[str, Any] = {"name": "Database upgrade", "comment": "Postgres 18", "services": ["checkout"]}
ONCE = WINDOW | {"kind": "once", "starts_at": local(hours=-1), "ends_at": local(hours=3), "time_zone": "UTC"}
ALL = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKLY = WINDOW | {"kind": "weekly", "days": ["sun", "wed"], "at": "22:00", "minutes": "90", "time_zone": "Asia/Tokyo"}
PATH = "/maintenance/new"


async def made(house: Whole, fields: dict[str, Any], person: str = "ben") -> str:
    looked = await refused(house, PATH, 200, person, fields)
    assert "It would be under way" in looked
    return await press(house, PATH, person, fields | {"previewed": hidden(looked, "previewed"), "press": "make"})


async def test_a_window_shows_when_it_is_before_it_is_made_and_is_ended(house: Whole) -> None:
    assert "It would be under way" in await refused(house, PATH, 200, "ben", ONCE | {"press": "make"})
    assert await house.one("SELECT count(*) FROM suppression_rules") == 0
    shown = await made(house, ONCE | {"with_dependents": "yes"})
    for words in ("The maintenance window is made.", "<b>Under way</b> until", "with what depends on it", "Checkout"):
        assert words in shown
    await house.post("alertmanager", body_of("alertmanager"))
    assert await house.one("SELECT count(*) FROM incidents") == 0
    assert "1 kept quiet now, 1 so far" in await get(house, "/maintenance", "dan")
    looked_at = {"previewed": f"{ONCE['starts_at']} {ONCE['ends_at']}", "press": "make"}
    again = await refused(house, PATH, 409, "ben", ONCE | looked_at)
    assert "already" in wrong(again)["name"]
    stale = await refused(house, "/maintenance/database-upgrade/end", 412, "ben", version="7")
    assert "Nothing was done: maintenance window 'database-upgrade' was edited meanwhile." in stale
    assert "It is over now." in await press(house, "/maintenance/database-upgrade/end", "ben", version="1")
    assert await house.one("SELECT recheck_at <= tocsin_now() FROM occurrences") is True
    assert "was not under way" in await press(house, "/maintenance/database-upgrade/end", "ben", version="2")
    deleted = await press(house, "/maintenance/database-upgrade/delete", "ben", version="2")
    assert "It is deleted." in deleted
    assert "None planned" in deleted


async def test_a_weekly_window_by_the_clocks_of_two_zones(house: Whole) -> None:
    looked = await refused(house, PATH, 200, "ben", WEEKLY)
    periods = re.findall(r"<li>(.*?) to (.*?) UTC <span class=\"soft\">\((.*?) to (.*?) Asia/Tokyo\)", looked)
    assert len(periods) == 10
    starts, ends, there, _ = periods[1]
    assert (starts[-5:], ends[-5:], there[-5:]) == ("13:00", "14:30", "22:00")
    assert "Every week: sun, wed at 22:00 for 90 min, Asia/Tokyo" in await made(house, WEEKLY)


async def test_ending_a_weekly_window_ends_this_period_only(house: Whole) -> None:
    began = local(minutes=-10)[-5:]
    shown = await made(house, WEEKLY | {"days": ALL, "at": began, "minutes": "60", "time_zone": "UTC"})
    assert "Under way" in shown
    assert "End it now" in shown
    ended = await press(house, "/maintenance/database-upgrade/end", "ben", version="1")
    assert "Under way" not in ended
    assert "Next in" in ended


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": ""}, "name", "must not be empty"),
        ({"comment": " "}, "comment", "must not be"),
        ({"services": []}, "services", "must not be empty"),
        ({"services": ["nothing"]}, "services", "there is no service"),
        ({"starts_at": ""}, "starts_at", "a date and a time"),
        ({"ends_at": "soon"}, "ends_at", "a date and a time"),
        (WEEKLY | {"days": []}, "days", "must not be empty"),
        (WEEKLY | {"at": "25:00"}, "at", ""),
        (WEEKLY | {"minutes": "x"}, "minutes", ""),
        (WEEKLY | {"days": ALL, "minutes": "1440"}, "minutes", "would never end"),
        (WEEKLY | {"time_zone": "Mars/Base"}, "time_zone", "unknown time zone"),
    ],
)
async def test_what_is_wrong_with_a_window(house: Whole, changes: dict[str, Any], field: str, said: str) -> None:
    fields = ONCE | changes
    entered = f"{fields['starts_at']} {fields['ends_at']}"
    person = "cara" if fields["services"] == ["nothing"] else "ben"
    again = await refused(house, PATH, 422, person, fields | {"press": "make", "previewed": entered})
    assert said in wrong(again)[field], wrong(again)
    assert f'value="{fields["comment"]}"' in again


async def test_an_end_before_its_start_and_other_teams(house: Whole) -> None:
    again = await refused(house, PATH, 422, "ben", ONCE | {"ends_at": local(hours=-2)})
    assert wrong(again)["ends_at"] == "must lie after starts_at"
    await made(house, ONCE)
    await house.execute("UPDATE services SET team_id = NULL WHERE key = 'checkout'")
    shown = await get(house, "/maintenance", "ben")
    assert "Delete" not in shown
    assert "There is no service of a team that you manage" in await get(house, PATH, "ben")
    assert (await send(house, "/maintenance/database-upgrade/delete", "ben", version="1")).status_code == 403
    fields = ONCE | {"name": "Other", "press": "make", "previewed": f"{ONCE['starts_at']} {ONCE['ends_at']}"}
    assert (await send(house, PATH, "ben", fields)).status_code == 403
    assert (await send(house, "/maintenance/database-upgrade/end", "ana", version="1")).status_code == 403


async def test_what_is_held_says_how_long_it_still_is(house: Whole) -> None:
    rules = [{"key": "blips", "name": "Blips", "when": '{alertname="Blip"}', "then": {"hold_minutes": 15}}]
    machine = house.as_person("machine")
    published = await house.http.put("/api/v1/routing-rules", json={"rules": rules}, headers=machine)
    assert published.status_code == 200, published.text
    await house.post("alertmanager", body_of("alertmanager", "Blip"))
    shown = await get(house, "/suppressed", "dan")
    assert re.search(r"in <time datetime=\"[^\"]+\" data-until>1[45]:\d\d</time>", shown), "and scripts count it down"
