"""What people and machines do to the service: alerts, answers by text, link, key and screen, callbacks of providers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import flow
from app.access import links
from app.access.links import Links
from app.alerts import silences
from app.channels import twilio_faults
from app.channels.channel import UNDONE, CallProgress, Channel, DeliveryReport, Inbound
from app.db.engine import dumps, transaction
from app.db.hot import together
from app.directory import people
from app.directory.documents import UserEdit
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.escalation import commands as escalation
from app.incidents import commands
from app.incidents import store as incident_store
from app.incidents.commands import Responder
from app.ingest.requests import Request
from app.notifications import calls, reading, reply_store, replying
from app.notifications.reports import report_delivery
from app.standing import Standings
from app.web.respond_several import acknowledge_all
from nights.digest_answers import named
from nights.evidence import Answered, Evidence, Letter
from nights.furnishing import Furnished
from nights.script import Alerts, Deed

OPEN = text("""SELECT id, number, service_id FROM incidents
               WHERE state IN ('triggered', 'acknowledged', 'mitigated') ORDER BY number""")
STANDING = text("""
    SELECT i.number, i.state, coalesce(u.key, '') AS held FROM incidents i
    LEFT JOIN users u ON u.id = i.acknowledged_by_id
""")
CARRIED = text("""
    SELECT i.number, i.title, s.name AS service FROM notifications n JOIN incidents i ON i.id = n.incident_id
    JOIN services s ON s.id = i.service_id WHERE n.id = ANY (CAST(:ids AS uuid[]))
""")
SILENCED = ("HighErrorRate", "DiskFull", "Latency", "QueueGrows")
SAID_NO = (Conflict, Forbidden, Invalid, NotFound)
TEXTS = {
    "acknowledge": "{code}a", "acknowledge_bare": "a", "promise": "{code}a 15", "snooze": "{code}s 10",
    "escalate": "{code}e", "resolve": "{code}c", "resolve_anyway": "{code}cc", "all": "{code}aa",
    "not_actionable": "{code}n", "why": "{code}?", "wrong_code": "999a", "prose": "what is this? I am asleep",
    "runbook": "{code}r", "stop": "STOP", "start": "START",
}  # fmt: skip
KEYS = {"acknowledge": "4", "escalate": "6", "resolve": "9", "again": "0", "wrong": "7"}


class Doors:
    """All doors of one night. `now` of each transaction is the database's."""

    def __init__(
        self,
        engine: AsyncEngine,
        furnished: Furnished,
        channels: Mapping[str, Channel],
        evidence: Evidence,
        hosts: Sequence[str] = (),
    ) -> None:
        """`hosts`: what alerts say in a label that some templates name."""
        self._engine = engine
        self._furnished = furnished
        self._channels = list(channels)
        self._standings = Standings()
        self._began = evidence.began
        self._evidence = evidence
        self._hosts = hosts
        self._texts = 0

    def responder(self, person: str, via: str = "screen") -> Responder:
        return Responder(self._furnished.users[person], person, person.capitalize(), via)

    # -- machines

    async def alerts(self, said: Alerts, began: datetime) -> None:
        body = [
            {
                "title": f"{name}{said.pod}",
                "status": "firing" if said.fires else "resolved",
                "severity": said.severity,
                "dedup_key": f"{said.service}/{name}{said.pod}",
                "labels": {"alertname": name, "pod": said.pod or "none"} | self._host(said),
                "starts_at": began.isoformat(),
            }
            for name in said.names
        ]  # fmt: skip
        for _ in range(said.copies):
            request = Request(self._furnished.doors[said.service], dumps(body).encode(), {})
            async with self._engine.connect() as conn, conn.begin(), together(conn):
                await flow.receive(conn, [request], self._standings)

    def _host(self, said: Alerts) -> dict[str, str]:
        return {"host": self._hosts[int(said.began) % len(self._hosts)]} if self._hosts else {}

    async def reports(self, letter: Letter, status: str, code: str) -> None:
        fault = twilio_faults.of_delivery(int(code) if code else None) if status in UNDONE else None
        report = DeliveryReport("twilio", letter.provider_id, status, fault)  # type: ignore[arg-type]
        async with transaction(self._engine) as (conn, now):
            await report_delivery(conn, now, Links.hash(letter.token), report, self._channels)

    async def call_went(self, letter: Letter, status: str, *, machine: bool = False) -> None:
        progress = CallProgress("twilio", letter.provider_id, status, machine=machine)
        async with transaction(self._engine) as (conn, now):
            await calls.report(conn, now, Links.hash(letter.token), progress, self._channels)

    # -- people

    async def texts(self, letter: Letter, what: str) -> None:
        found = re.search(r"\b([0-9]{1,3})a", " ".join(letter.replies))
        body = TEXTS[what].format(code=found[1] if found else "")
        self._texts += 1
        async with transaction(self._engine) as (conn, now):
            await replying.receive(conn, now, Inbound(f"SM{self._texts}", letter.to, body))

    async def answers_digest(self, letter: Letter, body: str) -> None:
        """By text message; what it did is evidence."""
        self._texts += 1
        later = [x for x in self._evidence.letters if x.to == letter.to and x.claimed_at > letter.claimed_at]
        newest = not any(x.purpose in ("page", "nudge") for x in later)
        async with transaction(self._engine) as (conn, now):
            carried = (await conn.execute(CARRIED, {"ids": list(letter.carries)})).all()
            able, before = bool(await reply_store.owners(conn, letter.to)), await _standing(conn)
            await replying.receive(conn, now, Inbound(f"SM{self._texts}", letter.to, body))
            after, numbers = await _standing(conn), frozenset(r.number for r in carried)
        said = Answered(now, letter.person, body, _by_code(letter, carried), numbers, newest, able, before, after)
        self._evidence.answered.append(said)

    async def presses_key(self, letter: Letter, what: str) -> None:
        progress = CallProgress("twilio", letter.provider_id, "in-progress", digits=KEYS[what])
        async with transaction(self._engine) as (conn, now):
            await calls.press(
                conn, now, Links.hash(letter.token), "https://tocsin.test/key", progress, self._channels, sure=False
            )

    async def picks_up(self, letter: Letter) -> None:
        progress = CallProgress("twilio", letter.provider_id, "in-progress")
        async with transaction(self._engine) as (conn, now):
            said = await calls.pick_up(conn, now, Links.hash(letter.token), "https://tocsin.test/key", progress)
        self._evidence.spoken.append((now, said))

    async def follows_link(self, letter: Letter, what: str) -> None:
        """Presses the button of this name, as `web/respond.py` carries it out."""
        token = letter.link.rsplit("/", 1)[-1]
        async with transaction(self._engine) as (conn, now):
            link = await links.find(conn, token)
            if link is None or link.expires_at <= now or not link.active:
                return
            if letter.digest and what == "acknowledge":
                await acknowledge_all(conn, now, link, await reading.carried(conn, link.notification_id))
                return
            who = Responder(link.user_id, link.user_key, link.user_name, "link", link.notification_id)
            await _does(conn, now, link.incident_id, who, what, self._furnished, 10)

    async def acts(self, deed: Deed) -> None:
        async with transaction(self._engine) as (conn, now):
            if deed.what in ("silence", "leave"):
                await self._configures(conn, now, deed)
                return
            found = (await conn.execute(OPEN)).all()
            if not found:
                return
            incident = found[deed.nth % len(found)]
            if deed.what == "raise":
                _, standing = await self._standings.begin(conn)
                await commands.pin_priority(
                    conn, now, incident.id, self.responder(deed.person), impact=1, urgency=1, matrix=standing.matrix,
                    support=standing.hours.get(incident.service_id), reason="it is worse than it looks",
                )  # fmt: skip
                return
            who = self.responder(deed.person)
            await _does(conn, now, incident.id, who, deed.what, self._furnished, deed.minutes)

    async def _configures(self, conn: AsyncConnection, now: datetime, deed: Deed) -> None:
        """Silences alerts of a name for a while, or leaves the company."""
        if deed.what == "silence":
            name = SILENCED[deed.nth % len(SILENCED)]
            matchers = [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}]
            until = now + timedelta(minutes=deed.minutes)
            wanted = silences.Wanted(matchers, now, until, deed.person.capitalize(), "known", deed.person)
            await silences.create(conn, now, wanted, actor=f"user:{deed.person}")
            return
        user = (await people.read_user(conn, deed.person)).document
        gone = UserEdit(**user.model_dump(exclude={"key", "active"}), active=False)
        await people.edit_user(conn, now, deed.person, gone, actor="cli")

    async def resolves_all(self, person: str) -> int:
        """What is still open; how many there were."""
        async with transaction(self._engine) as (conn, now):
            found = (await conn.execute(OPEN)).all()
            for incident in found:
                await commands.resolve(conn, now, incident.id, self.responder(person), confirmed=True)
        return len(found)


