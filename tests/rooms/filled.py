"""Long forms as a browser without scripts sends them: every field as the screen shows it, a few of them changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any

from whole import Whole

Pairs = list[tuple[str, str]]


class _Reader(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.action, self.inside = action, False
        self.pairs: Pairs = []
        self.select: str | None = None
        self.options: list[tuple[str, bool]] = []
        self.area: str | None = None
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.inside = given.get("action") == self.action
        if not self.inside:
            return
        name = given.get("name") or ""
        if tag == "input" and name and given.get("type") not in ("checkbox", "radio"):
            self.pairs.append((name, given.get("value") or ""))
        elif tag == "input" and name and "checked" in given:
            self.pairs.append((name, given.get("value") or "on"))
        elif tag == "select":
            self.select, self.options = name, []
        elif tag == "option" and self.select is not None:
            self.options.append((given.get("value") or "", "selected" in given))
        elif tag == "textarea":
            self.area, self.text = name, ""

    def handle_data(self, data: str) -> None:
        if self.area is not None:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "select" and self.select is not None:
            chosen = [value for value, selected in self.options if selected] or [v for v, _ in self.options[:1]]
            self.pairs += [(self.select, value) for value in chosen[:1]]
            self.select = None
        elif tag == "textarea" and self.area is not None:
            self.pairs.append((self.area, self.text.removeprefix("\n")))
            self.area = None


@dataclass
class Filled:
    """One form of a screen, on one person's desk. `screen`: what was shown last; `status`: with what."""

    house: Whole
    action: str
    person: str = "cara"
    screen: str = ""
    status: int = 200
    pairs: Pairs = field(default_factory=list)

    def _take(self, text: str, status: int) -> None:
        self.screen, self.status = text, status
        reader = _Reader(self.action)
        reader.feed(text)
        self.pairs = reader.pairs

    async def open(self, path: str | None = None) -> Filled:
        headers = self.house.as_person(self.person) | {"Accept": "text/html"}
        answer = await self.house.http.get(path or self.action, headers=headers)
        self._take(answer.text, answer.status_code)
        return self

    async def press(self, button: str = "", /, **changes: str) -> Filled:
        """Changes of fields by name (`__` for `.`), then a button; a form that leads elsewhere is followed there."""
        data = [(n, v) for n, v in self.pairs if n != "press"] + ([("press", button)] if button else [])
        return await self.send(changed(data, {name.replace("__", "."): value for name, value in changes.items()}))

    async def send(self, data: Pairs) -> Filled:
        headers = self.house.as_person(self.person) | {"Accept": "text/html"}
        body: dict[str, Any] = {}
        for name, value in data:
            body.setdefault(name, []).append(value)
        answer = await self.house.http.post(self.action, data=body, headers=headers)
        if answer.status_code == 303:
            return await self.open(answer.headers["location"])
        self._take(answer.text, answer.status_code)
        return self

    def value(self, name: str) -> list[str]:
        return [v for n, v in self.pairs if n == name]

    @property
    def said(self) -> str:
        """What a reader sees, without markup."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.screen.partition("<main")[2])).split())

    @property
    def wrong(self) -> dict[str, str]:
        found = re.findall(r'<span class="wrong" id="wrong-([\w.]*)">(.*?)</span>', self.screen)
        return {name: unescape(text) for name, text in found}


def changed(data: Pairs, changes: dict[str, str]) -> Pairs:
    """The first field of each name has another value; one that is not there is added."""
    data = list(data)
    for name, value in changes.items():
        at = next((n for n, (known, _) in enumerate(data) if known == name), None)
        if at is None:
            data.append((name, value))
        else:
            data[at] = (name, value)
    return data
