"""The dashboard and the alert rules for Tocsin itself speak of metrics and labels that exist, and are valid."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import app.watch_metrics  # noqa: F401  # its metrics are there as well then
from app import metrics

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = DOCS / "grafana-dashboard.json"
RULES = DOCS / "prometheus-rules.yml"
RULES_TEST = Path(__file__).parent / "prometheus-rules.test.yml"

OF_PROMETHEUS = {"job", "instance", "le"}


def _series() -> dict[str, set[str]]:
    """Every series by name, with its labels."""
    found: dict[str, set[str]] = {}
    for collector in metrics.REGISTRY._collector_to_names:
        labels = set(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            names = [family.name]
            if family.type == "histogram":
                names = [f"{family.name}{suffix}" for suffix in ("_bucket", "_sum", "_count")]
            elif family.type == "counter":
                names = [f"{family.name}_total"]
            found |= dict.fromkeys(names, labels)
    return found


def _dashboard() -> dict[str, Any]:
    return json.loads(DASHBOARD.read_text())


def _panels() -> list[dict[str, Any]]:
    return [p for p in _dashboard()["panels"] if p["type"] != "row"]


def _shown() -> list[str]:
    return [t["expr"] for p in _panels() for t in p["targets"]]


def _rules() -> list[dict[str, Any]]:
    return [r for group in yaml.safe_load(RULES.read_text())["groups"] for r in group["rules"]]


def _wrong(expr: str) -> list[str]:
    """Names in an expression that are no series, and labels that its series do not have."""
    series = _series()
    named = set(re.findall(r"\b(?:tocsin|process)_\w+|\bup\b", expr))
    wrong = sorted(named - set(series) - {"up"})
    labels = OF_PROMETHEUS.union(*(series.get(name, set()) for name in named))
    used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expr))
    for grouped in re.findall(r"\bby\s*\(([^)]*)\)", expr):
        used |= {label.strip() for label in grouped.split(",")}
    return wrong + sorted(used - labels)


def _promtool(*arguments: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus); the rules were not checked")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_shown_exists() -> None:
    shown = _shown()
    assert len(shown) > 20
    assert {expr: wrong for expr in shown if (wrong := _wrong(expr))} == {}


def test_everything_alerted_on_exists() -> None:
    rules = _rules()
    assert len(rules) > 5
    assert {r["alert"]: wrong for r in rules if (wrong := _wrong(r["expr"]))} == {}


def test_the_check_notices_what_does_not_exist() -> None:
    assert _wrong('rate(tocsin_nothing_total{job="x"}[5m])') == ["tocsin_nothing_total"]
    assert _wrong("sum by (colour) (tocsin_build_info)") == ["colour"]
    assert _wrong("tocsin_tick_seconds") == ["tocsin_tick_seconds"]  # a histogram has no series of its bare name


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(_shown())
    ours = {name for name in _series() if name.startswith("tocsin_")}
    histograms = {name.removesuffix("_bucket") for name in ours if name.endswith("_bucket")}
    plain = {name for name in ours if not name.endswith(("_bucket", "_sum", "_count"))}
    assert sorted(name for name in histograms | plain if name not in shown) == []


def test_the_dashboard_is_one_that_grafana_draws() -> None:
    dashboard = _dashboard()
    panels = dashboard["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    assert all(t["datasource"]["uid"] == "${datasource}" for p in _panels() for t in p["targets"])
    assert [v["name"] for v in dashboard["templating"]["list"]] == ["datasource", "job"]
    cells = [
        (x, y)
        for p in panels
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert max(x for x, _ in cells) < 24


def test_every_rule_says_what_to_do() -> None:
    for rule in _rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_prometheus_takes_the_rules() -> None:
    _promtool("check", "rules", str(RULES))


def test_the_rules_alert_when_they_should() -> None:
    _promtool("test", "rules", str(RULES_TEST))


def test_prometheus_takes_what_the_dashboard_asks(tmp_path: Path) -> None:
    exprs = [expr.replace("$__rate_interval", "5m").replace("$job", ".*") for expr in _shown()]
    rules = [{"record": f"shown:{n}", "expr": expr} for n, expr in enumerate(exprs)]
    path = tmp_path / "shown.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    _promtool("check", "rules", str(path))
