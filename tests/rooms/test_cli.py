"""The `tocsin` command, called as a shell would, on real databases."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from databases import TestServer
from sqlalchemy import text
from typer.testing import CliRunner, Result

from app import cli
from app.access import commands as access
from app.db import clock_control, migrate
from app.db import engine as db
from app.db.engine import transaction
from app.db.partitions import keep_house, partitioned
from app.dev.exchange import AUTH_TOKEN, PhoneExchange
from app.dev.mailbox import Mailbox

ROOT = Path(__file__).resolve().parents[2]
ANSI = re.compile(r"\x1b\[[0-9;]*m")
FOUNDING = ("--organisation", "Example Inc", "--time-zone", "Europe/Berlin", "--name", "Ana María",
            "--email", "ana@example.org")  # fmt: skip
T = TypeVar("T")
Tocsin = Callable[..., Result]


@pytest.fixture
def tocsin(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tocsin:
    """Runs a command on a migrated database of the test's own; `settings` are added to its environment."""
    return runner(database_url, tmp_path, monkeypatch)


def runner(database_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Tocsin:
    monkeypatch.setenv("COLUMNS", "200")
    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, **settings: str) -> Result:
        given = {"TOCSIN_DATABASE_URL": database_url, "TOCSIN_DATA_DIR": str(data_dir)}
        given |= {f"TOCSIN_{name.upper()}": value for name, value in settings.items()}
        return CliRunner().invoke(cli.app, list(arguments), env=given)

    return run


def on(url: str, work: Callable[[Any, Any], Coroutine[Any, Any, T]]) -> T:
    """Does something in a transaction of this database."""

    async def run() -> T:
        engine = db.create(url, size=1)
        try:
            async with transaction(engine) as (conn, now):
                return await work(conn, now)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    async def read() -> list[tuple[Any, ...]]:
        engine = db.create(url, size=1)
        try:
            async with engine.connect() as conn:
                return [tuple(row) for row in await conn.execute(text(statement))]
        finally:
            await engine.dispose()

    return asyncio.run(read())


