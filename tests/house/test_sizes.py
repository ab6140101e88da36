"""Files stay small enough to be read (rule 10), the road above all."""

from __future__ import annotations

import ast
import warnings

from tree import ROOT, under

ROAD = 150
SOFT, HARD = 250, 400
FUNCTION = 80


def _lines(text: str) -> int:
    return text.count("\n")


def test_the_road_fits_on_a_few_screens():
    assert _lines(dict(under("app/flow.py"))["app/flow.py"]) <= ROAD


def test_no_file_outgrows_its_room():
    sizes = {path: _lines(text) for path, text in under("app/")}
    for path, size in sizes.items():
        if size > SOFT:
            warnings.warn(f"{path} has {size} lines: it asks to be two rooms", stacklevel=1)
    assert {path: size for path, size in sizes.items() if size > HARD} == {}


def test_no_function_outgrows_its_file():
    found = [
        f"{path}:{node.lineno}: {node.name} has {1 + (node.end_lineno or 0) - node.lineno} lines"
        for path, text in under("app/")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and 1 + (node.end_lineno or 0) - node.lineno > FUNCTION
    ]
    assert found == []


def test_no_two_files_of_tests_share_a_name():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), "pytest imports them by their names"
