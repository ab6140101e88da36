"""What would happen if this payload arrived at that time and nobody answered: the road itself on shadow tables, with
its clock at that time, from the payload to the texts of every message. Nobody is told, and nothing stays
(behaviour.md 16).

Configuration is as it is now, or as drafts of a schedule and of a policy would make it; silences, windows and shifts
are those of that time. What is open now does not count: the payload is the first thing that ever happened. What fires
goes on firing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.db import batches
from app.errors import Invalid
from app.incidents.timeline import describe
from app.ingest.entrances import door_of
from app.ingest.event import Event, Parsed
from app.ingest.requests import Door, Request
from app.notifications.claiming import Parcel, Room, claim
from app.notifications.template_cache import Templates
from app.notifications.wording import Wording
from app.rehearsal import shadow_store
from app.rehearsal.aside import GIVEN_S, alone, taken_back
from app.rehearsal.drafts import Drafts
from app.rehearsal.playing import Player, TooSlow
from app.rehearsal.simulation import Payload

MOST_HOURS: Final = 72
MOST_MESSAGES: Final = 500
MOST_ENTRIES: Final = 1_000
CLAIM: Final = 100


@dataclass(frozen=True, slots=True)
class Arrives:
    """What arrives at an instant, and for how long it is watched: a payload, or events by the keys of the integrations
    that bring them. `drafts`: what the configuration is taken to say."""

    payload: Payload | None
    at: datetime
    lasts: timedelta
    events: Sequence[tuple[str, Event]] = ()
    drafts: Drafts | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A message: `address` as a hint, `to` by name, `user` by key (None: a webhook). `step` counts from 1; one
    more than there are: the last resort; None: it belongs to no step."""

    at: datetime
    incident: int
    purpose: str
    to: str
    user: str | None
    channel: str
    address: str
    round: int | None
    step: int | None
    why: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Happened:
    """An entry of an incident's timeline."""

    at: datetime
    incident: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident that was opened. `verdict`: what decided its priority. `policy`: by name."""

    number: int
    title: str
    service: str
    priority: int
    loudness: str
    state: str
    verdict: dict[str, Any]
    policy: str | None


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an alert of the payload. `suppressed`: by what; empty: it was not."""

    title: str
    dedup_key: str
    service: str
    suppressed: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """`complete` False: there was more than is told. `refused`: why events of the payload cannot be used."""

    at: datetime
    until: datetime
    alerts: list[Fate]
    incidents: list[Opened]
    happened: list[Happened]
    messages: list[Told]
    refused: list[str]
    complete: bool


async def dry_run(
    url: URL,
    arrives: Arrives,
    channels: Collection[str],
    *,
    given_s: float = GIVEN_S,
    behind_pooler: bool = False,
) -> DryRun:
    """`channels`: the names of those configured.

    Raises `Invalid` (the integration or the payload cannot be used; `too_much`: it cannot be played in `given_s` real
    seconds), `Conflict` (`busy`) while this process rehearses something already.
    """
    return await alone(
        lambda: taken_back(url, behind_pooler, lambda conn: _on(conn, arrives, tuple(channels), given_s), _too_much)
    )


async def _on(conn: AsyncConnection, arrives: Arrives, channels: tuple[str, ...], given_s: float) -> DryRun:
    await shadow_store.limit(conn, given_s)
    await shadow_store.shadow(conn, arrives.at)
    if arrives.drafts is not None:
        await shadow_store.copy_drafted(conn)
    await conn.execute(batches.SETTINGS)
    await shadow_store.protect(conn)
    requests = _requests(arrives, {door.key: door for door in map(door_of, await shadow_store.doors(conn))})
    if arrives.drafts is not None:
        await arrives.drafts.lay(conn, arrives.at, requests[0].door.entrance.service_id)
    post = _Post((*channels, "webhook"))
    player = Player(conn, channels, clock.elapsed() + given_s, after=post.deliver)
    until = arrives.at + arrives.lasts
    try:
        await player.play(requests, arrives.at)
        if error := next((r.error for r in requests if r.error is not None), None):
            raise _invalid("payload", error)
        await shadow_store.keep_firing(conn)
        await player.pass_time(until)
    except TooSlow as late:
        raise _too_much() from late
    return await _told(conn, arrives.at, until, post, [r.error for request in requests for r in request.parsed.refused])


