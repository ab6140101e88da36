"""Relative links in the documents lead somewhere."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from tree import ROOT, files

DOCUMENTS = [p for p in files() if p.suffix == ".md"]
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = (
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", h) for h in _HEADING.findall(re.sub(r"```.*?```", "", text, flags=re.S))
    )
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def test_links_are_found_outside_code():
    text = "see [a](b.md#c), `[no](x)` and ![i](<d e.png>)".replace("d e", "d%20e")
    assert _LINK.findall(_CODE.sub("", text)) == ["b.md#c", "d%20e.png"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_relative_links_resolve(document):
    broken = []
    for link in _LINK.findall(_CODE.sub("", document.read_text())):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (ROOT / path.lstrip("/") if path.startswith("/") else document.parent / path) if path else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())):
            broken.append(link)
    assert broken == []
