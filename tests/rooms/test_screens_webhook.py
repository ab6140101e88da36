"""The screen of one webhook: its request with a preview, its secrets, what it was told."""

from __future__ import annotations

from html import unescape

import pytest
from test_screens_escalation import furnish, get, send
from whole import Whole

from app.escalation.webhook_documents import WebhookDocument, WebhookRequest, WebhookWhen
from app.web.screens import webhook_form

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_screen_of_a_webhook(house: Whole) -> None:
    await furnish(house)
    path = "/escalation/webhooks"
    await send(house, path, "cara", {"name": "Jira", "address": "https://jira.example.org/x"})
    form = {
        "kind": "json", "method": "POST", "headers": "Authorization: Basic {secret.token}\n", "services": "",
        "body": '{"summary": "<b>{incident.title}</b>"}', "happens": ["triggered", "closed"], "priority": "2",
    }  # fmt: skip
    shown = await send(house, f"{path}/jira/request", "cara", form, version="2", press="preview")
    assert shown.status_code == 200
    assert '{"summary":"<b>HighErrorRate</b>"}' in unescape(shown.text)
    assert "<b>HighErrorRate</b>" not in shown.text
    assert "Basic ***" in shown.text
    assert "nothing is saved" in shown.text
    for wrong, field in (
        ({"body": "{"}, "body"), ({"body": '{"a": "{titel}"}'}, "body"), ({"headers": "none"}, "headers"),
        ({"services": "nowhere"}, "services"), ({"happens": []}, "happens"),
    ):  # fmt: skip
        answer = await send(house, f"{path}/jira/request", "cara", form | wrong, version="2")
        assert answer.status_code == 422, wrong
        assert f'id="wrong-{field}"' in answer.text, wrong
    assert (await send(house, f"{path}/jira/request", "cara", form, version="2")).status_code == 303
    assert (await send(house, f"{path}/jira/request", "cara", form, version="2")).status_code == 412
    seen = unescape(await get(house, f"{path}/jira"))
    assert "Nobody gave the value of token: it cannot be called." in seen
    given = await send(house, f"{path}/jira/secrets", "cara", {"secret": "token", "value": "hush-hush"})
    assert given.status_code == 303
    seen = unescape(await get(house, f"{path}/jira"))
    assert "It has values of token." in seen
    assert "hush" not in seen
    await send(house, f"{path}/jira", "cara", {"name": "Tickets"}, version="4")
    [row] = await house.rows("SELECT name, request, address_shown FROM webhooks")
    assert (row.name, row.request["json"]) == ("Tickets", {"summary": "<b>{incident.title}</b>"}), "another name only"
    for action in ("request", "secrets"):
        assert (await send(house, f"{path}/jira/{action}", "ben", form, version="5")).status_code == 403
    assert "read only" in await get(house, f"{path}/jira", "ana")


async def test_what_is_saved_again_stays_as_it_was(house: Whole) -> None:
    """A service that was deleted is not all services, and a line break in a value is none between values."""
    shown = webhook_form.filled(
        WebhookDocument(
            key="x",
            name="X",
            request=WebhookRequest(form={"text": "{text}\nsee={incident.url}", "a": " b ", "q": '"', "plain": "c=d"}),
            when=WebhookWhen(happens=["triggered"], services=[]),
        )
    )
    assert shown.services == "(none)"
    again = webhook_form.edit_of("X", shown)
    assert again.when is not None
    assert (again.when.services, again.when.teams) == ([], None)
    assert again.request is not None
    assert again.request.form == {"text": "{text}\nsee={incident.url}", "a": " b ", "q": '"', "plain": "c=d"}
