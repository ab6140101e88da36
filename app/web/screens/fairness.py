"""How evenly a schedule loads its people: a plot of each kind of load, the score with its parts, the numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final, Literal, NamedTuple

from fastapi import APIRouter, Response

from app import hours
from app.oncall import commands, store
from app.web.api.on_call_answers import Window
from app.web.api.schedule_checks import FairnessAnswer, measure_fairness
from app.web.models import Key
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import hours_of
from app.web.screens.schedule import manages
from app.web.screens.schedule_drawing import colour
from app.web.screens.time_axis import percent

router = APIRouter(prefix="/schedules/{key}", include_in_schema=False)

Period = Literal["past30", "past90", "next90"]
PERIODS: Final[dict[Period, str]] = {"past30": "Last 30 days", "past90": "Last 90 days", "next90": "Next 90 days"}
LENGTHS: Final[dict[Period, int]] = {"past30": -30, "past90": -90, "next90": 90}


class Kind(NamedTuple):
    """A kind of load: its part of the score, the member of the record that has it, and how a number of it is said."""

    part: str
    title: str
    member: str
    words: Callable[[float], str]
    explained: str


KINDS: Final = (
    Kind("hours", "Hours", "on_call_seconds", hours_of, "All the time on call."),
    Kind("nights", "Nights", "night_seconds", hours_of, "22:00 to 06:00, in each person’s own zone."),
    Kind("weekends", "Weekends", "weekend_seconds", hours_of, "Saturday and Sunday, in each person’s own zone."),
    Kind("holidays", "Holidays", "holiday_seconds", hours_of, "The holidays that each person observes."),
    Kind("pages", "Pages", "pages", "{:,.0f}".format, "Loud pages while on call here; no part of the score."),
)


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    colour: str
    width: str
    words: str


@dataclass(frozen=True, slots=True)
class Column:
    """One kind of load of everybody. `evenness`: its part of the score; None: nobody has any, and nothing is drawn.
    `moved`: how much would have to move to others to be even."""

    part: str
    title: str
    explained: str
    evenness: float | None
    moved: str
    words: list[str]
    mean: str
    mean_at: str
    bars: list[Bar]


@router.get("/fairness")
async def show_fairness(
    key: Key, reader: Annotated[Reader, reads("schedules.read")], period: Period = "past90"
) -> Response:
    """Of the days before or after now."""
    now = reader.tx.now
    stored = await commands.read(reader.tx.conn, key)
    other = now + timedelta(days=LENGTHS[period])
    found = await measure_fairness(key, reader.tx, Window(min(now, other), max(now, other)))
    ids = await store.find_users(reader.tx.conn, [load.user.key for load in found.people])
    return reader.shows(
        "fairness",
        schedule=stored.document,
        found=found,
        first=hours.local(found.starts_at, reader.zone),
        last=hours.local(found.ends_at, reader.zone),
        columns=[_column(kind, found, ids) for kind in KINDS],
        period=period,
        periods=PERIODS,
        may_edit=await manages(reader, stored),
    )


def _column(kind: Kind, found: FairnessAnswer, ids: dict[str, int]) -> Column:
    loads = [float(getattr(load, kind.member)) for load in found.people]
    mean = sum(loads) / len(loads) if loads else 0.0
    most = max(loads, default=0.0)
    excess = sum(load - mean for load in loads if load > mean)
    bars = [
        Bar(of.user.name, colour(ids.get(of.user.key, 0)), percent(100 * load / most), kind.words(load))
        for of, load in zip(found.people, loads, strict=True)
        if most
    ]
    return Column(
        kind.part,
        kind.title,
        kind.explained,
        getattr(found.parts, kind.part),
        kind.words(excess) if excess > 0.005 * sum(loads) else "",
        [kind.words(load) for load in loads],
        kind.words(mean),
        percent(100 * mean / most if most else 0),
        bars,
    )
