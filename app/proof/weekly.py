"""The weekly mail about lint: when it is due, and what it says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from app import hours
from app.oncall.lint import Finding

AT: Final = time(9)
UNTIL: Final = time(17)
"""On Mondays at nine of the owner's clock; what is late goes out at working hours, too."""
PLANNED_BEFORE: Final = timedelta(hours=12)
"""A week is planned when its Monday has nearly begun in UTC: Monday at nine comes first in UTC+14, on Sunday at 19."""
NAMED: Final = 20
"""So many findings of a schedule are in the mail; its own screen has the rest."""


def week_of(now: datetime) -> date:
    """The Monday of the week that is to be planned by now."""
    day = (now.astimezone(UTC) + PLANNED_BEFORE).date()
    return day - timedelta(days=day.weekday())


def due(week: date, where: ZoneInfo) -> datetime:
    """When the mail of a week goes out to somebody in this zone."""
    return hours.instant(datetime.combine(week, AT), where)


def sane(now: datetime, where: ZoneInfo) -> datetime:
    """`now` while it is a working hour there, else the next nine o'clock."""
    here = hours.local(now, where)
    if AT <= here.time() < UNTIL:
        return now
    day = here.date() + timedelta(days=here.time() >= AT)
    return hours.instant(datetime.combine(day, AT), where)


def is_over(week: date, now: datetime, where: ZoneInfo) -> bool:
    """Too late to plan this mail at all, because no worker ran on Monday: the next one comes in a week."""
    return now >= hours.instant(datetime.combine(week, UNTIL), where)


def wrong(key: str, name: str, findings: Sequence[Finding]) -> dict[str, Any] | None:
    """What is wrong with a schedule, as it is kept until the mail is written; None when nothing is. Notes are about
    what may well be meant, and not for mails. `marks` name findings across weeks, whatever their numbers."""
    warnings = [f for f in findings if f.level == "warning"]
    if not warnings:
        return None
    said = [{"mark": mark(key, f), "message": f.message, "advice": f.advice} for f in warnings]
    return {"key": key, "name": name, "findings": said}


def mark(key: str, finding: Finding) -> str:
    """The same next week when it is still so."""
    return f"{key}:{finding.code}:{','.join(str(user) for user in finding.user_ids)}"


def marks(found: Sequence[Mapping[str, Any]]) -> set[str]:
    return {f["mark"] for schedule in found for f in schedule["findings"]}


def letter(found: Sequence[Mapping[str, Any]], before: set[str] | None, public_url: str) -> dict[str, str]:
    """`subject`, `text` for a phone, `text_long` for a mail. `before`: the marks of last week's; None: there was
    none, and nothing is called new."""
    count = sum(len(schedule["findings"]) for schedule in found)
    things = f"{count} thing{'s' if count > 1 else ''}"
    where = found[0]["name"] if len(found) == 1 else f"{len(found)} schedules"
    subject = f"On call: {things} to look at in {where}"
    fresh = 0 if before is None else len(marks(found) - before)
    lines = [f"{things.capitalize()} in {where} may leave pages unanswered in the coming year."]
    if before:
        lines.append(f"New since last week: {fresh or 'nothing'}.")
    for schedule in found:
        lines += ["", f"{schedule['name']}: {public_url}/schedules/{schedule['key']}"]
        for f in schedule["findings"][:NAMED]:
            new = "NEW: " if before is not None and f["mark"] not in before else ""
            lines.append(f"- {new}{f['message']}. To do: {f['advice']}.")
        if (more := len(schedule["findings"]) - NAMED) > 0:
            lines.append(f"- and {more} more")
    lines += ["", "This mail comes on Mondays, and only while something is wrong."]
    short = f"{subject}: {', '.join(s['name'] for s in found[:5])}. {public_url}/schedules"
    return {"subject": subject, "text": short, "text_long": "\n".join(lines)}
