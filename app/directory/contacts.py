"""How people can be reached: their usable contact methods and notification rules, loaded for many at once.

Usable is what has been verified, is not broken and is on a configured channel. A user without notification rules for a
loudness has the default plan; so has one whose rules all name contact methods that cannot be used: silence is not an
option that anybody chooses by accident.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

PEOPLE = text("""
    SELECT u.id, u.key, u.name, u.active, u.time_zone, u.digest_at, coalesce(u.time_zone, o.time_zone, 'UTC') AS zone
    FROM users u LEFT JOIN organisation o ON o.id = 1 WHERE u.id = ANY (CAST(:ids AS bigint[]))
""")

METHODS = text("""
    SELECT m.id, m.user_id, m.channel, m.address FROM contact_methods m
    WHERE m.user_id = ANY (CAST(:ids AS bigint[])) AND m.verified_at IS NOT NULL AND m.broken_at IS NULL
      AND m.channel = ANY (CAST(:channels AS text[]))
    ORDER BY m.user_id, m.id
""")
"""The contact methods of these users that count."""

RULES = text("""
    SELECT r.id, r.user_id, r.loudness, r.delay_s, r.contact_method_id FROM notification_rules r
    WHERE r.user_id = ANY (CAST(:ids AS bigint[])) ORDER BY r.user_id, r.delay_s, r.id
""")

BREAK = text("""
    UPDATE contact_methods SET broken_at = :now, broken_because = :because, version = version + 1, updated_at = :now,
           opted_out_at = CASE WHEN :opted_out THEN CAST(:now AS timestamptz) END
    WHERE id = :id AND broken_at IS NULL
    RETURNING user_id
""")
"""A contact method that no message will ever reach."""


CALL_AFTER_S = 180
"""A text or mail first: whoever is awake needs no call."""


PUSHES = frozenset({"push", "ntfy"})
"""They cost nothing, and a quiet one makes no noise."""


class UsableMethod(Struct, frozen=True, gc=False):
    id: int
    channel: str
    address: str


class Rule(Struct, frozen=True, gc=False):
    """A notification rule; `name` is `rule-<id>`, or `default-<n>` for the default plan."""

    name: str
    delay_s: int
    method: UsableMethod


class Person(Struct, frozen=True, gc=False):
    """A user as the escalation loop sees one."""

    id: int
    key: str
    name: str
    active: bool
    time_zone: str | None
    methods: tuple[UsableMethod, ...]
    rules: tuple[tuple[str, Rule], ...]
    """(loudness, rule) pairs whose contact method is usable."""
    digest_at: str | None = None
    """When quiet pages of the night go out as one, by the clocks of `zone`."""
    zone: str = "UTC"

    @property
    def reachable(self) -> bool:
        return self.active and bool(self.methods)

    @property
    def calls_last(self) -> tuple[UsableMethod, ...]:
        """The contact methods in the order in which one is chosen that no rule names."""
        return tuple(sorted(self.methods, key=lambda m: m.channel == "voice"))

    def rules_for(self, loudness: str) -> tuple[Rule, ...]:
        own = tuple(rule for given, rule in self.rules if given == loudness)
        return own or default_rules(self.methods, loudness)


def default_rules(methods: Sequence[UsableMethod], loudness: str) -> tuple[Rule, ...]:
    """Loud: every method at once, a call after 3 minutes unless it is the only way, SMS again after 5 minutes. Quiet:
    mail at once; where there is none, a push; else one other method, a call only where there is nothing else."""
    silent = [m for m in methods if m.channel != "voice"]
    if loudness == "quiet":
        mails = [(m, 0) for m in methods if m.channel == "mail"]
        pushed = [(m, 0) for m in methods if m.channel in PUSHES]
        chosen = mails or pushed or [(m, 0) for m in (silent or methods)[:1]]
    else:
        calls = [(m, CALL_AFTER_S if silent else 0) for m in methods if m.channel == "voice"]
        chosen = [(m, 0) for m in silent] + calls + [(m, 300) for m in methods if m.channel == "sms"]
    return tuple(Rule(f"default-{n}", delay, method) for n, (method, delay) in enumerate(chosen))


async def people(conn: AsyncConnection, ids: Collection[int], channels: Collection[str]) -> dict[int, Person]:
    """These users, with what is usable on the configured `channels`."""
    if not ids:
        return {}
    named = {"ids": sorted(ids)}
    users = (await conn.execute(PEOPLE, named)).all()
    methods = (await conn.execute(METHODS, named | {"channels": sorted(channels)})).all()
    rules = (await conn.execute(RULES, named)).all()
    usable = {m.id: UsableMethod(m.id, m.channel, m.address) for m in methods}
    own: dict[int, list[UsableMethod]] = {}
    for m in methods:
        own.setdefault(m.user_id, []).append(usable[m.id])
    planned: dict[int, list[tuple[str, Rule]]] = {}
    for r in rules:
        if r.contact_method_id in usable:
            rule = Rule(f"rule-{r.id}", r.delay_s, usable[r.contact_method_id])
            planned.setdefault(r.user_id, []).append((r.loudness, rule))
    return {
        u.id: Person(
            u.id, u.key, u.name, u.active, u.time_zone, tuple(own.get(u.id, ())), tuple(planned.get(u.id, ())),
            u.digest_at, u.zone,
        )
        for u in users
    }  # fmt: skip


async def mark_broken(
    conn: AsyncConnection, now: datetime, contact_method_id: int, because: str, *, opted_out: bool = False
) -> bool:
    """Takes a contact method out of use until its owner verifies it anew or, `opted_out`, texts START. False: it was
    broken already."""
    named = {"id": contact_method_id, "because": because, "now": now, "opted_out": opted_out}
    return (await conn.execute(BREAK, named)).first() is not None
