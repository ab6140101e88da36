"""Intake under bad conditions: no database, requests at fault, senders that trickle, pipeline or speak no HTTP."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from bodies import MIB, body_of
from whole import Whole, routing_key, whole

from app.access.secrets import Secrets
from app.db import engine as db
from app.db.embedded import EmbeddedServer
from app.ingest.entrances import Entrances
from app.ingest.event import Entrance
from app.ingest.group_commit import GroupCommit
from app.ingest.requests import Answer, Door, Received, Request, Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")


# -- 503


@pytest_asyncio.fixture(loop_scope="module")
async def fragile(tmp_path: Path) -> AsyncIterator[tuple[EmbeddedServer, Whole]]:
    """The service on a database that the test may stop and start."""
    with tempfile.TemporaryDirectory(prefix="tocsin-test-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        server = EmbeddedServer(Path(directory) / "data", durable=False)
        url = await server.start()
        async with whole(url, tmp_path) as running:
            yield server, running
        await server.stop()


VENDORS = [
    ("pagerduty", "enqueue"),
    ("pagerduty", "change/enqueue"),
    ("opsgenie", "alerts"),
    ("opsgenie", f"alerts/{UUID(int=7)}/close"),
    ("opsgenie", "alerts/x/notes?identifierType=alias"),
]


async def test_503_while_the_database_is_away_and_202_when_it_is_back(fragile):
    server, house = fragile
    assert (await house.post("generic", body_of("generic"))).status_code == 202
    await server.stop()
    for source, body in (("generic", body_of("generic", "Second")), ("generic", b"{not json"), ("prometheus", [])):
        answer = await house.post(source, body)
        assert answer.status_code == 503
        assert answer.json()["code"] == "unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
    answers = await asyncio.gather(*(house.post("generic", body_of("generic", f"A{n}")) for n in range(20)))
    assert {a.status_code for a in answers} == {503}
    for source, path in VENDORS:
        body = body_of(source) | {"note": "n"}
        answer = await house.http.post(f"/v1/intake/{routing_key(source)}/v2/{path}", json=body)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True), path
        assert "message" in answer.json(), "in the words of the vendor"
    await server.start()
    await house.engine.dispose()
    answer = await house.post("generic", body_of("generic", "Second"))
    assert (answer.status_code, answer.json()["events"]) == (202, {"opened": 1})
    assert await house.one("SELECT count(*) FROM receipts") == 2
    assert await house.one("SELECT count(*) FROM quarantine") == 0


async def test_503_for_a_key_not_seen_before_while_the_database_is_away(fragile):
    """It may have been made this moment, and 401 is final for a sender. Keys that are known are known still."""
    server, house = fragile
    assert (await house.post("generic", body_of("generic"))).status_code == 202
    assert (await house.post("generic", body_of("generic"), key="guessed")).status_code == 401
    entrances = Entrances(house.engine, Secrets(b"k" * 40))
    known = await entrances.find(routing_key("generic"))
    await server.stop()
    with pytest.raises(Unavailable):
        await entrances.find("made-elsewhere")
    for _ in range(2):
        answer = await house.post("generic", body_of("generic"), key="made-elsewhere")
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert await entrances.find(routing_key("generic")) == known
    await server.start()
    await house.engine.dispose()
    assert (await house.post("generic", body_of("generic"), key="made-elsewhere")).status_code == 401
    assert (await house.post("generic", body_of("generic"))).status_code == 202


async def test_a_look_at_the_keys_that_fails_is_the_answer_to_all_who_wait_for_it():
    """A database that takes connections, and drops them only after a while."""
    looks = 0

    async def drops(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.3)
        writer.close()

    async def comes(after_s: float) -> None:
        await asyncio.sleep(after_s)
        with pytest.raises(Unavailable):
            await entrances.find("made-elsewhere")

    async with await asyncio.start_server(drops, "127.0.0.1", 0) as database:
        port = database.sockets[0].getsockname()[1]
        engine = db.create(f"postgresql://tocsin@127.0.0.1:{port}/tocsin?ssl=disable")
        entrances = Entrances(engine, Secrets(b"k" * 40))
        await asyncio.gather(*(comes(0.01 * n) for n in range(20)))
        assert looks == 1
        await asyncio.gather(*(comes(0.0) for _ in range(20)))
        assert looks == 2, "who comes later looks again, all at once"


async def test_503_when_the_database_is_away_before_any_key_was_read(fragile):
    server, house = fragile
    await server.stop()
    answer = await house.post("generic", body_of("generic"))
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    await server.start()
    assert (await house.post("generic", body_of("generic"))).status_code == 202


async def test_a_key_works_from_the_moment_it_is_made(house):
    """Also when keys were looked at just before; and who guesses is told no by the same look as everybody."""
    for n in range(3):
        assert (await house.post("generic", body_of("generic"))).status_code == 202
        key = f"made-{n}-this-very-moment"
        await house.execute(
            """INSERT INTO routing_keys (integration_id, key_hash, hint, created_at)
               SELECT id, :hashed, 'ment', tocsin_now() FROM integrations WHERE source = 'generic' LIMIT 1""",
            hashed=sha256(key.encode()).digest(),
        )
        answers = await asyncio.gather(
            *(house.http.post(f"/v1/intake/{k}/generic", json=body_of("generic")) for k in ("guessed", key, "again"))
        )
        assert [a.status_code for a in answers] == [401, 202, 401]


async def test_a_connection_that_is_cut_between_two_requests_is_not_noticed(house):
    assert (await house.post("generic", body_of("generic"))).status_code == 202
    await house.rows("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()""")
    assert (await house.post("generic", body_of("generic"))).json()["events"] == {"repeated": 1}


