"""`/schedules/{schedule}/feeds` and `/users/me/feeds`: addresses at which calendar programs read shifts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.calendars.feed_store import StoredFeed
from app.errors import Forbidden, NotFound
from app.oncall import commands, feeds, store
from app.oncall.feeds import Owner
from app.web.api.stored import created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import SettingsGiven, Transaction, Tx
from app.web.idempotency import Route, idempotent, shown_once
from app.web.models import Answer, Body, Key, Name, example

router = APIRouter(tags=["calendars"], route_class=Route)
FeedId = Annotated[int, Path(ge=1, lt=2**63)]
Editing = Annotated[Caller, needs("schedule_feeds.edit")]
Mine = Annotated[Caller, needs("me.edit")]


class FeedNew(Body):
    """A feed. `name` tells it apart from others: who reads it, where."""

    model_config = example(name="Ana's phone")

    name: Name


class FeedAnswer(Answer):
    """A feed; `hint` is the end of its token. `last_read_at` is about as exact as an hour."""

    id: int
    name: str
    hint: str
    created_by: str
    created_at: datetime
    rotated_at: datetime | None
    last_read_at: datetime | None


class FeedMade(FeedAnswer):
    """`url` is shown this once: whoever has it can read the feed."""

    url: str | None


def _made(stored: StoredFeed, token: str, public_url: str) -> FeedMade:
    plain = FeedAnswer.model_validate(stored).model_dump()
    return FeedMade(**plain, url=f"{public_url}/feeds/{token}.ics")


async def _of_schedule(tx: Transaction, key: str) -> Owner:
    return Owner("schedule", key, schedule_id=(await commands.read(tx.conn, key)).id)


def _of_user(caller: Caller) -> Owner:
    if caller.user_id is None or caller.user_key is None:
        raise NotFound("this API key acts for no person", code="no_person")
    return Owner("user", caller.user_key, user_id=caller.user_id)


async def _may_touch(tx: Transaction, caller: Caller, owner: Owner, feed_id: int) -> None:
    """Whoever made it, and who manages the schedule's team."""
    feed = await feeds.one(tx.conn, owner, feed_id)
    team = (await commands.read(tx.conn, owner.key)).document.team
    team_id = await store.find_team(tx.conn, team) if team else None
    if feed.created_by != caller.actor and not caller.manages(team_id):
        raise Forbidden("somebody else made this feed", code="not_your_feed")


@router.get("/schedules/{schedule}/feeds", dependencies=[permission("schedules.read")])
async def list_schedule_feeds(schedule: Key, tx: Tx) -> list[FeedAnswer]:
    """Who reads the shifts of a schedule in a calendar program; 50 at most."""
    found = await feeds.listed(tx.conn, await _of_schedule(tx, schedule))
    return [FeedAnswer.model_validate(feed) for feed in found]


@router.post("/schedules/{schedule}/feeds", status_code=201, dependencies=[idempotent])
async def create_schedule_feed(
    schedule: Key, body: FeedNew, request: Request, response: Response, tx: Tx, settings: SettingsGiven, caller: Editing
) -> FeedMade:
    """Makes an address at which a calendar program reads the shifts and gaps of a schedule, 30 days back and 180
    ahead."""
    shown_once(request, "url")
    stored, token = await feeds.make(tx.conn, tx.now, await _of_schedule(tx, schedule), body.name, actor=caller.actor)
    created(response, f"schedules/{schedule}/feeds/{stored.id}")
    return _made(stored, token, settings.public_url)


@router.post("/schedules/{schedule}/feeds/{feed}/rotate")
async def rotate_schedule_feed(
    schedule: Key, feed: FeedId, tx: Tx, settings: SettingsGiven, caller: Editing
) -> FeedMade:
    """Another address; the one before counts no more."""
    owner = await _of_schedule(tx, schedule)
    await _may_touch(tx, caller, owner, feed)
    return _made(*await feeds.rotate(tx.conn, tx.now, owner, feed, actor=caller.actor), settings.public_url)


@router.delete("/schedules/{schedule}/feeds/{feed}", status_code=204)
async def revoke_schedule_feed(schedule: Key, feed: FeedId, tx: Tx, caller: Editing) -> None:
    """Its address counts no more."""
    owner = await _of_schedule(tx, schedule)
    await _may_touch(tx, caller, owner, feed)
    await feeds.revoke(tx.conn, tx.now, owner, feed, actor=caller.actor)


@router.get("/users/me/feeds")
async def list_my_feeds(tx: Tx, caller: Annotated[Caller, needs("me.read")]) -> list[FeedAnswer]:
    """Where whoever asks reads their own shifts; 50 at most."""
    return [FeedAnswer.model_validate(feed) for feed in await feeds.listed(tx.conn, _of_user(caller))]


@router.post("/users/me/feeds", status_code=201, dependencies=[idempotent])
async def create_my_feed(
    body: FeedNew, request: Request, response: Response, tx: Tx, settings: SettingsGiven, caller: Mine
) -> FeedMade:
    """Makes an address at which a calendar program reads the shifts of whoever asks, in all schedules."""
    shown_once(request, "url")
    stored, token = await feeds.make(tx.conn, tx.now, _of_user(caller), body.name, actor=caller.actor)
    created(response, f"users/me/feeds/{stored.id}")
    return _made(stored, token, settings.public_url)


@router.post("/users/me/feeds/{feed}/rotate")
async def rotate_my_feed(feed: FeedId, tx: Tx, settings: SettingsGiven, caller: Mine) -> FeedMade:
    """Another address; the one before counts no more."""
    stored, token = await feeds.rotate(tx.conn, tx.now, _of_user(caller), feed, actor=caller.actor)
    return _made(stored, token, settings.public_url)


@router.delete("/users/me/feeds/{feed}", status_code=204)
async def revoke_my_feed(feed: FeedId, tx: Tx, caller: Mine) -> None:
    """Its address counts no more."""
    await feeds.revoke(tx.conn, tx.now, _of_user(caller), feed, actor=caller.actor)
