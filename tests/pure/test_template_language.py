"""Message templates: whatever alerts bring, they are text, bounded, and what Tocsin owes its readers is there."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels.channel import Message
from app.channels.headline import headline
from app.errors import Invalid, NotFound
from app.incidents.recurrence import Earlier, Recurrence
from app.notifications import speech, template_language, template_parts, texts
from app.notifications.template_examples import EXAMPLES
from app.notifications.template_parts import PARTS
from app.notifications.template_values import NOTHING, Page, Sent, said, worded

NOW = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
LAST = Earlier(40, datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 20, 1, tzinfo=UTC), "disk full", "rotation")
NAMES = ["title", "service", "number"]
FREE = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
ABOUT = st.builds(
    texts.About,
    number=st.integers(1, 10**7),
    title=FREE,
    priority=st.integers(1, 5),
    service=FREE,
    opened_at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    firing=st.integers(0, 200),
    runbook_url=st.sampled_from(["", "https://wiki.example.org/x"]),
    reopened=st.integers(0, 2),
    code=st.just(12),
    recurrence=st.sampled_from([None, Recurrence(5, LAST), Recurrence(1, LAST)]),
)
PAGES = st.builds(
    Page,
    about=ABOUT,
    sent=st.builds(Sent, st.sampled_from(["", "critical"]), st.dictionaries(FREE, FREE), st.dictionaries(FREE, FREE)),
    why=FREE,
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
    now=st.just(NOW),
    repeated=st.booleans(),
)


def render(text: str, most: int = 1000, **values: str) -> str:
    template = template_language.parse(text, [*NAMES, "more"])
    return template.render(lambda name: values.get(name.replace(".", "_"), ""), most)


def wrong(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        template_language.parse(text, NAMES)
    assert refused.value.errors[0]["field"] == "text"
    return refused.value.errors[0]["message"]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("#{number}: {title}", "#7: Disk"),
        ("{ title }", "Disk"),
        ("{labels.host}", "db1"),
        ("{labels.k8s.io/pod-name}", ""),
        ('{labels.zone|default "no zone"}', "no zone"),
        ('{labels.host|default "none"}', "db1"),
        ('{title}{labels.host|before " on "}{labels.zone|before " in "}', "Disk on db1"),
        ('{labels.host|after ": "}{title}', "db1: Disk"),
        ("{title|upper}{title|lower}", "DISKdisk"),
        ("{title|truncate 3}", "Di…"),
        ('{title|truncate 4|upper|before "a \\"b\\" \\\\ c\\n"}', 'a "b" \\ c\nDISK'),
        ("{{title}} {{{number}}}", "{title} {7}"),
        ("", ""),
    ],
)
def test_what_templates_become(text, made):
    assert render(text, title="Disk", number="7", labels_host="db1") == made


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{nothing}", "line 1, column 2: there is no {nothing} here; there are number, service, title, labels.<name>"),
        ("one\ntwo {titel}", "line 2, column 6: there is no {titel}"),
        ("{labels}", "line 1, column 2: there is no {labels} here"),
        ("{title.x}", "there is no {title.x} here"),
        ("{title", "line 1, column 7: the brace of {title} is not closed here"),
        ("{}", "line 1, column 1: a name is expected after the brace"),
        ("a } b", "line 1, column 3: this brace closes nothing"),
        ("{title|}", "line 1, column 7: a filter is expected after the bar"),
        ("{title|shout}", "line 1, column 8: there is no filter shout; there are truncate"),
        ("{title|truncate}", "truncate takes a number from 1 to 2000"),
        ("{title|truncate 0}", "truncate takes a number from 1 to 2000"),
        ("{title|default}", "default takes a text in quotes"),
        ("{title|upper 3}", "upper takes nothing"),
        ('{title|default "x}', 'default takes a text in quotes, like default "none"'),
        ("{title" + "|upper" * 6 + "}", "a value has 5 filters at most"),
        ("{title}" * 61, "a template has 60 values at most"),
        ("x" * 4001, "a template has 4000 characters at most"),
        ("{labels.a b}", "the brace of {labels.a} is not closed here"),
    ],
)
def test_what_is_no_template_says_where(text, says):
    assert says in wrong(text)


def test_what_a_value_says_is_not_looked_at_again():
    assert render("{title}", title="{number} {{x}} {labels.a|upper}", number="7") == "{number} {{x}} {labels.a|upper}"


@given(text=st.text(st.sampled_from('{}|"\\n ab.tile5lbs'), max_size=80), value=FREE, most=st.integers(1, 50))
def test_any_template_is_refused_or_rendered_within_its_bounds(text, value, most):
    told = ""
    try:
        template = template_language.parse(text, NAMES)
    except Invalid as refused:
        told = refused.errors[0]["message"]
    if told:
        assert re.match(r"line \d+, column \d+: ", told)
    else:
        assert len(template.render(lambda _: value, most)) <= most


@given(page=PAGES, key=st.sampled_from(sorted(PARTS)), long=st.integers(1, 3000))
def test_whatever_an_alert_brings_a_part_is_bounded(page, key, long):
    names = [n for n in PARTS[key].names if n != "repeat"]
    text = "x{labels.a|upper}{annotations.b}" + "".join(f"{{{n}}}" for n in names)
    huge = replace(page, sent=Sent(labels={"a": "ß\u0301\U0001f525" * long}, annotations={"b": "\r\n\t\u202e" * long}))
    made = said(key, template_parts.parse(PARTS[key], text), huge)
    assert 0 < len(made) <= PARTS[key].at_most


@given(page=PAGES)
def test_the_default_templates_say_what_tocsin_says_byte_for_byte(page):
    content = {"why": page.why}
    today = texts.page(page.about, content, page.time_zone, page.now, repeated=page.repeated)
    made = {key: template_parts.parse(part, part.default).render(page.of, 10_000) for key, part in PARTS.items()}
    assert made["sms"] == made["push-title"] == today.text
    assert made["mail-subject"] == today.subject
    assert made["mail-text"] == today.text_long
    message = Message(
        notification_id="", attempt=1, purpose="page", to="", at=NOW, subject=today.subject, text=today.text,
        facts=today.facts, thread="incident-1",
    )  # fmt: skip
    assert headline(replace(message, brief=made["push-body"])) == headline(message)


@given(page=PAGES)
def test_the_default_of_a_call_is_what_is_said_today(page):
    about: Any = SimpleNamespace(
        number=page.about.number, title=page.about.title, service=page.about.service, priority=page.about.priority
    )
    part = PARTS["voice"]
    made = template_parts.parse(part, part.default).render(page.spoken, 10_000)
    assert f"{made} {speech.KEYS}" == speech.page([about])


def test_what_is_tocsins_own_cannot_be_named():
    for name in ("link", "code", "reply", "to"):
        with pytest.raises(Invalid, match=rf"column 2: {{{name}}} is not for templates"):
            template_parts.parse(PARTS["sms"], f"{{{name}}}")
    with pytest.raises(Invalid, match=re.escape("there is no {priority} here")):
        template_parts.parse(PARTS["mail-subject"], "P{priority}")


def test_a_repeat_and_why_you_are_said_whatever_the_template_leaves_out():
    page = replace(EXAMPLES[0], repeated=True)
    told = {key: said(key, template_parts.parse(PARTS[key], "{title}"), page) for key in PARTS}
    assert told["sms"] == told["push-title"] == told["mail-text"] == "(repeat) HighErrorRate"
    assert told["mail-subject"] == "HighErrorRate"  # one thread
    assert told["push-body"] == f"Why you: {page.why}\nHighErrorRate"
    own = template_parts.parse(PARTS["sms"], "{title}{repeat}")
    assert said("sms", own, page) == "HighErrorRate (repeat)"


def test_a_template_with_a_link_leaves_numbers_alone_whose_carriers_refuse_any():
    words = texts.page(EXAMPLES[0].about, {}, "UTC", NOW, repeated=False)
    templates = {"sms": template_parts.parse(PARTS["sms"], "{title} {runbook}")}
    assert worded(words, templates, EXAMPLES[0], links=False) == words
    assert "wiki.example.org" in worded(words, templates, EXAMPLES[0], links=True).text


def test_what_says_nothing_leaves_the_words_that_there_are():
    words = texts.page(EXAMPLES[0].about, {}, "UTC", NOW, repeated=False)
    templates = {"sms": template_parts.parse(PARTS["sms"], "{labels.nothing}")}
    assert worded(words, templates, replace(EXAMPLES[0], sent=NOTHING), links=True) == words


def test_keys_name_a_part_and_perhaps_a_service():
    assert template_parts.split("sms") == (PARTS["sms"], "")
    assert template_parts.split("mail-text:checkout") == (PARTS["mail-text"], "checkout")
    for key in ("fax", "sms:", ":checkout", ""):
        with pytest.raises(NotFound):
            template_parts.split(key)


def test_a_push_notification_has_a_title_and_lines_of_its_own():
    page = EXAMPLES[0]
    words = texts.page(page.about, {"why": page.why}, "UTC", NOW, repeated=False)
    templates = {
        "push-title": template_parts.parse(PARTS["push-title"], "{severity|upper} {title}"),
        "push-body": template_parts.parse(PARTS["push-body"], "{annotations.summary}"),
    }
    made = worded(words, templates, page, links=True)
    message = Message(
        notification_id="", attempt=1, purpose="page", to="", at=NOW, subject=made.subject, text=made.text,
        facts=made.facts, thread="incident-1", brief=made.brief,
    )  # fmt: skip
    assert headline(message) == ("CRITICAL HighErrorRate", f"Why you: {page.why}\n5.2 % of requests fail")
