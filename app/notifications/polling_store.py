"""SQL of polling: what is to be asked about, what was found out. `attempts.ask_at` is all that is remembered."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels.channel import FINAL_RANK, RANK, Price

FINAL = [status for status, rank in RANK.items() if rank >= FINAL_RANK]

TO_ASK = text("""
    SELECT a.id, a.callback_hash, a.provider, a.provider_id, a.prefix, a.asks, a.started_at, n.channel,
           a.status = ANY (CAST(:final AS text[])) AS final, a.price IS NOT NULL AS priced
    FROM attempts a JOIN notifications n ON n.id = a.notification_id
    WHERE a.ask_at <= :now AND a.provider_id IS NOT NULL AND n.channel = ANY (CAST(:channels AS text[]))
    ORDER BY a.status = ANY (CAST(:final AS text[])), a.ask_at LIMIT :limit FOR UPDATE OF a SKIP LOCKED
""")
"""What nobody has heard of first; then what only its price is missing of."""

ASKED = text("""
    UPDATE attempts a SET ask_at = t.ask_at, asks = a.asks + 1
    FROM unnest(CAST(:ids AS uuid[]), CAST(:ask_at AS timestamptz[])) AS t (id, ask_at) WHERE a.id = t.id
""")
"""Before it is asked: whoever dies over it leaves it to be asked later, and nobody asks twice at once."""

FOUND_OUT = text("""
    UPDATE attempts SET price = coalesce(price, :price), currency = coalesce(currency, :currency),
           ask_at = CASE WHEN status = ANY (CAST(:final AS text[])) AND
                              (NOT :may_have_price OR coalesce(price, :price) IS NOT NULL) THEN NULL ELSE ask_at END
    WHERE id = :id
""")
"""After its status was kept: is there anything more to find out?"""

_PRICED = text("""
    UPDATE attempts SET price = coalesce(price, :price), currency = coalesce(currency, :currency)
    WHERE callback_hash = :hash
""")

_NAMED = text("""
    SELECT callback_hash FROM attempts WHERE provider = :provider AND provider_id = :provider_id
    ORDER BY id DESC LIMIT 1
""")


async def attempt_named(conn: AsyncConnection, provider: str, provider_id: str) -> bytes | None:
    """The callback hash of the attempt that a provider calls so."""
    if not provider_id:
        return None
    found = (await conn.execute(_NAMED, {"provider": provider, "provider_id": provider_id})).scalar_one_or_none()
    return None if found is None else bytes(found)


async def keep_price(conn: AsyncConnection, callback_hash: bytes, price: Price) -> None:
    """What a callback said that a message cost; the first price stays."""
    await conn.execute(_PRICED, {"hash": callback_hash, "price": price.amount, "currency": price.currency})
