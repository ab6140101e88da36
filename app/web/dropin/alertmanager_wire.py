"""How Alertmanager's API v2 writes things: alerts, groups, silences, errors. Pure but for FastAPI's responses.

Source: prometheus/alertmanager api/v2/openapi.yaml; messages and codes as recorded from 0.25, statuses of 0.27.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.alerts.silence_store import StoredSilence
from app.alerts.suppression import Suppressions
from app.errors import Invalid
from app.ingest.adapters.labels import fingerprint
from app.rules import matchers, matching, patterns
from app.rules.matchers import Matcher

LASTS: Final = timedelta(minutes=5)
"""Alertmanager's resolve_timeout: the end of an alert that came without one."""
_TRUE: Final = frozenset({"true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"})
_REQUIRED: Final = ("comment", "createdBy", "endsAt", "matchers", "startsAt")
_ORDER: Final = {"active": 0, "pending": 1, "expired": 2}


class Said(Exception):
    """An answer other than 200: a JSON string, `{"code", "message"}`, or nothing (None)."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(f"{status} {body}")
        self.status, self.body, self.headers = status, body, headers


def refused(status: int, message: str, code: int | None = None, **headers: str) -> Said:
    """As go-openapi answers: what it refuses before Alertmanager sees it."""
    return Said(status, {"code": code or status, "message": message}, **headers)


def instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def flag(query: Mapping[str, str], name: str) -> bool:
    """True unless it is given as something else: `maybe` is false, as there."""
    return name not in query or query[name].lower() in _TRUE


def filters(given: Iterable[str]) -> list[Matcher]:
    found: list[Matcher] = []
    for text in given:
        try:
            found += matchers.parse(text)
        except Invalid as e:
            raise Said(400, f"bad matcher format: {text[:200]}") from e
    return found


def receiver(given: str | None) -> Matcher | None:
    """A regular expression for names of receivers."""
    if given is None:
        return None
    try:
        patterns.check(f"^(?:{given})$")
        return matchers.of({"name": "receiver", "value": given, "isRegex": True})
    except Invalid as e:
        raise Said(400, f"failed to parse receiver param: {regexp_error(e.message)}") from e


def regexp_error(message: str) -> str:
    """RE2's complaint, `invalid regular expression: missing ]: [`, in Go's words."""
    words, _, where = message.removeprefix("invalid regular expression: ").partition(": ")
    words = words.replace("missing ]", "missing closing ]").replace("missing )", "missing closing )")
    return f"error parsing regexp: {words}" + (f": `{where[:200]}`" if where else "")


@dataclass(frozen=True, slots=True)
class Query:
    """What a caller wants to see of the alerts."""

    filters: Sequence[Matcher]
    receiver: Matcher | None
    active: bool
    silenced: bool
    inhibited: bool
    others: bool

    def wants(self, alert: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
        """`labels`: what filters look at."""
        status = alert["status"]
        name = alert["receivers"][0]["name"]
        return (
            (self.active or status["state"] != "active")
            and (self.silenced or not status["silencedBy"])
            and (self.inhibited or not status["inhibitedBy"])
            and (self.others or not status["mutedBy"])
            and (self.receiver is None or matching.filtered([self.receiver], {"receiver": name}))
            and matching.filtered(self.filters, labels)
        )


def alert(row: Mapping[str, Any], suppressions: Suppressions, now: datetime) -> dict[str, Any]:
    """From a row of `suppression_store.firing`. What silences and inhibits it is judged now; what else suppresses it is
    what was stored."""
    silenced_by = [str(s.id) for s in suppressions.silenced_by(row["seen"], row["service_id"], now)]
    inhibiting = suppressions.inhibited_by(row["seen"])
    inhibited_by = [inhibiting[1].fingerprint] if inhibiting else []
    why = row["suppressed"]
    otherwise = [why["name"]] if why and why["by"] not in ("silence", "inhibition") else []
    address = next((address for address, words in row["links"] if words == "Source"), None)
    shown = {
        "annotations": row["annotations"],
        "endsAt": instant(row["expires_at"] or now + LASTS),
        "fingerprint": fingerprint(row["labels"]),
        "receivers": [{"name": row["service"]}],
        "startsAt": instant(row["starts_at"]),
        "status": {
            "inhibitedBy": inhibited_by,
            "mutedBy": otherwise,
            "silencedBy": silenced_by,
            "state": "suppressed" if silenced_by or inhibited_by or otherwise else "active",
        },
        "updatedAt": instant(row["last_seen_at"]),
        "labels": row["labels"],
    }
    return shown | {"generatorURL": address} if address else shown


def filtered_by(row: Mapping[str, Any]) -> dict[str, str]:
    """What filters of alerts look at: labels as sent, and what tells an alert that has none."""
    return {**row["labels"], **{name: row["seen"][name] for name in matching.PSEUDO_LABELS}}


def groups(alerts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By receiver and alertname, which is what makes an incident of alerts here."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in alerts:
        place = each["receivers"][0]["name"], each["labels"].get("alertname", "")
        found.setdefault(place, []).append(each)
    return [
        {
            "alerts": members,
            "labels": {"alertname": name} if name else {},
            "receiver": {"name": service},
            "routeLabels": {},
        }
        for (service, name), members in sorted(found.items())
    ]


def silence(stored: StoredSilence, now: datetime) -> dict[str, Any]:
    return {
        "id": str(stored.id),
        "status": {"state": stored.state(now)},
        "updatedAt": instant(stored.updated_at),
        "comment": stored.comment,
        "createdBy": stored.created_by,
        "endsAt": instant(stored.ends_at),
        "matchers": stored.matchers,
        "startsAt": instant(stored.starts_at),
        "annotations": {},
    }


def in_order(found: Iterable[StoredSilence], now: datetime) -> list[StoredSilence]:
    """Active ones by their end, pending ones by their start, expired ones by their end, latest first."""

    def place(s: StoredSilence) -> tuple[int, float]:
        state = s.state(now)
        at = {"active": s.ends_at, "pending": s.starts_at, "expired": s.ends_at}[state].timestamp()
        return _ORDER[state], -at if state == "expired" else at

    return sorted(found, key=place)


def names_of(stored: StoredSilence) -> dict[str, str]:
    """What filters of silences look at: the value of each matcher, by its name."""
    return {m["name"]: m["value"] for m in stored.matchers}


def posted_silence(media: str, body: bytes) -> dict[str, Any]:
    """The members of a silence, complete and of the right types; instants as `datetime`."""
    _json_only(media)
    if not body.strip():
        raise refused(422, "silence in body is required", 602)
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise _unparsed("unexpected EOF" if "Expecting" in str(e) else str(e)) from e
    if not isinstance(given, dict):
        raise _unparsed(f"json: cannot unmarshal {_kind(given)} into Go value of type models.PostableSilence")
    read: dict[str, Any] = {name: _text(given, name) for name in ("comment", "createdBy", "id")}
    read |= {name: _instant(given, name) for name in ("startsAt", "endsAt")}
    read["matchers"] = _matchers(given.get("matchers"))
    for name in _REQUIRED:
        if read[name] is None:
            raise refused(422, f"{name} in body is required", 602)
    if not read["matchers"]:
        raise refused(422, "matchers in body should have at least 1 items", 612)
    return read


def _json_only(media: str) -> None:
    kind = media.partition(";")[0].strip().lower() or "application/octet-stream"
    if kind != "application/json":
        raise refused(415, f'unsupported media type "{kind[:100]}", only [application/json] are allowed')


def _matchers(given: Any) -> list[dict[str, Any]] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(m, dict) for m in given):
        raise _unparsed("json: cannot unmarshal matchers")
    for i, matcher in enumerate(given):
        for name, kind in (("name", str), ("value", str), ("isRegex", bool), ("isEqual", bool)):
            value = matcher.get(name)
            if value is None and name != "isEqual":
                raise refused(422, f"matchers.{i}.{name} in body is required", 602)
            if value is not None and not isinstance(value, kind):
                raise _unparsed(f"json: cannot unmarshal {_kind(value)} into Go struct field Matcher.{name}")
    return [{k: v for k, v in m.items() if v is not None} for m in given]


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise _unparsed(f"json: cannot unmarshal {_kind(value)} into Go struct field {name} of type string")
    if isinstance(value, str) and any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in value):
        raise Said(400, f"silence invalid: {name} holds a character that cannot be stored")
    return value


def _instant(given: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(given, name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        return datetime(1, 1, 2, tzinfo=UTC)
    except ValueError:
        raise _unparsed(f'parsing time "{text[:60]}" as "2006-01-02 15:04:05"') from None


def _unparsed(because: str) -> Said:
    return refused(400, f'parsing silence body from "" failed, because {because}')


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
    return names.get(type(value), "null")
