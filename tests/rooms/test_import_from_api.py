"""`tocsin import --from-api` against a server on a real socket that plays the vendors' shapes, and is busy."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.channels.hosts import trusting
from app.channels.http import Http
from app.dev import wire
from app.errors import Invalid
from app.moving import opsgenie, opsgenie_api, pagerduty, pagerduty_api
from app.moving.asking import Asking

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "tests" / "payloads" / "moving"
TOKEN = "u+readOnly"
NOW = "Mon, 02 Mar 2026 12:00:00 GMT"


class Vendor:
    """Answers by path; a list is a page, of which there may be several. `busy`: answers to come first."""

    def __init__(self, authorization: str) -> None:
        self.authorization = authorization
        self.answers: dict[str, Any] = {}
        self.busy: list[wire.Answer] = []
        self.requests: list[wire.Request] = []
        self.server = wire.Server(self.take)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def take(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        if request.headers.get("authorization") != self.authorization:
            return self.says({"error": {"message": "Unauthorized"}}, 401)
        if self.busy:
            return self.busy.pop(0)
        found = self.answers.get(request.path)
        if callable(found):
            return self.says(found(request.query))
        return self.says({}, 404) if found is None else self.says(found)

    def says(self, value: Any, status: int = 200) -> wire.Answer:
        return wire.Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", "Date": NOW})


@pytest.fixture
async def pager() -> AsyncIterator[Vendor]:
    vendor = Vendor(f"Token token={TOKEN}")
    example = json.loads((EXAMPLES / "pagerduty" / "rest-export-examples.json").read_text())
    people = [{"id": f"P{n:03}", "name": f"User {n}", "email": f"u{n}@example.org", "role": "user"} for n in range(60)]
    people += [{"id": id_, "name": id_, "email": f"{id_}@example.org"} for id_ in ("PXPGF42", "PAM4FGS", "PUSER123",
                                                                                  "PUSER456")]  # fmt: skip

    def users(query: Mapping[str, str]) -> Any:
        offset, limit = int(query["offset"]), int(query["limit"])
        return {"users": people[offset : offset + limit], "limit": limit, "offset": offset,
                "more": offset + limit < len(people), "total": None}  # fmt: skip

    classic = example["schedule"]["schedule"]
    events = {"id": "PV3", "name": "Shift based", "time_zone": "America/New_York",
              "rotations": [{"events": [example["schedule_v3"]["event"]]}]}  # fmt: skip
    summaries = [{"id": classic["id"], "type": "schedule"}, {"id": "PV3", "type": "schedule"}]
    vendor.answers = {
        "/users": users,
        "/teams": {"teams": [{"id": "PQ9K7I8", "name": "Engineering"}], "more": False},
        "/escalation_policies": {"escalation_policies": [example["escalation_policy"]["escalation_policy"]]},
        "/services": {"services": [], "more": False},
        "/schedules": {"schedules": summaries, "more": False},
        f"/schedules/{classic['id']}": {"schedule": classic},
        f"/schedules/{classic['id']}/overrides": {"overrides": []},
        "/v3/schedules/PV3": {"schedule": events},
    }
    await vendor.server.start("127.0.0.1", 0)
    yield vendor
    await vendor.server.stop()


class Patience:
    """Remembers for how long it was to wait, and does not."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


async def asked(vendor: Vendor, api: Any, token: str = TOKEN) -> tuple[list[Any], list[float]]:
    http, patience = Http(trusting(vendor.url)), Patience()
    try:
        return await api.fetch(Asking(http, vendor.url, api.headers(token), patience)), patience.waits
    finally:
        await http.close()


async def test_pagerduty_is_asked_for_all_that_an_import_needs_by_reads_alone(pager: Vendor) -> None:
    sources, waits = await asked(pager, pagerduty_api)
    moved = pagerduty.read(sources, {})
    assert waits == []
    assert moved.missing == []
    assert {s["key"]: len(s["layers"]) for s in moved.document["schedules"]} == {
        "daily-engineering-rotation": 1, "shift-based": 1,
    }  # fmt: skip
    assert len(moved.document["users"]) == 64, "three pages of them"
    assert {r.method for r in pager.requests} == {"GET"}
    windows = {(r.query["since"], r.query["until"]) for r in pager.requests if "since" in r.query}
    assert windows == {("2026-03-02T12:00:00Z", "2026-05-01T12:00:00Z")}, "from the source's own clock"
    assert {r.headers["accept"] for r in pager.requests} == {"application/vnd.pagerduty+json;version=2"}


async def test_who_is_busy_is_left_alone_for_as_long_as_it_says(pager: Vendor) -> None:
    pager.busy = [
        wire.Answer(429, b"", {"Retry-After": "7", "Date": NOW}),
        wire.Answer(503, b"", {"Retry-After": "Mon, 02 Mar 2026 12:00:30 GMT", "Date": NOW}),
        wire.Answer(429, b"", {"Date": NOW}),
    ]
    sources, waits = await asked(pager, pagerduty_api)
    assert waits == [7.0, 30.0, 8.0]
    assert pagerduty.read(sources, {}).missing == []