# -- what cannot be processed


DOOR = Door(Entrance(1, "generic", 1), "scripts", 300, True)


@pytest_asyncio.fixture(loop_scope="module")
async def commits(lasting):
    """A group commit whose `receive` and `quarantine` do as the test says."""
    does: dict[str, Any] = {"quarantined": []}

    async def receive(conn: Any, requests: Any) -> Received:
        if any(r.body in does["fails"] for r in requests):
            raise does["fails"][next(r.body for r in requests if r.body in does["fails"])]
        return Received([Answer(UUID(int=1), 202) for _ in requests])

    async def quarantine(conn: Any, request: Request, error: str) -> Answer:
        if "quarantine_fails" in does:
            raise does["quarantine_fails"]
        does["quarantined"].append((request.body, error))
        return Answer(UUID(int=2), 202)

    commits = GroupCommit(lasting.engine, receive, quarantine, lambda: None)
    commits.start()
    yield commits, does
    await commits.stop()


async def test_one_request_at_fault_does_not_harm_those_beside_it(commits):
    group, does = commits
    does["fails"] = {b"bad": ValueError("of all things")}
    bodies = [b"good", b"bad", b"good", b"good"]
    answers = await asyncio.gather(*(group.put(Request(DOOR, b, {})) for b in bodies))
    assert [a.receipt_id.int for a in answers] == [1, 2, 1, 1]
    assert does["quarantined"] == [(b"bad", "ValueError: of all things")]


async def test_the_flusher_outlives_a_quarantine_that_fails_too(commits):
    group, does = commits
    does |= {"fails": {b"bad": ValueError()}, "quarantine_fails": RuntimeError("no")}
    with pytest.raises(Unavailable):
        await group.put(Request(DOOR, b"bad", {}))
    assert (await group.put(Request(DOOR, b"good", {}))).receipt_id.int == 1


# -- the wire


async def talk(house: Whole, *sent: bytes, answers: int) -> list[int]:
    """Sends raw bytes on one connection, piece by piece; the statuses of so many answers."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    statuses: list[int] = []
    try:
        async with asyncio.timeout(20):
            for piece in sent:
                writer.write(piece)
                await writer.drain()
            while len(statuses) < answers:
                head = await reader.readuntil(b"\r\n\r\n")
                statuses.append(int(head.split()[1]))
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
                await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
    finally:
        writer.close()
    return statuses


def raw(source: str, body: bytes, *headers: str) -> bytes:
    head = [f"POST /v1/intake/{routing_key(source)}/{source} HTTP/1.1", "Host: tocsin.test",
            f"Content-Length: {len(body)}", *headers]  # fmt: skip
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def test_pipelined_requests_are_answered_in_order(house):
    good, bad = json.dumps(body_of("generic")).encode(), b"{"
    stream = b"".join(raw("generic", b) for b in (good, bad, good, bad, good))
    assert await talk(house, stream, answers=5) == [202, 400, 202, 400, 202]


async def test_a_connection_is_of_use_after_a_413(house):
    good = json.dumps(body_of("generic")).encode()
    assert await talk(house, raw("generic", b" " * (2 * MIB)), raw("generic", good), answers=2) == [413, 202]


async def test_a_body_that_trickles_in_holds_up_nobody(house):
    body = json.dumps(body_of("generic", "Slow")).encode()
    whole_request = raw("generic", body)
    host, port = house.url.removeprefix("http://").split(":")
    slow = [await asyncio.open_connection(host, int(port)) for _ in range(50)]
    for _, writer in slow:
        writer.write(whole_request[:-5])
        await writer.drain()
    assert (await house.post("generic", body_of("generic"))).status_code == 202
    for _, writer in slow[:-1]:
        writer.close()
    reader, writer = slow[-1]
    writer.write(whole_request[-5:])
    assert b" 202 " in await reader.readline()
    writer.close()
    assert await house.one("SELECT count(*) FROM receipts") == 2


async def test_a_sender_that_asks_before_it_sends_is_told_to_go_on_or_not(house):
    head = f"POST /v1/intake/{routing_key('generic')}/generic HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n"
    assert await talk(house, f"{head}Content-Length: 2\r\n\r\n".encode(), b"[]", answers=1) == [100]
    assert await talk(house, f"{head}Content-Length: {2 * MIB}\r\n\r\n".encode(), answers=1) == [413]


@pytest.mark.parametrize(
    "broken",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"POST /v1/intake/generic HTTP/9.9\r\n\r\n",
        b"POST /v1/intake/generic HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/intake/generic HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n",
        b"POST /v1/intake/generic HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_is_400_or_cut(house, broken):
    try:
        statuses = await talk(house, broken, answers=1)
    except (asyncio.IncompleteReadError, ConnectionError):
        statuses = []
    assert all(400 <= s < 500 for s in statuses)
    assert (await house.post("generic", body_of("generic"))).status_code == 202
