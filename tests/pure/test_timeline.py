"""What happened, in words."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from app.incidents.timeline import describe

ROOT = Path(__file__).resolve().parents[2]
VERDICT = {
    "inputs": [
        {"what": "impact", "value": 2, "rule": "default", "name": "default", "version": None, "because": "criticality"},
        {"what": "urgency", "value": 1, "rule": "night", "name": "Night", "version": 3, "because": "it is night"},
    ]
}


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        ("opened", {"title": "X", "severity": "error"}, "Opened by “X”, severity error"),
        ("joined", {"title": "X", "because": "same service"}, "“X” joined (same service)"),
        ("reopened", {"title": "X"}, "Reopened: “X” fires again"),
        ("reopened", {"because": "2 alerts still fire"}, "Reopened (2 alerts still fire)"),
        (
            "priority_raised",
            {"was": 3, "priority": 2, "verdict": VERDICT},
            "Priority raised from P3 to P2: impact 2 by default: criticality; "
            "urgency 1 by rule night (version 3): it is night",
        ),
        ("acknowledged", {"name": "Ana", "via": "link"}, "Acknowledged by Ana via link"),
        ("acknowledgement_expired", {"name": "Ana"}, "The acknowledgement of Ana expired"),
        ("step", {"step": 1, "round": 2, "names": ["Ana", "Ben"]}, "Step 1 of round 2: paging Ana, Ben"),
        ("sent", {"name": "Ana", "channel": "sms", "repeated": True}, "Ana was paged by SMS (repeat)"),
        ("not_sent", {"name": "Ana", "channel": "mail", "because": "550"}, "The mail to Ana failed (550)"),
        (
            "not_told",
            {"name": "X", "happening": "resolved", "because": "410"},
            "The webhook X was not told that it was resolved (410): given up",
        ),
        ("not_told", {"name": "X", "happening": "note"}, "The webhook X was not told of a note: given up"),
        (
            "not_told",
            {"name": "X", "happening": "priority changed"},
            "The webhook X was not told that its priority changed: given up",
        ),
        ("note", {"text": "<b>hm</b>"}, "<b>hm</b>"),
        ("resolved", {"because": "by Ana"}, "Resolved (by Ana)"),
        (
            "resolved",
            {"because": "by Ana", "cause": "disk full", "fix": "rotating the logs"},
            "Resolved (by Ana): disk full, fixed by rotating the logs",
        ),
        ("explained", {"name": "Ana", "cause": "", "fix": "a restart"}, "What it was, says Ana: fixed by a restart"),
        ("step", {"step": 2, "round": 1, "names": ["Ana"]}, "Step 2 of round 1: paging Ana"),
        ("step", {"step": 0, "round": 1, "names": ["Ana"]}, "Paging whom it was handed to: Ana"),
        ("nobody_reached", {"step": 0, "because": "no way"}, "Whom it was handed to cannot be reached: no way"),
        ("explained", {"name": "Ana", "cause": "", "fix": ""}, "What it was, says Ana: nobody knows"),
    ],
)
def test_sentences(kind: str, data: dict[str, object], sentence: str) -> None:
    assert describe(kind, data) == sentence


def test_what_this_version_does_not_know_still_says_something() -> None:
    assert describe("went_fishing", {}) == "Went fishing"
    assert describe("opened", {}) == "Opened"
    assert describe("step", {"step": 1, "round": 1, "names": None}) == "Step"


def kinds_written() -> set[str]:
    """The kinds of all entries that the source writes as `Entry(incident, "kind", ...)`, `_say`, `_keep`."""
    found: set[str] = set()
    for path in [
        *ROOT.glob("app/incidents/*.py"),
        *ROOT.glob("app/escalation/*.py"),
        *ROOT.glob("app/notifications/*.py"),
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            place = {"Entry": 1, "_keep": 4}.get(name, 0 if path.name == "ladder.py" else 1)
            if name in ("Entry", "_say", "_keep") and len(node.args) > place:
                found |= {c.value for c in ast.walk(node.args[place]) if isinstance(c, ast.Constant)}
    return {kind for kind in found if isinstance(kind, str)}


def test_every_kind_that_is_written_has_a_sentence() -> None:
    kinds = kinds_written()
    assert {"opened", "acknowledged", "step", "sent", "became_loud", "escalated_by_hand"} <= kinds
    known = {"title": "T", "severity": "s", "of": 1, "firing": 1, "priority": 1, "was": 2, "reason": "r", "name": "N",
             "text": "t", "step": 1, "round": 1, "names": ["N"], "because": "b", "channel": "sms",
             "count": 1, "incidents": 1, "threshold": 1, "report": "r",
             "tier": 2, "missing": ["M"], "via": "api", "policy": "P",
             "what": "merge", "other": 2, "to": 3, "path": "a -> b", "silence": "1", "happening": "closed"}  # fmt: skip
    assert {k for k in kinds if describe(k, known) == k.replace("_", " ").capitalize()} == set()
