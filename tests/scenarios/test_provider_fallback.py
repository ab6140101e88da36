"""Two providers of texts: one hangs, is down for a prefix, refuses, lies; the other one has the message at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from town import Resident, Town, minutes, opened, seconds

from app.channels.several import Several
from app.dev.gateway import KEY, Gateway
from app.notifications import ways

DOCS = Path(__file__).parents[2] / "docs" / "providers.md"
TEXTBIRD = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.S)[0].partition("order:")[0]

ABROAD = "+447700900001"


@pytest.fixture
async def gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    monkeypatch.setenv("TEXTBIRD_KEY", KEY)
    monkeypatch.setenv("TEXTBIRD_HOOK_SECRET", "hook")
    gateway = Gateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def two(database_url: str, tmp_path: Path, gateway: Gateway) -> AsyncIterator[Town]:
    """Twilio first, textbird second. Answers are waited for as long as a story takes, 1 s."""
    described = TEXTBIRD.replace("https://rest.textbird.example", gateway.url).replace("example/status", "x")
    order = "    timeout_s: 1\norder: {sms: [twilio, textbird]}\n"
    async with opened(database_url, tmp_path, settings={"gateways": described + order}) as town:
        (cara,) = await town.people("Cara", role="admin")
        cara.number = ABROAD  # what becomes of her messages tells nothing of numbers in +49
        await town.execute("UPDATE contact_methods SET address = :number", number=ABROAD)
        await town.build.last_resort([cara])
        yield town
        town.inspect()


async def paged(town: Town) -> Resident:
    (ana,) = await town.people("Ana")
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(600)])
    return ana


async def tried(town: Town) -> list[tuple[str, str, str]]:
    rows = await town.rows("SELECT provider, code, status FROM attempts ORDER BY id")
    return [tuple(r) for r in rows]


async def health(town: Town) -> dict[tuple[str, str], str]:
    rows = await town.rows("SELECT provider, prefix, fault FROM provider_health")
    return {(r.provider, r.prefix): r.fault for r in rows}


async def test_what_one_refuses_the_other_has_at_once(two: Town, gateway: Gateway) -> None:
    await paged(two)
    two.exchange.troubles.refuses(20429, retry_after_s=60)
    await two.alertmanager.fires("HighErrorRate")
    assert [t.to for t in gateway.taken] == [two.residents["Ana"].number]
    assert await tried(two) == [("twilio", "20429", ""), ("textbird", "", "accepted")]
    assert "(repeat)" not in gateway.taken[0].text
    assert await health(two) == {("twilio", "+49"): "taking"}
    await two.alertmanager.fires("DiskFull")  # passed over without being asked
    assert [p for p, *_ in await tried(two)] == ["twilio", "textbird", "textbird"]
    await two.wait(seconds(31))
    await two.alertmanager.fires("LatencyHigh")  # tried again, and well
    await two.residents["Ana"].phone.expects_sms("LatencyHigh")
    assert (await health(two))["twilio", "+49"] == ""


async def test_a_wrong_account_is_no_reason_to_wait(two: Town, gateway: Gateway) -> None:
    await paged(two)
    two.exchange.troubles.refuses(20003, times=None)
    await two.alertmanager.fires("HighErrorRate")
    assert [p for p, *_ in await tried(two)] == ["twilio", "textbird"]
    assert len(gateway.taken) == 1
    two.exchange.troubles.heals()


async def test_numbers_that_do_not_exist_exist_nowhere(two: Town, gateway: Gateway) -> None:
    ana = await paged(two)
    two.exchange.troubles.refuses(21211, to=ana.number)
    await two.alertmanager.fires("HighErrorRate")
    assert gateway.taken == []
    assert await health(two) == {("twilio", "+44"): ""}
    await two.residents["Cara"].phone.expects_sms("HighErrorRate")


async def test_down_for_one_prefix_is_passed_over_for_that_one(two: Town, gateway: Gateway) -> None:
    ana = await paged(two)
    (ben,) = await two.people("Ben")
    await two.execute("UPDATE contact_methods SET address = '+447700900123' WHERE user_id = :id", id=ben.user_id)
    await two.build.notification_rules(ben, [("loud", seconds(0), "sms")])
    await two.service("search", policy=[ben, minutes(600)])
    two.exchange.troubles.refuses(20429, to=ana.number, times=None)
    for name in ("HighErrorRate", "DiskFull"):
        await two.alertmanager.fires(name, service="checkout")
        await two.alertmanager.fires(name, service="search")
        await two.exchange.phone("+447700900123").expects_sms(name)
    assert {t.to for t in gateway.taken} == {ana.number}
    assert len([r for r in two.exchange.requests if r.form.get("To") == ana.number]) == 1
    two.exchange.troubles.heals()


async def test_an_unclear_answer_is_asked_about_first(two: Town, gateway: Gateway) -> None:
    ana = await paged(two)
    two.exchange.troubles.breaks(stored=True)
    await two.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    assert gateway.taken == []
    two.exchange.troubles.breaks(stored=False)
    await two.alertmanager.fires("DiskFull")
    assert "(repeat)" in gateway.taken[0].text, "nobody could tell for sure"


async def test_who_takes_and_never_delivers_is_found_out(two: Town, gateway: Gateway) -> None:
    await paged(two)
    for n in range(3):
        two.exchange.troubles.loses(30008)
        await two.alertmanager.fires(f"Broken{n}")
    assert gateway.taken == []
    assert (await health(two))["twilio", "+49"] == "delivering"
    await two.execute("DELETE FROM pacing")
    await two.alertmanager.fires("DiskFull")
    assert len(gateway.taken) == 1
    while two.residents["Cara"].phone.inbox.unexpected():
        await two.residents["Cara"].phone.expects_sms("Broken")


async def test_who_keeps_messages_is_asked_and_found_out(two: Town, gateway: Gateway) -> None:
    """Its callbacks never come, and it says that it still has them."""
    await paged(two)
    two.exchange.troubles.refuses(20429)
    gateway.delivers = False
    await two.alertmanager.fires("HighErrorRate")
    for _ in range(45):
        await two.wait(minutes(1))
    assert [r.path for r in gateway.requests if r.method == "GET"] == ["/status/m-1"] * 4
    (row,) = await two.rows("SELECT outcomes, code FROM provider_health WHERE provider = 'textbird'")
    assert (set(row.outcomes), row.code) == ({"u"}, "stuck")


async def test_who_hangs_does_not_hold_up_others(two: Town, gateway: Gateway) -> None:
    """Twilio answers nobody; what is sent meanwhile goes by the other one, before the first has been given up."""
    await paged(two)
    two.exchange.troubles.hangs(stored=False, times=None)
    worker = two.workers[0].worker
    assert worker is not None
    several = two.workers[0].channels["sms"]
    assert isinstance(several, Several)
    several.providers["twilio"]._http._timeout_s = 1.0  # type: ignore[attr-defined]  # 15 s are long for a test
    await two.alertmanager.fires("HighErrorRate")
    assert await tried(two) == [("twilio", "unreachable", ""), ("textbird", "", "accepted")]
    await two.alertmanager.fires("DiskFull")
    assert len(gateway.taken) == 2
    assert len([r for r in two.exchange.requests if r.method == "POST"]) == 1


async def test_a_full_provider_keeps_only_its_own_waiting(
    two: Town, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers that only Twilio may carry wait for it; those of the gateway are sent at once."""
    monkeypatch.setattr(ways, "ROOM", 1)
    ana = await paged(two)
    (ben,) = await two.people("Ben")
    await two.build.notification_rules(ben, [("loud", seconds(0), "sms")])
    await two.service("search", policy=[ben, minutes(600)])
    process = two.workers[0]
    several = process.channels["sms"]
    assert isinstance(several, Several)
    several.orders = {ana.number: ("twilio",), "": ("textbird",)}
    two.exchange.troubles.hangs(stored=False, to=ana.number, times=None)
    assert process.worker is not None
    for name, service in (("HighErrorRate", "checkout"), ("DiskFull", "checkout"), ("HighErrorRate", "search")):
        await fires_alone(two, name, service)
        await process.worker.tick()
    await asyncio.wait_for(_until(lambda: gateway.taken), 10)
    assert {t.to for t in gateway.taken} == {ben.number}
    waiting = await two.rows("SELECT state, count(*) FROM notifications WHERE user_id = :id GROUP BY 1", id=ana.user_id)
    assert dict(tuple(r) for r in waiting) == {"sending": 1, "pending": 1}
    await two.exchange.stop()
    await process.worker.delivery.settle()


async def fires_alone(town: Town, name: str, service: str) -> None:
    """Nobody waits for what is in flight."""
    source = town.alertmanager
    labels = source.labels(name, service, "critical", {})
    source.began(name, labels, anew=True)
    await source.send(service, source.body(source.alert(name, labels)))


async def _until(there: Any) -> None:
    while not there():  # noqa: ASYNC110  # a socket elsewhere cannot set an event here
        await asyncio.sleep(0.005)


async def test_who_hangs_and_took_it_all_the_same_is_passed_over(two: Town, gateway: Gateway) -> None:
    """The message is found there, so nobody gets it twice; the next one goes elsewhere."""
    ana = await paged(two)
    two.exchange.troubles.hangs(stored=True)
    several = two.workers[0].channels["sms"]
    assert isinstance(several, Several)
    several.providers["twilio"]._http._timeout_s = 1.0  # type: ignore[attr-defined]  # as above
    await two.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    assert gateway.taken == []
    await two.alertmanager.fires("DiskFull")
    assert [p for p, *_ in await tried(two)] == ["twilio", "textbird"]
