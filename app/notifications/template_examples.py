"""Pages that were recorded, for templates of an installation that has had few alerts yet. Pure data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from app.notifications.template_values import CODE, Page, Sent
from app.notifications.texts import About

_AT: Final = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


def _page(
    number: int,
    title: str,
    service: str,
    severity: str,
    labels: dict[str, str],
    annotations: dict[str, str] | None = None,
    *,
    firing: int = 1,
    runbook: str = "",
) -> Page:
    priority = {"critical": 1, "error": 2, "warning": 3}.get(severity, 4)
    about = About(number, title, priority, service, _AT, firing, runbook, 0, CODE)
    sent = Sent(severity, labels, annotations or {}, "platform")
    return Page(about, sent, "on call in schedule Primary: layer Weekly", "UTC", _AT)


EXAMPLES: Final = (
    _page(
        1041, "HighErrorRate", "Checkout", "critical",
        {"alertname": "HighErrorRate", "job": "checkout", "instance": "checkout-7d9f:8080", "cluster": "eu-west-1"},
        {"summary": "5.2 % of requests fail", "description": "The rate of answers 5xx was above 5 % for 10 minutes."},
        firing=3, runbook="https://wiki.example.org/runbooks/checkout",
    ),
    _page(
        1042, "KubePodCrashLooping", "Search", "warning",
        {
            "alertname": "KubePodCrashLooping", "namespace": "search", "pod": "indexer-6c5d8b7f9-x2x4z",
            "container": "indexer", "cluster": "prod-fra", "prometheus": "monitoring/k8s",
        },
        {"description": "Pod search/indexer-6c5d8b7f9-x2x4z (indexer) is in waiting state (CrashLoopBackOff).",
         "runbook_url": "https://runbooks.prometheus-operator.dev/runbooks/kubernetes/kubepodcrashlooping"},
    ),
    _page(
        1043, "NodeFilesystemAlmostOutOfSpace", "Storage", "critical",
        {"alertname": "NodeFilesystemAlmostOutOfSpace", "device": "/dev/nvme0n1p1", "fstype": "ext4",
         "instance": "db-03.fra.example.org:9100", "mountpoint": "/var/lib/postgresql"},
        {"summary": "Filesystem has less than 3% space left.",
         "description": "Filesystem on /dev/nvme0n1p1, mounted on /var/lib/postgresql, has only 2.31% space left."},
    ),
    _page(1044, "Latência acima do limite — café ≥ 2 s", "Pagamentos", "error", {"host": "web-são-paulo-1"}),
    _page(1045, "Диск почти заполнен на сервере базы данных", "База данных", "critical", {"host": "db1.example.ru"}),
    _page(1046, "決済サービスが応答しません", "決済", "critical", {"host": "pay-tyo-2"}, firing=12),
    _page(1047, "🔥 Queue depth > 10k", "Orders", "error", {"queue": "orders-eu", "region": "eu-central-1"}),
    _page(
        1048, "[Triggered on {host:web-14.example.com}] CPU load is very high on web-14.example.com, checked every"
        " minute over the last five minutes, threshold 95.0, last value 99.73", "Front end", "error",
        {"host": "web-14.example.com", "env": "production", "monitor_id": "4711"},
    ),
    _page(1049, "Heartbeat nightly-backup is overdue", "Backups", "error", {"heartbeat": "nightly-backup"}),
    _page(1050, "Login failures from ana@example.org", "Accounts", "warning", {"user": "ana@example.org"}),
)  # fmt: skip
"""In the forms of Prometheus, Kubernetes, Datadog, and of scripts of people around the world."""
