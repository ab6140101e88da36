"""Swaps through HTTP: until one is taken nothing changes; once it is, overrides carry it out and people are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import api, as_person
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from test_api_schedules import NOON, draft, edit, made, set_clock

from app.channels.mail import MailChannel
from app.db.engine import transaction
from app.notifications import handoff_notices
from app.settings import Settings
from app.web.api import on_call, overrides, schedules, swaps

FRIDAY = {"starts_at": "2026-03-06T08:00:00Z", "ends_at": "2026-03-07T08:00:00Z"}
NEXT_FRIDAY = {"starts_at": "2026-03-13T08:00:00Z", "ends_at": "2026-03-14T08:00:00Z"}
IN_THE_MIDDLE = {"at": "2026-03-06T12:00:00Z"}
MAIL = {
    "mail": MailChannel(
        Settings(data_dir=Path("/nowhere"), smtp_url="smtp://127.0.0.1:1", mail_from="tocsin@example.org")
    )
}
PATH = "/schedules/primary/swaps"
ORGANISATION = text("""
    INSERT INTO organisation (id, name, time_zone, created_at, updated_at)
    VALUES (1, 'Example', 'Europe/Berlin', :now, :now)
""")


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A weekly rotation of Ana and Ben, who have mail; it is Tuesday, and Ana's week."""
    routers = (schedules.router, overrides.router, swaps.router, on_call.router)
    async with api(engine, tmp_path, *routers, channels=MAIL) as client:
        await set_clock(engine, NOON)
        async with engine.begin() as conn:
            await conn.execute(
                text("""
                    INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
                    SELECT id, 'mail', email, :now, :now, :now FROM users
                """),
                {"now": NOON},
            )
            await conn.execute(ORGANISATION, {"now": NOON})
        await made(client)
        yield client


