"""What `tocsin doctor` says about webhooks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.secrets import Secrets
from app.cli import webhook_checks
from app.cli.findings import Finding
from app.db import ids
from app.escalation import webhooks
from app.escalation.webhook_documents import WebhookDocument
from app.settings import Settings

OURS, OTHERS = Secrets(b"k" * 40), Secrets(b"x" * 40)
ADDRESS = "https://chat.example.org/hooks/t0p"
REQUEST = {"headers": {"Authorization": "Bearer {secret.token}", "X-Room": "{secret.room}"}}
CALL = text("""
    INSERT INTO webhook_calls (entry_id, webhook_id, incident_id, happening, because, at, due_at, state, said, tries,
                               finished_at)
    SELECT :id, w.id, :id, 'triggered', '', :now, :now, :state, :said, 9, :finished FROM webhooks w WHERE w.key = :key
""")


async def webhook(
    conn: AsyncConnection, now: datetime, key: str, *, address: Secrets | None = OURS, secrets: Secrets | None = None
) -> None:
    """`address`, `secrets`: what they are sealed under; None: nobody gave any."""
    document = WebhookDocument.model_validate({"key": key, "name": key, "request": REQUEST})
    await webhooks.create(conn, now, document, actor="cli")
    if address is not None:
        await webhooks.set_address(conn, now, key, ADDRESS, address, actor="cli")
    if secrets is not None:
        given = {"token": "s3cr3t", "room": "ops"}
        await webhooks.set_secrets(conn, now, key, given, secrets, actor="cli")


async def told(conn: AsyncConnection, now: datetime, settings: Settings) -> dict[str, str]:
    found: list[Finding] = [f async for f in webhook_checks.of_content(settings, conn, now)]
    assert {f.state for f in found} <= {"warning"}
    assert "t0p" not in str(found)
    return {f.check: f.detail for f in found}


async def test_what_cannot_be_called_is_named(conn: AsyncConnection, now: datetime, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, secret_key="k" * 40)
    assert await told(conn, now, settings) == {}
    await webhook(conn, now, "right", secrets=OURS)
    await webhook(conn, now, "bare", address=None, secrets=OURS)
    await webhook(conn, now, "moved", address=OTHERS, secrets=OURS)
    await webhook(conn, now, "half")
    await webhook(conn, now, "lost", secrets=OTHERS)
    assert await told(conn, now, settings) == {
        "webhook bare": "is not called: it has no address",
        "webhook moved": "is not called: its address was sealed under another secret key",
        "webhook half": "is not called: nobody gave the value of its secret room, token",
        "webhook lost": "is not called: nobody gave the value of its secret room, token, or it was sealed under"
        " another secret key",
    }
    unknown = await told(conn, now, replace(settings, secret_key=""))
    assert set(unknown) == {"webhook bare", "webhook half"}, "what is sealed cannot be judged without the secret key"
    assert not list(tmp_path.iterdir()), "no secret key is made by looking"


async def test_what_was_given_up_lately_is_counted(conn: AsyncConnection, now: datetime, tmp_path: Path) -> None:
    await webhook(conn, now, "tickets", secrets=OURS)
    for state, said, days in (("failed", "old", 8), ("failed", "503", 2), ("failed", "410", 1), ("delivered", "", 0)):
        given = {"id": ids.new(now), "now": now, "state": state, "said": said, "key": "tickets"}
        await conn.execute(CALL, given | {"finished": now - timedelta(days=days)})
    found = await told(conn, now, Settings(data_dir=tmp_path, secret_key="k" * 40))
    assert list(found) == ["webhook tickets"]
    assert found["webhook tickets"].startswith("2 calls given up in 7 days, at ")
    assert found["webhook tickets"].endswith("UTC: 410")