async def _standing(conn: AsyncConnection) -> dict[int, tuple[str, str]]:
    """(state, who has it) of every incident, by number."""
    return {r.number: (r.state, r.held) for r in await conn.execute(STANDING)}


def _by_code(letter: Letter, carried: Sequence[Any]) -> dict[int, int]:
    """Which incident each code of a digest stands for, by what is said beside it; what fits two is left out."""
    found = {}
    for code, line in named(letter).items():
        fits = {r.number for r in carried if line.startswith(f"{r.title} ({r.service}) since")}
        if len(fits) == 1:
            found[code] = fits.pop()
    return found


async def _does(
    conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder, what: str, town: Furnished, minutes: int
) -> None:
    match what:
        case "acknowledge":
            await commands.acknowledge(conn, now, incident_id, who)
        case "resolve" | "resolve_anyway":
            await commands.resolve(conn, now, incident_id, who, confirmed=what == "resolve_anyway")
        case "unacknowledge":
            await commands.unacknowledge(conn, now, incident_id, who)
        case "mitigate":
            await commands.mitigate(conn, now, incident_id, who)
        case "snooze":
            await commands.snooze(conn, now, incident_id, who, now + timedelta(minutes=minutes))
        case "close":
            await commands.close(conn, now, incident_id, who)
        case "reassign":
            key, user_id = sorted(town.users.items())[minutes % len(town.users)]
            await commands.reassign(conn, now, incident_id, who, user_id, key.capitalize())
        case "escalate":
            incident: Any = (await incident_store.lock(conn, [incident_id]))[incident_id]
            if incident.is_open:
                await escalation.escalate_now(conn, now, incident, who)
        case _:
            raise AssertionError(f"nobody can {what}")
