"""The bench's own database: the people and services that are written into it, and what it is asked afterwards.

It speaks SQL over the socket of the server that `tocsin serve` started: this is a stranger looking at the rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import asyncpg

ENTRANCES: Final = 4
KEY: Final = "bench-routing-key-{}"
PAGED: Final = "+15005551000"
"""Whom new incidents page."""
STORMED: Final = "+15005552000"
"""Whom the incidents of the storm page, so that the two can be told apart at the provider."""

_PEOPLE: Final = """
    INSERT INTO organisation (id, name, time_zone, created_at, updated_at)
    VALUES (1, 'Bench', 'Europe/Berlin', tocsin_now(), tocsin_now());

    INSERT INTO users (key, name, email, role, created_at, updated_at)
    SELECT k, k, k || '@example.org', 'admin', tocsin_now(), tocsin_now() FROM unnest(ARRAY['paged', 'stormed']) AS k;

    INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
    SELECT id, 'sms', CASE key WHEN 'paged' THEN '{paged}' ELSE '{stormed}' END, tocsin_now(), tocsin_now(),
           tocsin_now()
    FROM users;

    INSERT INTO notification_rules (user_id, loudness, delay_s, contact_method_id)
    SELECT m.user_id, l, 0, m.id FROM contact_methods m CROSS JOIN unnest(ARRAY['loud', 'quiet']) AS l;

    INSERT INTO escalation_policies (key, name, repeats, created_at, updated_at)
    SELECT key, key, 0, tocsin_now(), tocsin_now() FROM users;
    INSERT INTO escalation_steps (policy_id, position, delay_s) SELECT id, 0, 86400 FROM escalation_policies;
    INSERT INTO escalation_targets (step_id, position, user_id)
    SELECT s.id, 0, u.id FROM escalation_steps s JOIN escalation_policies p ON p.id = s.policy_id
    JOIN users u ON u.key = p.key;
    INSERT INTO last_resort_targets (position, user_id) SELECT 0, id FROM users WHERE key = 'stormed';
"""

_DOORS: Final = """
    INSERT INTO services (key, name, policy_id, criticality, created_at, updated_at)
    SELECT 'service-' || n, 'Service ' || n, (SELECT id FROM escalation_policies WHERE key =
           CASE n WHEN 0 THEN 'paged' ELSE 'stormed' END), 1, tocsin_now(), tocsin_now()
    FROM generate_series(0, {last}) AS n;
    INSERT INTO integrations (key, name, source, service_id, created_at, updated_at)
    SELECT 'integration-' || right(s.key, -8), s.name, 'alertmanager', s.id, tocsin_now(), tocsin_now()
    FROM services s;
"""

_ROUTES: Final = """
    INSERT INTO rule_set_versions (kind, version, rules, published_at, published_by)
    SELECT 'routing', coalesce(max(version), 0) + 1, CAST($1::text AS jsonb), tocsin_now(), 'bench'
    FROM rule_set_versions WHERE kind = 'routing' AND scope = ''
"""

_HUNG_METHOD: Final = """
    INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
    SELECT id, 'sms', $1, tocsin_now(), tocsin_now(), tocsin_now() FROM users WHERE key = 'stormed'
"""
_HUNG_MESSAGES: Final = """
    INSERT INTO notifications (id, key, purpose, loudness, state, user_id, contact_method_id, channel, address, content,
                               created_at, due_at)
    SELECT gen_random_uuid(), 'hung:' || n, 'notice', 'loud', 'pending', m.user_id, m.id, 'sms', m.address,
           '{"subject": "Hung", "text": "Hung"}', tocsin_now(), tocsin_now()
    FROM contact_methods m CROSS JOIN generate_series(1, $2::int) AS n WHERE m.address = $1
"""

_SEEN: Final = "SELECT dedup_key, events FROM alerts"


def path_of(number: int) -> str:
    """Where alerts for service `number` go; 0 is the one whose incidents page `PAGED`."""
    return f"/v1/intake/{KEY.format(number)}/alertmanager"


class Town:
    """A connection to the bench's database as its superuser."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self.conn = conn

    @classmethod
    async def open(cls, data_dir: Path) -> Town:
        return cls(
            await asyncpg.connect(
                host=str(data_dir / "run"), port=5432, user="tocsin", database="tocsin", ssl=False, timeout=10
            )
        )

    async def close(self) -> None:
        await self.conn.close()

    async def settle(self) -> None:
        """Writes people, services and routing keys; running processes see a new version of the configuration."""
        async with self.conn.transaction():
            await self.conn.execute(_PEOPLE.format(paged=PAGED, stormed=STORMED))
            await self.conn.execute(_DOORS.format(last=ENTRANCES))
            for number in range(ENTRANCES + 1):
                await self.conn.execute(
                    "INSERT INTO routing_keys (integration_id, key_hash, hint, created_at) "
                    "SELECT id, $1, '', tocsin_now() FROM integrations WHERE key = $2",
                    sha256(KEY.format(number).encode()).digest(),
                    f"integration-{number}",
                )
            await self.conn.execute("UPDATE configuration_version SET version = version + 1")

    async def routes(self, rules: int) -> None:
        """Publishes so many routing rules, of which the last one matches every alert of the storm."""
        never = [
            {"key": f"r{n}", "name": f"R{n}", "when": f'{{namespace="other-{n}"}}', "then": {"note": f"note {n}"}}
            for n in range(rules - 1)
        ]
        one = {"key": "match", "name": "Match", "when": '{namespace="shop"}', "then": {"note": "look at the disks"}}
        await self.conn.execute(_ROUTES, json.dumps([*never, one] if rules else []))
        await self.conn.execute("UPDATE configuration_version SET version = version + 1")

    async def storms_above(self, incidents_a_minute: int) -> None:
        """So many new incidents a minute are no storm."""
        await self.conn.execute("UPDATE organisation SET storm_threshold = $1", incidents_a_minute)
        await self.conn.execute("UPDATE configuration_version SET version = version + 1")

    async def hangs(self, number: str, messages: int) -> None:
        """So many messages are due at once to this number."""
        async with self.conn.transaction():
            await self.conn.execute(_HUNG_METHOD, number)
            await self.conn.execute(_HUNG_MESSAGES, number, messages)

    async def calm(self) -> None:
        """Nobody waits for a message, and nobody got one lately."""
        await self.conn.execute("DELETE FROM notifications WHERE state = 'pending'")
        await self.conn.execute("DELETE FROM pacing")

    async def lost(self, answered: Iterable[Iterable[str]]) -> int:
        """Of the alerts of these answered requests, how many the database has not counted."""
        expected = Counter(key for keys in answered for key in keys)
        seen: dict[str, int] = {r["dedup_key"]: r["events"] for r in await self.conn.fetch(_SEEN)}
        return sum(max(count - seen.get(key, 0), 0) for key, count in expected.items())

    async def flushes(self, slow: bool) -> None:
        """Slow: every flush of the log waits 2 ms, as on a disk; the virtual one under us flushes in 0.05 ms."""
        for name, value in (("commit_delay", 2000 if slow else 0), ("commit_siblings", 0 if slow else 5)):
            await self.conn.execute(f"ALTER SYSTEM SET {name} = {value}")
        await self.conn.execute("SELECT pg_reload_conf()")

    async def value(self, query: str, *arguments: Any) -> Any:
        return await self.conn.fetchval(query, *arguments)
