"""One PostgreSQL cluster on this machine: where its programs and files are, how it is made, started and cleared away.

Blocking functions without state; `embedded.py` decides when to call them. Nothing here opens a TCP port.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from app.db import launch
from app.db.binaries import ServerFailed, find_bindir, major

PORT = 5432
SUPERUSER = "tocsin"
LOG_LIMIT = 1_000_000
"""Bytes above which the log of earlier runs is set aside at a start; one such file is kept."""
_WAL_SEGMENT_MB = 4
"""A commit that needs a segment which no checkpoint left for it writes zeros over the whole of it first: 40 ms for the
usual 16 MB, in which no alert is answered. (bench/README.md, 24)"""
_LONGEST_SOCKET = 106
"""Bytes of a socket's path: sun_path has 108 with its NUL on Linux, PostgreSQL wants fewer than 107."""
_SMALL_MACHINE = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    # LOG and worse: an ERROR is an answer to the program, which reports it itself; this file must not grow with use
    "log_min_messages": "log",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What it takes to run the cluster of one data directory. `user` is an argument of launch.py, `uid` its owner."""

    data_dir: Path
    bindir: Path
    sockets: Path
    user: str
    uid: int
    gid: int
    durable: bool

    @property
    def pgdata(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        return self.data_dir / "postgres.log"


def prepare(data_dir: Path, bindir: str, durable: bool) -> Cluster:
    """Finds programs, user and socket directory; makes the directories. Raises ServerFailed, Invalid (bad bindir)."""
    user, uid, gid = _user()
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if uid != os.geteuid():
            data_dir.chmod(data_dir.stat().st_mode | 0o011)  # PostgreSQL's user has to pass through; files keep theirs
        sockets = _private(socket_dir(data_dir), data_dir, uid, gid)
    except OSError as e:
        raise ServerFailed(f"cannot use the data directory {data_dir}: {e}") from e
    return Cluster(data_dir, find_bindir(bindir, data_dir / "postgres"), sockets, user, uid, gid, durable)


def socket_dir(data_dir: Path) -> Path:
    """`run` in the data directory, or, where that is too long for a socket, a directory named after it elsewhere."""
    longest = _LONGEST_SOCKET - len(f"/.s.PGSQL.{PORT}")
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    near = data_dir / "run"
    far = Path(tempfile.gettempdir()) / f"tocsin-{os.geteuid()}-{name}"
    for choice in (near, far):
        if len(os.fsencode(choice)) <= longest:
            return choice
    return Path("/tmp") / far.name  # noqa: S108  # _private refuses it unless it is ours alone


def initialise(cluster: Cluster) -> None:
    """Makes the cluster unless it is there; all or nothing, so an interrupted run is simply done again."""
    if not (cluster.pgdata / "PG_VERSION").exists():
        fresh = cluster.data_dir / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, cluster.uid, cluster.gid)
        provider = ["--locale-provider=builtin"] if (major(cluster.bindir) or 0) >= 17 else []
        command = ["initdb", "--pgdata", str(fresh), f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8"]
        command += [*provider, "--locale=C.UTF-8", f"--wal-segsize={_WAL_SEGMENT_MB}"]
        command += [] if cluster.durable else ["--no-sync"]
        done = subprocess.run(
            _as_user(cluster, fresh, command),
            env=_environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise ServerFailed(f"initdb failed with {done.returncode}: {(done.stderr or done.stdout).strip()}")
        fresh.rename(cluster.pgdata)
    if os.geteuid() == 0 and cluster.pgdata.stat().st_uid != cluster.uid:
        _hand_over(cluster)


def launch_server(cluster: Cluster) -> subprocess.Popen[bytes]:
    """Starts the postmaster in a session of its own, so that Ctrl-C reaches it through us and not beside us.

    It ends when the *calling thread* ends (launch.die_with): call this on a thread that lives as long as the program.
    """
    if cluster.log.exists() and cluster.log.stat().st_size > LOG_LIMIT:
        cluster.log.replace(cluster.log.with_suffix(".log.1"))
    settings = _SMALL_MACHINE | ({} if cluster.durable else _NOT_DURABLE)
    command = ["postgres", "-D", str(cluster.pgdata), "-k", str(cluster.sockets)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with cluster.log.open("ab") as log:
        return subprocess.Popen(
            _as_user(cluster, cluster.pgdata, command),
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def with_sockets(cluster: Cluster, sockets: Path) -> Cluster:
    """The same cluster where its running server really listens: its starter may have another temporary directory."""
    return replace(cluster, sockets=sockets)


def clear_stale(cluster: Cluster) -> None:
    """Removes lock files of a server that is gone. Call it only with our own lock held and no leftovers.

    Pids come back, in a container at nearly every start: PostgreSQL would refuse for a stranger, and a new server with
    the old one's pid would pass for ready. PostgreSQL's own look for shared memory in use needs no such file.
    """
    (cluster.pgdata / "postmaster.pid").unlink(missing_ok=True)
    for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        (cluster.sockets / name).unlink(missing_ok=True)


def _user() -> tuple[str, int, int]:
    """PostgreSQL runs neither as root nor, for initdb, as a uid without a name, which containers like to give."""
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0 and _named(uid):
        return "same", uid, gid
    probe = [sys.executable, "-I", "-S", launch.__file__, "namespace", "0", "/"]
    if subprocess.run(probe, capture_output=True).returncode == 0:
        return "namespace", uid, gid
    if uid != 0:
        return "same", uid, gid
    nobody = pwd.getpwnam("nobody")
    return f"{nobody.pw_uid}:{nobody.pw_gid}", nobody.pw_uid, nobody.pw_gid


def _named(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _as_user(cluster: Cluster, directory: Path, command: list[str]) -> list[str]:
    program = str(cluster.bindir / command[0])
    child = [sys.executable, "-I", "-S", launch.__file__, cluster.user, str(os.getpid()), str(directory)]
    return [*child, program, *command[1:]]


def _environment() -> dict[str, str]:
    """Ours without what would steer PostgreSQL: PGPORT, PGDATESTYLE, PGDATA, the locale."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def _private(path: Path, data_dir: Path, uid: int, gid: int) -> Path:
    """Makes `path` a directory that only `uid` may enter, or raises: whoever owns it could play our database.

    Inside the data directory nobody else makes directories, there it may be an earlier user's.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    ours = found.st_uid in (uid, os.geteuid()) or (path.parent == data_dir and os.geteuid() == 0)
    if not stat.S_ISDIR(found.st_mode) or not ours:
        raise ServerFailed(f"{path} must be a directory of uid {uid} for the database's socket; remove it")
    path.chmod(0o700)
    if found.st_uid != uid:
        os.chown(path, uid, gid)
    return path


def _hand_over(cluster: Cluster) -> None:
    """Another user runs the server than last time (a container with or without user namespaces)."""
    for folder, _, files in os.walk(cluster.pgdata):
        for name in (".", *files):
            os.chown(Path(folder) / name, cluster.uid, cluster.gid, follow_symlinks=False)