def _requests(arrives: Arrives, doors: Mapping[str, Door]) -> list[Request]:
    """What the integrations receive, each once. Raises `Invalid` (`integration`)."""
    brought: dict[str, list[Event]] = {} if arrives.payload is None else {arrives.payload.integration: []}
    for key, event in arrives.events:
        brought.setdefault(key, []).append(event)
    if missing := [key for key in brought if key not in doors]:
        raise _invalid("integration", f"there is no integration {missing[0]!r}")
    if arrives.payload is not None:
        return [Request(doors[arrives.payload.integration], arrives.payload.body, {})]
    return [
        Request(doors[key], b"", {}, parsed=Parsed(tuple(enumerate(events))), read_at=arrives.at)
        for key, events in brought.items()
    ]


@dataclass(slots=True)
class _Post:
    """Stands where channels are: keeps what is due, and says that it arrived."""

    channels: tuple[str, ...]
    messages: list[Told] = field(default_factory=list)
    left_out: bool = False

    async def deliver(self, conn: AsyncConnection, now: datetime) -> None:
        templates = Templates()
        while (claimed := await claim(conn, now, Room(self.channels, CLAIM), self.channels)).looked:
            wording = await Wording.of(conn, now, claimed.parcels, claimed.storm, templates=templates)
            for parcel in claimed.parcels:
                if len(self.messages) < MOST_MESSAGES:
                    self.messages.append(_message(parcel, now, wording.words(parcel, now)))
                else:
                    self.left_out = True
            await shadow_store.sent(conn, now)


def _message(parcel: Parcel, now: datetime, words: Any) -> Told:
    row = parcel[0]
    in_step = row.purpose in ("page", "update")
    return Told(
        now, row.number, row.purpose, row.user_name, row.user_key, row.channel, _hinted(row.channel, row.address),
        row.round if in_step else None, row.step + 1 if in_step else None, str(row.content.get("why", "")),
        words.subject, words.text_long if row.channel == "mail" else words.text,
    )  # fmt: skip


def _hinted(channel: str, address: str) -> str:
    """Enough to tell two contact methods apart: who may try payloads need not know numbers, nor the secrets that
    addresses of webhooks hold."""
    if channel == "webhook":
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"
    if channel in ("push", "ntfy", "apprise"):
        return address  # only a name anyway
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}" if at else f"…{address[-3:]}"


async def _told(conn: AsyncConnection, at: datetime, until: datetime, post: _Post, refused: list[str]) -> DryRun:
    entries = await shadow_store.happened(conn, MOST_ENTRIES + 1)
    return DryRun(
        at,
        until,
        [Fate(r.title, r.dedup_key, r.service, _suppressed(r.suppressed)) for r in await shadow_store.verdicts(conn)],
        [
            Opened(r.number, r.title, r.service, r.priority, r.loudness, r.state, r.verdict, r.policy)
            for r in await shadow_store.incidents(conn)
        ],
        [Happened(e.at, e.number, e.kind, describe(e.kind, e.data)) for e in entries[:MOST_ENTRIES]],
        post.messages,
        refused,
        not post.left_out and len(entries) <= MOST_ENTRIES,
    )


def _suppressed(why: Any) -> str:
    return f"{why.get('by', 'something')} “{why.get('name', '')}”" if why else ""


def _too_much() -> Invalid:
    message = "this is too much to try: it could not be played in time; give fewer hours or a smaller payload"
    return Invalid(message, code="too_much", errors=[{"field": "hours", "message": message}])


def _invalid(field_: str, message: str) -> Invalid:
    return Invalid(f"{field_}: {message}", errors=[{"field": field_, "message": message}])
