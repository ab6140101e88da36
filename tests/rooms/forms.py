"""Screens over HTTP, as a browser without scripts reads them and sends their forms."""

from __future__ import annotations

import re
from html import unescape

import httpx
from whole import Whole


async def get(house: Whole, path: str, person: str = "cara", status: int = 200) -> str:
    """What the screen says, without what only screen readers are told."""
    answer = await house.http.get(path, headers=house.as_person(person) | {"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    return unescape(re.sub(r'<span class="unseen">.*?</span>', "", answer.text))


async def send(
    house: Whole, path: str, person: str = "cara", fields: dict[str, str | list[str]] | None = None, **more: str
) -> httpx.Response:
    headers = house.as_person(person) | {"Accept": "text/html"}
    return await house.http.post(path, data=(fields or {}) | more, headers=headers)


async def press(
    house: Whole, path: str, person: str = "cara", fields: dict[str, str | list[str]] | None = None, **more: str
) -> str:
    """What is said where the form leads to."""
    answer = await send(house, path, person, fields, **more)
    assert answer.status_code == 303, answer.text
    return await get(house, answer.headers["location"], person)


async def refused(
    house: Whole,
    path: str,
    status: int,
    person: str = "cara",
    fields: dict[str, str | list[str]] | None = None,
    **more: str,
) -> str:
    """The form again, with what is wrong."""
    answer = await send(house, path, person, fields, **more)
    assert answer.status_code == status, answer.text
    return unescape(answer.text)


def wrong(screen: str) -> dict[str, str]:
    """What is said beside fields, by their names."""
    return dict(re.findall(r'<span class="wrong" id="wrong-(\w+)">(.*?)</span>', screen))


def hidden(screen: str, name: str) -> str:
    """What a form carries along."""
    return re.findall(rf'name="{name}" value="(.*?)">', screen)[0]
