"""The embedded database, with real programs that are really killed. Each program is a process of its own."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from app.db import processes, supervisor
from app.db.binaries import ServerFailed, find_bindir, major
from app.errors import Invalid

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
NAMELESS = 54321
"""A uid that /etc/passwd does not know, as containers give them."""
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PATIENCE = 30.0

SANDBOX = """
import ctypes, os, sys
entered, ready = os.pipe(), os.pipe()
if os.fork() == 0:  # outside: maps all users into the namespace of the other, which stays root there
    os.read(entered[0], 1)
    for name in ("uid_map", "gid_map"):
        open(f"/proc/{os.getppid()}/{name}", "w").write("0 0 65536")
    os.write(ready[1], b".")
    os._exit(0)
assert ctypes.CDLL(None).unshare(0x10000000) == 0
os.write(entered[1], b".")
os.read(ready[0], 1)
open("/proc/sys/user/max_user_namespaces", "w").write("0")
os.execv(sys.argv[1], sys.argv[1:])
"""
WITHOUT_NAMESPACES = {"before": [sys.executable, "-c", SANDBOX]}
"""Runs a program as root where user namespaces cannot be made, as in most containers."""

CONTAINER = {"before": ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]}
"""Runs a program as root among pids of its own, which begin with 1 again at every start."""

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
import asyncpg
from app.db.embedded import EmbeddedServer, ServerFailed

def say(**facts): print(json.dumps(facts), flush=True)

async def sql(url, statement):
    try:
        conn = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return {"value": await conn.fetchval(statement)}
        finally:
            await conn.close()
    except (OSError, asyncpg.PostgresError) as e:
        return {"refused": repr(e)}

async def main(data_dir, bindir, durable):
    log = lambda line: print(line, file=sys.stderr)
    server = EmbeddedServer(Path(data_dir), bindir=bindir, durable=durable == "True", log=log)
    try:
        url = await server.start()
    except ServerFailed as e:
        return say(failed=str(e))
    say(url=url, owner=server.owner)
    while line := await asyncio.to_thread(sys.stdin.readline):
        say(**await sql(url, line), owner=server.owner)
    await server.stop()
    say(stopped=True)

asyncio.run(main(*sys.argv[1:]))
"""


