"""Signatures of senders, checked on the raw bytes before anybody parses them.

* `grafana`: hex HMAC-SHA-256 of the body in `X-Grafana-Alerting-Signature`; with `X-Grafana-Alerting-Timestamp` of
  `<unix seconds>:<body>` (grafana/alerting http/hmac.go).
* `generic`: the same; or Sentry's `Sentry-Hook-Signature`; or `X-Hub-Signature-256: sha256=...` as GitHub and others.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

SIGNED_SOURCES: Final = frozenset({"grafana", "generic"})
TOLERANCE: Final = timedelta(minutes=5)
"""How far a signed timestamp may be from now: Grafana stamps each try anew."""
_GRAFANA, _TIMESTAMP = "x-grafana-alerting-signature", "x-grafana-alerting-timestamp"
_PLAIN = {"sentry-hook-signature": "", "x-hub-signature-256": "sha256="}


def refusal(
    source: str, secrets: Sequence[str], body: bytes, headers: Mapping[str, str], now: datetime
) -> tuple[int, str] | None:
    """Status and reason when none of the secrets has signed this; None when one has. Takes no longer for a wrong
    signature than for a right one."""
    if not secrets:
        return 403, "the signing secret cannot be read with this TOCSIN_SECRET_KEY; it has to be entered again"
    name = next((n for n in _names(source) if n in headers), None)
    if name is None:
        return 401, f"this integration wants a signature; there is none in {_names(source)[0]}"
    given = headers[name].strip().removeprefix(_PLAIN.get(name, "")).lower().encode("utf-8", "replace")
    told = headers.get(_TIMESTAMP) if name == _GRAFANA else None
    signed = body if told is None else told.encode("utf-8", "replace") + b":" + body
    expected = [hmac.new(secret.encode(), signed, sha256).hexdigest().encode() for secret in secrets]
    if not any(hmac.compare_digest(given, own) for own in expected):
        return 403, f"the signature in {name} is not that of this body under the signing secret"
    if told is not None and not _recent(told, now):
        return 403, f"the signed timestamp is more than {TOLERANCE.seconds // 60} minutes from now; check the clocks"
    return None


def _names(source: str) -> tuple[str, ...]:
    return (_GRAFANA,) if source == "grafana" else (_GRAFANA, *_PLAIN)


def _recent(told: str, now: datetime) -> bool:
    if not told.isascii() or not told.isdigit() or len(told) > 12:
        return False
    return abs(now.timestamp() - int(told)) <= TOLERANCE.total_seconds()
