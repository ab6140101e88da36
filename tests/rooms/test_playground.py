"""What the demo starts its service with."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.dev.program import environment, given


def test_of_the_settings_of_whoever_starts_it_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_ALLOW_PRIVATE_NETWORKS", "true")
    monkeypatch.setenv("TOCSIN_PUBLIC_URL", "https://tocsin.example.org")
    settings = {"data_dir": str(tmp_path), **given("allow_private_networks")}
    started = {k: v for k, v in environment(settings).items() if k.startswith("TOCSIN_")}
    assert started == {"TOCSIN_ALLOW_PRIVATE_NETWORKS": "true", "TOCSIN_DATA_DIR": str(tmp_path)}
    monkeypatch.delenv("TOCSIN_ALLOW_PRIVATE_NETWORKS")
    assert given("allow_private_networks") == {}
