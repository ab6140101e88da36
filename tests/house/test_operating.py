"""The operating page names settings, metrics and files that exist."""

import re
from pathlib import Path

import pytest

import app.watch_metrics  # noqa: F401  # its metrics are there as well then
from app import metrics, settings
from app.notifications.watch import Overdue, Process, Word, document

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operating.md").read_text()


def test_its_settings_exist() -> None:
    named = {name for name in re.findall(r"\bTOCSIN_[A-Z_]+\b", PAGE) if not name.endswith("_")}
    assert sorted(named - set(settings.names())) == []


def test_its_metrics_exist() -> None:
    rendered = metrics.render()[0].decode()
    named = set(re.findall(r"\btocsin_[a-z_]+\b", PAGE))
    assert len(named) > 3
    assert sorted(name for name in named if f"# TYPE {name} " not in rendered) == []


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)]+)\)", PAGE))))
def test_its_links_lead_somewhere(target: str) -> None:
    assert (DOCS / target).exists()


def test_the_message_of_the_second_path_has_the_members_it_shows() -> None:
    shown = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    members = re.findall(r'^  "(\w+)":', shown[1], re.MULTILINE)
    overdue = Overdue(3, 250.0)
    word = Word("ladder_overdue", False, overdue.late, overdue.oldest_s)
    process = Process(("web",), "pager-1", 4711, "https://tocsin.example.org")
    sent = document(word, process)
    assert members == list(sent)
    assert sent["title"] in shown[1]
    assert sent["key"] in shown[1]
