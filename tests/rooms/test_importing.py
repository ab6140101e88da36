"""`tocsin import`, as a shell would call it, against a service on a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from databases import TestServer
from whole import Whole, shared

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).resolve().parents[2]
EXPORTS = ROOT / "tests" / "payloads" / "moving"
"""Made up, in the shapes of the vendors' APIs."""
CHANNELS = {
    "smtp_url": "smtp://localhost:25", "mail_from": "tocsin@example.org", "twilio_auth_token": "x",
    "twilio_account_sid": "AC00000000000000000000000000000000", "twilio_from": "+15005550006",
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with shared(server, tmp_path_factory.mktemp("tocsin"), **CHANNELS) as running:
        yield running


async def tocsin(house: Whole, *arguments: str, stdin: bytes = b"", key: str = "tocsin_cara") -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    settings = {"TOCSIN_URL": house.url, "PYTHONPATH": str(ROOT)} | ({"TOCSIN_API_KEY": key} if key else {})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", *arguments, env=environment | settings, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(stdin)
    return process.returncode or 0, out.decode(), err.decode()


async def export(house: Whole) -> dict[str, Any]:
    answer = await house.http.get("/api/v1/configuration/export", headers=house.as_person("cara"))
    return dict(answer.json())


async def test_pagerduty_from_the_plan_to_nothing_more_to_do(town: Whole, tmp_path: Path):
    folder = str(EXPORTS / "pagerduty" / "town")
    before = await export(town)

    written = tmp_path / "report.json"
    code, out, err = await tocsin(town, "import", "pagerduty", folder, "--plan", "--report", str(written))
    assert (code, err) == (0, "")
    assert "Compared with the source's own rendering: 2 of 2 shifts equal." in out
    assert "+ user nora" in out
    override = (
        "+ override of pager-primary: nora for whoever is on call, Thu 2035-03-01 05:00Z to Fri 2035-03-02 05:00Z"
    )
    assert override in out
    assert "ana-of" not in out, "she is there already"
    assert "to create" in out
    assert "1 override to make." in out
    assert await export(town) == before, "a plan changes nothing"
    report = json.loads(written.read_text())
    assert [(c["of"], c["equal"], c["shifts"]) for c in report["comparisons"]] == [
        ("layer Base", 1, 1),
        ("layer Nights", 1, 1),
    ]
    assert {n["kind"] for n in report["notices"]} == {"told", "changed", "left_out"}

    code, _, err = await tocsin(town, "import", "pagerduty", folder)
    assert code == 1
    assert "Nobody is here to be asked: add --yes to do it" in err
    assert await export(town) == before

    code, out, err = await tocsin(town, "import", "pagerduty", folder, "--yes", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["done"] is True
    assert set(told["plan"]["routing_keys"]) == {"basket-events"}

    after = await export(town)
    [nora] = [user for user in after["users"] if user["key"] == "nora"]
    assert nora["time_zone"] == "Europe/Berlin"
    assert [rule["delay_s"] for rule in nora["notification_rules"]] == [0, 180]
    verified = await town.rows(
        "SELECT m.verified_at FROM contact_methods m JOIN users u ON u.id = m.user_id WHERE u.key = 'nora'"
    )
    assert [row[0] for row in verified] == [None, None], "until the code has come back"
    [ana] = [user for user in after["users"] if user["key"] == "ana"]
    assert ana == next(user for user in before["users"] if user["key"] == "ana"), "she stays what she was"
    [team] = after["teams"]
    assert [member["user"] for member in team["members"]] == ["ben", "nora"]
    answer = await town.http.get("/api/v1/schedules/pager-primary/overrides", headers=town.as_person("cara"),
                                 params={"from": "2035-01-01T00:00:00Z", "to": "2035-12-01T00:00:00Z"})  # fmt: skip
    assert [o["user"] for o in answer.json()["items"]] == ["nora"]

    for how in (["--plan"], ["--yes"]):
        code, out, err = await tocsin(town, "import", "pagerduty", folder, *how)
        assert (code, err) == (0, "")
        assert out.endswith("Nothing to change.\n")
    assert await export(town) == after


@pytest.mark.parametrize(
    ("source", "more", "made"),
    [
        (
            "opsgenie",
            [],
            ["user gina", "schedule genie-primary", "schedule genie-primary-next", "policy genie-escalation"],
        ),
        ("oncall", [], ["user olga", "schedule oncall-web", "policy oncall-chain", "service oncall-prometheus"]),
        ("people", ["--country", "de"], ["user pia", "contact_method pia sms +4930901830"]),
    ],
)
async def test_each_source_plans_nothing_the_second_time(town: Whole, source, more, made):
    folder = str(EXPORTS / source / "town")
    code, out, err = await tocsin(town, "import", source, folder, *more, "--yes", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    changes = {f"{change['kind']} {change['key']}" for change in told["plan"]["changes"]}
    assert set(made) <= changes
    assert len(told["overrides"]) == (0 if source == "people" else 1)
    code, out, err = await tocsin(town, "import", source, folder, *more, "--yes", "--json")
    assert (code, err) == (0, "")
    again = json.loads(out)
    assert (again["plan"]["changes"], again["overrides"], again["done"]) == ([], [], False)


async def test_what_is_missing_keeps_it_from_being_done_and_can_be_edited(town: Whole, tmp_path: Path):
    files = [str(path) for path in (EXPORTS / "pagerduty" / "town").glob("*.json") if path.name != "users.json"]
    document = tmp_path / "town.yaml"
    before = await export(town)
    code, out, err = await tocsin(town, "import", "pagerduty", *files, "--yes")
    assert (code, out) == (1, "")
    assert "the mail address of PA (PA): a user has one" in err
    assert "tocsin: 2 things are missing, see above; --output writes what there is" in err
    assert await export(town) == before

    for key in ("tocsin_cara", ""):
        code, out, err = await tocsin(town, "import", "pagerduty", *files, "--output", str(document), key=key)
        assert (code, out) == (0, "")
        assert "2 overrides are no part of the document" not in err, "one is of somebody who is not in the export"
        made = yaml.safe_load(document.read_text())
        assert [user["email"] for user in made["users"]] == ["pa@unknown.invalid", "pn@unknown.invalid"]
        assert made["schedules"][0]["key"] == "pager-primary"


async def test_channels_that_are_not_configured_can_be_left_out(house: Whole):
    folder = str(EXPORTS / "pagerduty" / "town")
    code, _, err = await tocsin(house, "import", "pagerduty", folder, "--yes")
    assert code == 1
    assert "sms is not configured here" in err
    assert "--without-contact-methods" in err
    code, _, err = await tocsin(house, "import", "pagerduty", folder, "--yes", "--without-contact-methods")
    assert (code, err.splitlines()[0]) == (0, "Left out:"), (
        "--yes asks nothing, and says what has no equal all the same"
    )
    [nora] = [user for user in (await export(house))["users"] if user["key"] == "nora"]
    assert nora.get("contact_methods", []) == []


async def test_what_cannot_be_read_is_said_in_a_line(town: Whole, tmp_path: Path):
    (tmp_path / "no.json").write_text("{")
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "odd.json").write_text(json.dumps({"schedule": {"id": "P", "schedule_layers": [{"users": []}]}}))
    (tmp_path / "bad.csv").write_text("email\nnobody\nnothing\n")
    (tmp_path / "folder").mkdir()
    for name, source, message in (
        ("no.json", "pagerduty", "not JSON"),
        ("empty.json", "pagerduty", "there is nothing to import in it"),
        ("odd.json", "pagerduty", "an export of pagerduty looks otherwise: there is no 'start'"),
        (
            "bad.csv",
            "people",
            "2 lines are wrong, nothing was imported\n  bad.csv, line 2: 'nobody' is no mail address\n",
        ),
        ("folder", "oncall", "there is no *.json in it"),
        ("nowhere.json", "opsgenie", "No such file or directory"),
    ):
        code, out, err = await tocsin(town, "import", source, str(tmp_path / name), "--yes")
        assert (code, out) == (1, "")
        assert message in err
    code, out, err = await tocsin(town, "import", "people", "-", "--plan", stdin=b"email\nquin@example.org\n")
    assert (code, err) == (0, "")
    assert "+ user quin" in out
