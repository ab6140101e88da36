"""Every metric is documented, and everything documented exists."""

import re
from pathlib import Path

import app.watch_metrics  # noqa: F401  # its metrics are there as well then
from app import metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
_ROW = re.compile(r"^\| `(tocsin_\w+)` \| (\w+) \|([^|]*)\| ([^|]+) \|", re.MULTILINE)


def _defined() -> dict[str, tuple[str, tuple[str, ...]]]:
    found = {}
    for collector in metrics.REGISTRY._collector_to_names:
        for family in collector.collect():
            if family.name.startswith("process_"):
                continue
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = (family.type, tuple(collector._labelnames))
    return found


def _documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    rows = _ROW.findall(PAGE.read_text())
    assert len(rows) == len({name for name, *_ in rows}), "a metric is documented twice"
    return {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows}


def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    assert _documented() == _defined()


def test_every_metric_has_our_prefix_and_says_what_it_is() -> None:
    for collector in metrics.REGISTRY._collector_to_names:
        for family in collector.collect():
            assert family.name.startswith(("tocsin_", "process_"))
            assert len(family.documentation) > 10
