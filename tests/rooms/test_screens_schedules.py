"""The screens of schedules over HTTP: what they show, forms as sent without scripts, refusals, who may do what."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from forms import get, hidden, press, refused, send, wrong
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)  # a Tuesday; Ben since 08:00
DAY: dict[str, Any] = {"unit": "day", "length": 1, "anchor": "2026-03-02T09:00"}
SCHEDULE: dict[str, Any] = {
    "key": "primary",
    "name": "Primary & first",
    "team": "payments",
    "time_zone": "Europe/Berlin",
    "layers": [DAY | {"name": "base", "members": [["ana"], ["ben"]]}],
}
PRIMARY = "/schedules/primary"
TAKE = f"{PRIMARY}/overrides/take"
NEW = f"{PRIMARY}/overrides/new"
SWAPS = f"{PRIMARY}/swaps"


@pytest_asyncio.fixture(loop_scope="module")
async def schedule(house: Whole) -> None:
    await at(house, NOON)
    await house.execute("TRUNCATE schedules, schedule_versions, overrides, swaps RESTART IDENTITY CASCADE")
    await saved(house)


async def at(house: Whole, now: datetime) -> None:
    """Time stands still in these tests."""
    await house.execute(
        """INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, :at, :at, 0)
           ON CONFLICT (id) DO UPDATE SET anchor_virtual = excluded.anchor_virtual""",
        at=now,
    )


async def saved(house: Whole, **changes: Any) -> None:
    answer = await house.http.post("/api/v1/schedules", json=SCHEDULE | changes, headers=house.as_person("cara"))
    assert answer.status_code == 201, answer.text


async def edited(house: Whole, **changes: Any) -> None:
    body = {name: value for name, value in (SCHEDULE | changes).items() if name != "key"}
    answer = await house.http.put("/api/v1/schedules/primary", json=body, headers=house.as_person("cara"))
    assert answer.status_code == 200, answer.text


async def on_call(house: Whole, **ahead: float) -> list[str]:
    asked = {"at": (NOON + timedelta(**ahead)).isoformat()}
    answer = await house.http.get("/api/v1/schedules/primary/on-call", params=asked, headers=house.as_person("cara"))
    return [user["key"] for user in answer.json()["users"]]


def lines(screen: str) -> list[str]:
    """The words of every line of lists of shifts, tags left out."""
    found = re.findall(r"<(?:summary|div class=\"line\")>(.*?)</(?:summary|div)>", screen, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", "", line).split()) for line in found]


def told(screen: str) -> str:
    found = re.findall(r'<(?:div|p) class="told" role="status">(.*?)(?:<form|</p>)', screen, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", "", "".join(found)).split())


async def test_the_list_says_who_until_when_and_the_gaps_ahead(house: Whole, schedule: None) -> None:
    office = [{"days": ["mon"], "from": "09:00", "to": "17:00"}]
    await saved(house, key="office", name="Office", layers=[SCHEDULE["layers"][0] | {"restrictions": office}])
    shown = await get(house, "/schedules", "dan")
    primary, other = shown.partition("/schedules/primary")[2], shown.partition("/schedules/office")[2]
    assert "Ben" in primary
    assert "Wed 04 Mar 08:00" in primary
    assert "then Ana" in primary
    assert "no gap in the next 28 days" in primary
    assert "Nobody: a gap" in other.partition("/schedules/primary")[0]
    assert "5 gaps" in other.partition("/schedules/primary")[0].replace('<span class="firing">', "")
    assert "/schedules/new" not in shown
    assert "/schedules/new" in await get(house, "/schedules", "cara")
    await house.execute("TRUNCATE schedules CASCADE")
    assert "No schedules yet" in await get(house, "/schedules", "dan")


async def test_a_schedule_in_every_view_and_both_zones(house: Whole, schedule: None) -> None:
    shown = await get(house, PRIMARY, "dan")
    assert lines(shown)[:2] == ["Earlier: 2", "Nobody since long ago to Mon 02 Mar 08:00 gap"]
    assert "Ben today 08:00 to Wed 04 Mar 08:00 now" in lines(shown)
    theirs = await get(house, f"{PRIMARY}?zone=schedule", "dan")
    assert "Ben today 09:00 to Wed 04 Mar 09:00 now" in lines(theirs)
    assert "zone=mine" in theirs
    assert "view=month&on=2026-03-03&zone=schedule" in theirs, "the switch survives"
    day = await get(house, f"{PRIMARY}?view=day&on=2026-03-29&zone=schedule", "dan")
    assert "Sunday 29 March has 23 hours" in day
    assert lines(day)[0] == "Ana Sat 28 Mar 09:00 to Sun 29 Mar 09:00"
    month = await get(house, f"{PRIMARY}?view=month&on=2026-05-31", "dan")
    assert month.count('<li class="coming">') >= 31
    for query in ("view=year", "on=soon", "zone=other", "override=x"):
        await get(house, f"{PRIMARY}?{query}", "dan", 422)
    for on in ("0001-01-01", "9999-12-31", "1970-01-01"):
        await get(house, f"{PRIMARY}?view=month&on={on}", "dan")
    await get(house, "/schedules/nothing", "dan", 404)
    for path in ("/history", "/fairness", "/overrides/new"):
        await get(house, f"/schedules/nothing{path}", "dan", 404)


async def test_one_tap_takes_a_shift_and_another_takes_it_back(house: Whole, schedule: None) -> None:
    made = await press(house, TAKE, "dan", replaces="ben", until="+60", back="schedule", view="day", zone="schedule")
    assert told(made) == "Dan is on call in place of Ben, today 13:00 to 14:00."
    assert "view=week&on=2026-03-03&zone=schedule" in made, "one is led back to what one looked at"
    assert "Dan today 13:00 to 14:00 now override" in lines(made)
    assert (await on_call(house), await on_call(house, hours=1)) == (["dan"], ["ben"])
    assert ">Undo<" in made
    assert "In place of Ben, by override 1" in await get(house, "/shifts", "dan")
    await at(house, NOON + timedelta(minutes=16))
    assert ">Withdraw<" in await get(house, PRIMARY, "dan")
    assert ">Undo<" not in await get(house, f"{PRIMARY}?told=overridden&override=1", "dan")
    await at(house, NOON + timedelta(minutes=5))
    undone = await press(house, f"{PRIMARY}/overrides/1/withdraw", "dan", back="on-call")
    assert told(undone).startswith("Undone")
    assert await on_call(house, minutes=6) == ["ben"]
    assert (await send(house, f"{PRIMARY}/overrides/1/withdraw", "dan")).status_code == 409
    assert (await send(house, f"{PRIMARY}/overrides/99/withdraw", "dan")).status_code == 404


async def test_a_coming_shift_somebody_else_and_a_gap(house: Whole, schedule: None) -> None:
    shift = {"replaces": "ana", "starts_at": "2026-03-04T08:00:00+00:00", "until": "2026-03-05T08:00:00+00:00"}
    made = await press(house, TAKE, "dan", shift | {"user": "cara", "back": "on-call"})
    assert told(made) == "Cara is on call in place of Ana in Primary & first, Wed 04 Mar 08:00 to Thu 05 Mar 08:00."
    assert await on_call(house, days=1) == ["cara"]
    again = await send(house, TAKE, "dan", {"replaces": "ben", "until": "2026-03-03T13:00:00Z", "starts_at": ""})
    assert again.status_code == 303
    await edited(house, layers=[SCHEDULE["layers"][0] | {"members": [[], ["ben"]]}])
    gap = {"starts_at": "2026-03-06T08:00:00+00:00", "until": "2026-03-06T09:00:00+00:00"}
    assert await on_call(house, days=3, hours=-4) == []
    await press(house, TAKE, "ana", gap)
    assert (await on_call(house, days=3, hours=-4), await on_call(house, days=3, hours=-3)) == (["ana"], [])


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"replaces": "ana", "until": "+60"}, 409, "would change nothing"),
        ({"replaces": "ben", "until": "2026-03-03T11:00:00+00:00"}, 422, ""),
        ({"replaces": "ben", "until": "soon"}, 422, "an instant like"),
        ({"replaces": "ben", "until": "2026-03-03T14:00"}, 422, "an instant like"),
        ({"replaces": "ben", "until": "+0"}, 422, "an instant like"),
        ({"replaces": "ben", "until": "+99999999"}, 422, "an instant like"),
        ({"replaces": "ben"}, 422, "an instant like"),
        ({"replaces": "ben", "until": "+60", "starts_at": "x"}, 422, "an instant like"),
        ({"replaces": "ben", "until": "+60", "user": "nobody-here"}, 422, "there is no active user 'nobody-here'"),
        ({"replaces": "ben", "until": "+60", "user": "<b>"}, 422, ""),
        ({"replaces": "nobody-here", "until": "+60"}, 422, "there is no user 'nobody-here'"),
        ({"replaces": "dan", "until": "+60"}, 422, "somebody else than user"),
        ({"replaces": "ben", "until": "2030-03-03T14:00:00Z"}, 422, "400 days"),
        ({"replaces": "ben", "until": "+60", "view": "year"}, 422, ""),
    ],
)
async def test_what_a_tap_cannot_do(
    house: Whole, schedule: None, fields: dict[str, str], status: int, said: str
) -> None:
    answer = await refused(house, TAKE, status, "dan", fields)
    assert said in answer
    assert await house.one("SELECT count(*) FROM overrides") == 0


async def test_the_form_shows_its_effect_before_it_is_saved(house: Whole, schedule: None) -> None:
    query = "replaces=ben&starts_at=2026-03-03T08:00:00Z&ends_at=2026-03-04T08:00:00Z"
    begun = await get(house, f"{NEW}?{query}", "dan")
    assert 'name="starts_at" required value="2026-03-03T12:00"' in begun, "what was so stays"
    fields = {"user": "cara", "replaces": "ben", "starts_at": "2026-03-03T20:00", "ends_at": "2026-03-03T22:30"}
    looked = await refused(house, NEW, 200, "dan", fields, press="preview")
    effect = " ".join(re.sub(r"<[^>]*>", "", looked.partition('class="effect"')[2].partition("</ul>")[0]).split())
    assert effect == ">Ben loses 2 h 30 min: today 20:00 to 22:30Cara gains 2 h 30 min: today 20:00 to 22:30"
    assert "Save the override" in looked
    other = fields | {"ends_at": "2026-03-03T23:00", "previewed": hidden(looked, "previewed"), "press": "make"}
    assert "3\xa0h" in await refused(house, NEW, 200, "dan", other), "only what was looked at is saved"
    assert await house.one("SELECT count(*) FROM overrides") == 0
    made = await press(house, NEW, "dan", fields | {"previewed": hidden(looked, "previewed"), "press": "make"})
    assert told(made) == "Cara is on call in place of Ben, today 20:00 to 22:30."
    nothing = await refused(house, NEW, 200, "dan", fields | {"replaces": "ana"}, press="preview")
    assert "This changes nothing" in nothing


async def test_short_forms_offer_whom_the_schedule_names_the_long_one_everybody(house: Whole, schedule: None) -> None:
    for path in (PRIMARY, "/on-call"):
        shown = await get(house, path, "dan")
        assert '<option value="ana">' in shown, path
        assert '<option value="cara">' not in shown, path
    assert '<option value="cara">' in await get(house, NEW, "dan")
    await house.execute("UPDATE users SET active = false WHERE key = 'ana'")
    try:
        assert '<option value="ana">' not in await get(house, PRIMARY, "dan")
    finally:
        await house.execute("UPDATE users SET active = true WHERE key = 'ana'")


async def test_what_is_wrong_is_said_beside_its_field(house: Whole, schedule: None) -> None:
    fields = {"user": "dan", "replaces": "", "starts_at": "2026-03-03T20:00", "ends_at": "2026-03-03T22:00"}
    for changes, field, said in (
        ({"user": ""}, "user", "is missing"),
        ({"kind": "add", "replaces": "ben"}, "replaces", "takes nobody's place"),
        ({"kind": "remove", "user": ""}, "replaces", "whose place"),
        ({"user": "nobody-here"}, "user", "there is no user"),
        ({"starts_at": "x"}, "starts_at", "a date and a time"),
        ({"ends_at": ""}, "ends_at", "a date and a time"),
        ({"ends_at": "2026-03-03T19:00"}, "ends_at", ""),
    ):
        again = await refused(house, NEW, 422, "dan", fields | changes, press="preview")
        assert said in wrong(again)[field], (changes, wrong(again))
    first = await refused(house, NEW, 200, "dan", fields, press="preview")
    make = fields | {"previewed": hidden(first, "previewed"), "press": "make"}
    await press(house, NEW, "dan", make)
    overlapping = await refused(house, NEW, 409, "dan", make)
    assert "Another override" in overlapping
    too_long = fields | {"ends_at": "2030-03-03T22:00"}
    again = await refused(house, NEW, 422, "dan", too_long, press="preview")
    assert "400 days" in wrong(again)["ends_at"]


async def test_a_swap_is_asked_for_seen_taken_and_called_off(house: Whole, schedule: None) -> None:
    shift = {"starts_at": "2026-03-04T08:00:00+00:00", "ends_at": "2026-03-05T08:00:00+00:00", "back": "shifts"}
    asked = await press(house, SWAPS, "ana", shift)
    assert told(asked).startswith("Asked. You stay on call")
    assert "Primary & first Wed 04 Mar 08:00 to Thu 05 Mar 08:00 24 h ⇄ swap offered" in lines(asked)
    for path in ("/on-call", "/shifts", PRIMARY):
        shown = await get(house, path, "ben")
        assert f"{SWAPS}/1/take" in shown, path
        assert f"{SWAPS}/1/withdraw" not in shown, path
        own = await get(house, path, "ana")
        assert f"{SWAPS}/1/withdraw" in own, path
        assert f"{SWAPS}/1/take" not in own, path
    assert f"{SWAPS}/1/take" not in await get(house, "/on-call", "dan"), "he is in no team and no shift of it"
    assert await on_call(house, days=1) == ["ana"]
    assert (await send(house, f"{SWAPS}/1/take", "ana")).status_code == 409
    taken = await press(house, f"{SWAPS}/1/take", "ben", back="on-call")
    assert told(taken).startswith("You take it.")
    assert await on_call(house, days=1) == ["ben"]
    assert any("swapped" in line for line in lines(await get(house, PRIMARY, "ana")))
    assert (await send(house, f"{SWAPS}/1/take", "dan")).status_code == 409
    await press(house, f"{PRIMARY}/overrides/1/withdraw", "ben")
    assert await on_call(house, days=1) == ["ana"]


async def test_a_swap_for_one_person_with_something_in_return(house: Whole, schedule: None) -> None:
    fields = {
        "to": "ben",
        "mine": "2026-03-04T08:00:00+00:00/2026-03-05T08:00:00+00:00",
        "return_starts_at": "2026-03-05T08:00:00+00:00",
        "return_ends_at": "2026-03-06T08:00:00+00:00",
    }
    assert "In return Ben takes mine of" in await get(house, PRIMARY, "ana")
    asked = await press(house, SWAPS, "ana", fields)
    assert "asks Ben to take" in re.sub(r"<[^>]*>", "", asked)
    assert "in return" in asked
    assert f"{SWAPS}/1/take" not in await get(house, PRIMARY, "cara")
    assert (await send(house, f"{SWAPS}/1/take", "dan")).status_code == 403
    assert "Declined" in told(await press(house, f"{SWAPS}/1/decline", "ben"))
    await press(house, SWAPS, "ana", fields)
    assert "Withdrawn" in told(await press(house, f"{SWAPS}/2/withdraw", "ana"))
    await press(house, SWAPS, "ana", fields)
    await press(house, f"{SWAPS}/3/take", "ben")
    assert (await on_call(house, days=1), await on_call(house, days=2)) == (["ben"], ["ana"])


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"starts_at": "2026-03-03T08:00:00+00:00", "ends_at": "2026-03-03T20:00:00+00:00"}, 422, "no shift"),
        ({"starts_at": "x", "ends_at": "2026-03-05T08:00:00+00:00"}, 422, "an instant like"),
        ({"mine": "x"}, 422, "an instant like"),
        ({"starts_at": "2026-03-05T08:00:00Z", "ends_at": "2026-03-04T08:00:00Z"}, 422, ""),
        ({"mine": "2026-03-04T08:00:00Z/2026-03-05T08:00:00Z", "to": "ana"}, 422, "themselves"),
        ({"mine": "2026-03-04T08:00:00Z/2026-03-05T08:00:00Z", "to": "nobody-here"}, 422, "no active user"),
        ({"mine": "2026-03-04T08:00:00Z/2026-03-05T08:00:00Z", "return_starts_at": "2026-03-05T08:00:00Z",
          "return_ends_at": "2026-03-06T08:00:00Z"}, 422, "in return needs somebody"),
    ],
)  # fmt: skip
async def test_swaps_that_cannot_be(
    house: Whole, schedule: None, fields: dict[str, str], status: int, said: str
) -> None:
    assert said in await refused(house, SWAPS, status, "ana", fields)
    assert await house.one("SELECT count(*) FROM swaps") == 0


async def test_a_viewer_reads_only(house: Whole, schedule: None) -> None:
    await press(house, TAKE, "dan", replaces="ben", until="+60")
    await press(house, SWAPS, "ana", mine="2026-03-04T08:00:00Z/2026-03-05T08:00:00Z", to="dan")
    await house.execute("UPDATE users SET role = 'viewer' WHERE key = 'dan'")
    try:
        for path in ("/schedules", PRIMARY, "/shifts", "/on-call", f"{PRIMARY}/history", f"{PRIMARY}/fairness"):
            shown = await get(house, path, "dan")
            assert 'method="post"' not in shown.partition("<main")[2], path
        await get(house, NEW, "dan", 403)
        for path in (TAKE, NEW, SWAPS, f"{SWAPS}/1/take", f"{SWAPS}/1/decline", f"{PRIMARY}/overrides/1/withdraw"):
            assert (await send(house, path, "dan")).status_code == 403, path
    finally:
        await house.execute("UPDATE users SET role = 'operator' WHERE key = 'dan'")


async def test_a_machine_takes_no_shift_on_a_screen(house: Whole, schedule: None) -> None:
    headers = {"Authorization": "Bearer tocsin_machine", "Accept": "text/html"}
    answer = await house.http.post(TAKE, data={"replaces": "ben", "until": "+60"}, headers=headers)
    assert (answer.status_code, "for people" in answer.text) == (422, True)
    assert (await house.http.get("/shifts", headers=headers)).status_code == 404
    assert (await house.http.get("/on-call", headers=headers)).status_code == 200


async def test_my_shifts(house: Whole, schedule: None) -> None:
    await saved(house, key="second", name="Second", layers=[DAY | {"name": "late", "members": [["ben"], [], ["cara"]]}])
    shown = await get(house, "/shifts", "ben")
    assert lines(shown)[0] == "Primary & first today 08:00 to Wed 04 Mar 08:00 24 h now"
    coming = [line for line in lines(shown) if not line.startswith("Ask for")]
    assert coming[2] == "Second Thu 05 Mar 08:00 to Fri 06 Mar 08:00 24 h"
    words = re.sub(r"<[^>]*>", "", shown)
    assert "Your next handoff is Wed 04 Mar 08:00, in 20\xa0h\xa000\xa0min: Ana takes Primary & first from you" in words
    assert "Layer late. You relieve Cara. Nobody relieves you: a gap follows." in words
    assert "You relieve Ana. Ana relieves you." in words
    more = await get(house, "/shifts?days=90", "ben")
    assert len(lines(more)) > 2 * len(lines(shown))
    empty = await get(house, "/shifts", "dan")
    assert "No shift in the next 30 days" in empty
    assert 'href="/schedules"' in empty
    assert "Second" in re.sub(r"<[^>]*>", "", await get(house, "/shifts", "cara"))
    await get(house, "/shifts?days=401", "ben", 422)


async def test_who_was_on_call_and_why(house: Whole, schedule: None) -> None:
    await at(house, NOON + timedelta(days=10))
    await edited(house, layers=[SCHEDULE["layers"][0] | {"members": [["cara"]]}])
    shown = await get(house, f"{PRIMARY}/history?at=2026-03-03T02:30&zone=schedule", "dan")
    answer = " ".join(re.sub(r"<[^>]*>", "", shown.partition('id="answer"')[2].partition("</div>")[0]).split())
    assert "Tue 03 Mar 02:30 Ana: layer base By version 1 of the schedule" in answer
    now = await get(house, f"{PRIMARY}/history?at=2026-03-14T02:30", "dan")
    assert "By version 2 of the schedule, written by API key cara-key" in now
    assert "Undo version" not in now, "he does not manage the team"
    wrongly = await get(house, f"{PRIMARY}/history?at=soon", "dan", 422)
    assert "a date and a time" in wrong(wrongly)["at"]
    await get(house, f"{PRIMARY}/history?at=0001-01-01T00:00", "dan", 422)
    assert (await send(house, f"{PRIMARY}/versions/2/undo", "dan")).status_code == 403
    assert "Undo version 2" in await get(house, f"{PRIMARY}/history", "cara")
    undone = await press(house, f"{PRIMARY}/versions/2/undo", "cara")
    assert told(undone).startswith("Undone")
    assert "takes back version 2" in undone
    await at(house, NOON + timedelta(days=10, minutes=16))
    assert "Undo version" not in await get(house, f"{PRIMARY}/history", "cara")
    assert (await send(house, f"{PRIMARY}/versions/3/undo", "cara")).status_code == 409


async def test_fairness_says_what_the_api_says(house: Whole, schedule: None) -> None:
    await edited(house, layers=[DAY | {"name": "base", "members": [["ana"], ["ana"], ["ben"]]}])
    shown = await get(house, f"{PRIMARY}/fairness?period=next90", "dan")
    asked = {"from": NOON.isoformat(), "to": (NOON + timedelta(days=90)).isoformat()}
    found = (
        await house.http.get("/api/v1/schedules/primary/fairness", params=asked, headers=house.as_person("dan"))
    ).json()
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', shown)
    cells = {name: re.findall(r'class="n">(.*?)<', row) for name, row in rows}
    for load in found["people"]:
        assert cells[load["user"]["name"]][0] == f"{load['on_call_seconds'] // 3600}\xa0h"
    assert f"Score: {int(100 * found['score'])} of 100" in shown
    assert shown.count('class="plot"') == 3
    assert "would have to move" in shown
    await house.execute("TRUNCATE schedules CASCADE")
    await saved(house, layers=[])
    assert "Nobody is on call in this time" in await get(house, f"{PRIMARY}/fairness", "dan")
    await get(house, f"{PRIMARY}/fairness?period=ever", "dan", 422)
