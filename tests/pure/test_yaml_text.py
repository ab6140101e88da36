"""YAML in and out: nothing turns into something else on the way."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.configuration import yaml_text
from app.errors import Invalid

AWKWARD = (
    *("no", "on", "17:00", "09:00", "2026-03-02", "2026-03-02T09:00", "1e3", "1_000", "0x1f", "~", "null", "true"),
    *("", " ", "-", "a: b", "# c", "- d", "line\n", "two\nlines", "trailing \nspace", "\ttab\n", "\x85\u2028"),
    *("<<", "=", "'\"", "-5", "1.5"),
)
texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(AWKWARD)
scalars = texts | st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)


@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert yaml_text.read(yaml_text.write(value)) == value


@given(st.dictionaries(texts, texts, max_size=5))
def test_readers_of_yaml_1_1_agree(value: dict[str, str]) -> None:
    assert yaml.safe_load(yaml_text.write(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{from: 17:00, to: 09:00}", {"from": "17:00", "to": "09:00"}),
        ("country: no", {"country": "no"}),
        ("anchor: 2026-03-02T09:00", {"anchor": "2026-03-02T09:00"}),
        ("phone: +4930901820", {"phone": "+4930901820"}),
        ("a: [1, -2, 1.5, true, null, ~, ]", {"a": [1, -2, 1.5, True, None, None]}),
        ('{"a": "1"}', {"a": "1"}),
        ("", None),
        ("base: &b {x: 1}\nother: {<<: *b, y: 2}", {"base": {"x": 1}, "other": {"x": 1, "y": 2}}),
    ],
)
def test_what_looks_like_text_is_text(text: str, value: Any) -> None:
    assert yaml_text.read(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "line 2, column 1: 'a' is there twice"),
        ("a: [1", "line 1"),
        ("a: !!python/object:os.system x", "line 1, column 4"),
        ("\x00", "no YAML"),
        ("? [1]\n: 2", "line 1"),
        ("a: b\n---\nc: d", "line 2"),
    ],
)
def test_what_is_refused_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message) as refused:
        yaml_text.read(text)
    assert refused.value.code == "invalid_yaml"


def test_short_things_stay_on_one_line() -> None:
    written = yaml_text.write(
        {"steps": [{"delay_s": 300, "targets": [{"type": "user", "key": "ana"}]}], "text": "a\nb\n"}
    )
    assert written == ("steps:\n  - delay_s: 300\n    targets:\n      - {type: user, key: ana}\ntext: |\n  a\n  b\n")
