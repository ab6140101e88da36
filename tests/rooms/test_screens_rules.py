"""The screens of rules: what is in force, drafts, simulations, versions. Forms as sent without scripts."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
import pytest_asyncio
from bodies import body_of
from forms import get, press, send
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

DB = {"key": "db", "name": "Databases <first>", "when": '{team="db"}', "then": {"impact": 1}, "enabled": True}
HOLD = {
    "key": "blips",
    "name": "Blips",
    "when": '{alertname="Blip"}',
    "then": {"hold_minutes": 3, "labels": {"a": "b"}},
}


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def no_rules(house: Whole) -> None:
    await house.execute("TRUNCATE rule_drafts, rule_set_versions")


async def publish(house: Whole, rules: list[dict[str, Any]], path: str = "priority-rules") -> None:
    answer = await house.http.put(f"/api/v1/{path}", json={"rules": rules}, headers=house.as_person("cara"))
    assert answer.status_code == 200, answer.text


async def begun(house: Whole, kind: str = "priority", person: str = "cara", **fields: str) -> str:
    answer = await send(house, f"/rules/{kind}/drafts", person, **({"name": "Quieter nights"} | fields))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"].partition("?")[0])


def text_of(screen: str) -> str:
    return re.findall(r'<textarea id="text".*?>\n(.*?)</textarea>', screen, re.S)[0]


async def test_the_rule_sets_in_words_with_who_published_them(house: Whole) -> None:
    await publish(house, [DB, DB | {"key": "off", "name": "Old habit", "enabled": False}])
    await publish(house, [HOLD], "services/checkout/routing-rules")
    shown = await get(house, "/rules", "dan")
    told = "Version 1, published by API key cara-key", '<code>{team="db"}</code>', "impact 1, wide", "switched off"
    for words in (*told, "Databases <first>", "watchdog", "A Watchdog fires always"):
        assert words in shown, words
    assert "Blips" not in shown
    of_service = await get(house, "/rules?service=checkout", "dan")
    assert "adds a=b; must fire for 3 min before it counts" in of_service
    assert "built in" not in of_service
    await get(house, "/rules?service=nothing", status=404)


async def test_who_may_not_change_them_sees_them_read_only(house: Whole) -> None:
    await publish(house, [DB])
    draft = await begun(house)
    await house.execute("UPDATE users SET role = 'viewer' WHERE key = 'dan'")
    for person, may in (("dan", False), ("ana", False), ("ben", True), ("cara", True)):
        assert ("Begin a draft" in await get(house, "/rules", person)) is may, person
        shown = await get(house, draft, person)
        assert ("Save the draft" in shown) is may, person
        assert ("Put it in force" in shown) is (person == "cara"), person
        assert ("/simulation" in shown) is (person != "dan"), person
        assert ("Put version" in await get(house, "/rules/priority/versions/1", person)) is False, "it is in force"
    for path in ("/rules/priority/drafts", draft, f"{draft}/discard", f"{draft}/publish"):
        fields = {"name": "mine", "version": "1", "press": "save"}
        assert (await send(house, path, "ana", **fields)).status_code == 403, path
    assert (await send(house, f"{draft}/simulation", "dan", days="1")).status_code == 403
    assert (await send(house, f"{draft}/publish", "ben", version="1")).status_code == 403
    await house.execute("UPDATE users SET role = 'operator' WHERE key = 'dan'")
    other = await send(house, "/rules/routing/drafts", "ben", service="checkout", name="mine")
    assert other.status_code == 303
    await house.execute("UPDATE services SET team_id = NULL WHERE key = 'checkout'")
    assert (await send(house, "/rules/routing/drafts", "ben", service="checkout", name="more")).status_code == 403
    assert "Begin a draft" not in await get(house, "/rules?service=checkout", "ben")


async def test_a_draft_from_its_beginning_to_its_publication_and_back(house: Whole) -> None:
    await publish(house, [DB])
    draft = await begun(house)
    shown = await get(house, draft)
    assert text_of(shown) == "- key: db\n  name: Databases <first>\n  when: '{team=\"db\"}'\n  then: {impact: 1}\n"
    text = text_of(shown) + "- {key: web, name: Web, when: 'severity == \"error\"', then: {urgency: 2}}\n"
    saved = await press(house, draft, text=text, version="1", press="save")
    assert "Saved. Nothing is in force yet." in saved
    assert "urgency 2, soon" in saved
    moved = await press(house, draft, text=text_of(saved), version="2", press="up:1:web")
    assert text_of(moved).index("web") < text_of(moved).index("db")
    published = await press(house, f"{draft}/publish", version="3")
    assert "Published: these rules are in force now." in published
    assert "Version 2, published by" in published
    await get(house, draft, status=404)

    version = await get(house, "/rules/priority/versions/1")
    assert "removed: web." in version
    assert "- - key: web" in version
    stale = await send(house, "/rules/priority/versions/1/rollback", in_force="1")
    assert (stale.status_code, "somebody published meanwhile" in stale.text) == (412, True)
    back = await press(house, "/rules/priority/versions/1/rollback", in_force="2")
    assert "in force again" in back
    assert await house.one("SELECT max(version) FROM rule_set_versions") == 3
    assert (await send(house, "/rules/priority/versions/2/rollback", "ben", in_force="3")).status_code == 403
    assert "Version 2" in await get(house, "/rules/priority/versions")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- key: a\n  name: 'open", "Line 2"),
        ("key: a", "these are not rules"),
        ("- key: a\n  name: A\n  wenn: true", "Line 3"),
        ("- key: a\n  enabled: 7", "Line 2"),
        ("- &a {key: a}\n- *a", "Line 2</b>: write it out"),
        ("- [" * 5000, "Line"),
        ("x" * 300_001, "at most 300000"),
    ],
)
async def test_a_text_that_is_not_rules_is_kept_with_its_line(house: Whole, text: str, said: str) -> None:
    draft = await begun(house)
    answer = await send(house, draft, text=text, version="1", press="save")
    assert answer.status_code == 422
    assert said in unescape(answer.text)
    assert text_of(unescape(answer.text)) == text
    assert await house.one("SELECT version FROM rule_drafts") == 1


async def test_the_check_says_the_line(house: Whole) -> None:
    draft = await begun(house, "routing")
    text = (
        "- key: a\n  name: A\n  when: 'labels.x =='\n  then: {suppress: true}\n"
        '- key: b\n  name: B\n  when: |\n    severity == "error" &&\n    nothing\n  then: {hold_minutes: 9999}\n'
        "- key: c\n  name: C\n  when: 'true'\n"
    )
    shown = await press(house, draft, text=text, version="1", press="save")
    check = shown.partition('id="mistakes"')[2]
    lines = [(int(line), field) for line, field in re.findall(r"<b>Line (\d+)</b> <code>(.*?)</code>", check)]
    written = text_of(shown).splitlines()
    fields = ["rules[0].when", "rules[1].when", "rules[1].then.hold_minutes", "rules[2].then"]
    assert [field for _, field in lines] == fields
    by_field = {field: written[line - 1].strip() for line, field in lines}
    assert by_field["rules[1].when"] == "nothing"
    assert by_field["rules[1].then.hold_minutes"] == "then: {hold_minutes: 9999}"
    assert by_field["rules[0].when"] == "when: labels.x =="
    refused = await send(house, f"{draft}/publish", version="2")
    assert (refused.status_code, "Nothing was published" in refused.text) == (422, True)


async def test_two_people_never_overwrite_each_other_silently(house: Whole) -> None:
    draft = await begun(house)
    ours = "- {key: a, name: Ours, when: 'true', then: {impact: 1}}\n"
    await press(house, draft, "ben", text=ours.replace("Ours", "His"), version="1", press="save")
    refused = await send(house, draft, text=ours, version="1", press="save")
    shown = unescape(refused.text)
    assert refused.status_code == 412
    assert "API key ben-key edited this draft meanwhile" in shown
    assert re.search(r"<del>.*name: His</del>", shown)
    assert re.search(r"<ins>.*name: Ours</ins>", shown)
    assert text_of(shown) == ours
    assert 'name="version" value="2"' in shown, "saved again, it takes the place of theirs knowingly"
    assert "Saved." in await press(house, draft, text=ours, version="2", press="save")
    for action in ("publish", "discard", "rebase"):
        stale = await send(house, f"{draft}/{action}", version="2", base="0")
        assert stale.status_code == 412, action
    stale = await send(house, draft, text="- {key: b}", version="3", press="up:0:a")
    assert (stale.status_code, "no longer where it was" in stale.text) == (409, True)


async def test_what_others_published_meanwhile_is_shown_before_it_is_lost(house: Whole) -> None:
    await publish(house, [DB])
    draft = await begun(house)
    await publish(house, [DB, DB | {"key": "theirs", "name": "Theirs"}])
    shown = await get(house, draft)
    assert "What they changed: added: theirs." in shown
    refused = await send(house, f"{draft}/publish", version="1")
    assert (refused.status_code, "was published after this draft began" in refused.text) == (409, True)
    assert "takes account of what is in force now" in await press(house, f"{draft}/rebase", version="1", base="2")
    assert "Published:" in await press(house, f"{draft}/publish", version="2")
    assert await house.one("SELECT jsonb_array_length(rules) FROM rule_set_versions WHERE version = 3") == 1


async def test_a_rule_is_added_by_a_form(house: Whole) -> None:
    draft = await begun(house, "routing")
    empty = await send(house, draft, text="", version="1", press="add", note="kept <b>")
    assert empty.status_code == 422
    assert 'id="wrong-name"' in empty.text
    assert 'value="kept &lt;b&gt;"' in empty.text
    wrong = await send(house, draft, text="", version="1", press="add", name="x", when="true", labels="area")
    assert "write labels like" in wrong.text
    given = {
        "name": "DNS blips",
        "when": '{alertname="DNS"}',
        "labels": "area=net",
        "hold_minutes": "5",
        "suppress": "yes",
    }
    shown = await press(house, draft, text="", version="1", press="add", **given)
    shown = await press(house, draft, text=text_of(shown), version="2", press="add", **given)
    assert text_of(shown).count("key: dns-blips-2") == 1
    rule = await house.one("SELECT rules -> 0 FROM rule_drafts")
    assert rule["then"] == {"labels": {"area": "net"}, "suppress": True, "hold_minutes": 5}
    assert "No mistakes." in shown
    shown = await press(house, draft, text=text_of(shown), version="3", press="remove:0:dns-blips")
    assert "key: dns-blips-2" in text_of(shown)

    other = await begun(house, "correlation")
    fields = {"name": "One cluster", "when": "true", "same": "labels.cluster\nservice.key", "across_services": "yes",
              "threshold_count": "3", "threshold_minutes": "x"}  # fmt: skip
    shown = await press(house, other, text="", version="1", press="add", **fields)
    assert "one incident for the same labels.cluster and service.key; across services" in shown
    assert "rules[0].then.threshold.within_minutes" in shown


async def test_a_name_that_is_taken_is_said_beside_it(house: Whole) -> None:
    await begun(house)
    for name, said in (("Quieter nights", "there is a draft 'Quieter nights'"), ("   ", "must not be empty")):
        again = await send(house, "/rules/priority/drafts", name=name)
        assert again.status_code == 422
        assert said in unescape(again.text)


async def test_simulations_show_the_difference(house: Whole) -> None:
    draft = await begun(house)
    await press(house, draft, version="1", text="- {key: a, name: A, when: 'true', then: {impact: 3, urgency: 3}}")
    body = body_of("alertmanager", "DiskFull")
    assert (await house.post("alertmanager", body)).status_code == 202
    path = f"{draft}/simulation"
    assert "Simulate these days" in await get(house, path, "ana")
    played = unescape((await send(house, path, "ana", on="days", days="3")).text)
    assert "1 event played, 1 alert comes to something else" in played
    assert re.search(r'of these P5</th><td class="n">0</td><td class="n">1</td><td class="n"><b>\+1</b>', played)
    assert 'priority rule "A"' in played
    payload = '{"title": "Disk full", "severity": "critical"}'
    fields = {"on": "payload", "integration": "checkout-generic", "payload": payload}
    assert "neither dedup_key nor labels" in (await send(house, path, "ana", **fields)).text
    fields |= {"payload": payload.replace("{", '{"dedup_key": "d", ')}
    tried = unescape((await send(house, path, "ana", **fields)).text)
    assert "1 alert comes to something else" in tried
    for wrong, said in (
        ({"on": "days", "days": "0"}, 'id="wrong-days"'),
        ({"on": "days", "days": "99"}, 'id="wrong-days"'),
        ({"on": "days", "days": "soon"}, "give a number of days"),
        (fields | {"integration": "nothing"}, "there is no integration"),
        (fields | {"payload": "{\n x"}, "line 2, column 2"),
        (fields | {"payload": "null"}, "as JSON"),
    ):
        answer = await send(house, path, "ana", **wrong)
        assert answer.status_code == 422, wrong
        assert said in unescape(answer.text), (said, wrong)
    await press(house, draft, version="2", text="- {key: a}")
    assert "the draft has mistakes" in (await send(house, path, "ana", on="days", days="1")).text.lower()
