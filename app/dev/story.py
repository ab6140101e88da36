"""The whole story, unattended: fire, page, nobody answers, climb, acknowledge by the link in the text, resolve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from app.dev.browser import press
from app.dev.example import ANA, BEN, CARA
from app.dev.http import Refused
from app.dev.playground import Playground
from app.dev.program import NotReady
from app.dev.senders import Alertmanager

ALERT: Final = "HighErrorRate"
STEP_S: Final = 300
"""The delay of the policy's first step."""
SLACK_S: Final = 10.0
"""A slow machine may take so long over what should take none."""
LOOK_EVERY_S: Final = 0.1


class Differs(Exception):
    """Something did not go as told."""


@dataclass(slots=True)
class Story:
    """What happened, in seconds since the beginning."""

    tell: Callable[[str], None] = lambda line: None
    began: float = field(default_factory=monotonic)
    happened: list[dict[str, Any]] = field(default_factory=list)

    def note(self, what: str, **more: Any) -> None:
        at = round(monotonic() - self.began, 2)
        self.happened.append({"at_s": at, "what": what, **more})
        self.tell(f"{at:6.2f} s  {what}")

    def require(self, true: bool, otherwise: str) -> None:
        """Raises `Differs`."""
        if not true:
            raise Differs(otherwise)


async def play(directory: Path, *, speed: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """The story on a fresh service in `directory`. Answers with `ok` and what happened; `error` where it is not ok."""
    story = Story(tell)
    playground = Playground(directory, speed=speed)
    error, told = None, ""
    try:
        async with playground:
            story.note("ready", service=playground.url)
            await _tell(story, playground)
    except (Differs, NotReady, Refused, AssertionError, OSError) as e:
        error, told = f"{type(e).__name__}: {e}", playground.service.tail() if hasattr(playground, "service") else ""
    else:
        story.note("stopped")
    took = round(monotonic() - story.began, 2)
    outcome: dict[str, Any] = {"ok": error is None, "speed": speed, "took_s": took, "happened": story.happened}
    return outcome if error is None else outcome | {"error": error, "log": told.splitlines()}


async def _tell(story: Story, playground: Playground) -> None:
    sender = Alertmanager(playground.url, playground.routing_keys["checkout-alertmanager"], ALERT, "checkout")
    await sender.fires()
    story.note("fired", alert=ALERT)
    text = await playground.phone(ANA).expects_sms(ALERT, within_s=SLACK_S)
    story.note("paged Ana by text", text=text.body)
    mail = await playground.mailbox.expects_mail(ANA.email, ALERT, within_s=SLACK_S)
    story.note("paged Ana by mail", subject=mail.subject)
    await sender.fires()
    story.note("fired again", alert=ALERT)
    story.require(not playground.phone(BEN).inbox.unexpected(), "Ben was paged before it was his turn")
    text = await playground.phone(BEN).expects_sms(ALERT, within_s=STEP_S / playground.speed + SLACK_S)
    story.note("climbed: paged Ben by text", text=text.body)
    screen = await press(playground.phone(BEN).last_link, "Acknowledge")
    story.require("You have it" in screen.text, "the screen does not say that Ben has it")
    (incident,) = await playground.incidents()
    story.require(incident["state"] == "acknowledged", f"the incident is {incident['state']}, not acknowledged")
    story.note("acknowledged by the link in the text", number=incident["number"], by=incident["acknowledged_by"])
    story.require(incident["acknowledged_by"] == BEN.key, "it was not Ben who acknowledged")
    await sender.resolves()
    await _until(lambda: _is(playground, "resolved"), "the incident did not resolve")
    story.note("resolved by the source", number=incident["number"])
    story.require(not playground.phone(CARA).inbox.items, "Cara was paged although Ben had it")
    for entry in await playground.timeline(incident["number"]):
        story.tell(f"          {entry['text']}")


async def _is(playground: Playground, state: str) -> bool:
    return bool((await playground.incidents())[0]["state"] == state)


async def _until(true: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    for _ in range(int(SLACK_S / LOOK_EVERY_S)):
        if await true():
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise Differs(otherwise)
