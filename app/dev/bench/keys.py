"""The keys of the two reports, as they are promised: `tocsin bench` prints these and no others.

A value that cannot be measured here (nothing to compare with, not asked for) is null.
"""

from __future__ import annotations

from typing import Final

INTAKE: Final = (
    "intake.storm.1.vs_noop",
    "intake.storm.10.vs_noop",
    "intake.storm.100.vs_noop",
    "intake.storm.10.vs_alertmanager",
    "intake.storm.100.vs_alertmanager",
    "intake.open_loop.p99_ms",
    "intake.open_loop.p99_over_noop",
    "intake.history.10m_vs_empty",
    "intake.rules.1000_vs_10",
    "intake.hot_incident.slow_fsync_vs_fast",
    "intake.lost",
    "memory.serve_mb",
    "memory.growth",
    "start.serve_ms",
)

PAGING: Final = (
    "paging.alert_to_provider_ms.p50",
    "paging.alert_to_provider_ms.p99",
    "paging.alert_to_provider_under_load_ms.p99",
    "paging.hanging_provider.vs_without",
    "paging.burst_10k_last_ms",
    "paging.lateness_100k_ms.p99",
    "paging.storm_100k.stored",
    "paging.storm_100k.first_page_s",
    "paging.storm_100k.most_notifications_per_contact_method_in_2_minutes",
    "paging.lost",
    "paging.duplicates",
    "oncall.who_1000x3_ms",
    "screens.incidents_first_page_ms.p99",
)