class Program:
    """A program with an embedded server: it says what it started, answers one line of SQL with one line of JSON."""

    def __init__(
        self, data_dir: Path, *, bindir: str = "", durable: bool = True, python: str = sys.executable, **how: Any
    ) -> None:
        path = [str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))]
        before = how.pop("before", [])
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # compiling takes longer
        self.process = subprocess.Popen(
            [*before, python, "-P", "-c", PROGRAM, str(data_dir), bindir, str(durable)],
            env=environment | {"PYTHONPATH": os.pathsep.join(path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **how,
        )

    def hears(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        assert readable, "the program said nothing"
        answer: dict[str, Any] = json.loads(self.process.stdout.readline() or "{}")
        return answer

    def sql(self, statement: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(statement.encode() + b"\n")
        self.process.stdin.flush()
        return self.hears()

    def stop(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.hears()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def until(true: Callable[[], bool], within: float = PATIENCE) -> float:
    """Seconds it took. Looks every 10 ms."""
    began = monotonic()
    while not true():
        assert monotonic() - began < within, f"not within {within} s"
        sleep(0.01)
    return monotonic() - began


@pytest.fixture(scope="module")
def seed() -> Iterator[Path]:
    """A data directory with a table `kept` of one row, made by a cold start and left by a clean stop."""
    with tempfile.TemporaryDirectory(prefix="tocsin-seed-") as directory:
        program = Program(Path(directory) / "data")
        try:
            assert program.hears()["owner"] is True
            program.sql("CREATE TABLE kept AS SELECT 'before' AS word")
            assert program.stop() == {"stopped": True}
            program.process.wait(PATIENCE)
        finally:
            program.kill()
        yield Path(directory) / "data"


class House:
    """Data directories and programs of one test; nothing outlives it."""

    def __init__(self, seed: Path, stack: ExitStack) -> None:
        self._seed = seed
        self._programs: list[tuple[Program, Path]] = []
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-test-")))
        stack.callback(self.ends)
        self.directory.chmod(0o755)  # for a database that has to run as nobody

    def data(self, name: str = "data") -> Path:
        return Path(shutil.copytree(self._seed, self.directory / name))

    def starts(self, data_dir: Path, **how: Any) -> Program:
        program = Program(data_dir, **how)
        self._programs.append((program, data_dir))
        return program

    def ends(self) -> None:
        for program, _ in self._programs:
            program.kill()
        for _, data_dir in self._programs:
            until(lambda pgdata=data_dir / "postgres": not processes.leftovers(pgdata))


@pytest.fixture
def house(seed: Path) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(seed, stack)


def postmaster(data_dir: Path) -> int:
    """The pid in postmaster.pid; 0 while there is none."""
    told = processes.postmaster(data_dir / "postgres")
    return told[0] if told else 0


KEPT = "SELECT string_agg(word, ' ') FROM kept"


def test_cold_start_makes_database_and_stop_leaves_nothing(house: House) -> None:
    data = house.directory / "new"
    program = house.starts(data)
    told = program.hears()
    assert told["owner"] is True
    assert program.sql("SELECT current_database() || current_setting('TimeZone') || current_user")["value"] == (
        "tocsinUTCtocsin"
    )
    assert program.sql("SELECT datcollate FROM pg_database WHERE datname = 'tocsin'")["value"] == "C.UTF-8"
    assert program.sql("SHOW listen_addresses")["value"] == ""
    assert program.sql("SHOW wal_segment_size")["value"] == "4MB"
    assert program.stop() == {"stopped": True}
    assert processes.leftovers(data / "postgres") == []


@pytest.mark.parametrize(("durable", "expected"), [(True, "on on on"), (False, "off off off")])
def test_durability_is_on_unless_a_test_says_no(house: House, durable: bool, expected: str) -> None:
    program = house.starts(house.data(), durable=durable)
    program.hears()
    asked = " || ' ' || ".join(f"current_setting('{n}')" for n in ("fsync", "synchronous_commit", "full_page_writes"))
    assert program.sql(f"SELECT {asked}")["value"] == expected


def test_warm_start_finds_the_data(house: House) -> None:
    program = house.starts(house.data())
    assert program.hears()["owner"] is True
    assert program.sql(KEPT)["value"] == "before"


def test_killed_program_leaves_no_server_and_the_next_start_finds_the_data(house: House) -> None:
    data = house.data()
    first = house.starts(data)
    first.hears()
    first.sql("INSERT INTO kept VALUES ('written')")
    first.kill()
    until(lambda: not processes.leftovers(data / "postgres"))
    assert "database system is shut down" in (data / "postgres.log").read_text().splitlines()[-1]
    second = house.starts(data)
    assert second.hears()["owner"] is True
    assert second.sql(KEPT)["value"] == "before written"


def test_a_start_right_after_the_kill_waits_for_the_old_server(house: House) -> None:
    data = house.data()
    first = house.starts(data)
    first.hears()
    old = postmaster(data)
    first.kill()
    second = house.starts(data)
    assert second.hears()["owner"] is True
    assert postmaster(data) != old
    assert second.sql(KEPT)["value"] == "before"


def test_killed_postmaster_is_started_again_by_its_owner(house: House) -> None:
    data = house.data()
    program = house.starts(data)
    program.hears()
    program.sql("INSERT INTO kept VALUES ('written')")
    old = postmaster(data)
    os.kill(old, signal.SIGKILL)
    assert until(lambda: program.sql(KEPT).get("value") == "before written") < 5
    assert postmaster(data) != old


def test_killed_postmaster_with_a_busy_backend_is_started_again(house: House) -> None:
    data = house.data()
    program = house.starts(data)
    told = program.hears()
    host = str(data / "run")
    busy = subprocess.Popen(
        [find_bindir("", data / "postgres") / "psql", "-h", host, "-U", "tocsin", "-qc", "SELECT pg_sleep(600)"],
        stderr=subprocess.DEVNULL,
    )
    with busy:
        active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
        until(lambda: program.sql(active).get("value") == 1)
        os.kill(postmaster(data), signal.SIGKILL)
        until(lambda: program.sql(KEPT).get("value") == "before")
    assert told["owner"] is True


def test_second_program_attaches_and_takes_over_under_the_same_address(house: House) -> None:
    data = house.data()
    first = house.starts(data)
    url = first.hears()["url"]
    second = house.starts(data)
    assert second.hears() == {"url": url, "owner": False}
    second.sql("INSERT INTO kept VALUES ('written')")
    old = postmaster(data)
    first.kill()
    # two seconds are promised; twice that keeps a busy machine from failing this
    assert until(lambda: postmaster(data) not in (0, old) and "value" in second.sql(KEPT)) < 4
    assert second.sql(KEPT) == {"value": "before written", "owner": True}


def test_second_program_takes_over_when_the_owner_stops(house: House) -> None:
    data = house.data()
    first = house.starts(data)
    first.hears()
    second = house.starts(data)
    assert second.hears()["owner"] is False
    assert first.stop() == {"stopped": True}
    until(lambda: second.sql(KEPT) == {"value": "before", "owner": True})


def test_two_programs_started_at_once_agree_on_one_owner(house: House) -> None:
    data = house.directory / "new"
    programs = [house.starts(data) for _ in range(3)]
    assert sorted(p.hears()["owner"] for p in programs) == [False, False, True]
    assert [p.sql("SELECT 1")["value"] for p in programs] == [1, 1, 1]


@pytest.mark.parametrize("written", [1, 8], ids=["cut short", "whole"])
def test_stale_pid_file_of_a_live_stranger_does_not_stop_the_start(house: House, written: int) -> None:
    data = house.data()
    sockets = data / "run"
    lines = [
        str(os.getpid()),
        str(data / "postgres"),
        "1700000000",
        "5432",
        str(sockets),
        "",
        " 5432001  98304",
        "ready",
    ]
    (data / "postgres" / "postmaster.pid").write_text("\n".join(lines[:written]) + "\n")
    (sockets / ".s.PGSQL.5432.lock").write_text("\n".join(lines[:5]) + "\n")
    program = house.starts(data)
    assert program.hears()["owner"] is True
    assert program.sql(KEPT)["value"] == "before"


def test_a_container_that_was_cut_off_starts_again(house: House) -> None:
    """Its pids are often those of the time before: the new server then has the pid in the old one's file."""
    needs_root()
    data = house.data()
    for _ in range(4):
        program = house.starts(data, **CONTAINER)
        assert program.hears().get("owner") is True
        assert program.sql(KEPT)["value"] == "before"
        for pid in processes.leftovers(data / "postgres"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        program.kill()
        until(lambda: not processes.leftovers(data / "postgres"))


def test_long_data_path_uses_a_private_directory_elsewhere(house: House) -> None:
    parent = house.directory / ("long" * 30)
    parent.mkdir()
    data = Path(shutil.copytree(house.data(), parent / "data"))
    program = house.starts(data)
    assert program.hears()["owner"] is True
    assert program.sql(KEPT)["value"] == "before"
    elsewhere = supervisor.socket_dir(data)
    assert elsewhere.stat().st_mode & 0o777 == 0o700
    assert not elsewhere.is_relative_to(data)
    assert program.stop() == {"stopped": True}
    elsewhere.rmdir()  # fails when the stop left anything in it


def test_a_squatted_socket_directory_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(house.directory))
    data = house.directory / ("long" * 30)
    elsewhere = supervisor.socket_dir(data)
    assert elsewhere.parent == house.directory
    elsewhere.symlink_to(house.directory)
    with pytest.raises(ServerFailed, match="must be a directory of uid"):
        supervisor.prepare(data, "", durable=False)


def test_debians_postgresql_15(house: House) -> None:
    if major(DEBIAN_15) != 15:
        pytest.skip(f"Debian's postgresql-15 is not installed in {DEBIAN_15}")
    program = house.starts(house.directory / "new", bindir=str(DEBIAN_15))
    assert program.hears()["owner"] is True
    assert str(program.sql("SHOW server_version")["value"]).startswith("15.")
    assert program.sql("SELECT datcollate FROM pg_database WHERE datname = 'tocsin'")["value"] == "C.UTF-8"


def test_programs_of_another_version_are_refused_with_both_versions(seed: Path, tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("14\n")
    with pytest.raises(ServerFailed, match=r"made by PostgreSQL 14, but here is only .*TOCSIN_POSTGRES_BINDIR"):
        find_bindir("", tmp_path)


def test_the_bindir_of_an_existing_cluster_follows_its_version(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")
    assert major(find_bindir("", tmp_path)) == 16
    assert major(find_bindir("", tmp_path / "none yet")) == 18


def test_bad_bindir_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="TOCSIN_POSTGRES_BINDIR"):
        find_bindir(str(tmp_path), tmp_path)


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerFailed, match="cannot use the data directory"):
        supervisor.prepare(tmp_path / "file" / "data", "", durable=False)


def test_broken_configuration_is_told_in_postgresqls_words(house: House) -> None:
    data = house.data()
    with (data / "postgres" / "postgresql.conf").open("a") as conf:
        conf.write("wal_level = nonsense\n")
    assert "wal_level" in house.starts(data).hears()["failed"]


def test_log_is_quiet_and_set_aside(house: House) -> None:
    data = house.data()
    (data / "postgres.log").write_bytes(b"x" * (supervisor.LOG_LIMIT + 1))
    program = house.starts(data)
    program.hears()
    before = (data / "postgres.log").stat().st_size
    assert "refused" in program.sql("SELECT 1/0")
    assert (data / "postgres.log").stat().st_size == before < 5000
    assert (data / "postgres.log.1").stat().st_size == supervisor.LOG_LIMIT + 1


@pytest.mark.parametrize("uid", [NOBODY, NAMELESS])
def test_as_an_ordinary_user(house: House, uid: int) -> None:
    python = python_for(uid)
    house.directory.chmod(0o777)
    data = house.directory / "new"
    first = house.starts(data, python=python, user=uid, group=uid, extra_groups=[], cwd="/")
    assert first.hears()["owner"] is True
    first.sql("CREATE TABLE kept AS SELECT 'before' AS word")
    assert Path(f"/proc/{postmaster(data)}").stat().st_uid == uid
    first.kill()
    until(lambda: not processes.leftovers(data / "postgres"))
    second = house.starts(data, python=python, user=uid, group=uid, extra_groups=[], cwd="/")
    assert second.hears()["owner"] is True
    assert second.sql(KEPT)["value"] == "before"


def test_as_root_without_user_namespaces_the_server_is_nobodys(house: House) -> None:
    needs_root()
    data = house.data()
    first = house.starts(data, **WITHOUT_NAMESPACES)
    assert first.hears()["owner"] is True
    assert first.sql(KEPT)["value"] == "before"
    assert Path(f"/proc/{postmaster(data)}").stat().st_uid == NOBODY
    first.kill()
    until(lambda: not processes.leftovers(data / "postgres"))
    second = house.starts(data)
    assert second.hears()["owner"] is True
    assert second.sql(KEPT)["value"] == "before"


def test_as_root_without_user_namespaces_in_a_closed_directory_says_what_is_in_the_way(house: House) -> None:
    needs_root()
    closed = house.directory / "closed"
    closed.mkdir(mode=0o700)
    failed = house.starts(closed / "data", **WITHOUT_NAMESPACES).hears()["failed"]
    assert f"may not use {closed}" in failed


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: it gives root away")


def python_for(uid: int) -> str:
    """An interpreter of our version that another user may run; ours may be in somebody's closed home."""
    needs_root()
    site = os.pathsep.join(p for p in sys.path if p.endswith("site-packages"))
    debians = f"/usr/bin/python3.{sys.version_info.minor}"
    command = ["-P", "-c", "import asyncpg, sqlalchemy"]
    for python in (sys.executable, debians):
        with suppress(PermissionError):
            tried = subprocess.run(
                [python, *command], env=os.environ | {"PYTHONPATH": site}, cwd="/", user=uid, group=uid
            )
            if tried.returncode == 0:
                return python
    pytest.skip(f"uid {uid} can run neither {sys.executable} nor {debians} with our packages")
