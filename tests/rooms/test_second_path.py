"""The second path: a real database with late rows in it or none at all, a real web server and a real mail server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from rows import cast
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, metrics
from app.db import engine as db_engine
from app.db import ids
from app.dev.mailbox import Mailbox
from app.errors import Invalid
from app.notifications.second_path import SecondPath
from app.settings import Settings

BOSS = "boss@example.org"


class Watch:
    """A monotonic clock that moves when the test says so."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    await mailbox.start()
    yield mailbox
    await mailbox.stop()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def incident(engine: AsyncEngine) -> Any:
    """The id of a triggered incident on checkout, with a parked ladder."""
    async with db_engine.transaction(engine) as (conn, now):
        rows = await cast(conn, now)
        incident = ids.new(now)
        await conn.execute(
            text("""
                INSERT INTO incidents (id, service_id, correlation_key, title, state, priority, impact, urgency,
                    verdict, loudness, opened_at, triggered_at, last_occurrence_at, firing, occurrences)
                VALUES (:id, :service, 'k', 'HighErrorRate', 'triggered', 1, 1, 1, '{}', 'loud', :now, :now, :now, 1, 1)
            """),
            {"id": incident, "service": rows["checkout"], "now": now},
        )
        await conn.execute(
            text("""
                INSERT INTO ladders (id, incident_id, purpose, policy, epoch, round, step, reached, started_at)
                VALUES (:id, :incident, 'page', '{}', 1, 1, 0, 0, :now)
            """),
            {"id": ids.new(now), "incident": incident, "now": now},
        )
    return incident


MakePath = Callable[..., SecondPath]


@pytest.fixture
async def make(database_url: str, watch: Watch) -> AsyncIterator[MakePath]:
    made: list[SecondPath] = []

    def make(url: str = "", **settings: Any) -> SecondPath:
        base = Settings(data_dir=Path("unused"), public_url="https://tocsin.example.org", roles=("web",))
        engine = db_engine.create(url or database_url, size=1)
        path = SecondPath(replace(base, **settings), engine, confirm_s=0, elapsed=watch)
        made.append(path)
        return path

    yield make
    for path in made:
        await path.close()


async def _run(engine: AsyncEngine, statement: str, **named: Any) -> None:
    async with engine.begin() as conn:
        await conn.execute(text(statement), named)


async def _ladder_due(engine: AsyncEngine, ago: str | None) -> None:
    await _run(engine, "UPDATE ladders SET next_step_at = tocsin_now() - CAST(:ago AS text)::interval", ago=ago)


def _posts(server: HTTPServer) -> list[dict[str, Any]]:
    return [request.get_json() for request, _ in server.log]