async def asked(client: httpx.AsyncClient, person: str = "ana", **body: Any) -> dict[str, Any]:
    answer = await as_person(client, person).post(PATH, json=FRIDAY | body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def refused(client: httpx.AsyncClient, person: str, path: str, body: dict[str, Any] | None = None) -> str:
    answer = await as_person(client, person).post(path, json=body)
    assert answer.status_code >= 400
    return str(answer.json()["code"])


async def on_friday(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    users = (await client.get("/schedules/primary/on-call", params=IN_THE_MIDDLE)).json()["users"]
    return [(user["key"], user["because"]) for user in users]


async def notices(engine: AsyncEngine) -> list[tuple[str, str, str, str]]:
    """To whom, what, in which state, due when."""
    async with engine.connect() as conn:
        rows = await conn.execute(
            text("""
                SELECT u.key, n.content->>'text' AS text, n.state, n.due_at FROM notifications n
                JOIN users u ON u.id = n.user_id WHERE n.purpose = 'notice' ORDER BY n.due_at, n.id
            """)
        )
        return [(r.key, r.text, r.state, f"{r.due_at:%m-%dT%H:%M}") for r in rows]


async def test_until_it_is_taken_nothing_changes(client: httpx.AsyncClient) -> None:
    swap = await asked(client, comment="a wedding")
    assert (swap["user"], swap["to"], swap["state"], swap["created_by"]) == ("ana", None, "open", "api_key:ana-key")
    assert await on_friday(client) == [("ana", "layer base")]
    assert (await client.get(PATH)).json()["items"] == [swap]
    assert (await client.get(f"{PATH}/{swap['id']}")).json() == swap


async def test_whoever_wants_takes_it_and_an_override_says_so(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    swap = await asked(client)
    taken = (await as_person(client, "dan").post(f"{PATH}/{swap['id']}/take")).json()
    assert (taken["state"], taken["taken_by"], taken["decided_by"]) == ("taken", "dan", "api_key:dan-key")
    [override] = (await client.get("/schedules/primary/overrides")).json()["items"]
    assert (override["user"], override["replaces"], override["swap"]) == ("dan", "ana", swap["id"])
    assert taken["overrides"] == [override["id"]]
    assert await on_friday(client) == [("dan", f"override {override['id']}, swap {swap['id']}")]
    async with engine.connect() as conn:
        rows = await conn.execute(text("SELECT action FROM audit_records ORDER BY id"))
        assert list(rows.scalars())[1:] == ["swap.asked", "override.created", "swap.taken"]


async def test_an_offer_is_for_one_person_who_may_decline(client: httpx.AsyncClient) -> None:
    swap = await asked(client, to="ben")
    path = f"{PATH}/{swap['id']}"
    assert await refused(client, "dan", f"{path}/take") == "not_yours"
    assert await refused(client, "dan", f"{path}/decline") == "not_yours"
    declined = (await as_person(client, "ben").post(f"{path}/decline")).json()
    assert (declined["state"], declined["taken_by"]) == ("declined", None)
    assert await refused(client, "ben", f"{path}/take") == "decided"
    assert await on_friday(client) == [("ana", "layer base")]


async def test_who_asked_withdraws(client: httpx.AsyncClient) -> None:
    swap = await asked(client)
    path = f"{PATH}/{swap['id']}"
    assert await refused(client, "ben", f"{path}/withdraw") == "not_yours"
    assert await refused(client, "ana", f"{path}/take") == "own"
    assert await refused(client, "ben", f"{path}/decline") == "not_offered"
    assert (await as_person(client, "ana").post(f"{path}/withdraw")).json()["state"] == "withdrawn"
    assert await refused(client, "ben", f"{path}/take") == "decided"
    assert (await client.get(PATH, params={"state": "open"})).json()["items"] == []


async def test_an_admin_acts_for_others(client: httpx.AsyncClient) -> None:
    swap = await asked(client, "cara", user="ana", to="ben")
    assert swap["created_by"] == "api_key:cara-key"
    taken = (await as_person(client, "cara").post(f"{PATH}/{swap['id']}/take")).json()
    assert (taken["taken_by"], taken["decided_by"]) == ("ben", "api_key:cara-key")


async def test_both_ways(client: httpx.AsyncClient) -> None:
    swap = await asked(client, to="ben", in_return=NEXT_FRIDAY)
    await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")
    found = (await client.get("/schedules/primary/overrides")).json()["items"]
    assert [(o["user"], o["replaces"], o["starts_at"]) for o in found] == [
        ("ben", "ana", FRIDAY["starts_at"]),
        ("ana", "ben", NEXT_FRIDAY["starts_at"]),
    ]
    assert (await as_person(client, "cara").delete("/schedules/primary")).status_code == 204, "with all that is its"


async def come(engine: AsyncEngine, day: int, hour: int = 8, minute: int = 0) -> None:
    """It is that time in March, and a worker looks."""
    await set_clock(engine, NOON.replace(day=day, hour=hour, minute=minute))
    async with transaction(engine) as (conn, now):
        await handoff_notices.tell_due(conn, now, ["mail"])


ON_FRIDAY, NEXT = "Fri 06 Mar 09:00 to Sat 07 Mar 09:00 CET", "Fri 13 Mar 09:00 to Sat 14 Mar 09:00 CET"
OFFER = ("ben", f"Ana asks you to take Primary from {ON_FRIDAY}.", "pending", "03-03T12:00")


async def test_people_are_told_and_reminded(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    swap = await asked(client, to="ben", in_return=NEXT_FRIDAY, comment="a wedding")
    offer = f"Ana asks you to take Primary from {ON_FRIDAY}, and takes yours from {NEXT}. Why: a wedding"
    assert await notices(engine) == [("ben", offer, "pending", "03-03T12:00")]
    await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")
    told = [
        ("ben", offer, "cancelled", "03-03T12:00"),
        ("ana", f"Ben takes Primary from {ON_FRIDAY} for you.", "pending", "03-03T12:00"),
    ]
    await come(engine, 5, 7, 59)
    assert await notices(engine) == told
    await come(engine, 5)
    told.append(("ben", f"You are on call in Primary from {ON_FRIDAY}, for Ana.", "pending", "03-05T08:00"))
    assert await notices(engine) == told
    await come(engine, 12)
    told.append(("ana", f"You are on call in Primary from {NEXT}, for Ben.", "pending", "03-12T08:00"))
    assert await notices(engine) == told


async def test_whoever_asked_learns_that_nobody_took_it(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await asked(client)
    await come(engine, 5)
    still = f"Nobody has taken Primary from {ON_FRIDAY}, as you asked: you are on call then."
    assert await notices(engine) == [("ana", still, "pending", "03-05T08:00")]


@pytest.mark.parametrize(("person", "answer"), [("ben", "decline"), ("ana", "withdraw")])
async def test_what_is_decided_is_asked_no_more(
    client: httpx.AsyncClient, engine: AsyncEngine, person: str, answer: str
) -> None:
    swap = await asked(client, to="ben")
    await as_person(client, person).post(f"{PATH}/{swap['id']}/{answer}")
    await come(engine, 5)
    told = await notices(engine)
    friday = "from Fri 06 Mar 09:00 to Sat 07 Mar 09:00 CET"
    assert [text for _, text, state, _ in told if state == "pending"] == (
        [f"Ben does not take Primary {friday} for you. Ask somebody else."] if answer == "decline" else []
    )
    assert [key for key, _, state, _ in told if state == "cancelled"] == ["ben"]


async def test_nobody_is_reminded_of_what_was_called_off(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    swap = await asked(client, to="ben")
    taken = (await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")).json()
    gone = await client.delete(f"/schedules/primary/overrides/{taken['overrides'][0]}")
    assert gone.status_code == 204
    await come(engine, 5)
    assert [t for _, t, _, _ in await notices(engine) if "You are on call" in t] == []
    assert await on_friday(client) == [("ana", "layer base")]


async def edited(client: httpx.AsyncClient, *members: str) -> None:
    layer = {**draft()["layers"][0], "members": [[m] for m in members]}
    answer = await as_person(client, "cara").put("/schedules/primary", json=edit(layers=[layer]))
    assert answer.status_code == 200, answer.text


async def test_nobody_is_reminded_of_a_shift_that_was_edited_away(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """The override of a taken swap is in Ana's place, and Ana has none any more."""
    swap = await asked(client, to="ben")
    await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")
    await edited(client, "dan", "cara")
    await come(engine, 5)
    assert [t for _, t, _, _ in await notices(engine) if "You are on call in" in t] == []
    assert await on_friday(client) == [("dan", "layer base")]


async def test_the_reminder_names_the_hours_that_are_left(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    swap = await asked(client, to="ben")
    await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")
    evening = {"starts_at": "2026-03-06T20:00:00Z", "ends_at": "2026-03-07T08:00:00Z"}
    await as_person(client, "cara").post("/schedules/primary/overrides", json=evening | {"user": "dan"})
    await come(engine, 5)
    soon = "You are on call in Primary from Fri 06 Mar 09:00 to Fri 06 Mar 21:00 CET, for Ana."
    assert [t for key, t, _, _ in await notices(engine) if key == "ben"][-1] == soon


async def test_an_open_swap_is_void_once_its_shift_is_edited_away(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    swap = await asked(client, to="ben")
    await edited(client, "dan", "ben")
    found = (await client.get(f"{PATH}/{swap['id']}")).json()
    because = "ana has no shift in that time any more, since Cara edited the schedule"
    assert (found["state"], found["because"], found["decided_by"]) == ("void", because, "api_key:cara-key")
    assert (await client.get(PATH, params={"state": "open"})).json()["items"] == []
    assert [s["id"] for s in (await client.get(PATH, params={"state": "void"})).json()["items"]] == [swap["id"]]
    refusal = await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")
    assert (refusal.json()["code"], because in refusal.json()["detail"]) == ("decided", True)
    await come(engine, 3, 12, 1)
    await edited(client, "dan", "cara")
    await come(engine, 3, 12, 2)
    told = [(key, t, state) for key, t, state, _ in await notices(engine) if "is off" in t or key == "ben"]
    assert sorted(told) == [
        ("ana", f"Your swap of Primary from {ON_FRIDAY} is off: {because}.", "pending"),
        ("ben", OFFER[1], "cancelled"),
        ("ben", f"The swap that Ana offered you of Primary from {ON_FRIDAY} is off: {because}.", "pending"),
    ]
    async with engine.connect() as conn:
        rows = await conn.execute(text("SELECT count(*) FROM audit_records WHERE action = 'swap.void'"))
        assert rows.scalar_one() == 1


async def test_a_swap_is_void_when_what_was_wanted_in_return_is_gone(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    swap = await asked(client, to="ben", in_return=NEXT_FRIDAY)
    await as_person(client, "ben").post("/schedules/primary/overrides", json=NEXT_FRIDAY | {"user": "dan"})
    assert (await client.get(f"{PATH}/{swap['id']}")).json()["state"] == "void"
    await come(engine, 3, 12, 1)
    assert [key for key, t, _, _ in await notices(engine) if "is off" in t] == ["ana"], "Ben edited: he knows"


async def test_an_edit_that_leaves_a_part_of_the_shift_leaves_the_swap(client: httpx.AsyncClient) -> None:
    swap = await asked(client)
    half = {"starts_at": FRIDAY["starts_at"], "ends_at": "2026-03-06T20:00:00Z", "user": "dan"}
    await as_person(client, "cara").post("/schedules/primary/overrides", json=half)
    assert (await client.get(f"{PATH}/{swap['id']}")).json()["state"] == "open"


async def shifts(client: httpx.AsyncClient, starts_at: str, ends_at: str) -> list[tuple[str, str, str]]:
    found = (await client.get("/schedules/primary/shifts", params={"from": starts_at, "to": ends_at})).json()["shifts"]
    return [(shift["user"]["key"], shift["starts_at"], shift["ends_at"]) for shift in found]


@pytest.mark.parametrize("replaces", [None, "ana"])
async def test_a_swap_takes_no_hours_from_whoever_took_over_some_of_the_shift(
    client: httpx.AsyncClient, replaces: str | None
) -> None:
    swap = await asked(client)
    noon, evening = "2026-03-06T12:00:00Z", "2026-03-06T20:00:00Z"
    cara = {"user": "cara", "replaces": replaces, "starts_at": noon, "ends_at": evening}
    await as_person(client, "cara").post("/schedules/primary/overrides", json=cara)
    taken = (await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")).json()
    assert len(taken["overrides"]) == 2
    assert await shifts(client, FRIDAY["starts_at"], FRIDAY["ends_at"]) == [
        ("ben", FRIDAY["starts_at"], noon),
        ("cara", noon, evening),
        ("ben", evening, FRIDAY["ends_at"]),
    ]


async def test_a_swap_takes_no_hours_from_others_in_return(client: httpx.AsyncClient) -> None:
    swap = await asked(client, to="ben", in_return=NEXT_FRIDAY)
    evening = "2026-03-13T20:00:00Z"
    cara = {"user": "cara", "starts_at": evening, "ends_at": NEXT_FRIDAY["ends_at"]}
    await as_person(client, "cara").post("/schedules/primary/overrides", json=cara)
    await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")
    assert await shifts(client, NEXT_FRIDAY["starts_at"], NEXT_FRIDAY["ends_at"]) == [
        ("ana", NEXT_FRIDAY["starts_at"], evening),
        ("cara", evening, NEXT_FRIDAY["ends_at"]),
    ]


async def test_an_edit_notice_does_not_tell_what_a_swap_meanwhile_did(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """Within the three minutes in which an edit settles Ben takes Ana's Friday: both know that."""
    swap = await asked(client, to="ben")
    monday = {"starts_at": "2026-03-09T08:00:00Z", "ends_at": "2026-03-10T08:00:00Z"}
    made = await as_person(client, "cara").post("/schedules/primary/overrides", json=monday | {"user": "ana"})
    assert made.status_code == 201, made.text
    await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")
    await come(engine, 3, 12, 4)
    told = {key: t for key, t, _, _ in await notices(engine) if "were edited" in t}
    day = "from Mon 09 Mar 09:00 to Tue 10 Mar 09:00 CET"
    head = "Your hours in Primary were edited by Cara:"
    assert told == {"ana": f"{head} on call {day}.", "ben": f"{head} not on call {day}."}


async def test_a_swap_taken_late_counts_from_then(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    swap = await asked(client)
    await set_clock(engine, NOON + timedelta(days=3))
    await as_person(client, "ben").post(f"{PATH}/{swap['id']}/take")
    [override] = (await client.get("/schedules/primary/overrides")).json()["items"]
    assert override["starts_at"] == "2026-03-06T12:00:00Z"


async def test_a_swap_whose_time_is_over_stays_as_it_was(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    swap = await asked(client)
    await set_clock(engine, NOON + timedelta(days=30))
    assert await refused(client, "ben", f"{PATH}/{swap['id']}/take") == "over"
    assert await on_friday(client) == [("ana", "layer base")]


@pytest.mark.parametrize(
    ("person", "body", "expected"),
    [
        ("ana", {"user": "ben"}, "not_yours"),
        ("ana", {"to": "ana"}, "to"),
        ("ana", {"to": "eve"}, "to"),
        ("ana", {"in_return": NEXT_FRIDAY}, ""),
        ("ana", {"to": "ben", "in_return": FRIDAY}, "in_return.starts_at"),
        ("ana", NEXT_FRIDAY, "starts_at"),
        ("ana", {"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-03-02T00:00:00Z"}, "ends_at"),
        ("ana", {"ends_at": FRIDAY["starts_at"]}, "ends_at"),
        ("ana", {"ends_at": "2027-12-01T00:00:00Z"}, "ends_at"),
    ],
)
async def test_what_cannot_be_asked(
    client: httpx.AsyncClient, person: str, body: dict[str, Any], expected: str
) -> None:
    answer = (await as_person(client, person).post(PATH, json=FRIDAY | body)).json()
    assert expected in ([e["field"] for e in answer["errors"]] if "errors" in answer else [answer["code"]])


async def test_the_same_is_asked_once(client: httpx.AsyncClient) -> None:
    swap = await asked(client)
    again = await client.post(PATH, json=FRIDAY)
    assert (again.json()["code"], again.json()["swap"]) == ("asked_already", swap["id"])
