"""The form of a schedule: from the tree of its fields to the document, and back. Pure.

Times of day are those of the schedule, or of the layer where it has a zone of its own. A start or an end that was not
touched stays the instant it was: clocks that are put back show some times twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from app import hours
from app.errors import Invalid, wrong_members
from app.oncall.schedule_document import CalendarLayerDocument, LayerDocument, ScheduleDocument
from app.web.screens.entered import LOCAL_TIME, local_instant
from app.web.screens.form_tree import Tree, number, placed, text, texts, trees

NAMES: Final = {"layers.members": "turns"}
_FLAT: Final = {
    "like.schedule": "like",
    "like.turns": "like_turns",
    "handoff_notices.minutes_before": "notice_minutes",
    "handoff_notices.confirm_within_minutes": "notice_confirm",
}
MODES: Final = {
    "replace": "takes the place of the layers before it",
    "add": "joins whoever the layers before it name",
    "shadow": "names who only looks on",
}
UNITS: Final = {"hour": "hours", "day": "days", "week": "weeks", "month": "months"}
UNCOVERED: Final = {"pass": "pass to whoever has them", "skip": "do not count"}
ORDERS: Final = {"rotation": "one after the other", "rested": "whoever is longest rested"}
COUNTS: Final = {"never": "the layer does not count", "only": "the layer counts only then"}
LISTS: Final = frozenset({
    "layers", "layers.turns", "layers.turns.users[]", "layers.handoffs", "layers.restrictions",
    "layers.restrictions.days[]",
})  # fmt: skip
FIELDS: Final = (
    "name", "key", "team", "time_zone", "like", "like_turns", "notice_minutes", "notice_confirm", "effective_from",
    "layers",
)  # fmt: skip
LAYER: Final = (
    "name", "mode", "unit", "length", "anchor", "handoffs", "turns", "restrictions", "uncovered_turns", "order",
    "calendar", "holidays", "holidays_counts", "time_zone", "starts_at", "ends_at",
)  # fmt: skip
_SPAN: Final = {"kind": "span", "from_day": "fri", "from": "17:00", "to_day": "mon", "to": "08:00"}
_BARE: Final = {
    "name": "", "mode": "replace", "restrictions": [], "holidays": "", "holidays_counts": "never", "time_zone": "",
    "starts_at": "", "ends_at": "", "starts_at_was": "", "ends_at_was": "",
}  # fmt: skip
_FORMAT: Final = "%Y-%m-%dT%H:%M"


def tree_of(schedule: ScheduleDocument) -> Tree:
    """What the form shows of a stored schedule."""
    told = schedule.handoff_notices
    return {
        "name": schedule.name,
        "key": schedule.key,
        "team": schedule.team or "",
        "time_zone": schedule.time_zone,
        "like": schedule.like.schedule if schedule.like else "",
        "like_turns": str(schedule.like.turns) if schedule.like else "1",
        "notice_minutes": str(told.minutes_before) if told else "",
        "notice_confirm": str(told.confirm_within_minutes or "") if told else "",
        "effective_from": "",
        "layers": [_layer_tree(layer, schedule.time_zone) for layer in schedule.layers],
    }


def _layer_tree(layer: LayerDocument | CalendarLayerDocument, zone: str) -> Tree:
    where = hours.zone(layer.time_zone or zone)
    bounds: Tree = {}
    for name in ("starts_at", "ends_at"):
        at = getattr(layer, name)
        bounds[name] = f"{hours.local(at, where):{_FORMAT}}" if at else ""
        bounds[f"{name}_was"] = at.isoformat() if at else ""
    shared: Tree = {
        "name": layer.name,
        "mode": layer.mode,
        "restrictions": [_restriction_tree(r.model_dump()) for r in layer.restrictions],
        "holidays": layer.holidays.calendar if layer.holidays else "",
        "holidays_counts": layer.holidays.counts if layer.holidays else "never",
        "time_zone": layer.time_zone or "",
    }
    if isinstance(layer, CalendarLayerDocument):
        return bounds | shared | {"kind": "calendar", "calendar": layer.calendar}
    return (
        bounds
        | shared
        | {
            "unit": layer.unit,
            "length": str(layer.length),
            "anchor": f"{layer.anchor:{_FORMAT}}",
            "handoffs": [{"day": h.day, "at": h.at} for h in layer.handoffs],
            "turns": [{"users": list(turn)} for turn in layer.members],
            "uncovered_turns": layer.uncovered_turns,
            "order": layer.order,
        }
    )


def _restriction_tree(given: dict[str, Any]) -> Tree:
    if "days" in given:
        # A field for a time of day has no 24:00; the midnight that ends a day is 00:00 to it.
        end = "00:00" if given["to"] == "24:00" else given["to"]
        return {"kind": "days", "days": given["days"], "from": given["from"], "to": end}
    start, end = (hours.week_time(hours.week_minute(given[name])).split(" ") for name in ("from", "to"))
    return {"kind": "span", "from_day": start[0], "from": start[1], "to_day": end[0], "to": end[1]}


def empty(path: str, now: datetime, zone: ZoneInfo) -> Tree | None:
    """What a button adds to the list of this path."""
    if path == "layers":
        today = hours.local(now, zone).replace(hour=9, minute=0, tzinfo=None)
        monday = today - timedelta(days=today.weekday())
        return _BARE | {
            "unit": "week", "length": "1", "anchor": f"{monday:{_FORMAT}}", "handoffs": [], "turns": [{"users": []}],
            "uncovered_turns": "pass", "order": "rotation",
        }  # fmt: skip
    others: dict[str, Tree] = {
        "layers:calendar": _BARE | {"kind": "calendar", "calendar": ""},
        "layers.turns": {"users": []},
        "layers.handoffs": {"day": "mon", "at": "09:00"},
        "layers.restrictions": {"kind": "days", "days": list(hours.DAYS[:5]), "from": "09:00", "to": "17:00"},
        "layers.restrictions:span": dict(_SPAN),
    }
    return others.get(path)


def document(tree: Tree) -> tuple[ScheduleDocument | None, dict[str, str]]:
    """The document, or what is wrong by field of the form."""
    errors: dict[str, str] = {}
    zone = text(tree, "time_zone")
    given: dict[str, Any] = {
        "key": text(tree, "key") or key_of(text(tree, "name")),
        "name": text(tree, "name"),
        "team": text(tree, "team") or None,
        "time_zone": zone,
        "layers": [_layer(layer, zone, f"layers.{n}", errors) for n, layer in enumerate(trees(tree, "layers"))],
        "like": None,
        "handoff_notices": _notices(tree),
    }
    if like := text(tree, "like"):
        given["like"] = {"schedule": like, "turns": number(text(tree, "like_turns") or "1")}
    try:
        made = ScheduleDocument.model_validate(given)
    except ValidationError as refused:
        found = wrong_members([dict(e) for e in refused.errors()], given)
        return None, located(tree, found) | errors
    return (None, errors) if errors else (made, {})


def _notices(tree: Tree) -> dict[str, Any] | None:
    before, confirm = text(tree, "notice_minutes"), text(tree, "notice_confirm")
    if not before and not confirm:
        return None
    return {"minutes_before": number(before or "0"), "confirm_within_minutes": number(confirm) if confirm else None}


def _layer(layer: Tree, zone: str, path: str, errors: dict[str, str]) -> dict[str, Any]:
    own, holidays = text(layer, "time_zone"), text(layer, "holidays")
    given: dict[str, Any] = {
        "name": text(layer, "name"),
        "restrictions": [_restriction(r) for r in trees(layer, "restrictions")],
        "mode": text(layer, "mode"),
        "time_zone": own or None,
        "holidays": {"calendar": holidays, "counts": text(layer, "holidays_counts")} if holidays else None,
    }
    for name in ("starts_at", "ends_at"):
        entered = text(layer, name)
        given[name] = _instant(entered, text(layer, f"{name}_was"), own or zone) if entered else None
        if entered and given[name] is None:
            errors[f"{path}.{name}"] = LOCAL_TIME
    return given | ({"calendar": text(layer, "calendar")} if text(layer, "kind") == "calendar" else _turns(layer))


def _turns(layer: Tree) -> dict[str, Any]:
    return {
        "unit": text(layer, "unit"),
        "length": number(text(layer, "length")),
        "anchor": text(layer, "anchor"),
        "handoffs": [{"day": text(h, "day"), "at": text(h, "at")} for h in trees(layer, "handoffs")],
        "members": [list(dict.fromkeys(texts(turn, "users"))) for turn in trees(layer, "turns")],
        "uncovered_turns": text(layer, "uncovered_turns"),
        "order": text(layer, "order") or "rotation",
    }


def _restriction(r: Tree) -> dict[str, Any]:
    if text(r, "kind") == "span":
        return {"from": f"{text(r, 'from_day')} {text(r, 'from')}", "to": f"{text(r, 'to_day')} {text(r, 'to')}"}
    start, end = text(r, "from"), text(r, "to")
    return {"days": texts(r, "days"), "from": start, "to": "24:00" if end == "00:00" else end}


def _instant(entered: str, was: str, zone: str) -> datetime | None:
    try:
        where = hours.zone(zone)
    except Invalid:
        return None
    try:
        before = datetime.fromisoformat(was) if was else None
        if before is not None and f"{hours.local(before, where):{_FORMAT}}" == entered:
            return before
    except (ValueError, OverflowError, TypeError):
        pass
    return local_instant(entered, where)


def located(tree: Tree, errors: list[dict[str, str]]) -> dict[str, str]:
    """Messages by field of the form."""
    flat = [error | {"field": _FLAT.get(error["field"], error["field"])} for error in errors]
    return placed((part for error in flat for part in _split(error)), NAMES, lambda path: _known(tree, path))


def _split(error: dict[str, str]) -> Iterator[dict[str, str]]:
    """What is wrong with single restrictions is said of all of them, each with its place."""
    parts = re.split(r"(?:^|; )restrictions(\[\d+\]): ", error["message"])
    if len(parts) == 1:
        yield error
    for place, message in zip(parts[1::2], parts[2::2], strict=True):
        yield {"field": f"{error['field']}{place}", "message": message}


def _known(tree: Tree, path: str) -> bool:
    first, *rest = path.split(".")
    if not rest or first != "layers":
        return not rest and first in FIELDS
    layers = trees(tree, "layers")
    if not (rest[0].isdigit() and int(rest[0]) < len(layers)):
        return False
    if len(rest) == 1:
        return False
    if rest[1] not in LAYER or len(rest) > 3:
        return False
    return len(rest) == 2 or (rest[2].isdigit() and int(rest[2]) < len(trees(layers[int(rest[0])], rest[1])))


def key_of(name: str) -> str:
    """A key made of a name: `Payments, primary` is `payments-primary`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-")


def as_json(made: ScheduleDocument) -> str:
    """The document as other screens carry it along."""
    return json.dumps(made.model_dump(mode="json"))
