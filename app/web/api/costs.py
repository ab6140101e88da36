"""`/costs`: what texts and calls of a month cost by team, and one by one as CSV."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.errors import Invalid
from app.notifications import costs
from app.notifications.costs import amount
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.models import Answer

router = APIRouter(tags=["providers"])

READS = permission("incidents.read")
Month = Annotated[
    str, Query(pattern=r"^\d{4}-\d{2}$", description="A month in UTC, like 2026-11.", examples=["2026-11"])
]
COLUMNS = (
    "at", "incident", "team", "service", "user", "purpose", "channel", "provider", "provider_id", "status", "price",
    "currency",
)  # fmt: skip


class TeamCost(Answer):
    """`messages` that a provider took; of `priced` of them it told a price. `total` is a decimal number, null where it
    told none: that is not 0. `team` is null for messages about no incident or of a service without a team."""

    team: str | None
    channel: str
    provider: str
    messages: int
    priced: int
    total: str | None
    currency: str | None


class Costs(Answer):
    month: str
    items: list[TeamCost]


@router.get("/costs", dependencies=[READS])
async def read_costs(tx: Tx, month: Month) -> Costs:
    """By team, channel, provider and currency."""
    found = await costs.by_team(tx.conn, *_bounds(month))
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
            for r in found
        ],
    )


@router.get("/costs/messages.csv", dependencies=[READS], response_class=Response,
            responses={200: {"content": {"text/csv": {}}}})  # fmt: skip
async def read_costs_of_messages(tx: Tx, month: Month) -> Response:
    """A line for every message, oldest first, at most 100,000."""
    written = io.StringIO()
    lines = csv.writer(written)
    lines.writerow(COLUMNS)
    for r in await costs.messages(tx.conn, *_bounds(month)):
        row = {**r._mapping, "at": f"{r.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", "price": amount(r.price)}
        lines.writerow(["" if row[c] is None else row[c] for c in COLUMNS])
    name = f'attachment; filename="tocsin-costs-{month}.csv"'
    return Response(written.getvalue(), media_type="text/csv", headers={"Content-Disposition": name})


def _bounds(month: str) -> tuple[datetime, datetime]:
    """Half open. Raises Invalid for a month that there is not."""
    try:
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        end = (start + timedelta(days=31)).replace(day=1)
    except (ValueError, OverflowError) as e:
        raise Invalid(
            "month: a month like 2026-11 is needed", errors=[{"field": "month", "message": "no month"}]
        ) from e
    if not 2000 <= start.year <= 9000:
        raise Invalid("month: nothing was sent then", errors=[{"field": "month", "message": "2000-01 to 9000-12"}])
    return start, end
