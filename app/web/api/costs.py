"""`/costs`: what texts and calls of a month cost by team, also as CSV, and one by one as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from app.errors import Invalid
from app.notifications import costs
from app.notifications.costs import amount
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.models import Answer

router = APIRouter(tags=["providers"])

READS = permission("costs.read")
Month = Annotated[
    str,
    Query(
        description="A month in UTC, like 2026-11.",
        examples=["2026-11"],
        json_schema_extra={"pattern": r"^\d{4}-\d{2}$"},
    ),
]
COLUMNS = (
    "at", "incident", "team", "service", "user", "purpose", "channel", "provider", "provider_id", "status", "price",
    "currency", "incidents",
)  # fmt: skip
TEAM_COLUMNS = ("month", "team", "channel", "provider", "messages", "priced", "total", "currency")


class TeamCost(Answer):
    """`messages` that a provider took; of `priced` of them it told a price. `total` is a decimal number, null where it
    told none: that is not 0. `team` is null for messages about no incident or of a service without a team. A message
    about several incidents is one price: each of them has an equal share of it, and it is among the `messages` of every
    team that has a share."""

    team: str | None
    channel: str
    provider: str
    messages: int
    priced: int
    total: str | None
    currency: str | None


class CurrencyTotal(Answer):
    """Every message once. `currency` and `total` are null for those that nobody told a price of. The totals of the
    teams add up to `total`."""

    currency: str | None
    messages: int
    priced: int
    total: str | None


class Costs(Answer):
    month: str
    items: list[TeamCost]
    totals: list[CurrencyTotal]


@router.get("/costs", dependencies=[READS])
async def read_costs(tx: Tx, month: Month) -> Costs:
    """By team, channel, provider and currency."""
    span = bounds(month)
    return Costs(
        month=month,
        items=[
            TeamCost(
                team=r.team,
                channel=r.channel,
                provider=r.provider,
                messages=r.messages,
                priced=r.priced,
                total=amount(r.total),
                currency=r.currency,
            )
            for r in await costs.by_team(tx.conn, *span)
        ],
        totals=[
            CurrencyTotal(currency=r.currency, messages=r.messages, priced=r.priced, total=amount(r.total))
            for r in await costs.totals(tx.conn, *span)
        ],
    )


@router.get("/costs.csv", dependencies=[READS], response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def read_costs_as_csv(tx: Tx, month: Month) -> Response:
    """A line for every team, channel, provider and currency."""
    found = await costs.by_team(tx.conn, *bounds(month))
    rows = [{**r._mapping, "month": month, "total": amount(r.total)} for r in found]
    return _csv(rows, TEAM_COLUMNS, f"tocsin-costs-by-team-{month}.csv")


@router.get("/costs/messages.csv", dependencies=[READS], response_class=Response,
            responses={200: {"content": {"text/csv": {}}}})  # fmt: skip
async def read_costs_of_messages(tx: Tx, month: Month) -> Response:
    """A line for every message, oldest first, at most 100,000."""
    rows = [
        {**r._mapping, "at": f"{r.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", "price": amount(r.price)}
        for r in await costs.messages(tx.conn, *bounds(month))
    ]
    return _csv(rows, COLUMNS, f"tocsin-costs-{month}.csv")


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], name: str) -> Response:
    written = io.StringIO()
    lines = csv.writer(written)
    lines.writerow(columns)
    lines.writerows(["" if row[c] is None else row[c] for c in columns] for row in rows)
    return Response(
        written.getvalue(), media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def bounds(month: str) -> tuple[datetime, datetime]:
    """Half open. Raises Invalid for a month that there is not."""
    try:
        start = datetime.strptime(month if len(month) == len("2026-11") else "", "%Y-%m").replace(tzinfo=UTC)
        end = (start + timedelta(days=31)).replace(day=1)
    except (ValueError, OverflowError) as e:
        raise _no_month("give a month like 2026-11") from e
    if not 2000 <= start.year <= 9000:
        raise _no_month("nothing was sent then: give one from 2000-01 to 9000-12")
    return start, end


def _no_month(message: str) -> Invalid:
    return Invalid(f"month: {message}", errors=[{"in": "query", "field": "month", "message": message}])
