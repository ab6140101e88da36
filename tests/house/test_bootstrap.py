"""`./tocsin`, as far as it needs no network: what it hands over to, when it installs, what it says when it cannot."""

from __future__ import annotations

import ast
import fcntl
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock")


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("bootstrap", str(ROOT / "tocsin"))
    spec = importlib.util.spec_from_loader("bootstrap", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A tree of its own with the script, the locks and a `.venv` whose Python is a shell script that tells its call."""
    for name in ("tocsin", *LOCKS):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$PYTHONPATH"\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    return tmp_path


def run(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, checkout / "tocsin", *arguments],
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_installed_checkout_hands_over_at_once(bootstrap: ModuleType, checkout: Path) -> None:
    bootstrap.stamp(str(checkout), "requirements.lock")
    done = run(checkout, "apply", "--prune", "my file.yaml")
    assert done.stdout.splitlines() == [str(checkout), "-P", "-m", "app.cli", "apply", "--prune", "my file.yaml"]
    assert done.stderr == ""


def test_the_callers_python_path_comes_second(bootstrap: ModuleType, checkout: Path) -> None:
    bootstrap.stamp(str(checkout), "requirements.lock")
    assert run(checkout, PYTHONPATH="/theirs").stdout.splitlines()[0] == f"{checkout}:/theirs"


def test_tests_have_a_lock_of_their_own(bootstrap: ModuleType, checkout: Path) -> None:
    bootstrap.stamp(str(checkout), "requirements-dev.lock")
    done = run(checkout, "test", "tests/pure", "-k", "dedup")
    assert done.stdout.splitlines()[1:4] == ["-P", "-m", "pytest"]
    assert done.stdout.splitlines()[-3:] == ["tests/pure", "-k", "dedup"]


@pytest.mark.parametrize(
    ("asked", "workers"),
    [
        ([], True),
        (["tests/pure", "-x"], True),
        (["-n0"], False),
        (["-n", "4"], False),
        (["--numprocesses=3"], False),
        (["--pdb"], False),
        (["-p", "no:xdist"], False),
    ],
)
def test_workers_unless_told_otherwise(bootstrap: ModuleType, asked: list[str], workers: bool) -> None:
    command = bootstrap.module_and_arguments(["test", *asked])
    assert command[:2] == ["-m", "pytest"]
    assert command[len(command) - len(asked) :] == asked
    assert (command[2 : len(command) - len(asked)][:1] == ["-n"]) is workers


def test_a_changed_lock_means_installing_again(bootstrap: ModuleType, checkout: Path) -> None:
    for name in LOCKS[:2]:
        assert not bootstrap.is_installed(str(checkout), name)
        bootstrap.stamp(str(checkout), name)
        assert bootstrap.is_installed(str(checkout), name)
    (checkout / "requirements.lock").write_text("other==1\n")
    assert not bootstrap.is_installed(str(checkout), "requirements.lock")
    assert bootstrap.is_installed(str(checkout), "requirements-dev.lock")
    (checkout / "requirements-uv.lock").write_text("uv==9\n")
    assert not bootstrap.is_installed(str(checkout), "requirements-dev.lock")


def test_an_installation_that_was_cut_short_starts_afresh(bootstrap: ModuleType, checkout: Path) -> None:
    (checkout / ".venv" / "half").touch()
    Path(bootstrap.unfinished(str(checkout))).touch()
    python = bootstrap.make_venv(str(checkout))
    assert not (checkout / ".venv" / "half").exists()
    assert bootstrap.version_of(python) == sys.version_info[:2]


def test_a_sound_environment_is_kept(bootstrap: ModuleType, checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    bootstrap.make_venv(str(checkout))
    (checkout / ".venv" / "mine").touch()
    bootstrap.make_venv(str(checkout))
    assert (checkout / ".venv" / "mine").exists()


def test_a_second_run_waits_and_then_finds_all_done(bootstrap: ModuleType, checkout: Path) -> None:
    held = os.open(checkout, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    second = subprocess.Popen([sys.executable, checkout / "tocsin", "demo"], stdout=-1, stderr=-1, text=True)
    with second:
        assert second.stderr is not None
        assert "waiting" in second.stderr.readline()
        bootstrap.stamp(str(checkout), "requirements.lock")
        os.close(held)
        out, err = second.communicate(timeout=60)
    assert out.splitlines()[-2:] == ["app.cli", "demo"]
    assert err == ""


def test_a_failing_step_is_named_and_leaves_no_stamp(bootstrap: ModuleType, checkout: Path) -> None:
    with pytest.raises(bootstrap.Failed, match=r"`false` ended with 1"):
        bootstrap.run(["false"])
    assert not bootstrap.is_installed(str(checkout), "requirements.lock")


def test_without_any_installer_it_says_what_to_install(
    bootstrap: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pip here, no ensurepip in the new .venv (its Python is a program that always fails), no uv on the PATH."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(checkout))
    failing = checkout / ".venv" / "bin" / "failing"
    failing.write_text("#!/bin/sh\nexit 1\n")
    failing.chmod(0o755)
    with pytest.raises(bootstrap.Failed, match="apt-get install python3-pip"):
        bootstrap.uv(str(checkout), str(failing))


def test_a_file_system_that_refuses_is_named(bootstrap: ModuleType, checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    (checkout / ".venv").touch()
    done = run(checkout, "demo")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert ".venv" in done.stderr.splitlines()[-1]


def test_old_pythons_can_parse_it_and_are_told(bootstrap: ModuleType) -> None:
    source = (ROOT / "tocsin").read_text()
    ast.parse(source, feature_version=(3, 6))
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.version_info = (3, 9); exec(sys.stdin.read(), {'__name__': '__main__', "
            f"'__file__': {str(ROOT / 'tocsin')!r}}})",
        ],
        input=source,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 1
    assert "needs Python 3.11 or newer" in told.stderr


def test_locks_pin_by_hash_and_name_no_registry() -> None:
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert "://" not in text
        requirements = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line.split(";")[0] for line in requirements)
        assert text.count("\n    --hash=sha256:") >= len(requirements) > 0
