"""The files of the repository, for tests that read them."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = {
    ".git",
    ".venv",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "__pycache__",
    "dist",
    "var",
}


@cache
def files() -> tuple[Path, ...]:
    """What git knows and what it would take; without git everything outside the places tools write to."""
    asked = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        return tuple(p for p in sorted(ROOT.rglob("*")) if p.is_file() and not _NOT_OURS & {*p.relative_to(ROOT).parts})
    return tuple(p for name in sorted(names) if name and (p := ROOT / name).is_file())


def under(*places: str, suffix: str = ".py") -> Iterator[tuple[str, str]]:
    """(path in the repository, text) of the files there."""
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == suffix and name.startswith(places):
            yield name, path.read_text()


def strings(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The string constants of Python files, f-strings' parts among them, without docstrings; a file's joined by lines
    that keep their numbers."""
    for name, text in texts:
        tree = ast.parse(text)
        documents = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        lines = [""] * (text.count("\n") + 2)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
                for offset, line in enumerate(node.value.split("\n")):
                    lines[min(node.lineno + offset, len(lines)) - 1] += f" {line}"
        yield name, "\n".join(lines)


def hits(pattern: str, texts: Iterable[tuple[str, str]], flags: int = re.IGNORECASE) -> list[str]:
    """`path:line: what` for every match."""
    compiled = re.compile(pattern, flags)
    return [
        f"{name}:{text.count(chr(10), 0, m.start()) + 1}: {m[0].strip()}"
        for name, text in texts
        for m in compiled.finditer(text)
    ]
