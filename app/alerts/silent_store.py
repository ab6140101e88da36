"""SQL of sources that fell silent."""

from __future__ import annotations

from sqlalchemy import text

LOCK_INTEGRATIONS = text("""
    SELECT id FROM integrations WHERE id = ANY (CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE
""")
"""Two workers that each expire a part of an integration's alerts must not both think that the rest still fires: the
second one waits, and then sees what the first one did."""

FELL_SILENT = text("""
    INSERT INTO silent_sources (integration_id, receipt_id, heard_at, noticed_at)
    SELECT i.id, heard.id, heard.at, :now
    FROM integrations i
    CROSS JOIN LATERAL (SELECT r.id, r.at FROM receipts r WHERE r.integration_id = i.id
                        ORDER BY r.id DESC LIMIT 1) AS heard
    WHERE i.id = ANY (CAST(:ids AS bigint[])) AND i.source = 'prometheus' AND i.enabled
      AND NOT EXISTS (SELECT FROM alerts a WHERE a.integration_id = i.id AND a.expiry_due_at IS NOT NULL)
      AND EXISTS (
        SELECT FROM (SELECT r.outcomes FROM receipts r
                     WHERE r.integration_id = i.id AND r.at >= heard.at - CAST(:together AS interval)
                     ORDER BY r.id DESC LIMIT :last) AS said
        CROSS JOIN LATERAL jsonb_array_elements(said.outcomes) AS o
        JOIN alerts a ON a.id = CAST(o ->> 2 AS uuid) AND a.end_kind = 'expired')
    ON CONFLICT (integration_id) DO NOTHING
""")
"""Of these integrations those whose source renews what fires, and fell silent: no alert of theirs waits for a renewal
any more, and one that the last requests spoke of ended because there was none. What is repeated comes in several
requests, hence the last ones. Elsewhere an end in the future is the sender's wish."""

CLAIM = text("""
    SELECT s.integration_id, s.heard_at, s.noticed_at, s.told, back.at AS back_at, i.key, i.source, i.service_id,
           v.key AS service, o.time_zone
    FROM silent_sources s JOIN integrations i ON i.id = s.integration_id JOIN services v ON v.id = i.service_id
    LEFT JOIN organisation o ON true
    LEFT JOIN LATERAL (SELECT r.at FROM receipts r WHERE r.integration_id = s.integration_id AND r.id > s.receipt_id
                       ORDER BY r.id LIMIT 1) back ON true
    WHERE NOT s.told OR back.at IS NOT NULL
    ORDER BY s.integration_id FOR UPDATE OF s SKIP LOCKED
""")
"""Silent sources whose alert is to be told something: that they are silent, or back."""

ANY = text("SELECT FROM silent_sources")

TELL = text("UPDATE silent_sources SET told = true WHERE integration_id = ANY (CAST(:ids AS bigint[]))")

FORGET = text("DELETE FROM silent_sources WHERE integration_id = ANY (CAST(:ids AS bigint[]))")
