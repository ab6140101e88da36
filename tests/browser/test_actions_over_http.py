"""Every form of an incident's screen, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from house import PASSWORD, House
from sqlalchemy import text

from app.db.engine import transaction

pytestmark = pytest.mark.asyncio(loop_scope="session")
BERLIN = ZoneInfo("Europe/Berlin")


@pytest_asyncio.fixture(loop_scope="session")
async def ana(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """Her browser, logged in, under the address of an incident that is open and has paged her."""
    number = await house.fires("HighErrorRate")
    await house.phone("ana").expects_sms(within_s=15)
    headers = {"Accept": "text/html", "Origin": house.url}
    async with httpx.AsyncClient(base_url=f"{house.url}/incidents/{number}", headers=headers) as client:
        await client.post(f"{house.url}/login", data={"email": "ana@example.org", "password": PASSWORD})
        yield client


async def incident(house: House) -> dict[str, object]:
    async with transaction(house.tocsin.engine) as (conn, _):
        return dict((await conn.execute(text("SELECT * FROM incidents"))).mappings().one())


def screen(client: httpx.AsyncClient) -> str:
    return str(client.base_url).rstrip("/")


async def view(client: httpx.AsyncClient) -> str:
    """What a screen loaded now shows, as its forms carry it."""
    shown = (await client.get(screen(client))).text
    return unescape(re.findall(r'name="view" value="([^"]*)"', shown)[0])


async def press(client: httpx.AsyncClient, action: str, **fields: str) -> str:
    """Presses a button and follows it; what the next screen tells."""
    answer = await client.post(action, data=fields)
    assert answer.status_code == 303, answer.text
    shown = (await client.get(client.base_url.join(answer.headers["location"]))).text
    return unescape("".join(re.findall(r'<p class="told" role="status">(.*?)</p>', shown)))


async def test_taking_it_and_giving_it_back(house: House, ana: httpx.AsyncClient) -> None:
    assert await press(ana, "acknowledge") == "You have it. Nobody else is paged."
    assert await press(ana, "acknowledge") == "You have it. Nobody else is paged."
    assert await press(ana, "mitigate") == "The pain is over; it stays open until it is resolved."
    assert (await incident(house))["state"] == "mitigated"
    assert await press(ana, "unacknowledge") == "Nobody has it any more: it pages from the first step."
    await house.phone("ana").expects_sms()
    assert (await incident(house))["epoch"] == 2


async def test_snoozing(house: House, ana: httpx.AsyncClient) -> None:
    assert await press(ana, "snooze", **{"for": "10"}) == "Snoozed."
    snoozed = await incident(house)
    assert isinstance(snoozed["wakes_at"], datetime)
    assert snoozed["wakes_at"] - snoozed["acknowledged_at"] == timedelta(minutes=10)  # type: ignore[operator]  # both set

    wished = (datetime.now(BERLIN) + timedelta(hours=3)).replace(second=0, microsecond=0)
    await press(ana, "snooze", until=f"{wished:%Y-%m-%dT%H:%M}")
    assert (await incident(house))["wakes_at"] == wished
    for until in ("", "soon", "2001-01-01T10:00", "9999-12-31T23:59", "2026-11-22T10:00+02:00"):
        answer = await ana.post("snooze", data={"until": until})
        assert answer.status_code == 422, until
        assert "<h1>This cannot be right</h1>" in answer.text


async def test_priority_by_hand(house: House, ana: httpx.AsyncClient) -> None:
    assert (await ana.post("priority", data={"impact": "1", "urgency": "1"})).status_code == 422
    assert (await incident(house))["priority_pin"] is None
    told = await press(ana, "priority", impact="1", urgency="1", reason="everybody is affected")
    assert told == "The priority is set by hand now."
    pinned = await incident(house)
    assert (pinned["priority"], pinned["epoch"]) == (1, 2)
    assert await press(ana, "priority/automatic") == "The priority is automatic again."
    assert (await incident(house))["priority_pin"] is None


async def test_handing_over(house: House, ana: httpx.AsyncClient) -> None:
    assert (await ana.post("reassign", data={"user": "nobody"})).status_code == 404
    assert await press(ana, "reassign", user="ben") == "Handed over: that person is being paged."
    await house.phone("ben").expects_sms()


async def test_resolving_asks_while_alerts_fire_and_closing_comes_after(house: House, ana: httpx.AsyncClient) -> None:
    refused = await ana.post("close")
    assert refused.status_code == 409
    assert "resolve it first" in refused.text
    asked = await ana.post("resolve", data={"view": await view(ana)})
    assert asked.status_code == 200
    assert "1 alert of it still fires" in asked.text
    assert (await incident(house))["state"] == "triggered"
    assert await press(ana, "resolve", view=await view(ana), confirmed="yes") == "Resolved."
    assert await press(ana, "close") == "Closed."
    assert (await ana.post("unacknowledge")).status_code == 409


async def test_cause_and_fix_are_kept_in_the_form_until_it_is_resolved(house: House, ana: httpx.AsyncClient) -> None:
    said = {"cause": "the <queue> was full\x00", "fix": "a restart"}
    kept = ('name="cause" value="the &lt;queue&gt; was full"', 'name="fix" value="a restart"')
    for shown in ("nonsense", await view(ana)):
        asked = await ana.post("resolve", data={"view": shown} | said)
        assert [k for k in kept if k not in asked.text] == []
    early = await ana.post("cause-and-fix", data={"version": "1"} | said)
    assert (early.status_code, (await incident(house))["cause"]) == (409, None)
    long = await ana.post("resolve", data={"view": await view(ana), "confirmed": "yes", "cause": "x" * 301})
    assert (long.status_code, (await incident(house))["state"]) == (422, "triggered")
    assert await press(ana, "resolve", view=await view(ana), confirmed="yes", **said) == "Resolved."
    resolved = await incident(house)
    assert (resolved["cause"], resolved["fix"]) == ("the <queue> was full", "a restart")


async def test_cause_and_fix_are_said_later_and_nothing_is_overwritten_unseen(
    house: House, ana: httpx.AsyncClient
) -> None:
    await press(ana, "resolve", view=await view(ana), confirmed="yes")
    version = str((await incident(house))["version"])
    said = {"cause": "the queue was full", "fix": "a restart"}
    assert await press(ana, "cause-and-fix", version=version, **said) == "Kept, for the next time."
    late = await ana.post("cause-and-fix", data={"version": version, "cause": "something else"})
    assert late.status_code == 409
    assert 'name="cause" value="something else"' in late.text, "what was written is not lost"
    assert (await incident(house))["cause"] == "the queue was full"
    again = re.findall(r'name="version" value="(\d+)"', late.text)[0]
    assert await press(ana, "cause-and-fix", version=again, cause="something else") == "Kept, for the next time."
    assert (await incident(house))["fix"] is None


async def test_a_screen_that_is_out_of_date_takes_nothing(house: House, ana: httpx.AsyncClient) -> None:
    old = await view(ana)
    await press(ana, "acknowledge")
    for action, fields in (("escalate", {}), ("resolve", {}), ("resolve", {"confirmed": "yes"})):
        for shown in (old, "nonsense", ""):
            answer = await ana.post(action, data={"view": shown} | fields)
            assert answer.status_code in ((409,) if shown else (409, 422)), (action, shown)
    assert (await incident(house))["state"] == "acknowledged"
    assert await press(ana, "escalate", view=await view(ana)) == "The next step is being paged now."
    await house.phone("ben").expects_sms()


async def test_a_note_and_what_it_must_not_be(house: House, ana: httpx.AsyncClient) -> None:
    assert await press(ana, "note", text="line one\r\nline <two>\x00") == "The note is on the timeline."
    shown = (await ana.get(screen(ana))).text
    assert "line one\nline &lt;two&gt;" in shown
    for wrong in ("   ", "x" * 10_001):
        assert (await ana.post("note", data={"text": wrong})).status_code == 422


async def test_whoever_may_only_read_sees_no_buttons(house: House, ana: httpx.AsyncClient) -> None:
    async with transaction(house.tocsin.engine) as (conn, _):
        await conn.execute(text("UPDATE users SET role = 'viewer' WHERE key = 'ana'"))
    shown = (await ana.get(screen(ana))).text
    assert 'action="/incidents/' not in shown
    refused = await ana.post("acknowledge")
    assert refused.status_code == 403
    assert "You may not do this" in refused.text
