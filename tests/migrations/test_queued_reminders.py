"""Reminders of swaps that were queued as messages become rows that are decided when they fall due."""

from __future__ import annotations

from sqlalchemy import text

from app.db import migrate

ROWS = """
    WITH u AS (INSERT INTO users (key, name, email, role, created_at, updated_at)
               VALUES ('zoe', 'Zoe', 'zoe@example.org', 'operator', tocsin_now(), tocsin_now()) RETURNING id),
         s AS (INSERT INTO schedules (key, name, created_at, updated_at)
               VALUES ('swapped', 'Swapped', tocsin_now(), tocsin_now()) RETURNING id),
         w AS (INSERT INTO swaps (schedule_id, user_id, starts_at, ends_at, created_by, created_at)
               SELECT s.id, u.id, tocsin_now(), tocsin_now() + interval '1 day', 'user:zoe', tocsin_now()
               FROM s, u RETURNING id)
    INSERT INTO notifications (id, key, purpose, loudness, state, because, user_id, channel, address, content,
                               created_at, due_at)
    SELECT gen_random_uuid(), 'swap:' || w.id || ':' || part, 'notice', 'quiet', 'pending', '', u.id, 'mail',
           'zoe@example.org', '{}', tocsin_now(), tocsin_now() + interval '1 hour'
    FROM u, w, unnest(ARRAY['untaken', 'reminder', 'offered']) AS part
"""


async def test_queued_reminders_are_decided_when_they_fall_due(new_database):
    engine = await new_database()
    await migrate.upgrade(engine, "0020")  # the one before
    async with engine.begin() as conn:
        await conn.execute(text(ROWS))
    await migrate.upgrade(engine)
    async with engine.connect() as conn:
        notices = await conn.execute(text("SELECT kind FROM swap_notices ORDER BY kind"))
        left = await conn.execute(text("SELECT split_part(key, ':', 3) FROM notifications WHERE key LIKE 'swap:%'"))
        assert (list(notices.scalars()), list(left.scalars())) == (["soon", "untaken"], ["offered"])
    await engine.dispose()
