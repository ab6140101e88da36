"""What texts and calls of a month cost, by team."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from app.notifications import costs
from app.web.api.costs import bounds
from app.web.screens.reader import Reader, reads

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Team:
    """A team's lines. `name` is empty for what belongs to none; `sums`: one for each currency."""

    name: str
    lines: list[Any]
    sums: list[str]


@router.get("/costs")
async def show_costs(
    reader: Annotated[Reader, reads("costs.read")],
    month: Annotated[str, Query()] = "",
) -> Response:
    """Of this month (in UTC, as prices are told), or of the one that is asked for."""
    now = reader.tx.now.astimezone(UTC)
    start, end = bounds(month or f"{now:%Y-%m}")
    found = await costs.by_team(reader.tx.conn, start, end)
    totals = await costs.totals(reader.tx.conn, start, end)
    before = start - timedelta(days=1)
    return reader.shows(
        "costs",
        first=start,
        month=_of(start),
        before=before,
        earlier=_of(before) if before.year >= 2000 else "",
        after=end,
        later=_of(end) if end <= now else "",
        teams=_teams(found),
        messages=sum(t.messages for t in totals),
        unpriced=sum(t.messages - t.priced for t in totals),
        sums=_sums(totals),
    )


def _of(day: datetime) -> str:
    return f"{day.year:04}-{day.month:02}"


def _teams(found: Any) -> list[Team]:
    keys = list(dict.fromkeys(r.team for r in found))
    return [
        Team(of[0].name or "", [(r, money(r.total, r.currency)) for r in of], _sums(of))
        for key in keys
        if (of := [r for r in found if r.team == key])
    ]


def _sums(rows: Any) -> list[str]:
    """One for each currency: amounts of different ones are never added up."""
    added: dict[str, Decimal] = {}
    for r in rows:
        if r.total is not None:
            added[r.currency or ""] = added.get(r.currency or "", Decimal(0)) + r.total
    return [money(total, currency) for currency, total in sorted(added.items())]


_WHOLE: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
     "XPF"}
)  # fmt: skip
"""Currencies without a minor unit, of ISO 4217."""


def money(total: Decimal | None, currency: str | None) -> str:
    """`12.34 EUR`; with as many digits as there are, two at least where the currency has them.

    >>> money(Decimal("12.3400"), "EUR"), money(Decimal("0.0375"), "USD"), money(None, None)
    ('12.34 EUR', '0.0375 USD', '')
    >>> money(Decimal("12.00"), "JPY"), money(Decimal("7.50"), "JPY")
    ('12 JPY', '7.5 JPY')
    """
    if total is None:
        return ""
    whole, _, digits = f"{total:f}".partition(".")
    shown = digits.rstrip("0").ljust(0 if currency in _WHOLE else 2, "0")
    return f"{whole}{'.' if shown else ''}{shown} {currency or ''}".strip()
