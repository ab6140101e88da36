"""What people do with message templates. One is saved only after it was tried on real alerts; deleted, Tocsin's own
words go out again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory.changes import Stored, check_version, invalid, missing, record
from app.errors import Conflict, Invalid
from app.notifications import template_lint, template_store
from app.notifications.template_document import MessageTemplateDocument
from app.notifications.template_examples import EXAMPLES
from app.notifications.template_lint import LINK, Ground, Lint
from app.notifications.template_parts import PARTS, Part, split

ENOUGH: Final = 20
"""With fewer real alerts, recorded ones join them."""

Template = Stored[MessageTemplateDocument]


@dataclass(frozen=True, slots=True)
class InForce:
    """What a part says. `stored`: None while it is not for this key that a text is kept."""

    key: str
    part: Part
    service: str
    text: str
    stored: Template | None


async def in_force(conn: AsyncConnection) -> list[InForce]:
    """Of every part, and of what services have of their own, in the order of their keys."""
    kept = {s.document.key: s for s in await listed(conn)}
    return [_in_force(key, kept.get(key), kept) for key in sorted({*PARTS, *kept})]


async def listed(conn: AsyncConnection) -> list[Template]:
    """Those that are stored, in the order of their keys."""
    return [_stored(row) for row in await template_store.templates(conn)]


async def read(conn: AsyncConnection, key: str) -> InForce:
    """Also of one that nobody wrote: what applies in its place. Raises `NotFound` for what is no part or service."""
    await _service_id(conn, key)
    part, _ = split(key)
    found = {s.document.key: s for k in (key, part.key) for s in map(_stored, await template_store.templates(conn, k))}
    return _in_force(key, found.get(key), found)


async def put(
    conn: AsyncConnection, now: datetime, document: MessageTemplateDocument, *, actor: str, version: int | None = None,
    link: str = "",
) -> tuple[InForce, Lint]:  # fmt: skip
    """Saves it, and tells what is to be known of it. `link`: a signed link as it is here. What is stored already writes
    nothing. Raises `NotFound`, `Conflict` (`outdated`), `Invalid` for what the lint refuses."""
    told = await judged(conn, now, document, link=link)
    if told.errors:
        wrong = [{"field": "text", "message": f.message} for f in told.errors]
        raise Invalid("; ".join(f"text: {e['message']}" for e in wrong), errors=wrong)
    key, (part, _) = document.key, split(document.key)
    locked = await template_store.lock(conn, key)
    check_version("message template", key, locked[1] if locked else 0, version)
    if locked is None:
        if not await template_store.insert(conn, now, part.key, await _service_id(conn, key), document.text):
            raise Conflict(f"message template {key!r} was made meanwhile", code="outdated", current_version=1)
        await record(conn, now, actor, "message_template.created", key, after=document.model_dump())
        return await read(conn, key), told
    before = await read(conn, key)
    if before.text != document.text:
        await template_store.update(conn, now, locked[0], document.text)
        old = document.model_copy(update={"text": before.text})
        await record(conn, now, actor, "message_template.edited", key, old.model_dump(), document.model_dump())
    return await read(conn, key), told


async def create(conn: AsyncConnection, now: datetime, document: MessageTemplateDocument, *, actor: str) -> None:
    """As `put`, in the shape of `apply`: `Invalid` for an unknown service."""
    _, service = split(document.key)
    if service and await template_store.service_id(conn, service) is None:
        raise invalid(("key", f"there is no service {service!r}"))
    await put(conn, now, document, actor=actor)


async def edit(conn: AsyncConnection, now: datetime, key: str, document: Any, *, actor: str) -> None:
    await put(conn, now, MessageTemplateDocument(key=key, text=document.text), actor=actor)


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Back to the default: the organisation's for one of a service, else Tocsin's own words. Raises `NotFound`,
    `Conflict` (`outdated`)."""
    if (locked := await template_store.lock(conn, key)) is None:
        raise missing("message template", key)
    check_version("message template", key, locked[1], version)
    [row] = await template_store.templates(conn, key)
    await template_store.delete(conn, locked[0])
    await record(conn, now, actor, "message_template.deleted", key, _stored(row).document.model_dump())


async def judged(conn: AsyncConnection, now: datetime, document: MessageTemplateDocument, *, link: str = "") -> Lint:
    """What would become of it; stores nothing. Raises `NotFound` for a service that there is not."""
    now_there = await read(conn, document.key)
    pages = await template_store.newest(conn, now_there.service or None, now)
    recorded: Sequence[Any] = EXAMPLES if len(pages) < ENOUGH else ()
    ground = Ground(
        [*pages, *recorded],
        len(recorded),
        await template_store.banned(conn),
        link or LINK,
        await template_store.price(conn, now) if now_there.part.key == "sms" else None,
        await template_store.unlinked(conn),
        now_there.text,
        await template_store.want_no_links(conn),
    )
    return await asyncio.to_thread(template_lint.lint, now_there.part, document.text, ground)


async def _service_id(conn: AsyncConnection, key: str) -> int | None:
    _, service = split(key)
    if not service:
        return None
    if (found := await template_store.service_id(conn, service)) is None:
        raise missing("service", service)
    return found


def _in_force(key: str, stored: Template | None, kept: dict[str, Template]) -> InForce:
    part, service = split(key)
    of_all = kept.get(part.key)
    applies = stored or of_all
    return InForce(key, part, service, applies.document.text if applies else part.default, stored)


def _stored(row: Any) -> Template:
    document = MessageTemplateDocument.model_construct(key=row.key, text=row.text)
    return Stored(row.id, document, row.version, row.created_at, row.updated_at)