class Outside:
    """An exchange and a mailbox in a thread, so that commands can talk to them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.exchange, self.mailbox = PhoneExchange(), Mailbox()
        self._do(self.exchange.start())
        self._do(self.mailbox.start())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def settings(self, **other: str) -> dict[str, str]:
        return {
            "twilio_account_sid": self.exchange.account_sid,
            "twilio_auth_token": AUTH_TOKEN,
            "twilio_from": self.exchange.numbers[0],
            "twilio_base_url": self.exchange.url,
            "smtp_url": self.mailbox.url,
            "mail_from": "tocsin@example.org",
            **other,
        }

    def stop(self) -> None:
        self._do(self.exchange.stop())
        self._do(self.mailbox.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    yield made
    made.stop()


# -- help


def test_the_list_of_commands_needs_no_database_and_no_web() -> None:
    look = (
        "import sys; sys.argv = ['tocsin', '--help']\n"
        "from app.cli import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "print('loaded:', sorted({'sqlalchemy', 'fastapi', 'uvicorn', 'twilio', 'httpx'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "loaded: []"
    assert all(name in told for name in cli.COMMANDS)


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_help_says_what_the_list_says_and_more(name: str) -> None:
    command = cli.load(name)
    first, *more = (command.help or "").strip().splitlines()
    assert first == cli.COMMANDS[name].help
    assert hasattr(command, "commands") or len(" ".join(more)) > 80, "a command has more to say than a line"
    shown = CliRunner().invoke(cli.app, [name, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for option in command.params:
        assert option.help or option.hidden, f"{name} {option.name} explains itself"
    assert "completion" not in shown.stdout, "the installed command has none"
    for one in (command, *getattr(command, "commands", {}).values()):
        assert not re.search(r"[^\n]\n[^\n]", one.help), "paragraphs are as wide as the terminal, not as the source"


def test_a_misspelt_command_is_corrected() -> None:
    told = CliRunner().invoke(cli.app, ["docter"])
    assert told.exit_code == 2
    assert "Did you mean 'doctor'" in ANSI.sub("", told.stderr)


def test_a_setting_that_cannot_be_right_is_named(tocsin: Tocsin) -> None:
    told = tocsin("serve", roles="wbe")
    assert told.exit_code == 1
    assert told.stderr == "tocsin: TOCSIN_ROLES knows web and worker, not wbe\n"


def test_version_is_told_as_json(tocsin: Tocsin) -> None:
    assert json.loads(tocsin("version", "--json").stdout)["schema"] == migrate.head()


# -- init


def test_init_founds_an_organisation_that_pages_its_admin(tocsin: Tocsin, database_url: str) -> None:
    told = tocsin("init", *FOUNDING, "--json", public_url="https://tocsin.example.org")
    assert told.exit_code == 0, told.output
    founded = json.loads(told.stdout)
    assert founded["created"] is True
    assert founded["admin"] == "ana-maria"
    assert founded["api_key"] is None
    assert founded["password_link"] == f"https://tocsin.example.org/password/{founded['password_token']}"
    assert rows(database_url, "SELECT name, time_zone FROM organisation") == [("Example Inc", "Europe/Berlin")]
    paged = "SELECT u.key, u.role FROM {} t JOIN users u ON u.id = t.user_id"
    for table in ("last_resort_targets", "escalation_targets"):
        assert rows(database_url, paged.format(table)) == [("ana-maria", "admin")]
    policy = "SELECT p.key FROM organisation o JOIN escalation_policies p ON p.id = o.catch_all_policy_id"
    assert rows(database_url, policy) == [("catch-all",)]
    audited = rows(database_url, "SELECT actor, action FROM audit_records ORDER BY id")
    assert audited == [
        ("command_line", action)
        for action in ("user.created", "policy.created", "organisation.created", "last_resort.edited",
                       "user.password_link_given")
    ]  # fmt: skip

    async def set_password(conn: Any, now: Any) -> str:
        session = await access.set_password(conn, now, token=founded["password_token"], password="correct horse")
        return session.user_key

    assert on(database_url, set_password) == "ana-maria"


def test_init_a_second_time_changes_nothing(tocsin: Tocsin, database_url: str) -> None:
    assert tocsin("init", *FOUNDING).exit_code == 0
    before = rows(database_url, "SELECT count(*) FROM audit_records")
    told = tocsin("init")
    assert told.exit_code == 0
    assert told.stdout.startswith("This database belongs to Example Inc already; nothing was changed.")
    assert json.loads(tocsin("init", "--json").stdout) == {"created": False, "organisation": "Example Inc"}
    assert rows(database_url, "SELECT count(*) FROM audit_records") == before


def test_init_migrates_an_empty_database(server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = asyncio.run(server.empty())
    try:
        assert runner(url, tmp_path, monkeypatch)("init", *FOUNDING).exit_code == 0
        assert rows(url, "SELECT count(*) FROM users") == [(1,)]
    finally:
        asyncio.run(server.drop(url))


@pytest.mark.parametrize(
    ("instead", "told"),
    [
        (("--time-zone", "Mars/Olympus"), "--time-zone: "),
        (("--email", "nobody"), "--email: "),
        (("--organisation", " "), "--organisation: "),
        (("--key", "Ana"), "--key: "),
        (("--api-key", "C I"), "--api-key "),
        (("--phone", "+4915112345678"), "--phone needs TOCSIN_TWILIO_*: "),
    ],
)
def test_init_names_the_option_that_is_wrong(
    tocsin: Tocsin, database_url: str, instead: tuple[str, str], told: str
) -> None:
    result = tocsin("init", *FOUNDING, *instead)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"tocsin: {told}"), result.stderr
    assert rows(database_url, "SELECT count(*) FROM users") == [(0,)], "all of it or nothing"


def test_init_without_a_person_to_ask_names_what_is_missing(tocsin: Tocsin) -> None:
    told = tocsin("init", "--organisation", "Example")
    assert told.exit_code == 1
    assert "--time-zone, --name, --email" in told.stderr


def test_init_can_make_an_api_key_for_programs(tocsin: Tocsin, database_url: str) -> None:
    secret = json.loads(tocsin("init", *FOUNDING, "--api-key", "ci", "--json").stdout)["api_key"]
    assert secret.startswith("tocsin_")
    assert rows(database_url, "SELECT key, user_id, hint FROM api_keys") == [("ci", None, secret[-4:])]


def test_init_names_the_option_of_an_address_that_cannot_be(tocsin: Tocsin, outside: Outside) -> None:
    for option, address in (("--phone", "0770"), ("--mail", "ana@")):
        told = tocsin("init", *FOUNDING, option, address, **outside.settings())
        assert told.stderr.startswith(f"tocsin: {option}: "), told.stderr


# -- api-key


def test_an_api_key_is_made_where_there_is_none(tocsin: Tocsin, database_url: str) -> None:
    tocsin("init", *FOUNDING)
    told = tocsin("api-key", "ci")
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("tocsin_")
    assert told.stdout.count("\n") == 1, "nothing but the key, for $(...)"
    assert rows(database_url, "SELECT key, scopes, user_id FROM api_keys") == [("ci", ["configure", "read"], None)]
    assert tocsin("api-key", "ci").stderr == "tocsin: there is an API key 'ci' already\n"
    assert tocsin("api-key", "C I").stderr.startswith("tocsin: KEY takes ")
    assert "scopes: unknown: all; known: " in tocsin("api-key", "other", "--scope", "all").stderr


# -- user


def test_a_new_password_link_replaces_the_old_one(tocsin: Tocsin, database_url: str) -> None:
    first = json.loads(tocsin("init", *FOUNDING, "--json").stdout)["password_token"]
    told = tocsin("user", "link", "ana-maria", public_url="https://t.example.org")
    assert told.exit_code == 0
    link, token = told.stdout.strip(), told.stdout.strip().rpartition("/")[2]
    assert link == f"https://t.example.org/password/{token}"
    assert token != first
    assert rows(database_url, "SELECT count(*) FROM one_time_links") == [(1,)]


def test_nobody_gets_a_link_who_is_not_there_or_not_active(tocsin: Tocsin, database_url: str) -> None:
    tocsin("init", *FOUNDING)
    assert tocsin("user", "link", "bob").stderr == "tocsin: there is no user 'bob'\n"

    async def deactivate(conn: Any, _: Any) -> None:
        await conn.execute(text("UPDATE users SET active = false"))

    on(database_url, deactivate)
    told = tocsin("user", "link", "ana-maria")
    assert told.exit_code == 1
    assert "not active" in told.stderr


# -- migrate


def test_migrate_goes_up_and_down(server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, newest = asyncio.run(server.empty()), migrate.head()
    run = runner(url, tmp_path, monkeypatch)
    try:
        assert run("migrate", "--show").stdout.splitlines()[0] == "  (empty)  <- the database is here"
        assert run("migrate").stdout == f"empty -> {newest}\n"
        assert run("migrate").stdout == f"at {newest}, nothing to do\n"
        assert run("migrate", "--show").stdout.rstrip().endswith("<- the database is here")
        assert run("migrate", "--to", "base").exit_code == 1, "asks first, and nobody answered"
        assert run("migrate", "--to", "base", "--yes").stdout == f"{newest} -> empty\n"
        assert "there is no revision '9'" in run("migrate", "--to", "9").stderr
    finally:
        asyncio.run(server.drop(url))


def test_a_database_of_a_newer_version_is_left_alone_in_words(tocsin: Tocsin, database_url: str) -> None:
    async def newer(conn: Any, _: Any) -> None:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9000'"))

    on(database_url, newer)
    for command in (("serve",), ("migrate",), ("migrate", "--to", "0001", "--yes")):
        told = tocsin(*command, listen="127.0.0.1:0")
        assert told.exit_code == 1
        assert told.stderr.startswith("tocsin: the database is at revision 9000, which a newer version of Tocsin made")
    assert tocsin("migrate", "--show").stdout.splitlines()[-1].startswith("  9000  (of a newer version")
    (schema,) = (f for f in json.loads(tocsin("doctor", "--json").stdout)["findings"] if f["check"] == "schema")
    assert schema["state"] == "problem"
    assert "tocsin migrate" not in schema["advice"]


# -- doctor


def findings(told: Result) -> dict[str, str]:
    return {f["check"]: f["state"] for f in json.loads(told.stdout)["findings"]}


def test_doctor_on_a_sound_installation(tocsin: Tocsin, database_url: str, outside: Outside) -> None:
    settings = outside.settings(
        public_url="https://tocsin.example.org", secret_key="x" * 32, watchdog_url="https://watch.example.org"
    )
    founded = tocsin("init", *FOUNDING, "--phone", "+49 1511 2345678", "--mail", "ana@example.org", **settings)
    assert founded.exit_code == 0, founded.output

    async def house() -> None:
        engine = db.create(database_url, size=1)
        day = timedelta(days=1)
        await keep_house(engine, partitioned(receipts=day, history=day))
        await engine.dispose()

    asyncio.run(house())
    told = tocsin("doctor", "--json", **settings)
    assert {check: state for check, state in findings(told).items() if state != "ok"} == {}
    assert told.exit_code == 0
    assert tocsin("doctor", **settings).stdout.splitlines()[-1] == "All is well."
    assert outside.exchange.texts == []
    assert outside.mailbox.mails == []


def test_doctor_on_a_fresh_installation(tocsin: Tocsin, outside: Outside) -> None:
    tocsin("init", *FOUNDING)
    told = tocsin("doctor", "--json", **outside.settings())
    assert told.exit_code == 1
    found = findings(told)
    assert {check for check, state in found.items() if state == "problem"} == {"last resort", "people"}
    expected = {"public URL", "secret key", "watchdog"}
    assert {check for check, state in found.items() if state == "warning"} == expected
    shown = tocsin("doctor", **outside.settings()).stdout
    assert "Ana María has no usable contact method" in shown
    assert shown.splitlines()[-1] == "2 problems: pages may not arrive."


def test_doctor_before_init(tocsin: Tocsin) -> None:
    told = tocsin("doctor", "--json")
    assert told.exit_code == 1
    assert findings(told)["organisation"] == "problem"
    assert findings(told)["channels"] == "problem"


def test_doctor_on_an_empty_database(server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = asyncio.run(server.empty())
    try:
        told = runner(url, tmp_path, monkeypatch)("doctor", "--json")
        assert (told.exit_code, findings(told)["schema"]) == (1, "problem")
        assert rows(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)], "it changes nothing"
    finally:
        asyncio.run(server.drop(url))


def test_doctor_reminds_of_a_token_that_is_being_exchanged(tocsin: Tocsin, outside: Outside) -> None:
    found = findings(tocsin("doctor", "--json", **outside.settings(twilio_auth_token_former="of yesterday")))
    assert (found["Twilio's token"], found["text message"]) == ("warning", "ok")


def test_doctor_asks_the_providers(tocsin: Tocsin, outside: Outside) -> None:
    wrong = outside.settings(twilio_auth_token="another", smtp_url="smtp://127.0.0.1:1")
    found = findings(tocsin("doctor", "--json", **wrong))
    assert (found["text message"], found["mail"]) == ("problem", "problem")
    unreachable = outside.settings(twilio_base_url="http://127.0.0.1:1")
    assert findings(tocsin("doctor", "--json", **unreachable))["text message"] == "problem"


def test_doctor_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = runner("postgresql://nobody@127.0.0.1:1/none", tmp_path, monkeypatch)("doctor", "--json")
    assert (told.exit_code, findings(told)["database"]) == (1, "problem")


def test_doctor_with_settings_that_cannot_be_right(tocsin: Tocsin) -> None:
    told = tocsin("doctor", "--json", listen="nowhere")
    assert (told.exit_code, findings(told)) == (1, {"settings": "problem"})


def test_doctor_sees_a_clock_that_is_played_with(tocsin: Tocsin, database_url: str) -> None:
    async def play(conn: Any, _: Any) -> None:
        await clock_control.run_at(conn, 60.0)

    on(database_url, play)
    assert findings(tocsin("doctor", "--json"))["clock"] == "problem"
    assert findings(tocsin("doctor", "--json", clock_control="true"))["clock"] == "warning"


def test_doctor_names_whoever_is_paged_and_cannot_be_reached(
    tocsin: Tocsin, database_url: str, outside: Outside
) -> None:
    settings = outside.settings()
    tocsin("init", *FOUNDING, "--mail", "ana@example.org", **settings)

    async def hire(conn: Any, now: Any) -> None:
        for key in ("ben", "dan"):
            await conn.execute(
                text("""
                    INSERT INTO users (key, name, email, role, created_at, updated_at)
                    VALUES (:key, initcap(:key), :key || '@example.org', 'operator', :now, :now)
                """),
                {"key": key, "now": now},
            )
        await conn.execute(
            text("""
                WITH s AS (INSERT INTO schedules (key, name, created_at, updated_at)
                           VALUES ('night', 'Night', :now, :now) RETURNING id)
                INSERT INTO schedule_versions (schedule_id, number, time_zone, layers, created_by, created_at)
                SELECT s.id, 1, 'UTC', jsonb_build_array(jsonb_build_object(
                    'members', jsonb_build_array(jsonb_build_array(u.id)))), 'x', :now
                FROM s, users u WHERE u.key = 'ben'
            """),
            {"now": now},
        )

    on(database_url, hire)
    told = tocsin("doctor", **settings)
    assert told.exit_code == 1
    assert "cannot be reached: Ben (ben: schedule night)" in told.stdout
    assert "Dan" not in told.stdout, "nothing pages Dan"


# -- apply and export without a service


def test_a_service_that_does_not_answer_is_said(tocsin: Tocsin, tmp_path: Path) -> None:
    told = tocsin("export", "--url", "http://127.0.0.1:1", api_key="tocsin_x")
    assert told.exit_code == 1
    assert told.stderr.startswith("tocsin: http://127.0.0.1:1 does not answer")
    assert "TOCSIN_API_KEY is not set" in tocsin("export").stderr


def test_a_document_that_is_none_is_refused_before_anything_is_sent(tocsin: Tocsin, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    told = tocsin("apply", "-f", str(tmp_path / "list.yaml"), api_key="tocsin_x")
    assert "a configuration is a mapping" in told.stderr
    told = tocsin("apply", "-f", str(tmp_path / "none.yaml"), api_key="tocsin_x")
    assert "No such file or directory" in told.stderr


def test_doctor_on_incoming_mail(tocsin: Tocsin, outside: Outside, tmp_path: Path) -> None:
    def said(**settings: str) -> list[tuple[str, str]]:
        told = tocsin("doctor", "--json", **outside.settings(**settings))
        found = json.loads(told.stdout)["findings"]
        return [(f["state"], f["detail"]) for f in found if f["check"] in ("answers by mail", "settings")]

    both = {"mail_reply_to": "reply@in.example.org", "mail_bounces_to": "bounces@in.example.org"}
    assert [s for s, _ in said()] == ["ok"]
    assert said(**both)[1] == ("warning", "no door for incoming mail is open here")
    assert said(**both, mail_in_listen="127.0.0.1:2525")[1] == ("ok", "taken by SMTP on 127.0.0.1:2525")
    assert "without TLS" in said(**both, mail_in_listen="0.0.0.0:2525")[2][1]
    assert said(mail_reply_to="reply@in.example.org", mail_in_secret="s" * 16)[1][1] == "bounces are not seen"
    (state, detail) = said(mail_reply_to="reply")[-1]
    assert (state, "TOCSIN_MAIL_REPLY_TO" in detail) == ("problem", True)
    (state, detail) = said(mail_in_secret="short")[-1]
    assert (state, "16 characters" in detail) == ("problem", True)
