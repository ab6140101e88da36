"""Requests of webhooks: values put in, mistakes told with their place, and the descriptions in the documentation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.channels.webhook_request import Template, mistakes, ready, secrets_named, usual, values_of
from app.escalation.webhook_documents import WebhookDocument
from app.incidents.listening import HAPPENINGS, happening
from app.incidents.timeline import Entry
from app.notifications.webhook_messages import EXAMPLE, happened

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "webhooks"
AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ID = "01990000-0000-7000-8000-000000000001"


def body(**incident: Any) -> dict[str, Any]:
    return happened("triggered", AT, "Opened by “HighErrorRate”, severity critical", {**EXAMPLE, **incident})


def sent(template: Template, secrets: dict[str, str] | None = None, **incident: Any) -> Any:
    return json.loads(ready(template, body(**incident), ID, secrets or {}).body)


def test_values_stand_inside_strings_and_numbers_become_numbers() -> None:
    template = Template(json={"n": "{incident.number}", "of": ["P{incident.priority}", "{label.alertname}{label.no}"],
                              "round": "{round}", "id": "{id}", "same": {"yes": True, "none": None}})  # fmt: skip
    assert sent(template) == {
        "n": 42, "of": ["P1", "HighErrorRate"], "round": None, "id": ID, "same": {"yes": True, "none": None},
    }  # fmt: skip


def test_a_label_is_named_as_kubernetes_names_it() -> None:
    template = Template(json={"app": "{label.app.kubernetes.io/name}", "no": "{label.a.b/c}"})
    assert not list(mistakes(template))
    assert sent(template, labels={"app.kubernetes.io/name": "shop"}) == {"app": "shop", "no": ""}


@given(st.text())
def test_whatever_a_title_says_it_stays_inside_its_string(title: str) -> None:
    template = Template(json={"a": "x {incident.title} y", "b": {"c": "{incident.title}"}})
    title = title.encode("utf-8", "ignore").decode()
    assert sent(template, title=title) == {"a": f"x {title} y", "b": {"c": title}}


@given(st.text())
def test_a_form_is_encoded_and_a_header_is_one_line(title: str) -> None:
    title = title.encode("utf-8", "ignore").decode()
    template = Template(form={"text": "{incident.title}"}, headers={"X-Title": "<{incident.title}>"})
    made = ready(template, body(title=title), ID, {})
    assert parse_qs(made.body.decode(), keep_blank_values=True) == {"text": [title]}
    assert made.headers["X-Title"].isprintable()
    assert made.headers["X-Title"].isascii()


def test_what_a_value_says_is_not_looked_at_again() -> None:
    template = Template(json={"a": "{incident.title}"}, headers={"Authorization": "Bearer {secret.token}"})
    made = ready(template, body(title="{secret.token}"), ID, {"token": "hush"})
    assert json.loads(made.body) == {"a": "{secret.token}"}
    assert made.headers == {"Content-Type": "application/json", "Authorization": "Bearer hush"}


def test_a_secret_that_nobody_gave_is_named() -> None:
    template = Template(json={"a": "{secret.one}{secret.two}"}, method="PATCH")
    made = ready(template, body(), ID, {"two": "2"})
    assert (made.method, made.lacks, secrets_named(template)) == ("PATCH", ("one",), ["one", "two"])


def test_without_a_body_of_its_own_the_usual_one_is_sent() -> None:
    made = ready(Template(headers={"X-From": "Tocsin"}), body(), ID, {})
    assert made.body == usual(body()).body
    assert (
        ready(Template(text="{text}"), body(), ID, {}).body.decode() == "[P1] triggered: HighErrorRate (#42, Checkout)"
    )


@pytest.mark.parametrize(
    ("template", "place", "words"),
    [
        (
            Template(json={"fields": [{"summary": "{incident.titel}"}]}),
            "json.fields[0].summary",
            "there is no such value",
        ),
        (Template(json={"a": "{Title}"}), "json.a", "{Title}"),
        (Template(json={"a": "{ incident.title }"}), "json.a", "there is no such value"),
        (Template(json={"a": "{ incident.title}"}), "json.a", "there is no such value"),
        (Template(json={"a": "{secret.a/b}"}), "json.a", "there is no such value"),
        (Template(json={"{text}": 1}), "json", "a name takes no values"),
        (Template(json="text"), "json", "an object or a list"),
        (Template(json={"a": "\x00"}), "json.a", "cannot be stored"),
        (Template(json={"a": 1}, text="b"), "text", "one body: json or text"),
        (Template(headers={"Webhook-Id": "1"}), "headers.Webhook-Id", "written by Tocsin"),
        (Template(headers={"Content-Length": "1"}), "headers.Content-Length", "written by Tocsin"),
        (Template(headers={"a b": "1"}), "headers.a b", "no name"),
        (Template(headers={"A": "1", "a": "2"}), "headers.a", "twice"),
        (Template(headers={"A": "1\r\nB: 2"}), "headers.A", "one line"),
        (Template(headers={"A": "{secret.UP}"}), "headers.A", "no such value"),
        (
            Template(text="{}", headers={"Content-Type": "application/json"}),
            "headers.Content-Type",
            "give json or form",
        ),
        (Template(form={"a": "1"}, headers={"Content-Type": "text/plain"}), "headers.Content-Type", "of a form"),
        (Template(json={"a": "x" * 20_001}), "json", "longer than"),
    ],
)
def test_mistakes_name_their_place(template: Template, place: str, words: str) -> None:
    found = list(mistakes(template))
    assert [p for p, _ in found] == [place]
    assert words in found[0][1]


def test_depth_is_bounded() -> None:
    tree: Any = []
    for _ in range(5_000):
        tree = [tree]
    assert [place for place, _ in mistakes(Template(json=tree))] == ["json"]


def test_every_value_of_the_usual_body_has_a_name() -> None:
    usual_body = body() | {"round": 1, "step": 2}
    flat = {name for name in usual_body if name != "incident"} | {f"incident.{name}" for name in usual_body["incident"]}
    assert flat - {"incident.labels"} <= set(values_of(usual_body, ID, {}))


def example(name: str) -> Any:
    document = WebhookDocument.model_validate(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()))
    assert document.request is not None
    assert document.when is not None
    made = ready(document.request.template, body(), ID, {"token": "QWxhZGRpbjpvcGVu", "chat": "-100"})
    assert made.lacks == ()
    return made


TEXT = "[P1] triggered: HighErrorRate (#42, Checkout)"
BECAUSE = "Opened by “HighErrorRate”, severity critical"
URL = "https://tocsin.example.org/incidents/42"


def test_every_example_has_a_test() -> None:
    assert {p.stem for p in EXAMPLES.iterdir()} == {
        "teams", "mattermost", "discord", "google-chat", "jira", "telegram",
    }  # fmt: skip


def test_teams_gets_a_message_with_an_adaptive_card() -> None:
    """learn.microsoft.com/power-automate: the body of "When a Teams webhook request is received"."""
    sent = json.loads(example("teams").body)
    assert sent["type"] == "message"
    [attachment] = sent["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert [(b["type"], b.get("text")) for b in card["body"]] == [
        ("TextBlock", TEXT), ("TextBlock", BECAUSE), ("FactSet", None),
    ]  # fmt: skip
    assert all(set(f) == {"title", "value"} and isinstance(f["value"], str) for f in card["body"][2]["facts"])
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open incident", "url": URL}]


def test_mattermost_gets_text() -> None:
    """developers.mattermost.com/integrate/webhooks/incoming: `text` in Markdown, `username`."""
    assert json.loads(example("mattermost").body) == {"username": "Tocsin", "text": f"[{TEXT}]({URL})\n{BECAUSE}"}


def test_discord_gets_content_and_an_embed() -> None:
    """discord.com/developers/docs/resources/webhook#execute-webhook."""
    assert json.loads(example("discord").body) == {
        "username": "Tocsin",
        "content": TEXT,
        "embeds": [{"title": "HighErrorRate", "description": BECAUSE, "url": URL, "timestamp": AT.isoformat()}],
        "allowed_mentions": {"parse": []},
    }