async def test_a_late_ladder_is_told_once_and_cleared(
    engine: AsyncEngine, incident: Any, make: MakePath, watch: Watch, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    path = make(watchdog_url=httpserver.url_for("/hook"))
    await path.check()
    assert _posts(httpserver) == []

    await _ladder_due(engine, "5 minutes")
    for _ in range(4):
        await path.check()
        watch.passes(15)
    [trouble] = _posts(httpserver)
    assert (trouble["status"], trouble["reason"], trouble["count"]) == ("firing", "ladder_overdue", 1)
    assert 300 <= trouble["oldest_s"] < 330
    assert "1 ladder is overdue, the oldest by 5 min" in trouble["text"]
    assert trouble["process"]["roles"] == ["web"]
    assert "HighErrorRate" not in str(trouble)  # it goes to a third party

    await _ladder_due(engine, None)
    for _ in range(4):
        await path.check()
        watch.passes(15)
    [_, clear] = _posts(httpserver)
    assert (clear["status"], clear["key"]) == ("resolved", trouble["key"])


async def test_a_ladder_late_by_less_than_a_minute_is_none_of_its_business(
    engine: AsyncEngine, incident: Any, make: MakePath, httpserver: HTTPServer
) -> None:
    await _ladder_due(engine, "55 seconds")
    await make(watchdog_url=httpserver.url_for("/hook")).check()
    assert _posts(httpserver) == []
    rendered = metrics.render()[0].decode()
    [line] = [x for x in rendered.splitlines() if x.startswith('tocsin_oldest_overdue_seconds{kind="ladder"}')]
    assert 55 <= float(line.split()[1]) < 60


@pytest.mark.parametrize(
    "late",
    [
        "paging_due_at = tocsin_now() - interval '2 minutes'",
        "state = 'acknowledged', wakes_at = tocsin_now() - interval '2 minutes'",
    ],
    ids=["triggered again", "acknowledgement expired"],
)
async def test_a_ladder_that_nobody_restarts_is_late_too(
    late: str, engine: AsyncEngine, incident: Any, make: MakePath, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    await _run(engine, f"UPDATE incidents SET {late}")
    await make(watchdog_url=httpserver.url_for("/hook")).check()
    assert [post["reason"] for post in _posts(httpserver)] == ["ladder_overdue"]


@pytest.mark.parametrize(
    ("state", "due", "claimed", "late"),
    [
        ("pending", "2 minutes", None, True),
        ("pending", "30 seconds", None, False),
        ("pending", "-2 minutes", None, False),
        ("sending", "9 minutes", "90 seconds", False),
        ("sending", "9 minutes", "3 minutes", True),
        ("sent", "9 minutes", "9 minutes", False),
    ],
)
async def test_late_notifications_are_told_by_mail(
    state: str,
    due: str,
    claimed: str | None,
    late: bool,
    engine: AsyncEngine,
    incident: Any,
    make: MakePath,
    mailbox: Mailbox,
) -> None:
    await _run(
        engine,
        """
        INSERT INTO notifications (id, key, purpose, loudness, state, user_id, channel, address, content, created_at,
            due_at, claimed_at)
        SELECT :incident, 'k', 'page', 'loud', CAST(:state AS text), id, 'sms', '+4915112345678', '{}', tocsin_now(),
            tocsin_now() - CAST(:due AS text)::interval, tocsin_now() - CAST(:claimed AS text)::interval
        FROM users WHERE key = 'ana'
        """,
        incident=incident,
        state=state,
        due=due,
        claimed=claimed,
    )
    await make(watchdog_smtp_url=mailbox.url, watchdog_to=BOSS, mail_from="pager@example.org").check()
    assert [mail.recipient for mail in mailbox.mails] == [BOSS] * late
    if late:
        assert mailbox.mails[0].subject.startswith("Tocsin is not sending: 1 notification is overdue")
        assert "https://tocsin.example.org" in mailbox.mails[0].text
        assert mailbox.mails[0].sender == "pager@example.org"


async def test_no_database_is_told_after_a_minute_without_it(
    make: MakePath, watch: Watch, httpserver: HTTPServer, mailbox: Mailbox, tmp_path: Path
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    path = make(
        f"postgresql://nobody@/none?host={tmp_path}",
        watchdog_url=httpserver.url_for("/hook"),
        watchdog_smtp_url=mailbox.url,
        watchdog_to=f"{BOSS}, cara@example.org",
    )
    for _ in range(4):
        await path.check()
        watch.passes(15)
    assert _posts(httpserver) == []
    await path.check()
    [post] = _posts(httpserver)
    assert (post["reason"], post["oldest_s"]) == ("database_unreadable", 60)
    assert {mail.recipient for mail in mailbox.mails} == {BOSS, "cara@example.org"}
    assert mailbox.mails[0].sender == BOSS  # no other sender is configured


async def test_a_database_that_goes_away_and_comes_back(
    database_url: str, engine: AsyncEngine, incident: Any, make: MakePath, watch: Watch, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    path = make(watchdog_url=httpserver.url_for("/hook"))
    await path.check()
    await engine.dispose()
    name = make_url(database_url).database
    other = db_engine.create(make_url(database_url).set(database="postgres").render_as_string(hide_password=False))
    async with other.connect() as admin:
        await admin.execution_options(isolation_level="AUTOCOMMIT")
        await admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        await admin.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        )
        for _ in range(6):
            await path.check()
            watch.passes(15)
        await admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    await other.dispose()
    for _ in range(3):
        await path.check()
        watch.passes(15)
    told = [(post["reason"], post["status"]) for post in _posts(httpserver)]
    assert told == [("database_unreadable", "firing"), ("database_unreadable", "resolved")]


async def test_an_unreachable_last_resort_is_told_until_it_is_reached(
    make: MakePath, watch: Watch, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    path = make(watchdog_url=httpserver.url_for("/hook"))
    path.unreachable(0)
    await path.check()
    path.unreachable(2)
    for _ in range(13):
        await path.check()
        watch.passes(15)
    told = [(post["reason"], post["status"], post["count"]) for post in _posts(httpserver)]
    assert told == [("last_resort_unreachable", "firing", 2), ("last_resort_unreachable", "resolved", 0)]


async def test_what_could_not_be_sent_is_tried_at_the_next_look(
    engine: AsyncEngine, incident: Any, make: MakePath, watch: Watch, httpserver: HTTPServer
) -> None:
    await _ladder_due(engine, "5 minutes")
    httpserver.expect_oneshot_request("/hook").respond_with_data("no", status=500)
    path = make(watchdog_url=httpserver.url_for("/hook"))
    await path.check()
    httpserver.expect_request("/hook").respond_with_data("ok")
    for _ in range(3):
        watch.passes(15)
        await path.check()
    assert [post["reason"] for post in _posts(httpserver)] == ["ladder_overdue"] * 2


async def test_one_way_that_works_is_enough(
    engine: AsyncEngine, incident: Any, make: MakePath, watch: Watch, mailbox: Mailbox
) -> None:
    await _ladder_due(engine, "5 minutes")
    path = make(watchdog_url="http://127.0.0.1:9/hook", watchdog_smtp_url=mailbox.url, watchdog_to=BOSS)
    for _ in range(2):
        await path.check()
        watch.passes(15)
    assert len(mailbox.mails) == 1


async def test_lateness_that_is_caught_up_with_meanwhile_is_not_told(
    database_url: str, engine: AsyncEngine, incident: Any, httpserver: HTTPServer
) -> None:
    await _ladder_due(engine, "1 hour")
    settings = Settings(data_dir=Path("unused"), watchdog_url=httpserver.url_for("/hook"))
    path = SecondPath(settings, db_engine.create(database_url, size=1), confirm_s=3)
    metrics.oldest_overdue("ladder", 0)
    looking = asyncio.create_task(path.check())
    async with asyncio.timeout(10):
        while b'overdue_seconds{kind="ladder"} 0.0' in metrics.render()[0]:
            await clock.pause(0.01)  # until the first look is over
    await _ladder_due(engine, None)
    await looking
    await path.close()
    assert _posts(httpserver) == []


async def test_without_a_way_out_trouble_is_only_logged(engine: AsyncEngine, incident: Any, make: MakePath) -> None:
    await _ladder_due(engine, "5 minutes")
    path = make()
    assert not path.configured
    await path.check()


async def test_it_stops_when_told(make: MakePath) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(make().run(stop))
    await clock.pause(0)
    stop.set()
    async with asyncio.timeout(5):
        await running


@pytest.mark.parametrize("settings", [{"watchdog_to": BOSS}, {"watchdog_smtp_url": "smtp://mail.example.org"}])
def test_half_a_mail_configuration_is_refused(settings: dict[str, str]) -> None:
    engine = db_engine.create("postgresql://nobody@127.0.0.1:9/none", size=1)
    with pytest.raises(Invalid, match="TOCSIN_WATCHDOG_SMTP_URL and TOCSIN_WATCHDOG_TO"):
        SecondPath(Settings(data_dir=Path("unused"), **settings), engine)
