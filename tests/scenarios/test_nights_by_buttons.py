"""The message about a night where it has a button: in Slack, on a phone, in an ntfy app, and behind its link."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pushed import Pushed, pushed_town
from slack_town import SlackTown, slack_town
from town import Resident, Town, hours, minutes
from town.serving import PUBLIC_URL

from app.dev.slack_server import Said

THREE = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # 03:00 in Berlin
NINE = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture
async def workspace(database_url: str, tmp_path: Path) -> AsyncIterator[SlackTown]:
    async with slack_town(database_url, tmp_path, workers=2) as there:
        yield there


@pytest.fixture
async def phones(database_url: str, tmp_path: Path) -> AsyncIterator[Pushed]:
    async with pushed_town(database_url, tmp_path) as there:
        yield there


async def a_night(town: Town, ana: Resident, *names: str) -> None:
    """Three o'clock: each of these is quiet. Then it is morning."""
    await town.clock.stop_at(THREE)
    await ana.asks("PUT", "/api/v1/users/me", {"name": "Ana", "time_zone": "Europe/Berlin", "digest_at": "09:00"})
    await town.service("checkout", policy=[ana, minutes(600)])
    for name in names:
        await town.alertmanager.fires(name, severity="info")
    await town.wait_until(NINE)


async def states(town: Town) -> list[tuple[str, str | None]]:
    return [(i.state, i.acknowledged_by) for i in await town.incidents()]


async def test_one_press_in_slack_takes_what_nobody_has(workspace: SlackTown) -> None:
    town = workspace.town
    ana, ben = await workspace.person("Ana"), await workspace.person("Ben", "sms")
    hers = await workspace.joins(ana)
    await a_night(town, ana, "Disk", "Certificate", "Queue")
    message: Said = await hers.expects("Quiet last night: 3 incidents wait for you.", "Disk", "Certificate", "Queue")
    assert list(message.buttons) == ["Acknowledge all"]
    workspace.nothing_else(hers)
    await ben.acknowledges(2)
    await workspace.press(message, "Acknowledge all")
    assert await states(town) == [("acknowledged", "ana"), ("acknowledged", "ben"), ("acknowledged", "ana")]
    assert "You have #1, #3 (Checkout)." in str(message)
    assert "Quiet last night: 3 incidents wait for you." in str(message), "it still says what it was about"
    assert "Certificate" in str(message)
    assert message.buttons == {}


async def test_a_press_of_somebody_else_changes_nothing(workspace: SlackTown) -> None:
    town = workspace.town
    ana, ben = await workspace.person("Ana"), await workspace.person("Ben")
    hers, _ = await workspace.joins(ana), await workspace.joins(ben)
    await a_night(town, ana, "Disk", "Certificate")
    message = await hers.expects("2 incidents wait for you")
    answer = await workspace.slack.press(message, "Acknowledge all", by=workspace.member_of(ben))
    assert (answer.status, answer.json()["code"]) == (403, "not_yours")
    assert {state for state, _ in await states(town)} == {"triggered"}
    await workspace.press(message, "Acknowledge all")
    assert await states(town) == [("acknowledged", "ana")] * 2
    assert "You have #1, #2 (Checkout)." in str(message)
    assert message.buttons == {}


async def test_in_slack_a_night_of_one_has_the_buttons_of_a_page(workspace: SlackTown) -> None:
    ana = await workspace.person("Ana")
    hers = await workspace.joins(ana)
    await a_night(workspace.town, ana, "Disk")
    message = await hers.expects("Quiet last night: 1 incident waits for you")
    assert sorted(message.buttons) == ["Acknowledge", "Escalate", "Resolve"]
    await workspace.press(message, "Acknowledge")
    assert await states(workspace.town) == [("acknowledged", "ana")]
    assert "You have #1 since " in str(message)


async def test_one_press_on_a_phone_takes_the_night_and_says_so(phones: Pushed) -> None:
    town = phones.town
    ana = await phones.person("Ana")
    device = await phones.device(ana)
    await a_night(town, ana, "Disk", "Certificate")
    push = await device.inbox.expects("Quiet last night: 2 incidents wait for you")
    assert push.data["button"]["label"] == "Acknowledge all"
    waiting = (await phones.look(push)).json()
    assert (waiting["state"], waiting["numbers"], waiting["open"]) == ("triggered", [1, 2], True)
    wrong = push.data["button"]["form"] | {"signature": "x"}
    path = push.data["link"].removeprefix(PUBLIC_URL)
    assert (await town.http.post(path, data=wrong, headers={"Accept": "application/json"})).status_code == 403
    alone = await town.http.post(f"{path}/1", data=push.data["button"]["form"])
    assert alone.status_code == 422, "the button of all is none of one"
    assert {state for state, _ in await states(town)} == {"triggered"}
    told = (await phones.press(push)).json()
    assert (told["told"], told["mine"], told["state"]) == ("You have #1, #2 (Checkout).", True, "acknowledged")
    assert await states(town) == [("acknowledged", "ana")] * 2
    again = (await phones.press(push)).json()
    assert again["told"] == "You have #1, #2 (Checkout)."
    await town.clock.stop_at(NINE + hours(24))
    assert (await town.http.post(path, data=push.data["button"]["form"])).status_code == 410


async def test_an_ntfy_app_has_the_button_as_well(phones: Pushed) -> None:
    ana = await phones.person("Ana")
    topic = await phones.topic(ana, "anas-secret-topic")
    await a_night(phones.town, ana, "Disk", "Certificate")
    message = await topic.expects("Quiet last night: 2 incidents wait for you")
    assert [a["label"] for a in message.actions] == ["Acknowledge all"]


@pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)
async def test_the_screen_behind_the_link_has_one_button_for_all(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await a_night(town, ana, "Disk", "Certificate", "Queue")
    await ana.expects_mail("3 incidents wait for you")
    await ben.acknowledges(3)
    screen = await ana.follows_link("Acknowledge all 2")
    assert "You have #1, #2 (Checkout). Ben has #3 since" in screen.words
    assert "Acknowledge all" not in screen.words
    assert await states(town) == [("acknowledged", "ana"), ("acknowledged", "ana"), ("acknowledged", "ben")]
