"""Examples in the documentation are ones that work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.configuration import document, yaml_text
from app.incidents import rule_kinds
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
