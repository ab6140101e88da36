"""One adapter per source, pure: wire -> Event. A new source is one file here, one line below, a folder of payloads."""

from __future__ import annotations

from app.ingest.adapters import alertmanager, generic, grafana, opsgenie, pagerduty, prometheus
from app.ingest.event import Parse

ADAPTERS: dict[str, Parse] = {
    "alertmanager": alertmanager.parse,
    "generic": generic.parse,
    "grafana": grafana.parse,
    "opsgenie": opsgenie.parse,
    "pagerduty": pagerduty.parse,
    "prometheus": prometheus.parse,
}
"""By source, the word that an integration stores."""

SOURCES = ADAPTERS.keys() | {"heartbeat"}
"""What an integration may be of. Heartbeats have no adapter: they are pinged (`web/ping.py`)."""
