"""`/message-templates`: what pages say, part by part, for the organisation and for single services."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response

from app.notifications import templates
from app.notifications.costs import amount
from app.notifications.template_document import MessageTemplateDocument, MessageTemplateEdit
from app.notifications.template_lint import Lint
from app.notifications.templates import InForce
from app.settings import Settings
from app.web.auth import Caller, needs, permission
from app.web.dependencies import SettingsGiven, Tx
from app.web.models import Answer
from app.web.pages import Listed, Page
from app.web.versions import IfMatch, set_etag

router = APIRouter(prefix="/message-templates", tags=["message templates"])
Editing = Annotated[Caller, needs("message_templates.edit")]
TemplateKey = Annotated[str, Path(max_length=100, examples=["sms:checkout"])]


class MessageTemplateAnswer(Answer):
    """What a part of a page says. `written`: somebody wrote it for this key; else `text` is what applies instead, the
    organisation's or Tocsin's own, and `version` is 0. `adds`: what Tocsin says beside it."""

    key: str
    part: str
    service: str | None
    text: str
    written: bool
    adds: str
    version: int
    created_at: datetime | None
    updated_at: datetime | None


class LintFinding(Answer):
    """An `error` refuses the template, a `warning` does not. `code`: one word for programs."""

    level: Literal["error", "warning"]
    code: str
    message: str


class LintSpread(Answer):
    """Over the samples."""

    least: int
    median: float
    most: int


class LintCost(Answer):
    """Of one text message, estimated; `before`: the average of `messages` pages of the last 30 days."""

    amount: str
    before: str
    currency: str
    messages: int


class LintSample(Answer):
    """What became of the alert of this title; `segments` and `encoding` of text messages only."""

    title: str
    text: str
    segments: int | None
    encoding: str | None


class MessageTemplateLint(Answer):
    """What a template makes of the newest alerts. `samples`: how many; `recorded`: those of them that come with Tocsin,
    because there were few. `longest`: the three longest. `cost`: where a provider told prices."""

    findings: list[LintFinding]
    samples: int
    recorded: int
    characters: LintSpread | None
    segments: LintSpread | None
    ucs2: int
    cost: LintCost | None
    longest: list[LintSample]


class MessageTemplateSaved(MessageTemplateAnswer):
    """As it is now, and what there is to know of it."""

    lint: MessageTemplateLint


def _answer(found: InForce, response: Response | None = None) -> MessageTemplateAnswer:
    stored = found.stored
    if response is not None:
        set_etag(response, stored.version if stored else 0)
    return MessageTemplateAnswer(
        key=found.key,
        part=found.part.key,
        service=found.service or None,
        text=found.text,
        written=stored is not None,
        adds=found.part.owed,
        version=stored.version if stored else 0,
        created_at=stored.created_at if stored else None,
        updated_at=stored.updated_at if stored else None,
    )


def linted(told: Lint) -> MessageTemplateLint:
    cost = told.cost
    return MessageTemplateLint(
        findings=[LintFinding(**asdict(f)) for f in told.findings],
        samples=told.samples,
        recorded=told.recorded,
        characters=LintSpread(**asdict(told.characters)) if told.characters else None,
        segments=LintSpread(**asdict(told.segments)) if told.segments else None,
        ucs2=told.ucs2,
        cost=LintCost(amount=_digits(cost.amount), before=_digits(cost.before), currency=cost.currency,
                      messages=cost.messages) if cost else None,
        longest=[
            LintSample(title=s.title, text=s.text, segments=s.segments or None, encoding=s.encoding or None)
            for s in told.longest
        ],
    )  # fmt: skip


def _digits(price: Decimal) -> str:
    return amount(price) or ""


def link(settings: Settings) -> str:
    """As long as a signed link is here."""
    return f"{settings.public_url}/l/{'A' * 22}"


@router.get("", dependencies=[permission("message_templates.read")])
async def list_message_templates(tx: Tx, page: Page) -> Listed[MessageTemplateAnswer]:
    """Every part, and what services have of their own, in the order of their keys."""
    found = [_answer(f) for f in await templates.in_force(tx.conn) if f.key > page.after_text]
    return page.of(found[: page.fetch], lambda each: each.key)


@router.post("/try")
async def try_message_template(
    body: MessageTemplateDocument, tx: Tx, settings: SettingsGiven, caller: Editing
) -> MessageTemplateLint:
    """What a template would make of the last 100 alerts (of the service, where it is for one). Stores nothing."""
    return linted(await templates.judged(tx.conn, tx.now, body, link=link(settings)))


@router.get("/{key}", dependencies=[permission("message_templates.read")])
async def read_message_template(key: TemplateKey, tx: Tx, response: Response) -> MessageTemplateAnswer:
    """What a part says."""
    return _answer(await templates.read(tx.conn, key), response)


@router.put("/{key}")
async def put_message_template(
    key: TemplateKey, body: MessageTemplateEdit, tx: Tx, response: Response, expected: IfMatch, settings: SettingsGiven,
    caller: Editing,
) -> MessageTemplateSaved:  # fmt: skip
    """Saves a template, unless its lint has an error: 422. Pages say it from now on. `If-Match: "0"`: only while there
    is none."""
    document = MessageTemplateDocument.model_construct(key=key, text=body.text)
    saved, told = await templates.put(
        tx.conn, tx.now, document, actor=caller.actor, version=expected, link=link(settings)
    )
    return MessageTemplateSaved(**_answer(saved, response).model_dump(), lint=linted(told))


@router.delete("/{key}", status_code=204)
async def delete_message_template(key: TemplateKey, tx: Tx, expected: IfMatch, caller: Editing) -> None:
    """Back to the default: the organisation's for one of a service, else Tocsin's own words."""
    await templates.delete(tx.conn, tx.now, key, actor=caller.actor, version=expected)
