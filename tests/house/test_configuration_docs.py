"""docs/configuration.md is the reference of the settings: every one of them, in their order, with their defaults."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path

from app import settings
from app.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(TOCSIN_\w+)`( 🔑)? \| (.+?) \| (.+) \|$", re.MULTILINE)
ROWS = ROW.findall(DOCS.read_text())
DERIVED = {"TOCSIN_DATA_DIR": "`var` in a checkout", "TOCSIN_PUBLIC_URL": "`http://` and `TOCSIN_LISTEN`"}


def shown(default: object) -> str:
    """A default as the reference writes it."""
    if default in ("", (), MISSING):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{','.join(default) if isinstance(default, tuple) else default}`"


def test_every_setting_is_documented_in_its_order():
    assert [name for name, *_ in ROWS] == settings.names()


def test_defaults_are_the_real_ones():
    defaults = {f"TOCSIN_{f.name.upper()}": shown(f.default) for f in fields(Settings)}
    wrong = {
        name: (told, defaults[name])
        for name, _, told, _ in ROWS
        if not (told.startswith(DERIVED[name]) if name in DERIVED else told == defaults[name])
    }
    assert wrong == {}


def test_secrets_are_marked():
    hidden = {f"TOCSIN_{f.name.upper()}" for f in fields(Settings) if not f.repr}
    assert {name for name, secret, *_ in ROWS if secret} == hidden


def test_derived_defaults_are_as_told(tmp_path: Path):
    given = {"HOME": str(tmp_path)}
    assert settings.read(given).public_url == "http://127.0.0.1:8080"
    assert settings.read(given | {"TOCSIN_LISTEN": "0.0.0.0:99"}).public_url == "http://localhost:99"
    assert settings.read(given | {"TOCSIN_LISTEN": "[::1]:99"}).public_url == "http://[::1]:99"
    assert settings.read(given | {"TOCSIN_PUBLIC_URL": "https://t.example.org/"}).public_url == "https://t.example.org"
