"""Rules as text and back, with the line of every mistake; what they do in words; what the small form makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.configuration import yaml_text
from app.errors import Invalid
from app.incidents.rule_kinds import SHAPES
from app.web.screens import rule_adding, rule_text, rule_words
from app.web.screens.rule_adding import RuleForm
from app.web.screens.rule_text import Mistake

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
VALUE = st.one_of(TEXT, st.integers(-(10**6), 10**6), st.booleans(), st.lists(TEXT, max_size=3))
RULE = st.fixed_dictionaries(
    {
        "key": TEXT,
        "name": TEXT,
        "when": TEXT,
        "then": st.dictionaries(TEXT, VALUE, max_size=4),
        "enabled": st.booleans(),
    }
)


@given(st.lists(RULE, max_size=5))
def test_what_is_written_is_read_again(rules: list[dict[str, Any]]) -> None:
    read, mistakes = rule_text.read(rule_text.write(rules))
    assert mistakes == []
    assert [rule.model_dump() for rule in read] == rules


@given(st.lists(RULE, min_size=1, max_size=5), st.data())
def test_every_mistake_is_said_of_the_line_it_is_on(rules: list[dict[str, Any]], data: st.DataObject) -> None:
    text = rule_text.write(rules)
    at = data.draw(st.integers(0, len(rules) - 1))
    [found] = rule_text.mistakes([{"field": f"rules[{at}].key", "message": "no"}], text)
    assert found.rule == at
    assert found.line == yaml_text.lines(text)[(at, "key")][0]
    assert text.split("\n")[(found.line or 0) - 1].startswith("- key: ")


def test_a_mistake_inside_of_a_text_of_several_lines_is_on_its_own_line() -> None:
    text = "- key: a\n  when: |\n    severity ==\n    nothing\n  then: {}\n"
    inside = {"field": "rules[0].when", "message": "line 2, column 5: undeclared"}
    missing = {"field": "rules[0].then.impact", "message": "is missing"}
    unknown = {"field": "rules[7]", "message": "x"}
    assert [(m.line, m.source) for m in rule_text.mistakes([missing, inside, unknown], text)] == [
        (1, "- key: a"),
        (4, "nothing"),
        (5, "then: {}"),
    ]


@pytest.mark.parametrize("text", ["", "[]", "# nothing yet\n", "null"])
def test_no_rules_are_rules(text: str) -> None:
    assert rule_text.read(text) == ([], [])


def test_what_yaml_refuses_keeps_its_line() -> None:
    [found] = rule_text.read("- key: a\n  key: b\n")[1]
    assert found == Mistake("'key' is there twice", line=2, source="key: b")
    [found] = rule_text.read("- {key: &a b, name: *a}")[1]
    assert (found.line, "aliases" in found.message) == (1, True)


def test_aliases_are_taken_from_ones_own_machine_only() -> None:
    bomb = "- &a [x, x]\n- &b [*a, *a]\n- [*b, *b]\n"
    assert yaml_text.read(bomb)[2] == [[["x", "x"]] * 2] * 2
    with pytest.raises(Invalid, match=r"line 2.*aliases are not taken"):
        yaml_text.read(bomb, aliases=False)
    assert (2, 0) not in yaml_text.lines(bomb), "each value is looked at once"
    yaml_text.lines("- &a [*a]")


@given(st.sampled_from(["routing", "correlation", "priority"]), st.dictionaries(TEXT, VALUE, max_size=4))
def test_whatever_a_draft_holds_has_words(kind: str, then: dict[str, Any]) -> None:
    assert len(rule_words.outcome(kind, then)) == len(then)


def test_every_member_of_the_documents_has_words() -> None:
    for shape in SHAPES:
        for name in shape.rule.model_fields["then"].annotation.model_fields:
            [said] = rule_words.outcome(shape.kind.name, {name: 1})
            assert not said.startswith(f"{name}: "), (shape.kind.name, name)


def test_keys_are_made_of_names_and_are_never_taken_twice() -> None:
    form = RuleForm(name="  Größe & more ", when="true", impact="1")
    made = [rule_adding.rule("priority", form, taken)[0] for taken in ([], ["gr-e-more"], ["gr-e-more", "gr-e-more-2"])]
    assert [rule.key for rule in made if rule] == ["gr-e-more", "gr-e-more-2", "gr-e-more-3"]
    [nameless] = [rule_adding.rule("priority", RuleForm(name="維護", when="true", impact="1"), [])[0]]
    assert nameless is not None
    assert nameless.key == "rule"


def test_a_rule_that_does_nothing_is_none() -> None:
    assert rule_adding.rule("priority", RuleForm(name="x", when="true"), [])[1] == {"": "say what the rule does"}
    assert set(rule_adding.rule("correlation", RuleForm(), [])[1]) == {"name", "when", "same"}
    assert set(rule_adding.rule("routing", RuleForm(labels="a"), [])[1]) == {"name", "when", "labels"}


def test_how_two_texts_differ() -> None:
    assert rule_text.changes("a\nb\nc", "a\nx\nc")[1:] == [(" ", "a"), ("-", "b"), ("+", "x"), (" ", "c")]
    assert rule_text.changes("a", "a") == []
    long = rule_text.changes("", "\n".join(map(str, range(10_000))))
    assert (len(long), long[-1]) == (rule_text.SHOWN + 1, ("@", "and more"))
