"""Whatever a file holds: it is imported, or a line says what is wrong with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.cli import import_files
from app.cli.import_files import From
from app.errors import Invalid

EXPORTS = Path(__file__).resolve().parent.parent / "payloads" / "moving"
TOWNS = {
    source: [(path.name, json.loads(path.read_text())) for path in sorted((EXPORTS / source / "town").glob("*.json"))]
    for source in ("pagerduty", "opsgenie", "oncall")
}
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(10**30, 10**40), st.text(max_size=5), st.just([]),
    st.just({}), st.just([None]), st.just("2026-03-02T09:00:00Z"), st.just("9999-12-31T23:59:59"), st.just("-1"),
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*at, key))


@pytest.mark.parametrize("source", ["pagerduty", "opsgenie", "oncall"])
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_in_an_export_is_imported_or_refused_in_words(source: str, data: st.DataObject, tmp_path: Path):
    files = []
    chosen = data.draw(st.integers(0, len(TOWNS[source]) - 1))
    for number, (name, value) in enumerate(TOWNS[source]):
        changed = copy.deepcopy(value)
        if number == chosen:
            for _ in range(data.draw(st.integers(1, 3))):
                at = data.draw(st.sampled_from(list(places(changed))[1:] or [()]))
                place = changed
                for key in at[:-1]:
                    place = place[key]
                if at:
                    place[at[-1]] = copy.deepcopy(data.draw(JUNK))
        (tmp_path / name).write_text(json.dumps(changed))
        files.append(str(tmp_path / name))
    try:
        moved, comparisons = import_files.read(From(source), files, {}, None)
    except Invalid:
        return  # in words; anything else fails the test
    assert moved.document["format"] == 1
    assert all(c.equal <= c.total for c in comparisons)


def test_folders_and_files_that_are_none(tmp_path: Path):
    with pytest.raises(Invalid, match=r"there is no \*\.json in it"):
        import_files.read(From.pagerduty, [str(tmp_path)], {}, None)
    with pytest.raises(FileNotFoundError):
        import_files.read(From.pagerduty, [str(tmp_path / "gone.json")], {}, None)
