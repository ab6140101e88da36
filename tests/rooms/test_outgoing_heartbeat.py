"""The outgoing heartbeat on a real socket: pinged when all is fine, `/fail` when not, its address never shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from app.logs import redact
from app.notifications.watch import Look, Overdue, Seen
from app.settings import Settings
from app.vigil.beacon import Beacon
from app.vigil.standing import Process

SECRET = "/ping/0e7c2cb1-secret"
FINE = Look(ladders=Overdue(), notifications=Overdue())
LATE = Look(ladders=Overdue(2, 90), notifications=Overdue())
UNCLEAR = Look(unreadable_s=20)


class Stage:
    """A process that stands as the test says, and a monotonic clock."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.look = FINE

    def __call__(self) -> Process:
        return Process(Seen(self.look, self.at, None), self.at, self.at, True, 1.0)

    def elapsed(self) -> float:
        return self.at


@pytest.fixture
def stage() -> Stage:
    return Stage()


Make = Callable[..., Beacon]


@pytest.fixture
async def make(stage: Stage, httpserver: HTTPServer) -> AsyncIterator[Make]:
    made: list[Beacon] = []

    def make(url: str = "", **settings: Any) -> Beacon:
        told = Settings(data_dir=Path("unused"), heartbeat_url=url or httpserver.url_for(SECRET), **settings)
        made.append(Beacon(told, stage, elapsed=stage.elapsed))
        return made[-1]

    yield make
    for beacon in made:
        await beacon.close()


async def _for(beacon: Beacon, stage: Stage, seconds: int) -> None:
    for _ in range(seconds // 5):
        await beacon.beat()
        stage.at += 5


def _told(server: HTTPServer) -> list[tuple[str, str, str]]:
    return [(r.method, r.path.removeprefix(SECRET), r.get_data(as_text=True)) for r, _ in server.log]


async def test_it_pings_every_minute_and_tells_trouble_and_its_end_at_once(
    make: Make, stage: Stage, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(SECRET).respond_with_data("OK")
    httpserver.expect_request(f"{SECRET}/fail").respond_with_data("OK")
    beacon = make()
    await _for(beacon, stage, 120)
    assert _told(httpserver) == [("POST", "", "ok")] * 2
    stage.look = LATE
    await _for(beacon, stage, 30)
    [*_, (_, path, body)] = _told(httpserver)
    assert path == "/fail"
    assert "2 ladders are overdue" in body
    assert len(_told(httpserver)) == 3
    stage.look = UNCLEAR
    await _for(beacon, stage, 120)
    assert len(_told(httpserver)) == 3  # neither fine nor surely wrong: nothing is said
    stage.look = FINE
    await beacon.beat()
    assert _told(httpserver)[3:] == [("POST", "", "ok")]


@pytest.mark.parametrize(("style", "method"), [("get", "GET"), ("post", "POST")])
async def test_others_get_a_plain_request_and_silence_for_bad_news(
    style: str, method: str, make: Make, stage: Stage, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(SECRET, method=method).respond_with_data("OK")
    beacon = make(heartbeat_style=style, heartbeat_every=30)
    await _for(beacon, stage, 30)
    stage.look = LATE
    await _for(beacon, stage, 90)
    stage.look = FINE
    await _for(beacon, stage, 30)
    assert [(m, path) for m, path, _ in _told(httpserver)] == [(method, "")] * 2


async def test_what_did_not_arrive_is_tried_again_soon_and_the_address_is_not_logged(
    make: Make, stage: Stage, httpserver: HTTPServer, capfd: pytest.CaptureFixture[str]
) -> None:
    httpserver.expect_oneshot_request(SECRET).respond_with_data("no", status=500)
    httpserver.expect_request(SECRET).respond_with_data("OK")
    beacon = make()
    await _for(beacon, stage, 45)
    assert len(_told(httpserver)) == 2
    unreachable = make("http://127.0.0.1:9/ping/0e7c2cb1-secret")
    await unreachable.beat()
    shown = capfd.readouterr()
    assert "0e7c2cb1" not in shown.out + shown.err
    assert "heartbeat_unsent" in shown.out + shown.err


def test_the_address_is_in_no_representation(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, heartbeat_url=f"https://hc.example.org{SECRET}")
    assert "0e7c2cb1" not in repr(settings)
    assert "0e7c2cb1" not in redact(f"POST https://hc.example.org{SECRET}/fail")
