"""What the migration that seals addresses of webhooks makes of those that are there, and back."""

from __future__ import annotations

from sqlalchemy import text

from app.db import migrate

BEFORE = "0020"
ADDRESS = "https://chat.example.org:8443/hooks/T0/5f3a?token=hush"


async def test_addresses_stay_to_be_sealed_and_are_shown_without_their_secret(new_database):
    engine = await new_database()
    await migrate.upgrade(engine, BEFORE)
    async with engine.begin() as conn:
        for key, url in (("chat", ADDRESS), ("bare", "https://status.example.org?key=hush")):
            named = {"key": key, "url": url}
            await conn.execute(
                text("INSERT INTO webhooks (key, name, url, created_at, updated_at) "
                     "VALUES (:key, :key, :url, tocsin_now(), tocsin_now())"), named)  # fmt: skip
    await migrate.upgrade(engine)
    async with engine.connect() as conn:
        rows = (await conn.execute(text("SELECT key, url, address_shown FROM webhooks ORDER BY key"))).all()
    shown = {r.key: r.address_shown for r in rows}
    assert shown == {"bare": "https://status.example.org/…", "chat": "https://chat.example.org:8443/…"}
    assert {r.key: r.url for r in rows}["chat"] == ADDRESS
    await migrate.downgrade(engine, BEFORE)
    async with engine.connect() as conn:
        found = (await conn.execute(text("SELECT url FROM webhooks WHERE key = 'chat'"))).scalar_one()
    assert found == ADDRESS, "one that nothing has sealed yet is not lost"
