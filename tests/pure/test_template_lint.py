"""What is said of a template before it is saved: an error for what it says itself, a warning for what alerts bring."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.channels import banned
from app.notifications.template_examples import EXAMPLES
from app.notifications.template_lint import Ground, Lint, lint
from app.notifications.template_parts import PARTS
from app.notifications.template_values import Price

GROUND = Ground(EXAMPLES, recorded=len(EXAMPLES))


def found(lint: Lint) -> dict[str, str]:
    return {f"{f.level} {f.code}": f.message for f in lint.findings}


def sms(text: str, ground: Ground = GROUND) -> Lint:
    return lint(PARTS["sms"], text, ground)


@pytest.mark.parametrize("key", PARTS)
def test_tocsins_own_words_hold_against_its_own_lint(key):
    told = lint(PARTS[key], PARTS[key].default, GROUND)
    assert told.errors == []
    assert (told.samples, told.recorded) == (10, 10)
    assert set(found(told)) <= {"warning ucs2", "warning too_long", "warning personal_data", "warning cut"}


def test_what_cannot_be_parsed_says_where():
    told = sms("P{priority} {titel}")
    assert [(f.level, f.code) for f in told.findings] == [("error", "syntax")]
    assert told.findings[0].message.startswith("line 1, column 14: there is no {titel} here")
    assert (told.samples, told.longest) == (0, ())


def test_what_alerts_lack_is_counted():
    told = found(sms('{title} {labels.instance} {labels.host|default "?"}{annotations.summary|before ": "}'))
    assert (
        told["warning absent"]
        == "{labels.instance} is empty in 8 of 10 examples that come with Tocsin, such as “KubePodCrashLooping”"
    )


def test_a_warning_says_whose_alert_it_is_from():
    own, text = [EXAMPLES[0], EXAMPLES[4], EXAMPLES[4]], "{title}"
    only = found(sms(text, Ground(own)))["warning ucs2"]
    assert "in 2 of 3 alerts, such as “Диск почти" in only
    both = found(sms(text, Ground([*own, *EXAMPLES], recorded=10)))
    assert "in 2 of 3 alerts of yours, such as “Диск почти" in both["warning ucs2"]
    assert "”, and 2 of 10 examples that come with Tocsin, and a segment" in both["warning ucs2"]
    personal = both["warning personal_data"]
    assert personal.endswith("such as “Login failures from ana@example.org”, and none of 3 alerts of yours")


def test_segments_and_encodings_over_the_samples():
    told = sms("{title|truncate 30} on {service|truncate 10}")
    assert told.segments is not None
    assert (told.segments.least, told.segments.most) == (1, 2)
    assert (told.ucs2, len(told.longest)) == (2, 3)
    assert found(told)["warning ucs2"].startswith("it takes UCS-2 in 2 of 10 examples")
    assert told.longest[0].text.endswith(
        "\nReply 12a to acknowledge\nhttps://tocsin.example.org/l/AAAAAAAAAAAAAAAAAAAAAA"
    )


def test_its_own_text_in_another_script():
    assert "warning ucs2" in found(sms("Тревога: {number}", Ground(EXAMPLES[:1])))
    assert "its own text holds 'Т'" in next(f.message for f in sms("Т {number}", Ground(())).findings)
    assert "warning ucs2" not in found(sms("“{number}” — ¡ojo!", Ground(EXAMPLES[:1])))
    told = found(sms("🔥🔥 {number} ☎ → now", Ground(EXAMPLES[:1])))
    assert told["warning left_out"].startswith("texts leave out 🔥 ☎: ")
    assert "warning ucs2" not in told


def test_a_template_after_which_nothing_fits_is_refused():
    told = sms("x" * 310 + "{title}")
    assert found(told)["error too_long"].startswith("no alert fits into two segments")
    assert "in 10 of 10 examples" in found(lint(PARTS["push-title"], "x" * 160 + "{title}", GROUND))["warning cut"]


def test_the_price_goes_with_the_segments():
    ground = replace(GROUND, pages=EXAMPLES[:1], price=Price(Decimal("0.08"), "EUR", 40))
    told = sms("{title}" + " very long" * 12, ground)
    assert told.cost is not None
    assert (told.cost.amount, told.cost.before, told.cost.currency) == (Decimal("0.16"), Decimal("0.08"), "EUR")
    assert sms("{title}", ground).cost == replace(told.cost, amount=Decimal("0.08"))
    other = sms("{title}", replace(ground, current="{title}" + " very long" * 12)).cost
    assert other is not None
    assert other.amount == Decimal("0.04")
    assert sms("{title}").cost is None


@pytest.mark.parametrize(
    "text", ["{title} {labels.db_password}", "{annotations.Api_Token|upper}{title}", "{title} see https://BIT.ly/x"]
)
def test_what_is_banned_is_refused_in_the_template(text):
    assert "error banned" in found(sms(text))


def test_what_alerts_bring_is_banned_by_a_warning():
    told = found(sms("{title}", replace(GROUND, banned=["queue*depth", "login"])))
    words = "what alerts bring holds 'login' in 1 of 10 examples that come with Tocsin, such as “Login failures from"
    assert told["warning banned"] == f"{words} ana@example.org”"
    assert "error banned" not in told


def test_links_where_carriers_refuse_them():
    plain = "{title} https://wiki.example.org/"
    assert found(sms(plain))["warning link"].startswith("it holds a link of its own")
    china = replace(GROUND, unlinked=("China",))
    assert "carriers refuse any: China" in found(sms(plain, china))["error link"]
    brought = found(sms("{title} {runbook}", china))
    assert brought["warning link"].startswith("it holds a link in 1 of 10 examples")
    assert "; to numbers in China Tocsin's own words" in brought["warning link"]


def test_who_wants_no_links_keeps_nobody_from_templates_with_one():
    two = replace(GROUND, want_none=2)
    told = found(sms("{title} https://wiki.example.org/", two))
    assert "in 10 of 10 examples that come with Tocsin" in told["warning link"]
    assert "; to 2 numbers whose owners want none Tocsin's own words go out there" in told["warning link"]
    assert "error link" not in told
    both = replace(GROUND, unlinked=("China",), want_none=1)
    assert both.without_links == "numbers in China and 1 number whose owner wants none"
    assert "warning link" not in found(sms("{title}", two))


def test_what_says_nothing_of_the_alert():
    assert found(sms("Look at your pager"))["warning constant"].startswith("it says the same of every alert")
    assert "warning unnamed" in found(sms("P{priority} on {service}"))
    assert "error empty" in found(sms("  "))
    told = found(sms("{labels.queue}"))
    assert told["warning empty"].startswith("it says nothing in 9 of 10 examples that come with Tocsin, such as ")


def test_personal_data_is_a_hint():
    assert found(sms("{title}"))["warning personal_data"].endswith(
        "in 1 of 10 examples that come with Tocsin, such as “Login failures from ana@example.org”"
    )
    assert "warning personal_data" not in found(lint(PARTS["mail-text"], "{title}", GROUND))


def test_a_call_is_shown_with_its_keys():
    told = lint(PARTS["voice"], "{service}: {title}", GROUND)
    assert told.longest[0].text.endswith("or 0 to hear this again.")
    assert told.segments is None


def test_patterns_are_found_inside_words_only():
    assert banned.found_in("{labels.a} {token}", banned.BANNED) == []
    assert banned.found_in("{labels.my_TOKEN}", banned.BANNED) == ["labels.*token"]
    assert banned.found_in("http://bit.ly/x", ["bit.ly/", "http://*/x", "ly*http"]) == ["bit.ly/", "http://*/x"]
