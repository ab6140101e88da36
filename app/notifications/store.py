"""SQL of notifications and attempts. A claim looks at the incident again: who acknowledged cancels what is pending."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.hot import Hot
from app.notifications.plan import Planned

INSERT = Hot("""
    INSERT INTO notifications (id, key, purpose, loudness, state, because, user_id, contact_method_id, channel, address,
                               incident_id, ladder_id, epoch, round, step, content, created_at, due_at, webhook_id)
    SELECT id, key, purpose, loudness, 'pending', because, user_id, contact_method_id, channel, address, incident_id,
           ladder_id, epoch, round, step, content, CAST(:now AS timestamptz), due_at, webhook_id
    FROM unnest(CAST(:id AS uuid[]), CAST(:key AS text[]), CAST(:purpose AS text[]), CAST(:loudness AS text[]),
                CAST(:because AS text[]), CAST(:user_id AS bigint[]), CAST(:contact_method_id AS bigint[]),
                CAST(:channel AS text[]), CAST(:address AS text[]), CAST(:incident_id AS uuid[]),
                CAST(:ladder_id AS uuid[]), CAST(:epoch AS integer[]), CAST(:round AS integer[]),
                CAST(:step AS integer[]), CAST(:content AS jsonb[]), CAST(:due_at AS timestamptz[]),
                CAST(:webhook_id AS bigint[]))
         AS t (id, key, purpose, loudness, because, user_id, contact_method_id, channel, address, incident_id,
               ladder_id, epoch, round, step, content, due_at, webhook_id)
    ON CONFLICT (key) DO NOTHING
""")

# A first try that waited for its notification rule, or for its limit; only of these is more looked up.
_DELAYED = "n.purpose = 'page' AND n.tries = 0 AND n.due_at > n.created_at AND n.contact_method_id IS NOT NULL"
_DETAILED = """
    SELECT n.id, n.purpose, n.loudness, n.user_id, n.contact_method_id, n.channel,
           CASE WHEN m.sealed_address IS NULL THEN n.address ELSE m.address END AS address, n.incident_id, n.ladder_id,
           n.epoch, n.round, n.step, n.content, n.tries, n.repeated, n.due_at, n.created_at,
           n.carried_by_id, n.webhook_id, w.generation, w.former_until,
           coalesce(w.sealed_address, m.sealed_address) AS sealed_address, coalesce(m.links, true) AS links,
           u.key AS user_key, coalesce(u.name, w.name, 'webhook') AS user_name, coalesce(u.active, true) AS active,
           coalesce(u.time_zone, o.time_zone) AS time_zone,
           CASE WHEN n.webhook_id IS NOT NULL THEN w.sealed_address IS NOT NULL
                ELSE m.id IS NOT NULL AND m.broken_at IS NULL
                     AND (m.verified_at IS NOT NULL OR n.purpose = 'verification') END AS usable,
           EXISTS (SELECT 1 FROM acknowledgements a
                   WHERE a.incident_id = n.incident_id AND a.epoch = n.epoch AND a.user_id = n.user_id
                     AND a.at >= n.created_at AND a.withdrawn_at IS NULL) AS acknowledged,
           CASE WHEN {delayed} THEN EXISTS (
               SELECT 1 FROM notifications newer
               WHERE newer.incident_id = n.incident_id AND newer.id > n.id AND newer.ladder_id = n.ladder_id
                 AND newer.epoch = n.epoch AND newer.contact_method_id = n.contact_method_id
                 AND newer.purpose = 'page' AND (newer.round, newer.step) > (n.round, n.step)
                 AND newer.state IN ('pending', 'sending', 'sent', 'delivered')
                 AND newer.due_at BETWEEN n.due_at - interval '60 seconds' AND :now) ELSE false END AS superseded,
           CASE WHEN {delayed} THEN EXISTS (
               SELECT 1 FROM ladders l WHERE l.id = n.ladder_id AND l.epoch = n.epoch AND l.next_step_at <= :now
                 AND l.next_step_at > CAST(:now AS timestamptz) - interval '3 seconds') ELSE false END AS step_is_due,
           i.number, i.title, i.priority, i.state AS incident_state, i.epoch AS incident_epoch, i.opened_at, i.firing,
           i.reopened, i.storm_id, i.acknowledged_by_id, i.wakes_at, s.name AS service, s.key AS service_key,
           s.runbook_url, i.service_id, (SELECT v.version FROM configuration_version v) AS configuration_version
    FROM {notifications} n
    LEFT JOIN users u ON u.id = n.user_id
    LEFT JOIN webhooks w ON w.id = n.webhook_id
    JOIN organisation o ON o.id = 1
    LEFT JOIN contact_methods m ON m.id = n.contact_method_id
    LEFT JOIN incidents i ON i.id = n.incident_id
    LEFT JOIN services s ON s.id = i.service_id
