"""A browser without JavaScript: fetches a screen, reads its forms, presses a button, follows where that leads."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx


@dataclass(slots=True)
class Form:
    """What pressing its one button sends, and where."""

    method: str
    address: str
    fields: dict[str, str] = field(default_factory=dict)
    caption: str = ""


class Screen(HTMLParser):
    """A screen as somebody reads it: `words` without the markup, `forms` in their order."""

    def __init__(self, address: str, answer: httpx.Response) -> None:
        super().__init__()
        self.address = address
        self.status = answer.status_code
        self.headers = answer.headers
        self.html = answer.text
        self.forms: list[Form] = []
        self._words: list[str] = []
        self._inside: list[str] = []
        self.feed(answer.text)
        self.words = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("method", "get"), given.get("action", "")))
        elif tag == "input" and self.forms and "name" in given:
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag in ("button", "style", "script"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self._words.append(data)
        elif self._inside[-1] == "button" and self.forms:
            self.forms[-1].caption += data.strip()

    @property
    def buttons(self) -> list[str]:
        return [form.caption for form in self.forms]

    def form(self, caption: str) -> Form:
        for form in self.forms:
            if form.caption == caption:
                return form
        raise AssertionError(f"the screen has no button {caption!r}, but {self.buttons}: {self.words}")


class Browser:
    """`public` is what addresses begin with, `real` where they are served."""

    def __init__(self, http: httpx.AsyncClient, public: str, real: str) -> None:
        self._http, self._public, self._real = http, public, real

    async def opens(self, address: str) -> Screen:
        return Screen(address, await self._http.get(self._target(address)))

    async def presses(self, screen: Screen, caption: str) -> Screen:
        form = screen.form(caption)
        assert form.method.lower() == "post", "a GET changes nothing, ever"
        answer = await self._http.post(
            self._target(form.address), data=form.fields, headers={"Origin": self._public}, follow_redirects=False
        )
        if answer.status_code == 303:
            return await self.opens(self._public + answer.headers["location"])
        return Screen(screen.address, answer)

    def _target(self, address: str) -> str:
        path = address.removeprefix(self._public)
        assert path.startswith("/"), f"{address} is not ours"
        return self._real + path
