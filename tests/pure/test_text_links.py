"""What is a link to carriers and phones, and what only looks a little like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels import text_links
from app.channels.text_links import LEFT_OUT


@pytest.mark.parametrize(
    "link",
    [
        "https://wiki.example.org/x?y=1", "HTTP://10.0.0.1/", "www.example.org", "example.org/x", "example.org/",
        "wiki.example.co.uk/disk#full", "db-3.example.org:9100/metrics", "bit.ly/3xYz", "Example.COM/a,b", "t.co?x=1",
        "https://db1.internal/x", "grafana.example.io/d/42",
    ],
)  # fmt: skip
def test_a_link_is_left_out_and_what_stands_around_it_stays(link: str) -> None:
    assert text_links.found_in(link)
    for around in ("see {}", "see {}, then", "({}).", "url={} is down", "host:{}"):
        assert text_links.left_out(around.format(link)) == around.format(LEFT_OUT)


@pytest.mark.parametrize(
    "text",
    [
        "db1.internal is down", "db1.internal/var/lib is full", "node_exporter.service failed", "node.service/start",
        "web-14.example.com is slow", "db-3.example.org:9100", "version 1.2.3", "1.2.3/4", "10.0.0.0/8 unreachable",
        "payments.v1.PaymentService/Charge", "/var/www/example.org/logs", "/etc/cron.d/backup", "search/indexer-6c5d8b",
        "5.2/s of requests", "ana@example.org", "is it web.example.org?", "postgres.default.svc/5432", "and/or",
        "checkout.prod/payments", "see example.org.", "nginx.conf/7",
    ],
)  # fmt: skip
def test_names_versions_and_paths_stay(text: str) -> None:
    assert not text_links.found_in(text)
    assert text_links.left_out(text) == text


@given(st.text(alphabet="ab.-/:?#1 w(", max_size=300))
def test_nothing_is_left_of_any(text: str) -> None:
    assert not text_links.found_in(text_links.left_out(text))


def test_a_long_text_takes_no_time() -> None:
    assert not text_links.found_in("a." * 50_000)
    assert not text_links.found_in("a-" * 50_000)