"""

_DUE = """
    WITH due AS MATERIALIZED (
        SELECT * FROM notifications n
        WHERE n.state = 'pending' AND n.due_at <= :now AND n.channel = ANY (CAST(:channels AS text[])) {unless}
        ORDER BY n.due_at LIMIT :limit
        FOR UPDATE SKIP LOCKED)
    {detailed} ORDER BY n.due_at, n.id
"""
CLAIM = text(_DUE.format(unless="", detailed=_DETAILED.format(notifications="due", delayed=_DELAYED)))
"""Pending notifications that are due on channels with room, with all that rendering and cancelling need. Locked first
and looked up after: however many wait, only those that are claimed are joined and sorted."""

_FULL = """
    AND NOT coalesce((
        SELECT r.is_full
        FROM unnest(CAST(:route_channels AS text[]), CAST(:prefixes AS text[]), CAST(:full AS boolean[]))
             AS r (channel, prefix, is_full)
        WHERE r.channel = n.channel AND starts_with(n.address, r.prefix)
        ORDER BY length(r.prefix) DESC LIMIT 1), false)
"""
CLAIM_AROUND = text(_DUE.format(unless=_FULL, detailed=_DETAILED.format(notifications="due", delayed=_DELAYED)))
"""The same, while the providers of some prefixes have no room: what they would carry keeps nobody waiting."""

DETAILS = text(
    f"{_DETAILED.format(notifications='notifications', delayed=_DELAYED)} WHERE n.id = ANY (CAST(:ids AS uuid[]))"
)

PARCELS = text(f"""
    {_DETAILED.format(notifications="notifications", delayed=_DELAYED)}
    WHERE n.id = ANY (CAST(:ids AS uuid[])) OR (n.carried_by_id = ANY (CAST(:ids AS uuid[])) AND n.state = 'sending')
    ORDER BY n.carried_by_id NULLS FIRST, i.priority, i.number, n.id
""")
"""These notifications, and those that their messages carry."""

CANCEL_ORPHANS = text("""
    UPDATE notifications n SET state = 'failed', because = 'its channel is not configured', finished_at = :now
    WHERE n.state = 'pending' AND n.due_at <= :now AND NOT n.channel = ANY (CAST(:channels AS text[]))
    RETURNING n.id, n.user_id,
              coalesce((SELECT u.name FROM users u WHERE u.id = n.user_id), 'webhook') AS user_name,
              n.contact_method_id, n.channel, n.loudness, n.purpose, n.incident_id, n.ladder_id, n.epoch, n.round,
              n.step
""")
"""Due on a channel that this installation does not have."""

CLAIMED = text("""
    UPDATE notifications n
    SET state = 'sending', claimed_at = :now, tries = t.tries, because = '', carried_by_id = t.carrier
    FROM unnest(CAST(:ids AS uuid[]), CAST(:tries AS smallint[]), CAST(:carriers AS uuid[])) AS t (id, tries, carrier)
    WHERE n.id = t.id
""")
"""`carriers`: the notification whose message carries each; NULL for those that have one of their own."""

FINISH_MANY = text("""
    UPDATE notifications n SET state = t.state, because = t.because, finished_at = :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:becauses AS text[])) AS t (id, state, because)
    WHERE n.id = t.id
