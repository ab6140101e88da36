"""The link and Twilio's reports as other programs see them: scanners, previews, forgers. No browser needed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest
import pytest_asyncio
from house import House
from sqlalchemy import text
from twilio.request_validator import RequestValidator

from app.db.engine import transaction

pytestmark = pytest.mark.asyncio(loop_scope="session")
TITLE = "Checkout <script>alert(1)</script> & co"


@pytest_asyncio.fixture(loop_scope="session")
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=house.url) as client:
        yield client


async def rows(house: House, statement: str) -> list[tuple[object, ...]]:
    async with transaction(house.tocsin.engine) as (conn, _):
        return [tuple(r) for r in await conn.execute(text(statement))]


async def opened(house: House) -> str:
    """The path of Ana's link about an incident that was just opened."""
    await house.fires("HighErrorRate", summary=TITLE)
    return (await house.link_of("ana")).removeprefix(house.url)


def forms(html: str) -> dict[str, dict[str, str]]:
    """The fields of every form, by their action."""
    found = {}
    for form in re.findall(r"<form.*?</form>", html, re.DOTALL):
        fields = {n: unescape(v) for n, v in re.findall(r'name="(\w+)" value="([^"]*)"', form)}
        found[fields["action"]] = fields
    return found


async def everything(house: House) -> list[list[tuple[object, ...]]]:
    tables = ("incidents", "acknowledgements", "timeline_entries", "ladders", "link_tokens", "sessions")
    return [await rows(house, f"SELECT * FROM {table} ORDER BY 1") for table in tables]


async def settled(house: House) -> None:
    """Until what happens by itself is on the timeline. The report may come before our own record of the sending."""
    async with httpx.AsyncClient(base_url=house.url) as client:
        for _ in range(100):
            if len(await rows(house, "SELECT 1 FROM timeline_entries WHERE kind IN ('sent', 'delivered')")) == 2:
                return
            await client.get("/healthz")
    raise AssertionError("the SMS was not delivered")


async def test_looking_changes_nothing_whoever_looks(house: House, client: httpx.AsyncClient) -> None:
    path = await opened(house)
    await settled(house)
    before = await everything(house)
    for method in ("GET", "HEAD", "GET", "HEAD"):
        for agent in ("Slackbot-LinkExpanding 1.0", "Mozilla/5.0 (compatible; Outlook-SafeLinks)"):
            answer = await client.request(method, f"{path}?pressed=acknowledge", headers={"User-Agent": agent})
            assert answer.status_code == 200
    assert await everything(house) == before
    assert (await client.head(path)).content == b""


async def test_what_the_screen_says_to_browsers_and_robots(house: House, client: httpx.AsyncClient) -> None:
    path = await opened(house)
    for address, status in ((path, 200), ("/l/" + "x" * 22, 404), ("/l/short", 404)):
        answer = await client.get(address)
        assert answer.status_code == status
        assert answer.headers["x-robots-tag"].startswith("noindex")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert "set-cookie" not in answer.headers
        assert len(answer.content) < 15_000
    shown = (await client.get(path)).text
    assert "<script" not in shown
    assert "Checkout &lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in shown


async def test_a_button_is_good_for_its_link_its_action_and_its_view(house: House, client: httpx.AsyncClient) -> None:
    path = await opened(house)
    buttons = forms((await client.get(path)).text)
    acknowledge, escalate = buttons["acknowledge"], buttons["escalate"]
    forged = [
        acknowledge | {"action": "escalate"},
        acknowledge | {"view": "9" + acknowledge["view"]},
        acknowledge | {"signature": "0" * 64},
        acknowledge | {"signature": " "},
        escalate | {"action": "resolve_anyway"},
        acknowledge | {"signature": "\u00e4" * 64},
    ]
    for fields in forged:
        answer = await client.post(path, data=fields)
        assert answer.status_code == 403, fields
        assert "Nothing was done" in answer.text
    assert (await client.post(path, data={})).status_code == 422
    assert (await client.post("/l/" + "x" * 22, data=acknowledge)).status_code == 404
    assert await rows(house, "SELECT state FROM incidents") == [("triggered",)]

    answer = await client.post(path, data=acknowledge, headers={"Origin": "null"})
    assert answer.status_code == 303, "mail programs open links where the origin is null"
    assert await rows(house, "SELECT state FROM incidents") == [("acknowledged",)]
    [(channel, by)] = await rows(
        house, "SELECT a.channel, u.key FROM acknowledgements a JOIN users u ON u.id = a.user_id"
    )
    assert (channel, by) == ("link", "ana")


