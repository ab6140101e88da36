"""`tocsin import` gives addresses of calendars and webhooks after all else, once, and shows none of their secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_importing import tocsin
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXPORT = {
    "users": [{"id": "U1", "username": "olga.k", "name": "Olga", "email": "olga@example.org", "role": "editor"}],
    "schedules": [{"id": "S1", "name": "Rota", "type": "ical", "time_zone": "Europe/Berlin",
                   "ical_url_primary": "https://calendar.example.org/private-5f3a/basic.ics"}],
    "webhooks": [{"id": "W1", "name": "Chat", "url": "https://chat.example.org/hooks/T0?token=hush"}],
    "escalation_chains": [{"id": "C1", "name": "Chain", "team_id": None}],
    "escalation_policies": [
        {"id": "E1", "escalation_chain_id": "C1", "position": 0, "type": "trigger_webhook", "action_to_trigger": "W1"},
        {"id": "E2", "escalation_chain_id": "C1", "position": 1, "type": "notify_on_call_from_schedule",
         "notify_on_call_from_schedule": "S1"},
    ],
}  # fmt: skip


async def test_addresses_are_given_once_and_shown_without_their_secrets(house: Whole, tmp_path: Path) -> None:
    file = tmp_path / "oncall.json"
    file.write_text(json.dumps(EXPORT))
    bare = ("import", "oncall", str(file), "--without-contact-methods")
    code, out, err = await tocsin(house, *bare, "--plan")
    assert (code, err) == (0, "")
    assert "+ address of calendar rota: https://calendar.example.org/…" in out
    assert "+ address of webhook chat: https://chat.example.org/…" in out
    code, done, err = await tocsin(house, *bare, "--yes")
    assert code == 0, err
    for said in (out, done, err):
        assert "5f3a" not in said
        assert "hush" not in said
    admin = house.as_person("cara")
    calendar = (await house.http.get("/api/v1/calendars/rota", headers=admin)).json()
    assert (calendar["state"]["address"], calendar["people"]) == ("https://calendar.example.org/…", {"olga.k": "olga"})
    assert (await house.http.get("/api/v1/webhooks/chat", headers=admin)).json()[
        "address"
    ] == "https://chat.example.org/…"
    schedule = (await house.http.get("/api/v1/schedules/rota", headers=admin)).json()
    assert [layer["calendar"] for layer in schedule["layers"]] == ["rota"]
    code, out, _ = await tocsin(house, *bare, "--plan")
    assert (code, out.endswith("Nothing to change.\n")) == (0, True), out
