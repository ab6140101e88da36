"""Examples in the documentation are ones that work."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app import hours
from app.configuration import document, yaml_text
from app.incidents import rule_kinds
from app.oncall import shifts, versions
from app.rules import rulesets

ROOT = Path(__file__).parents[2]


def test_the_configuration_in_the_start_page_is_accepted():
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "start.md").read_text(), re.S)
    assert len(blocks) == 1
    town = document.parse(yaml_text.read(blocks[0]))
    assert [p.key for p in town.policies] == ["shop"]


def test_the_configuration_in_the_page_on_policies_is_accepted():
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "policies.md").read_text(), re.S)
    assert len(blocks) == 1
    assert [p.key for p in document.parse(yaml_text.read(blocks[0])).policies] == ["checkout", "database", "leadership"]


def test_the_configuration_in_the_page_on_calendars_is_accepted():
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "calendars.md").read_text(), re.S)
    read = [document.parse(yaml_text.read(block)) for block in blocks]
    assert [c.key for town in read for c in town.calendars or []] == ["rota", "berlin"]


SCHEDULES = (ROOT / "docs" / "schedules.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(schedules:.*?)```\n\n```text\n(.*?)```", SCHEDULES, re.S)
KNOWN = {s.key: s for block, _ in EXAMPLES for s in document.parse(yaml_text.read(block)).schedules or []}
USERS = {key: n for n, key in enumerate(("ana", "ben", "cara", "dan", "eve"))}


def computed(wanted):
    ids = {key: n for n, key in enumerate(KNOWN)}
    like = wanted.like and ids[wanted.like.schedule]
    others = {ids[key]: [versions.drafted(other, USERS, ids[key], None, None)] for key, other in KNOWN.items()}
    layers = versions.laid([versions.drafted(wanted, USERS, ids[wanted.key], like, None)], others)
    return shifts.Schedule(ids[wanted.key], wanted.name, wanted.time_zone, layers, ())


def handoffs(schedule, first, number):
    """`Mon 2026-03-02 09:00 ana, ben` for every change of who is on call from a local time on."""
    keys = list(USERS)
    at = hours.instant(first, schedule.where)
    marks = {mark for s in shifts.final(schedule, at, at + timedelta(days=60)) for mark in (s.starts_at, s.ends_at)}
    said = []
    for mark in sorted(marks)[:number]:
        people = ", ".join(keys[entry.user_id] for entry in shifts.who(schedule, mark)) or "nobody"
        said.append(f"{hours.local(mark, schedule.where):%a %Y-%m-%d %H:%M} {people}")
    return said


@pytest.mark.parametrize(("block", "told"), EXAMPLES, ids=list(KNOWN))
def test_the_schedules_in_the_documentation_say_who_is_on_call(block, told):
    [wanted] = document.parse(yaml_text.read(block)).schedules
    expected = told.strip().splitlines()
    first = datetime.strptime(expected[0][4:20], "%Y-%m-%d %H:%M")
    assert handoffs(computed(wanted), first, len(expected)) == expected


def test_every_schedule_in_the_documentation_is_run():
    assert len(EXAMPLES) == SCHEDULES.count("```yaml") > 5


RULES = re.findall(r"```yaml\n# ([\w ]+)\n(.*?)```", (ROOT / "docs" / "rules.md").read_text(), re.S)


@pytest.mark.parametrize(("title", "block"), RULES, ids=[title for title, _ in RULES])
def test_the_rules_in_the_documentation_are_accepted(title, block):
    read = yaml_text.read(block)
    if title == "configuration":
        assert [s.key for s in document.parse(read).services] == ["checkout"]
        return
    kind = rule_kinds.KINDS[title.removesuffix(" rules")]
    assert len(rulesets.check(rule_kinds.parse(kind, read), kind).rules) == len(read) > 1


def test_every_kind_of_rules_has_an_example():
    assert {title for title, _ in RULES} == {f"{name} rules" for name in rule_kinds.KINDS} | {"configuration"}
