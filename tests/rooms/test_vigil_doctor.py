"""What `tocsin doctor` says about who watches the watchman."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy.ext.asyncio import AsyncConnection

from app.cli import vigil
from app.settings import Settings

TOKEN = "peer-token-of-thirty-two-characters"


def told(tmp_path: Path, **settings: Any) -> Settings:
    return Settings(data_dir=tmp_path, **settings)


def test_what_is_not_configured_is_not_mentioned(tmp_path: Path) -> None:
    assert list(vigil.of_settings(told(tmp_path))) == []


def test_secrets_that_travel_in_clear_and_open_directories_are_warned_of(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    settings = told(
        tmp_path, heartbeat_url="http://hc.example.org/ping/s3cr3t", peer_url="http://b.example.org", peer_token=TOKEN,
        paper_dir=str(tmp_path),
    )  # fmt: skip
    found = list(vigil.of_settings(settings))
    assert [(f.check, f.state) for f in found] == [
        ("heartbeat", "ok"), ("heartbeat", "warning"), ("peer", "warning"), ("paper", "warning"),
    ]  # fmt: skip
    assert "s3cr3t" not in str(found)


async def test_the_peer_is_asked_once(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/peer", headers={"Authorization": f"Bearer {TOKEN}"}).respond_with_json(
        {"version": "1", "database_readable": True, "unreadable_s": 0, "unreachable": 0}
    )
    found = await vigil.of_peer(told(tmp_path, peer_url=httpserver.url_for("")[:-1], peer_token=TOKEN))
    assert found.state == "ok"
    found = await vigil.of_peer(told(tmp_path, peer_url="http://127.0.0.1:9", peer_token=TOKEN))
    assert (found.state, "does not answer" in found.detail) == ("problem", True)


@pytest.mark.parametrize(
    "settings", [{"vigil_service": "nobody"}, {"vigil_service": "nobody", "canary_user": "nobody"}]
)
async def test_what_the_settings_name_has_to_be_there(
    settings: dict[str, str], conn: AsyncConnection, tmp_path: Path
) -> None:
    found = [f async for f in vigil.of_content(told(tmp_path, **settings), conn)]
    assert [f.state for f in found] == ["problem"] * len(settings)
