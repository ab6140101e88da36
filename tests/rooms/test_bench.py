"""The bench measures what it says: arithmetic, load generator on real sockets, keys. Nothing here is timed."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from app.db.engine import normalise
from app.dev import bench
from app.dev.bench import keys, ladders, measured_intake, measured_paging
from app.dev.bench.bodies import Entrance, Shot, Storm, request
from app.dev.bench.load import answer_size, closed_loop, open_loop
from app.dev.bench.numbers import percentile, ratio
from app.dev.bench.stormed import Weather, most_within
from app.dev.bench.town import Town

README = Path(__file__).resolve().parents[2] / "bench" / "README.md"


def test_percentile_is_a_measured_value_of_the_nearest_rank():
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.99) == 5.0
    assert percentile(values, 0.2) == 1.0
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99.0
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_there_is_no_ratio_over_what_is_not_there():
    assert ratio(3.0, 4.0) == 0.75
    assert ratio(3.0, None) is None


def test_a_ladder_is_late_until_it_was_seen_climbed():
    start = datetime(2026, 3, 1, tzinfo=UTC)
    due = [start, start + timedelta(seconds=1), start + timedelta(seconds=2)]
    at = [start + timedelta(seconds=s) for s in (0.0, 0.5, 1.5, 2.5)]
    looks = [(at[0], due[0]), (at[1], due[1]), (at[2], due[1]), (at[3], None)]
    assert ladders.lateness(due, looks) == [0.5, 1.5, 0.5]


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: y\r\n\r\n", 46),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 27),
        (b"HTTP/1.1 200 OK\r\nContent-Le", None),
    ],
)
def test_where_an_answer_ends(data, size):
    assert answer_size(data) == size


def test_a_storm_repeats_nine_of_ten_and_resolves_some():
    shots = Storm(7).shots([Entrance("/x")], 500, 10)
    alerts = [a for s in shots for a in json.loads(s.request.split(b"\r\n\r\n", 1)[1])["alerts"]]
    assert [a["fingerprint"] for a in alerts] == [key for s in shots for key in s.alerts]
    seen: set[str] = set()
    new = [a for a in alerts if not (a["fingerprint"] in seen or seen.add(a["fingerprint"]))]
    assert 0.08 < len(new) / len(alerts) < 0.13
    assert 0.01 < sum(a["status"] == "resolved" for a in alerts) / len(alerts) < 0.05
    assert Storm(7).shots([Entrance("/x")], 500, 10)[0].alerts == shots[0].alerts


def test_alertmanager_gets_the_same_alerts_in_its_own_form():
    theirs = Storm(7).shots([Entrance("/api/v2/alerts", "v2")], 20, 10)
    ours = Storm(7).shots([Entrance("/x")], 20, 10)
    for v2, webhook in zip(theirs, ours, strict=True):
        labels = [a["labels"] for a in json.loads(v2.request.split(b"\r\n\r\n", 1)[1])]
        assert labels == [a["labels"] for a in json.loads(webhook.request.split(b"\r\n\r\n", 1)[1])["alerts"]]


@asynccontextmanager
async def answering(handle):
    """A server that reads a request of POST and writes what `handle(writer)` makes of it."""

    async def serve(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
                await handle(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def shots(count: int) -> list[Shot]:
    return [Shot(request("/x", b"{}"), (f"{n}",)) for n in range(count)]


async def test_only_2xx_counts_and_answers_may_come_in_pieces():
    answers = iter(range(100))

    async def handle(writer):
        status = b"503" if next(answers) % 5 == 0 else b"200"
        writer.write(b"HTTP/1.1 " + status + b" -\r\nContent-Le")
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(b"ngth: 4\r\n\r\nok")
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(b"ok")

    async with answering(handle) as port:
        outcome = await closed_loop(port, shots(50), 4, 30.0)
    assert outcome.failed == {503: 10}
    assert len(outcome.answered) == len(outcome.waits) == 40
    assert len(set(outcome.answered)) == 40


async def test_a_lost_connection_is_a_failure():
    async def handle(writer):
        writer.transport.abort()

    async with answering(handle) as port:
        assert (await closed_loop(port, shots(10), 2, 30.0)).failed == {0: 2}


async def test_a_stall_counts_for_everything_that_was_due_meanwhile():
    stalled = False

    async def handle(writer):
        nonlocal stalled
        if not stalled:
            stalled = True
            await asyncio.sleep(0.2)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with answering(handle) as port:
        outcome = await open_loop(port, shots(20), 1000.0, connections=1)
    assert len(outcome.answered) == 20
    assert min(outcome.waits) > 0.15  # all of them were due within the 20 ms in which nothing could be sent


async def test_alerts_that_are_not_in_the_database_are_lost(database_url):
    url = normalise(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    town = Town(await asyncpg.connect(url))
    await town.settle()
    assert await town.lost([("a", "b"), ("a",)]) == 3
    await town.close()


def test_the_keys_are_those_of_the_documented_table():
    promised = README.read_text().partition("## Results")[0]
    documented = re.findall(r"^\| `([a-z0-9_.]+)` \|", promised, re.MULTILINE)
    assert documented == [*keys.INTAKE, *keys.PAGING]


def test_a_small_run_reports_every_key_and_loses_nothing():
    plan = measured_intake.Plan(1, 0.2, 100.0, 0.2, 1, 0.1, 200, 1)
    report = bench.intake(plan=plan)
    assert list(report) == list(keys.INTAKE)
    assert report["intake.lost"] == 0
    assert report["intake.storm.10.vs_noop"] > 0
    assert report["memory.serve_mb"] > 20


def test_a_small_run_of_paging_loses_nothing_and_repeats_nothing():
    report = bench.paging(plan=measured_paging.Plan(2, 2, 1.0, 20, 1, 50, 0.5, Weather(1000, 0.5, 2.0)))
    assert list(report) == list(keys.PAGING)
    assert (report["paging.lost"], report["paging.duplicates"]) == (0, 0)
    assert report["paging.alert_to_provider_ms.p99"] >= report["paging.alert_to_provider_ms.p50"] > 0
    assert report["oncall.who_1000x3_ms"] > 0
    assert report["paging.storm_100k.stored"] == 1000
    assert report["paging.storm_100k.most_notifications_per_contact_method_in_2_minutes"] is None  # watched for 2 s


def test_a_window_counts_its_start_and_not_its_end():
    assert most_within([0.0, 60.0, 119.9, 120.0]) == 3
    assert most_within([]) == 0
