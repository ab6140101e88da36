"""Somebody who opens a link on a phone and presses a button: GET, then the form's POST, as a browser does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from app.dev.http import Client, Refused, Reply


@dataclass(slots=True)
class Form:
    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    caption: str = ""


class _Forms(HTMLParser):
    """The forms of a screen, each with its hidden fields and the words on its button."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._on_button = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(given.get("method", "get").lower(), given.get("action", "")))
        elif tag == "input" and self.found and given.get("name"):
            self.found[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "button" and self.found:
            self._on_button = True
            if given.get("name"):
                self.found[-1].fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "button":
            self._on_button = False

    def handle_data(self, data: str) -> None:
        if self._on_button and self.found:
            self.found[-1].caption += data.strip()


def forms(html: str) -> list[Form]:
    return _Forms(html).found


async def press(link: str, caption: str) -> Reply:
    """Opens a link and presses the button whose words begin with `caption`; the screen that is shown then.

    Raises `Refused` for a screen that does not open or has no such button, OSError.
    """
    parts = urlsplit(link)
    origin = f"{parts.scheme}://{parts.netloc}"
    client = Client(origin, {"User-Agent": "a phone"})
    screen = await client.request("GET", parts.path)
    wanted = [f for f in forms(screen.text) if f.method == "post" and f.caption.startswith(caption)]
    if screen.status != 200 or not wanted:
        raise Refused(f"a screen with the button {caption!r}", screen)
    target = urlsplit(urljoin(link, wanted[0].action or parts.path))
    pressed = await client.submit(target.path, wanted[0].fields, {"Origin": origin})
    if pressed.status == 303:
        return await client.request("GET", urljoin(target.path, pressed.headers["location"]))
    if pressed.status != 200:
        raise Refused(f"the button {caption!r}", pressed)
    return pressed
