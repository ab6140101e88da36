"""Ten million occurrences of the past, written by SQL, for what must not slow down with age: minutes, and 10 GB."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.dev.bench import programs
from app.dev.bench.load import closed_loop, fetches
from app.dev.bench.numbers import middle, percentile
from app.dev.bench.programs import Failed, Program
from app.dev.bench.town import Town

if TYPE_CHECKING:
    from app.dev.bench.measured_intake import Measurement

OCCURRENCES: Final = 10_000_000
PER_INCIDENT: Final = 10
SLICE: Final = 500_000
SESSION: Final = "bench-session"
LOOKS: Final = 300

# Identities that sort before every real one, as older rows do. The SQL is made of this file's own constants.
_ID: Final = "('00000000-{kind}-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid"
_INCIDENTS: Final = f"""
    INSERT INTO incidents (id, service_id, correlation_key, title, state, priority, impact, urgency, verdict, loudness,
                           opened_at, triggered_at, resolved_at, resolved_by, last_occurrence_at, firing, occurrences)
    SELECT {_ID.format(kind="0001", n="n")}, s.id, 'old:' || n, 'Old trouble ' || n, 'resolved', 3, 2, 2,
           '{{"inputs": []}}', 'loud', at, at, at, 'source', at, 0, {PER_INCIDENT}
    FROM generate_series($1::bigint, $2::bigint) AS n, (SELECT id, tocsin_now() - interval '90 days' AS at
         FROM services WHERE key = 'service-1') AS s
"""  # noqa: S608  # made of constants
_ALERTS: Final = f"""
    INSERT INTO alerts (id, integration_id, dedup_key, state, occurrence_id, service_id, title, severity, digest,
                        labels, annotations, links, starts_at, ended_at, end_kind, end_received_at, first_seen_at,
                        last_seen_at)
    SELECT {_ID.format(kind="0002", n="n")}, i.id, 'old-' || n, 'resolved', {_ID.format(kind="0003", n="n")},
           i.service_id, 'Old trouble', 'error', n, jsonb_build_object('alertname', 'Old', 'instance', n::text), '{{}}',
           '[]', at, at, 'explicit', at, at, at
    FROM generate_series($1::bigint, $2::bigint) AS n,
         (SELECT id, service_id, tocsin_now() - interval '90 days' AS at FROM integrations
          WHERE key = 'integration-1') AS i
"""  # noqa: S608  # made of constants
_OCCURRENCES: Final = f"""
    INSERT INTO occurrences (id, alert_id, incident_id, service_id, starts_at, ended_at, end_kind, severity, priority)
    SELECT {_ID.format(kind="0003", n="n")}, {_ID.format(kind="0002", n=f"n / {PER_INCIDENT}")},
           {_ID.format(kind="0001", n=f"n / {PER_INCIDENT}")}, s.id, at, at, 'explicit', 'error', 3
    FROM generate_series($1::bigint, $2::bigint) AS n, (SELECT id, tocsin_now() - interval '90 days' AS at
         FROM services WHERE key = 'service-1') AS s
"""  # noqa: S608  # made of constants


async def seed(town: Town, say: Callable[[str], None]) -> None:
    """The past: as many incidents and alerts as `OCCURRENCES` / `PER_INCIDENT`."""
    say(f"writing {OCCURRENCES:,} occurrences")
    for statement, count in ((_INCIDENTS, OCCURRENCES // PER_INCIDENT), (_ALERTS, OCCURRENCES // PER_INCIDENT),
                             (_OCCURRENCES, OCCURRENCES)):  # fmt: skip
        for first in range(0, count, SLICE):
            await town.conn.execute(statement, first, min(first + SLICE, count) - 1, timeout=600)
    await town.conn.execute("VACUUM ANALYZE incidents, alerts, occurrences", timeout=1800)
    await town.conn.execute("CHECKPOINT", timeout=600)


async def against_empty(m: Measurement, directory: Path) -> float:
    """storm:10:32 on a base with history over the same on an empty one, in turns."""
    rates: dict[str, list[float]] = {"old": [], "empty": []}
    async with programs.serve(directory / "old") as old, programs.serve(directory / "empty") as empty:
        targets = {"old": old, "empty": empty}
        for name, program in targets.items():
            await program.start("/readyz")
            town = await Town.open(directory / name)
            await town.settle()
            if name == "old":
                await seed(town, m.say)
            await town.close()
        for _ in range(m.plan.rounds):
            for name, program in targets.items():
                rates[name].append(await m.rate(program, 10, 32))
    m.say(f"history  {middle(rates['old']):,.0f}/s with it, {middle(rates['empty']):,.0f}/s without")
    return round(middle(rates["old"]) / middle(rates["empty"]), 3)


async def first_page_ms(subject: Program, town: Town, say: Callable[[str], None]) -> float:
    """p99 of the screen with the open incidents, with a base full of history behind it; one after the other."""
    await seed(town, say)
    await town.conn.execute(
        "INSERT INTO sessions (token_hash, user_id, created_at, expires_at) "
        "SELECT $1, id, tocsin_now(), tocsin_now() + interval '1 day' FROM users WHERE key = 'paged'",
        sha256(SESSION.encode()).digest(),
    )
    shots = fetches("/incidents", f"Cookie: tocsin_session={SESSION}", LOOKS)
    await closed_loop(subject.port, shots[:20], 1, 60.0)
    outcome = await closed_loop(subject.port, shots, 1, 60.0)
    if outcome.failed:
        raise Failed(f"the screen of incidents answered {outcome.failed}")
    p99 = percentile(outcome.waits, 0.99) * 1000
    say(f"first page of incidents  p99 {p99:.1f} ms")
    return p99