""")

INSERT_ATTEMPTS = text("""
    INSERT INTO attempts (id, notification_id, number, callback_hash, provider, prefix, started_at)
    SELECT t.id, t.notification_id, t.number, t.callback_hash, t.provider, t.prefix, :now
    FROM unnest(CAST(:id AS uuid[]), CAST(:notification_id AS uuid[]), CAST(:number AS smallint[]),
                CAST(:callback_hash AS bytea[]), CAST(:provider AS text[]), CAST(:prefix AS text[]))
         AS t (id, notification_id, number, callback_hash, provider, prefix)
""")

INSERT_LINKS = text("""
    INSERT INTO link_tokens (token_hash, incident_id, user_id, notification_id, expires_at)
    SELECT t.token_hash, t.incident_id, t.user_id, t.notification_id, :expires_at
    FROM unnest(CAST(:token_hash AS bytea[]), CAST(:incident_id AS uuid[]), CAST(:user_id AS bigint[]),
                CAST(:notification_id AS uuid[])) AS t (token_hash, incident_id, user_id, notification_id)
    ON CONFLICT (token_hash) DO NOTHING
""")

RECORD = text("""
    UPDATE notifications SET state = :state, because = :because, due_at = coalesce(:due_at, due_at),
           repeated = repeated OR :repeated,
           finished_at = CASE WHEN :state IN ('pending', 'sending') THEN NULL ELSE CAST(:now AS timestamptz) END,
           carried_by_id = CASE WHEN :state <> 'pending' OR :repeated THEN carried_by_id END
    WHERE id = ANY (CAST(:ids AS uuid[])) AND tries = :tries
      AND (state = 'sending' OR :state = 'sent' AND state = 'pending' AND repeated)
    RETURNING id
""")
"""The end of one attempt for all that its message carried, unless something else (a callback, another worker) was
faster, or is trying once more by now: the newest attempt decides. What was to be tried again because nobody knew
whether it went out, and did, is not. What is tried again finds its message anew; until then it is known which message
may have carried it."""

RECORD_ATTEMPT = text("""
    UPDATE attempts SET finished_at = :now, provider = coalesce(nullif(:provider, ''), provider),
           provider_id = :provider_id, status = CASE WHEN status = '' THEN :status ELSE status END, code = :code,
           error = :error, permanent = :permanent, ask_at = :ask_at
    WHERE id = :id
""")
"""Who was asked is known from the claim on, where a channel has several providers."""

TOLD_BY_CALLBACK = text("""
    SELECT coalesce(provider, '') AS provider, provider_id, status FROM attempts
    WHERE id = :id AND provider_id IS NOT NULL FOR UPDATE
""")
"""What the provider said of a message before it answered, or in place of it."""

ATTEMPT_OF_CALLBACK = text("""
    SELECT a.id, a.notification_id, a.status, a.provider, a.prefix, a.provider_id, a.number, n.state, n.user_id,
           n.contact_method_id, n.channel, n.loudness, n.incident_id, n.ladder_id, n.epoch, n.round, n.step, n.purpose,
           n.due_at, n.tries, n.repeated, coalesce(u.name, 'webhook') AS user_name
    FROM attempts a JOIN notifications n ON n.id = a.notification_id LEFT JOIN users u ON u.id = n.user_id
    WHERE a.callback_hash = :hash FOR UPDATE OF a, n
""")

CALLBACK = text("""
    UPDATE attempts SET status = :status, provider = coalesce(nullif(provider, ''), :provider),
           provider_id = coalesce(provider_id, :provider_id), code = :code, error = :error,
           finished_at = coalesce(finished_at, :now)
    WHERE id = :id
""")

ASK_AT = text("UPDATE attempts SET ask_at = :ask_at WHERE id = :id")

SET_STATE = text("""
    UPDATE notifications SET state = :state, because = :because, finished_at = :now
    WHERE id = ANY (CAST(:ids AS uuid[]))
