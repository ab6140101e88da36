"""Messages on their screens: which words there are, a preview on real alerts, saving and going back; no JavaScript."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from databases import TestServer
from filled import Filled
from whole import Whole, shared

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIST = "/escalation/messages"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with shared(server, tmp_path_factory.mktemp("tocsin")) as running:
        yield running


async def test_a_part_is_previewed_saved_and_put_back(house: Whole) -> None:
    await house.execute("DELETE FROM message_templates")
    listed = await Filled(house, f"{LIST}/of").open(LIST)
    assert "P{priority} #{number}{repeat} {title}{more} ({service}) Tocsin's own words." in listed.said
    form = await Filled(house, f"{LIST}/sms").open()
    assert form.value("text") == ["P{priority} #{number}{repeat} {title}{more} ({service})"]
    await form.press("preview", text="{title} on {labels.instance}")
    assert form.status == 200
    assert "Warning: {labels.instance} is empty in 8 of 10 examples that come with Tocsin, such as" in form.said
    assert "Tried on 10 alerts, 10 of them recorded ones" in form.said
    assert "HighErrorRate on checkout-7d9f:8080" not in form.said  # not among the longest
    assert "1 segment, GSM-7" in form.said or "2 segments, GSM-7" in form.said
    assert form.value("text") == ["{title} on {labels.instance}"]
    assert (await house.rows("SELECT count(*) AS n FROM message_templates"))[0].n == 0
    await form.press("save")
    assert "Saved: pages say it from now on." in form.said
    assert "Warning: {labels.instance} is empty" in form.said
    back = await Filled(house, f"{LIST}/sms/reset").open(f"{LIST}/sms")
    await back.press()
    assert "Back to the default." in back.said
    assert (await house.rows("SELECT count(*) AS n FROM message_templates"))[0].n == 0


async def test_what_is_refused_is_said_line_by_line_and_kept(house: Whole) -> None:
    form = await Filled(house, f"{LIST}/voice").open()
    await form.press("save", text="{title}\n{nothing}")
    assert form.status == 422
    assert "Error: line 2, column 2: there is no {nothing} here" in form.said
    assert form.value("text") == ["{title}\n{nothing}"]
    await form.press("save", text="")
    assert (form.status, list(form.wrong)) == (422, ["text"])


async def test_words_of_one_service(house: Whole) -> None:
    await house.execute("DELETE FROM message_templates")
    chosen = await house.http.get(f"{LIST}/of?part=sms&service=checkout", headers=house.as_person("cara"))
    assert (chosen.status_code, chosen.headers["location"]) == (303, f"{LIST}/sms:checkout")
    choose = await Filled(house, f"{LIST}/sms:checkout").open()
    assert "This service has no words of its own" in choose.said
    await choose.press("save", text="Checkout: {title}")
    listed = await Filled(house, f"{LIST}/of").open(LIST)
    assert "Only for checkout: Checkout: {title} Change" in listed.said


async def test_two_who_edit_notice(house: Whole) -> None:
    await house.execute("DELETE FROM message_templates")
    mine = await Filled(house, f"{LIST}/push-title").open()
    theirs = await Filled(house, f"{LIST}/push-title").open()
    await theirs.press("save", text="Theirs: {title}")
    await mine.press("save", text="Mine: {title}")
    assert mine.status == 412
    assert "Nothing was saved" in mine.said
    assert "What is stored now: Theirs: {title}" in mine.said
    assert mine.value("text") == ["Mine: {title}"]


async def test_others_read_only(house: Whole) -> None:
    form = await Filled(house, f"{LIST}/sms", person="ana").open()
    assert (form.status, form.pairs) == (200, [])
    headers = house.as_person("ana") | {"Accept": "text/html"}
    sent = await house.http.post(f"{LIST}/sms", data={"version": "0", "text": "{title}"}, headers=headers)
    assert sent.status_code == 403
    assert (await Filled(house, f"{LIST}/fax").open()).status == 404