def test_google_chat_gets_text_in_a_thread() -> None:
    """developers.google.com/workspace/chat/quickstart/webhooks: `text` and `thread.threadKey`, in UTF-8."""
    made = example("google-chat")
    assert made.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert json.loads(made.body) == {"text": f"{TEXT}\n{BECAUSE}\n{URL}", "thread": {"threadKey": "tocsin-42"}}


def test_jira_gets_an_issue() -> None:
    """developer.atlassian.com/cloud/jira/platform/rest/v2/api-group-issues: POST /rest/api/2/issue."""
    made = example("jira")
    assert made.headers["Authorization"] == "Basic QWxhZGRpbjpvcGVu"
    assert json.loads(made.body) == {
        "fields": {
            "project": {"key": "OPS"},
            "issuetype": {"name": "Bug"},
            "summary": "[P1] HighErrorRate",
            "description": f"{BECAUSE}\n\n{URL}",
            "labels": ["tocsin", "tocsin-42"],
        }
    }


def test_telegram_gets_a_message() -> None:
    """core.telegram.org/bots/api#sendmessage."""
    assert json.loads(example("telegram").body) == {"chat_id": "-100", "text": f"{TEXT}\n{BECAUSE}\n{URL}"}


def test_what_timelines_say_is_what_programs_hear() -> None:
    incident = UUID(int=1)

    def heard(kind: str, **data: Any) -> str | None:
        return happening(Entry(incident, kind, data=data))

    assert heard("opened") == "triggered"
    assert heard("opened", drill=True) is None
    assert heard("joined") is None
    assert heard("step", round=1, step=1) is None
    assert heard("step", round=1, step=2) == heard("step", round=2, step=1) == "escalated"
    assert heard("step", round=1, step=2, informs=True) is None
    assert heard("merged_into") == "closed"
    assert heard("act_undone", what="move", other=2) is None
    assert heard("act_undone", what="merge", other=2, became="acknowledged") == "acknowledged"
    kinds = ("opened", "acknowledged", "snooze_ended", "last_resort", "priority_raised", "reassigned", "mitigated",
             "resolved", "closed", "note", "update")  # fmt: skip
    assert tuple(heard(kind) for kind in kinds) == HAPPENINGS
