"""*My account*: whether texts to a number carry links, as sent without scripts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from databases import TestServer
from forms import get, press, refused
from whole import Whole, shared

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHOD = """
    INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
    SELECT id, 'sms', :address, tocsin_now(), tocsin_now(), tocsin_now() FROM users WHERE key = 'ana'
"""
LINKS = "SELECT links FROM contact_methods WHERE address = :address"


TWILIO = {"twilio_account_sid": "AC" + "0" * 32, "twilio_auth_token": "t" * 32, "twilio_from": "+15005550006"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with shared(server, tmp_path_factory.mktemp("tocsin"), **TWILIO) as running:
        yield running


async def number(house: Whole, address: str) -> str:
    await house.execute(METHOD, address=address)
    added = await house.one("SELECT id FROM contact_methods WHERE address = :address", address=address)
    return f"/account/contact-methods/{added}/links"


def ticked(screen: str, path: str) -> bool:
    form = screen.split(f'action="{path}"')[1].split("</form>")[0]
    return bool(re.search(r'name="links" value="yes" checked', form))


async def test_links_are_turned_off_and_on_again(house: Whole) -> None:
    path = await number(house, "+4915111111111")
    assert ticked(await get(house, "/account", "ana"), path)
    off = await press(house, path, "ana", {})
    assert "Texts to this number carry no links from now on. Reply codes stay." in off
    assert not ticked(off, path)
    assert await house.one(LINKS, address="+4915111111111") is False
    on = await press(house, path, "ana", {"links": "yes"})
    assert "carry links from now on" in on
    assert ticked(on, path)


async def test_nobody_turns_off_the_links_of_somebody_else(house: Whole) -> None:
    path = await number(house, "+4915111111112")
    await refused(house, path, 404, "ben", {})
    assert await house.one(LINKS, address="+4915111111112") is True


async def test_what_the_country_refuses_is_no_choice_and_one_way_is_said(house: Whole) -> None:
    china, india = await number(house, "+8613812345678"), await number(house, "+919812345678")
    screen = await get(house, "/account", "ana")
    assert f'action="{china}"' not in screen
    assert "Carriers in China refuse links: texts carry none." in screen
    assert "From China no answer by text reaches us: acknowledge by another contact method, or log in." in screen
    assert "From India no answer" not in screen
    assert "From India no answer by text reaches us" in await press(house, india, "ana", {})
