"""One word for one thing, where that can be checked cheaply: names of files and of identifiers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tree import ROOT, files, under

FILES = {"service.py", "utils.py", "util.py", "helpers.py", "helper.py", "manager.py", "crud.py", "misc.py"}
FOLDERS = {"core", "common", "utils", "helpers", "services", "managers"}
FORBIDDEN = {
    "ack": "acknowledge",
    "acked": "acknowledged",
    "acks": "acknowledgements",
    "unack": "unacknowledge",
    "alarm": "alert",
    "alarms": "alerts",
    "blackout": "silence",
    "mute": "silence",
    "muted": "silenced",
    "tenant": "organisation",
    "oncaller": "on call",
    "handover": "handoff",
    "playbook": "runbook",
    "watcher": "stakeholder",
    "postmortem": "review",
    "cron": "tick",
    "crud": "the verb people use",
    "organization": "organisation",
}
ELSEWHERE = {
    "app/db/embedded.py": {"watcher"},
    "app/hours/cron.py": {"cron"},
    "app/heartbeats/documents.py": {"cron"},
    "app/heartbeats/tables.py": {"cron"},
}
"""Where a word means something that the glossary does not speak of."""
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def _identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno


def words_of(identifier: str) -> set[str]:
    return {part.lower() for piece in identifier.split("_") for part in _PARTS.findall(piece)}


def test_words_are_taken_apart():
    assert words_of("_ackIncident_MUTED") == {"ack", "incident", "muted"}


def test_no_identifier_uses_a_word_that_the_glossary_replaced():
    found = [
        f"{path}:{line}: {name}: say {FORBIDDEN[word]}"
        for path, text in under("app/")
        for name, line in _identifiers(ast.parse(text))
        for word in words_of(name) & FORBIDDEN.keys()
        if word not in ELSEWHERE.get(path, ())
    ]
    assert found == []


def test_no_file_is_named_by_its_layer():
    paths = [p.relative_to(ROOT) for p in files() if p.relative_to(ROOT).parts[0] == "app"]
    found = [str(p) for p in paths if p.name in FILES or FOLDERS & set(p.parts[:-1])]
    assert found == []


def test_tables_and_commands_have_their_conventional_names():
    """Mapped classes live in `tables.py` (rule 1)."""
    found = [path for path, text in under("app/") if re.search(r"^    __tablename__ =", text, re.MULTILINE)]
    assert {path.rpartition("/")[2] for path in found} == {"tables.py"}
