"""What a night of real processes does with its gains: a morning that falls into it, quiet alerts before, receivers of
webhooks that fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from app import clock
from app.db import engine as db
from app.directory import people
from app.directory.documents import UserEdit

if TYPE_CHECKING:
    from nights.real import RealNight

QUIET = ("CertExpires", "QueueGrows")
WITHIN_S = 1.5
MORNING_AFTER = timedelta(minutes=3)


async def set_mornings(played: RealNight) -> None:
    """Whoever has a digest gets it two to three minutes from now: when the night begins, nobody knew before."""
    town = played.night.organisation
    residents = list(town.people)
    async with db.transaction(played.engine) as (conn, now):
        at = (now + MORNING_AFTER).astimezone(ZoneInfo(town.zone)).strftime("%H:%M")
        for place, person in enumerate(residents):
            if person.digest_at:
                residents[place] = replace(person, digest_at=at)
                known = (await people.read_user(conn, person.key)).document
                edit = UserEdit(**known.model_dump(exclude={"key", "digest_at"}), digest_at=at)
                await people.edit_user(conn, now, person.key, edit, actor="cli")
    played.night = replace(played.night, organisation=replace(town, people=tuple(residents)))


async def sends_quiet(played: RealNight) -> None:
    """What is worth a quiet page, where somebody waits for the morning with those."""
    if any(p.digest_at for p in played.night.organisation.people):
        for name in QUIET:
            await clock.pause(played.gained.uniform(0, WITHIN_S))
            service = played.gained.choice(played.night.organisation.services).key
            await played.tell(service, name, fires=True, severity="info")


async def fails_receivers(played: RealNight) -> None:
    """One after the other, each until it is its turn again or dawn."""
    for _ in range(3 if played.receivers else 0):
        await clock.pause(played.gained.uniform(0, WITHIN_S))
        receiver = played.gained.choice(played.receivers)
        receiver.failing = played.gained.choice(("down", "broken", "refuses", "slow", "forgets", ""))
        played.evidence.says(played.clock(), f"{receiver.key}: {receiver.failing or 'mended'}")
