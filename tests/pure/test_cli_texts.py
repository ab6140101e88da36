"""What the commands print: plans, findings, keys made from names, what a plugged-in browser finds on a screen."""

from __future__ import annotations

import io
from typing import Any

import pytest

from app.cli import dry_run, findings, plan_text
from app.cli.findings import ok, problem, warning
from app.cli.init import key_of
from app.dev.browser import forms
from app.dev.terminal import Terminal


def change(action: str, kind: str, key: str, *differences: tuple[str, Any, Any]) -> dict[str, Any]:
    made = [{"field": field, "before": before, "after": after} for field, before, after in differences]
    return {"action": action, "kind": kind, "key": key, "differences": made}


PLAN = {
    "version": 7,
    "changes": [
        change(
            "create", "service", "checkout", ("name", None, "Checkout"), ("key", None, "checkout"), ("tags", None, [])
        ),
        change("edit", "organisation", "organisation", ("time_zone", "UTC", "Europe/Berlin")),
        change("delete", "contact_method", "ana sms +49"),
        change("delete", "webhook", "tickets"),
        change("deactivate", "user", "dan", ("active", True, False)),
    ],
    "calls_given_up": {"tickets": 3},
    "kept": [{"kind": "policy", "key": "old", "because": "it is used by service search"}],
}


def test_a_plan_is_read_from_top_to_bottom() -> None:
    assert list(plan_text.lines(PLAN)) == [
        "+ service checkout",
        '    name: "Checkout"',
        "~ organisation",
        '    time_zone: "UTC" -> "Europe/Berlin"',
        "- contact method ana sms +49",
        "- webhook tickets",
        "    calls that wait and are given up: 3",
        "- user dan",
        "! policy old stays: it is used by service search",
    ]


def test_a_plan_is_summed_up_before_and_after() -> None:
    assert plan_text.summary(PLAN, done=False) == "1 to create, 1 to edit, 2 to delete, 1 to deactivate."
    assert plan_text.summary(PLAN, done=True) == "1 made, 1 changed, 2 deleted, 1 deactivated."
    assert plan_text.summary({"changes": []}, done=False) == "Nothing to change."


def test_what_is_long_is_cut() -> None:
    plan = {"changes": [change("edit", "service", "s", ("runbook_text", "", "x" * 500))], "kept": []}
    assert max(len(line) for line in plan_text.lines(plan)) < 150


def test_findings_end_with_a_verdict() -> None:
    assert list(findings.table([ok("database", "PostgreSQL 18")])) == [
        "ok       database  PostgreSQL 18", "", "All is well."]  # fmt: skip
    told = list(findings.table([ok("a", "fine"), warning("b", "hm", "Look."), problem("c", "no", "Do.")]))
    assert told == [
        "ok       a  fine",
        "warning  b  hm",
        "            Look.",
        "PROBLEM  c  no",
        "            Do.",
        "",
        "1 problem: pages may not arrive.",
    ]
    assert list(findings.table([warning("b", "hm")]))[-1] == "Pages would arrive; 1 warning."


def test_only_problems_are_unwell() -> None:
    assert findings.well([ok("a", ""), warning("b", "")])
    assert not findings.well([ok("a", ""), problem("b", "")])
    assert findings.document([problem("b", "x")]) == {
        "ok": False,
        "findings": [{"check": "b", "state": "problem", "detail": "x", "advice": ""}],
    }


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Ana", "ana"),
        ("Ana María Õ.", "ana-maria-o"),
        ("  d'Artagnan ", "d-artagnan"),
        ("山田", "admin"),
        ("Me", "admin"),
    ],
)
def test_a_key_is_made_from_a_name(name: str, key: str) -> None:
    assert key_of(name) == key


def test_forms_of_a_screen_are_found() -> None:
    screen = """
        <form method="post" action="/l/x"><input type="hidden" name="action" value="acknowledge">
        <input type="hidden" name="view" value="1.triggered"><button class="first">Acknowledge</button></form>
        <form><button name="how" value="now">Look <b>again</b></button></form><button>outside</button>
    """
    acknowledge, look = forms(screen)[0], forms(screen)[1]
    assert (acknowledge.method, acknowledge.action, acknowledge.caption) == ("post", "/l/x", "Acknowledge")
    assert acknowledge.fields == {"action": "acknowledge", "view": "1.triggered"}
    assert (look.method, look.fields) == ("get", {"how": "now"})


def test_the_link_of_a_message_stands_alone() -> None:
    out = io.StringIO()
    Terminal(out).message("text", "SMS Ana", "P1 #1 HighErrorRate\nhttp://127.0.0.1:1/l/abc")
    first, second = out.getvalue().splitlines()
    assert first.endswith("SMS Ana    P1 #1 HighErrorRate")
    assert second.strip() == "http://127.0.0.1:1/l/abc"
    assert "\x1b" not in out.getvalue(), "no colours where there is no terminal"


def test_a_dry_run_tells_apart_the_two_hours_of_the_night_when_clocks_go_back() -> None:
    happened = [{"at": f"2026-11-01T0{hour}:30:00Z", "text": "Last resort"} for hour in (5, 6, 7)]
    told = {"time_zone": "America/New_York", "at": "2026-11-01T05:30:00Z", "until": "2026-11-01T07:30:00Z"}
    nothing: dict[str, Any] = {"refused": [], "alerts": [], "incidents": [], "messages": [], "complete": True}
    shown = list(dry_run.lines(told | nothing | {"happened": happened}))
    assert shown[0] == (
        "Sun 01 Nov 2026 01:30:00 EDT (America/New_York), watched until Sun 01 Nov 2026 02:30:00, nobody answers."
    )
    assert [line.removesuffix("  Last resort") for line in shown[-3:]] == [
        "Sun 01 Nov 2026 01:30:00 EDT", "Sun 01 Nov 2026 01:30:00 EST", "Sun 01 Nov 2026 02:30:00",
    ]  # fmt: skip
