"""A gap, or somebody who cannot be reached, in the next 48 hours: whoever answers for the schedule is told, quietly and
once; and told again when it is mended."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.notifications.telling import tell
from app.oncall import store as oncall
from app.oncall.shifts import Schedule
from app.proof import reach_store, reachability, upcoming, warning_store
from app.proof.upcoming import AHEAD, TO_DO, Danger, Known, News

LOOK_EVERY: Final = timedelta(minutes=30)
LOOKED_AT: Final = 20
"""Schedules of one transaction: a few ms each."""


async def look(conn: AsyncConnection, now: datetime, channels: Collection[str], public_url: str) -> int:
    """Looks at the schedules that nobody has looked at for half an hour, a few of them. Returns how many."""
    claimed = await warning_store.claim(conn, now, now - LOOK_EVERY, LOOKED_AT)
    if not claimed:
        return 0
    keys = {r.id: r.key for r in claimed}
    schedules = await oncall.schedules(conn, sorted(keys), window=(now, now + AHEAD))
    duty = await asyncio.to_thread(lambda: {i: upcoming.on_duty(s, now) for i, s in schedules.items()})
    known = await warning_store.known(conn, now, keys)
    named = {k.danger.user_id for before in known.values() for k in before if k.danger.user_id is not None}
    people = {p.id: p for p in await reachability.of(conn, now, channels, named.union(*duty.values()))}
    lost = {i for i, p in people.items() if p.reach.level == "not_reachable"}
    for i, schedule in schedules.items():
        found = await asyncio.to_thread(upcoming.dangers, schedule, now, lost & duty[i])
        if found or known[i]:
            teller = _Teller(conn, now, channels, schedule, f"{public_url}/schedules/{keys[i]}", people)
            await teller.tell(upcoming.news(found, known[i], now, schedule.where))
    return len(claimed)


class _Teller:
    """What is new about one schedule, written down and told."""

    def __init__(
        self,
        conn: AsyncConnection,
        now: datetime,
        channels: Collection[str],
        schedule: Schedule,
        url: str,
        people: Mapping[int, reachability.Person],
    ) -> None:
        self.conn = conn
        self.now = now
        self.channels = channels
        self.schedule = schedule
        self.url = url
        self.people = people

    async def tell(self, news: News) -> None:
        say = [(k.id, k.danger) for k in news.untold]
        for danger, repeats_id in news.new:
            warning_id = await warning_store.insert(self.conn, self.now, self.schedule.id, danger, repeats_id)
            if repeats_id is None:
                say.append((warning_id, danger))
        for warning_id, danger in news.longer:
            await warning_store.lengthen(self.conn, warning_id, danger)
        await warning_store.over(self.conn, self.now, "passed", [k.id for k in news.passed])
        await warning_store.over(self.conn, self.now, "mended", [k.id for k in news.mended])
        if say:
            await self._warn(say)
        await self._all_clear([k for k in news.mended if k.told])

    async def _warn(self, say: Sequence[tuple[int, Danger]]) -> None:
        """One message about all of it to each owner; where none of them can be reached, to the admins."""
        key = f"warning:{say[0][0]}:{self.now:%Y%m%dT%H%M%S}"
        subject = upcoming.subject([danger for _, danger in say], self.schedule.name)
        todo = " ".join(dict.fromkeys(TO_DO[danger.code] for _, danger in say))
        words = f"{'. '.join(self._words(danger) for _, danger in say)}. {todo} {self.url}"
        owners = (await reach_store.owners(self.conn, [self.schedule.id])).get(self.schedule.id, [])
        for group in (owners, await reach_store.admins(self.conn)):
            told = [user for user in group if await self._send(user, subject, words, key)]
            if told:
                await warning_store.told(self.conn, self.now, [i for i, _ in say], told, key)
                return

    async def _all_clear(self, mended: Sequence[Known]) -> None:
        whom = await warning_store.whom(self.conn, [k.id for k in mended])
        for k in mended:
            words = upcoming.mended(k.danger, self.schedule.name, self._name(k.danger), self.schedule.where)
            for user in whom.get(k.id, []):
                await self._send(user, f"{self.schedule.name}: mended", f"{words}.", f"warning:{k.id}:mended")

    async def _send(self, user: int, subject: str, words: str, key: str) -> int:
        return await tell(
            self.conn, self.now, user, subject=subject, words=words, key=f"{key}:{user}", channels=self.channels
        )

    def _words(self, danger: Danger) -> str:
        person = self.people.get(danger.user_id or 0)
        because = ", ".join(person.reach.reasons) if person is not None else ""
        return upcoming.in_words(danger, self.schedule.name, self._name(danger), because, self.schedule.where)

    def _name(self, danger: Danger) -> str:
        person = self.people.get(danger.user_id or 0)
        return person.name if person is not None else "somebody"