""")

LOST = text("""
    SELECT n.id FROM notifications n
    WHERE n.state = 'sending' AND n.claimed_at <= :before AND n.channel = ANY (CAST(:channels AS text[]))
      AND n.carried_by_id IS NULL AND n.id <> ALL (CAST(:mine AS uuid[]))
    ORDER BY n.claimed_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
"""Claimed and never recorded: their worker died, or its database was away. `mine` are those that the worker which
asks is still sending: its clock may run fast."""

LOST_DETAILS = text("""
    SELECT n.id, a.id AS attempt_id, a.number, a.started_at, a.provider FROM notifications n
    JOIN LATERAL (SELECT a.id, a.number, a.started_at, a.provider FROM attempts a WHERE a.notification_id = n.id
                  ORDER BY a.number DESC LIMIT 1) a ON true
    WHERE n.id = ANY (CAST(:ids AS uuid[]))
""")

RECLAIM = text("""
    UPDATE notifications SET claimed_at = :now
    WHERE id = ANY (CAST(:ids AS uuid[])) OR (carried_by_id = ANY (CAST(:ids AS uuid[])) AND state = 'sending')
""")

BRING_FORWARD = text("""
    UPDATE notifications SET due_at = :now, because = :because
    WHERE id = (
        SELECT n.id FROM notifications n
        WHERE n.ladder_id = :ladder_id AND n.epoch = :epoch AND n.round = :round AND n.step = :step
          AND n.user_id = :user_id AND n.state = 'pending' AND n.contact_method_id IS DISTINCT FROM :contact_method_id
        ORDER BY n.due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
""")
"""Failover to a contact method that is already planned."""

STEP_STATE = text("""
    SELECT n.user_id, n.contact_method_id, n.state FROM notifications n
    WHERE n.ladder_id = :ladder_id AND n.epoch = :epoch AND n.round = :round AND n.step = :step
      AND n.user_id IS NOT NULL
""")

ADDRESSES = text("""
    SELECT w.id, w.address_shown FROM webhooks w
    WHERE w.id = ANY (CAST(:ids AS bigint[])) AND w.sealed_address IS NOT NULL
""")

PAGED_ABOUT = text("""
    SELECT DISTINCT user_id FROM notifications
    WHERE incident_id = :incident_id AND tries > 0 AND user_id IS NOT NULL AND purpose = 'page'
""")

NEXT_DUE = text("""
    SELECT least((SELECT min(due_at) FROM notifications WHERE state = 'pending'),
                 (SELECT min(claimed_at) FROM notifications WHERE state = 'sending') + interval '60 seconds')
""")


WEBHOOK_TEST = text("""
    SELECT n.state, n.because FROM notifications n
    WHERE n.id = :id AND n.webhook_id = :webhook_id AND n.incident_id IS NULL
""")


async def addresses(conn: AsyncConnection, webhook_ids: Collection[int]) -> dict[int, str]:
    """What is shown of the addresses of these webhooks, by id; of those that have one."""
    if not webhook_ids:
        return {}
    return {r.id: r.address_shown for r in await conn.execute(ADDRESSES, {"ids": sorted(webhook_ids)})}


async def webhook_test(conn: AsyncConnection, webhook_id: int, notification: UUID) -> Any:
    """A row with `state` and `because` of a test of this webhook; None: there is no such test."""
    named = {"id": notification, "webhook_id": webhook_id}
    return (await conn.execute(WEBHOOK_TEST, named)).first()


async def insert(conn: AsyncConnection, planned: Sequence[Planned], now: datetime) -> int:
    """Writes those that are not planned already; returns how many."""
    if not planned:
        return 0
    columns: dict[str, Any] = {
        c: [getattr(p, c) for p in planned]
        for c in (
            "id", "key", "purpose", "loudness", "because", "user_id", "contact_method_id", "channel", "address",
            "incident_id", "ladder_id", "epoch", "round", "step", "content", "due_at",
            "webhook_id",
        )
    }  # fmt: skip
    return await INSERT.written(conn, columns | {"now": now})
