"""The organisation words its pages itself: by text, mail, call and push; what is Tocsin's own is there all the same."""

from __future__ import annotations

import re

from town import Town, minutes, seconds

OWN = '{severity|upper} {labels.instance|default "?"}: {labels.alertname|truncate 20}{labels.zone|before " in "}'


async def put(town: Town, key: str, text: str) -> None:
    saved = await town.residents["Cara"].asks("PUT", f"/api/v1/message-templates/{key}", {"text": text})
    assert saved["text"] == text


async def test_a_text_message_in_own_words_can_be_answered(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30)])
    await put(town, "sms", OWN)
    await town.alertmanager.fires("HighErrorRate", instance="web-14", severity="critical")
    text = await ana.phone.expects_sms("CRITICAL web-14: HighErrorRate")
    said, how, link = text.body.split("\n")
    assert said == "CRITICAL web-14: HighErrorRate"
    assert link.startswith("https://tocsin.test/l/")
    code = re.match(r"Reply (\d+)a", how)
    assert code is not None
    await ana.replies(f"{code[1]}a")
    await town.settle()
    assert (await town.incident()).state == "acknowledged"
    await ana.phone.expects_sms("You have")


async def test_a_service_has_words_of_its_own_and_gives_them_up(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30)])
    await town.service("search", policy=[ana, minutes(30)])
    await put(town, "sms", "All: {title}")
    await put(town, "sms:search", "Search: {title}")
    await town.alertmanager.fires("One", service="checkout")
    await ana.phone.expects_sms("All: One")
    await town.alertmanager.fires("Two", service="search")
    await ana.phone.expects_sms("Search: Two")
    for key in ("sms:search", "sms"):
        await town.residents["Cara"].asks("DELETE", f"/api/v1/message-templates/{key}")
    await town.alertmanager.fires("Three", service="search")
    text = await ana.phone.expects_sms("Three")
    assert re.match(r"P\d #\d+ Three of search \(Search\)\n", text.body)


async def test_a_mail_keeps_its_facts_and_its_thread(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(30)])
    await put(town, "mail-subject", '{team|after ": "}{labels.alertname} ({labels.instance})')
    await town.alertmanager.fires("HighErrorRate", instance="web-14")
    mail = await ana.expects_mail("HighErrorRate", "https://tocsin.test/l/", "Why you:", "Service: Checkout")
    assert mail.subject == "HighErrorRate (web-14)"
    await ana.acknowledges()
    await town.wait(minutes(56))
    reminder = await ana.expects_mail("your acknowledgement ends at")
    assert reminder.subject == mail.subject


async def test_a_template_that_cannot_be_read_stops_no_page(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30)])
    await put(town, "sms", "{title}")
    await town.execute("UPDATE message_templates SET text = '{title} {of a later version'")
    await town.execute("UPDATE configuration_version SET version = version + 1")
    await town.alertmanager.fires("HighErrorRate")
    text = await ana.phone.expects_sms("HighErrorRate")
    assert re.match(r"P\d #\d+ HighErrorRate of checkout \(Checkout\)\n", text.body)
    (told,) = [line for line in town.ears.lines if line["event"] == "message_template_failed"]
    assert (told["parts"], "there is no {of} here" in told["error"]) == (["sms"], True)


async def test_a_call_says_them_before_its_keys(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="voice")
    await town.build.notification_rules(ana, [("loud", seconds(0), "voice")])
    await town.service("checkout", policy=[ana, minutes(30)])
    await put(town, "voice", "{service} has trouble: {labels.alertname} on {labels.instance}.")
    ana.phone.will_press("04")
    await town.alertmanager.fires("HighErrorRate", instance="web14")
    call = await ana.phone.expects_call("Checkout has trouble: High Error Rate on web14. Press 4 to acknowledge")
    assert sum("Checkout has trouble" in said for said in call.heard) == 2
    assert call.complaints == []
    assert (await town.incident()).state == "acknowledged"
