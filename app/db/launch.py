"""The child's side of the embedded database: take another user, tie one's life to the parent's, become PostgreSQL.

Run as a script (`python -I -S launch.py USER PARENT DIRECTORY COMMAND...`), standard library only. A process of its own
because a user namespace can only be entered by a process with one thread, and the parent has several.

USER is `same`, `namespace` (a user namespace in which the caller goes by the name of an ordinary user, so that its
files stay its own) or `UID:GID` (root only). Without COMMAND it only tries USER: exit status 0 or 77.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

CANNOT_BECOME = 77
CANNOT_REACH = 78
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_CLONE_NEWUSER = 0x10000000  # linux/sched.h


def become(user: str) -> None:
    """Changes the user of this process for good. Raises OSError when the kernel or a sandbox refuses."""
    if user == "same":
        return
    if user == "namespace":
        uid, gid, inside = os.geteuid(), os.getegid(), somebody()
        _call("unshare", _CLONE_NEWUSER)
        # user_namespaces(7): without privileges in the parent namespace setgroups has to be denied before gid_map
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{inside} {gid} 1")
        Path("/proc/self/uid_map").write_text(f"{inside} {uid} 1")
        return
    uid, gid = (int(part) for part in user.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def somebody() -> int:
    """A uid that PostgreSQL runs under: any but root's, and initdb wants one that has a name."""
    return next((user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0), 1)


def die_with(parent: int) -> None:
    """Asks for SIGINT, PostgreSQL's fast shutdown, when the thread of `parent` that started us ends.

    prctl(2): a change of uid clears the request, so this comes after `become`.
    """
    if sys.platform != "linux":
        return
    _call("prctl", _PR_SET_PDEATHSIG, int(signal.SIGINT))
    if os.getppid() != parent:
        sys.exit(0)  # it died before we asked


def unreachable(path: str) -> str | None:
    """The first directory on the way to `path`, or the path itself, that this user may not enter or run."""
    whole = Path(path)
    for part in (*reversed(whole.parents), whole):
        if not os.access(part, os.X_OK):
            return str(part)
    return None


def main(argv: list[str]) -> None:
    """Becomes COMMAND, or exits with one of the codes above. What it prints ends in the database's log."""
    user, parent, directory, *command = argv
    try:
        become(user)
    except OSError as e:
        print(f"cannot run as {user}: {e}", file=sys.stderr)
        sys.exit(CANNOT_BECOME)
    if not command:
        return
    for path in (command[0], directory):
        if (barrier := unreachable(path)) is not None:
            print(f"uid {os.geteuid()} may not use {barrier}, needed for {path}", file=sys.stderr)
            sys.exit(CANNOT_REACH)
    die_with(int(parent))
    os.execv(command[0], command)  # noqa: S606  # no shell is what we want


def _call(function: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")


if __name__ == "__main__":
    main(sys.argv[1:])