async def test_pressing_twice_pages_one_step(house: House, client: httpx.AsyncClient) -> None:
    path = await opened(house)
    escalate = forms((await client.get(path)).text)["escalate"]
    assert (await client.post(path, data=escalate)).status_code == 303
    await house.phone("ben").expects_sms()
    assert (await client.post(path, data=escalate)).status_code == 409
    assert await rows(house, "SELECT count(*) FROM timeline_entries WHERE kind = 'escalated_by_hand'") == [(1,)]


async def test_whoever_left_cannot_use_the_link(house: House, client: httpx.AsyncClient) -> None:
    path = await opened(house)
    acknowledge = forms((await client.get(path)).text)["acknowledge"]
    await rows(house, "UPDATE users SET active = false WHERE key = 'ana' RETURNING 1")
    assert (await client.get(path)).status_code == 410
    assert (await client.post(path, data=acknowledge)).status_code == 410
    assert await rows(house, "SELECT state FROM incidents") == [("triggered",)]


async def test_a_report_counts_only_with_twilios_signature(house: House, client: httpx.AsyncClient) -> None:
    await opened(house)
    await settled(house)
    [(address, body)] = [
        (request.form["StatusCallback"], request.form["Body"])
        for request in house.exchange.requests
        if request.method == "POST"
    ]
    assert TITLE[:8] in body
    path = address.removeprefix(house.url)
    form = {"MessageSid": "SM" + "0" * 32, "MessageStatus": "undelivered", "ErrorCode": "30003"}
    right = RequestValidator(house.exchange.auth_token).compute_signature(address, form)
    for signature in ("", "AAAA", RequestValidator("another").compute_signature(address, form)):
        answer = await client.post(path, data=form, headers={"X-Twilio-Signature": signature})
        assert answer.status_code == 403
        assert answer.json()["code"] == "wrong_signature"
    answer = await client.post(path, data=form | {"ErrorCode": "1"}, headers={"X-Twilio-Signature": right})
    assert answer.status_code == 403
    assert await rows(house, "SELECT state FROM notifications WHERE state = 'delivered'") == [("delivered",)]

    unknown = f"{house.url}/v1/twilio/status/{'x' * 22}"
    for url in (address, unknown):
        signature = RequestValidator(house.exchange.auth_token).compute_signature(url, form)
        answer = await client.post(url, data=form, headers={"X-Twilio-Signature": signature})
        assert (answer.status_code, answer.content) == (204, b"")


async def test_bad_news_from_twilio_wakes_the_next_person_at_once(house: House, client: httpx.AsyncClient) -> None:
    house.exchange.troubles.loses(30003, to=house.phone("ana").number)
    await house.fires("HighErrorRate", summary=TITLE)
    await house.phone("ben").expects_sms(within_s=10)


async def test_screens_are_shown_to_those_who_may_see_them(house: House, client: httpx.AsyncClient) -> None:
    page = {"Accept": "text/html,application/xhtml+xml"}
    answer = await client.get("/incidents?state=all&mine=1", headers=page)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?following=/incidents%3Fstate%3Dall%26mine%3D1"
    assert (await client.get("/incidents")).status_code == 401
    assert (await client.get("/live")).status_code == 401
    logged_in = await client.post("/login", data={"email": "ana@example.org", "password": "correct horse battery"})
    assert logged_in.status_code == 303
    assert (await client.get("/incidents", headers=page)).status_code == 200
    for path in ("acknowledge", "resolve", "escalate", "note", "close", "priority"):
        for headers in ({}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}):
            answer = await client.post(f"/incidents/1/{path}", headers=headers | page)
            assert answer.status_code == 403, (path, headers)
            assert "from another site" in answer.text
    own = {"Origin": house.url} | page
    assert (await client.post("/incidents/1/acknowledge", headers=own)).status_code == 404
    assert (await client.post("/account/contact-methods/1/code", headers={"Origin": "null"})).status_code == 403
    for address in ("/incidents?cursor=x", "/incidents?priority=9", "/incidents/0", "/incidents/1?older=x", "/x" * 50):
        assert (await client.get(address, headers=page)).status_code in (404, 422), address
        assert "text/html" in (await client.get(address, headers=page)).headers["content-type"]
    weird = "/incidents?service=a%00b&team=%F0%9F%94%94&state=nonsense&told=%3Cb%3E"
    assert (await client.get(weird, headers=page)).status_code == 200


async def test_files_are_kept_for_good_under_their_hash(house: House, client: httpx.AsyncClient) -> None:
    shown = (await client.get("/login")).text
    [path] = re.findall(r'href="(/static/\w+/app\.css)"', shown)
    kept = await client.get(path)
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert kept.headers["content-type"].startswith("text/css")
    older = await client.get("/static/000000000000/app.css")
    assert (older.status_code, older.headers["cache-control"]) == (200, "no-cache")
    assert (await client.get("/static/0/../../main.py")).status_code == 404