@pytest.mark.parametrize(
    ("busy", "said"),
    [
        ([wire.Answer(429, b"", {"Retry-After": "3600"})], "asked again in 3600 s"),
        ([wire.Answer(429, b"", {"Retry-After": "0"})] * 6, "it answered 429"),
        ([wire.Answer(429, b"", {"Retry-After": "\u00b2"}), wire.Answer(500, b"")], "it answered 500"),
        ([wire.Answer(500, b"")], "it answered 500"),
        ([wire.Answer(302, b"", {"Location": "https://elsewhere.example.org/"})], "it answered 302"),
        ([wire.Answer(200, b"<html>")], "not JSON"),
        ([wire.Answer(200, b"[]")], "a JSON object"),
    ],
)
async def test_what_ends_it_is_said_with_what_was_asked(pager: Vendor, busy: list[wire.Answer], said: str) -> None:
    pager.busy = list(busy)
    with pytest.raises(Invalid, match=f"GET users: .*{said}"):
        await asked(pager, pagerduty_api)
    assert len(pager.requests) == len(busy)


async def test_a_token_that_is_not_accepted_is_not_told(pager: Vendor) -> None:
    with pytest.raises(Invalid, match="GET users: it answered 401: the token is not accepted") as refused:
        await asked(pager, pagerduty_api, "u+wrong")
    assert "u+wrong" not in str(refused.value)


@pytest.mark.parametrize("nameless", [{"name": "Primary"}, "PV3", None, {"id": None}])
async def test_what_has_no_id_is_said(pager: Vendor, nameless: Any) -> None:
    pager.answers["/schedules"] = {"schedules": [nameless]}
    with pytest.raises(Invalid, match="GET schedules: something in 'schedules' has no id"):
        await asked(pager, pagerduty_api)


async def test_an_id_is_one_part_of_a_path(pager: Vendor) -> None:
    pager.answers["/schedules"] = {"schedules": [{"id": "../users?x="}]}
    with pytest.raises(Invalid, match="it answered 404"):
        await asked(pager, pagerduty_api)
    assert "/schedules/../users" not in {r.path for r in pager.requests}
    assert len([r for r in pager.requests if r.path == "/users"]) == 3, "its own three pages"


async def test_opsgenie_without_a_number_of_users_is_said() -> None:
    vendor = Vendor(f"GenieKey {TOKEN}")
    vendor.answers = {"/v2/users": {"data": [], "totalCount": "many"}}
    await vendor.server.start("127.0.0.1", 0)
    try:
        with pytest.raises(Invalid, match="GET v2/users: totalCount is no number"):
            await asked(vendor, opsgenie_api)
    finally:
        await vendor.server.stop()


async def test_opsgenie_is_asked_likewise() -> None:
    vendor = Vendor(f"GenieKey {TOKEN}")
    export = json.loads((EXAMPLES / "opsgenie" / "examples.json").read_text())["export"]
    schedule = export["schedule"]
    person = {"id": "b1", "username": "user@example.org", "fullName": "User", "role": {"name": "User"}}
    team = {"id": "t1", "name": "team"}
    vendor.answers = {
        "/v2/users": {"data": [person], "totalCount": 1},
        "/v2/escalations": {"data": []},
        "/v2/schedules": {"data": [schedule]},
        "/v2/teams": {"data": [team]},
        "/v2/teams/t1": {"data": team | {"members": [{"user": {"id": "b1"}, "role": "admin"}]}},
        f"/v2/schedules/{schedule['id']}/timeline": {"data": {"_parent": {"id": schedule["id"]}, "finalTimeline": {}}},
        f"/v2/schedules/{schedule['id']}/overrides": {"data": []},
    }
    await vendor.server.start("127.0.0.1", 0)
    try:
        sources, _ = await asked(vendor, opsgenie_api)
    finally:
        await vendor.server.stop()
    moved = opsgenie.read(sources, {})
    assert [s["name"] for s in moved.document["schedules"]] == ["ScheduleName"]
    assert [m["user"] for t in moved.document["teams"] for m in t["members"]] == ["user"]
    assert {r.method for r in vendor.requests} == {"GET"}


async def tocsin(*arguments: str, **given: str) -> tuple[int, str]:
    """Exit code and stderr, without a terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "PAGERDUTY_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "import", *arguments, env=environment | {"PYTHONPATH": str(ROOT)} | given,
        cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    return process.returncode or 0, err.decode()


async def test_the_command_takes_its_token_from_the_environment_alone(pager: Vendor, tmp_path: Path) -> None:
    written = tmp_path / "town.yaml"
    arguments = ("pagerduty", "--from-api", "--api-url", pager.url, "--output", str(written))
    code, err = await tocsin(*arguments)
    assert (code, "into PAGERDUTY_TOKEN" in err) == (1, True)
    assert pager.requests == []
    code, err = await tocsin(*arguments, PAGERDUTY_TOKEN=TOKEN)
    assert code == 0, err
    assert "daily-engineering-rotation" in written.read_text()
    assert TOKEN not in err + written.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pagerduty",), "name files or folders of the export, or --from-api"),
        (("pagerduty", "x.json", "--from-api"), "files, or --from-api"),
        (("oncall", "--from-api"), "of oncall give files"),
    ],
)
async def test_what_cannot_be_asked(arguments: tuple[str, ...], said: str) -> None:
    code, err = await tocsin(*arguments, "--output", "/dev/null")
    assert (code, said in err) == (1, True), err
