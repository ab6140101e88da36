"""People and things: what each command does, refuses and writes down."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256

import pytest
from rows import audited, cast
from sqlalchemy import text

from app.channels import registry
from app.directory import (
    contact_methods,
    contact_store,
    contacts,
    integrations,
    people,
    service_store,
    services,
    store,
    teams,
)
from app.directory.contact_methods import NoCode, Verified, WrongCode
from app.directory.contacts import UsableMethod, default_rules
from app.directory.documents import (
    ContactMethodDocument,
    ContactMethodEdit,
    IntegrationDocument,
    IntegrationEdit,
    NotificationRulesEdit,
    OrganisationEdit,
    ServiceDocument,
    ServiceEdit,
    TeamDocument,
    TeamEdit,
    UserDocument,
    UserEdit,
)
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.settings import Settings

CARA = "user:cara"
SMS = ContactMethodDocument(channel="sms", address="+49 30 901820")


@pytest.fixture
async def ids(conn, now):
    return await cast(conn, now)


@pytest.fixture
async def channels(tmp_path):
    settings = Settings(
        data_dir=tmp_path,
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token="0" * 32,
        twilio_from="+15005550006",
        smtp_url="smtp://127.0.0.1:25",
        mail_from="tocsin@example.org",
    )
    made = registry.channels(settings)
    yield made
    for channel in made.values():
        await channel.close()


async def audit_of(conn, action):
    rows = await conn.execute(
        text("SELECT before, after FROM audit_records WHERE action = :action ORDER BY id"), {"action": action}
    )
    return [tuple(row) for row in rows]


async def test_one_organisation(conn, now):
    with pytest.raises(NotFound):
        await teams.read_organisation(conn)
    edit = OrganisationEdit(name="Example", time_zone="Europe/Berlin")
    made = await teams.create_organisation(conn, now, edit, actor="cli")
    with pytest.raises(Conflict):
        await teams.create_organisation(conn, now, edit, actor="cli")
    same = await teams.edit_organisation(conn, now, edit, actor=CARA, version=made.version)
    assert same.version == made.version
    changed = edit.model_copy(update={"time_zone": "UTC"})
    assert (await teams.edit_organisation(conn, now, changed, actor=CARA)).version == made.version + 1
    with pytest.raises(Invalid):
        await teams.edit_organisation(conn, now, edit.model_copy(update={"catch_all_policy": "no"}), actor=CARA)
    assert [a for a, _ in await audited(conn)] == ["organisation.created", "organisation.edited"]


async def test_a_team_is_made_edited_and_deleted(conn, now, ids):
    team = TeamDocument(key="web", name="Web", members=[{"user": "ben"}, {"user": "ana", "role": "manager"}])
    made = await teams.create_team(conn, now, team, actor=CARA)
    assert [(m.user, m.role) for m in made.document.members] == [("ana", "manager"), ("ben", "member")]
    with pytest.raises(Conflict):
        await teams.create_team(conn, now, team, actor=CARA)
    edit = TeamEdit(name="The web", members=[{"user": "ben"}])
    edited = await teams.edit_team(conn, now, "web", edit, actor=CARA, version=1)
    assert (edited.version, edited.document.name, len(edited.document.members)) == (2, "The web", 1)
    assert (await teams.edit_team(conn, now, "web", edit, actor=CARA)).version == 2
    with pytest.raises(Conflict) as refused:
        await teams.edit_team(conn, now, "web", edit, actor=CARA, version=1)
    assert (refused.value.code, refused.value.fields["current_version"]) == ("outdated", 2)
    with pytest.raises(Invalid) as unknown:
        await teams.edit_team(conn, now, "web", TeamEdit(name="x", members=[{"user": "eve"}]), actor=CARA)
    assert unknown.value.errors[0]["field"] == "members[0].user"
    await teams.delete_team(conn, now, "web", actor=CARA, version=2)
    with pytest.raises(NotFound):
        await teams.read_team(conn, "web")
    assert [a for a, _ in await audited(conn)] == ["team.created", "team.edited", "team.deleted"]
    ((before, after),) = await audit_of(conn, "team.edited")
    assert (before["name"], after["name"]) == ("Web", "The web")


async def test_a_team_that_owns_something_stays(conn, now, ids):
    with pytest.raises(Conflict) as refused:
        await teams.delete_team(conn, now, "payments", actor=CARA)
    assert refused.value.fields["used_by"] == [{"type": "service", "key": "checkout"}]


async def test_users_have_one_key_and_one_address_each(conn, now, ids):
    eve = UserDocument(key="eve", name="Eve", email="Eve@Example.org", role="viewer", time_zone="Asia/Kathmandu")
    made = await people.create_user(conn, now, eve, actor=CARA)
    assert made.document == eve
    with pytest.raises(Conflict) as key:
        await people.create_user(conn, now, eve.model_copy(update={"email": "e@example.org"}), actor=CARA)
    other = eve.model_copy(update={"key": "eva", "email": "eve@example.ORG"})
    with pytest.raises(Conflict) as email:
        await people.create_user(conn, now, other, actor=CARA)
    assert (key.value.code, email.value.code) == ("key_taken", "email_taken")
    with pytest.raises(Conflict) as taken:
        await people.edit_user(conn, now, "eve", as_edit(eve, email="ana@example.org"), actor=CARA)
    assert taken.value.code == "email_taken"
    edited = await people.edit_user(conn, now, "eve", as_edit(eve, email="eve@example.org"), actor=CARA, version=1)
    assert edited.version == 2


def as_edit(user, **changes):
    return UserEdit(**user.model_dump(exclude={"key"}) | changes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "me"},
        {"key": "Eve"},
        {"email": "eve"},
        {"email": "eve@example.org, ben@example.org"},
        {"role": "root"},
        {"time_zone": "Mars/Olympus"},
        {"name": " "},
        {"name": "a\x00"},
        {"admin": True},
    ],
)
def test_users_that_cannot_be(wrong):
    with pytest.raises(ValueError, match=r"."):
        UserDocument(**{"key": "eve", "name": "Eve", "email": "eve@example.org", "role": "viewer"} | wrong)


async def test_a_user_who_is_paged_by_something_cannot_be_deactivated(conn, now, ids):
    await conn.execute(
        text("""
        WITH s AS (INSERT INTO schedules (key, name, created_at, updated_at)
                   VALUES ('primary', 'Primary', :now, :now), ('past', 'Past', :now, :now), ('old', 'Old', :now, :now)
                   RETURNING id, key),
             v AS (INSERT INTO schedule_versions
                       (schedule_id, number, time_zone, layers, effective_until, created_by, created_at)
                   SELECT id, 1, 'UTC', jsonb_build_array(jsonb_build_object(
                       'members', jsonb_build_array(jsonb_build_array(CAST(:ben AS bigint), CAST(:ana AS bigint))),
                       'ends_at', CASE WHEN key = 'past' THEN CAST(:now AS timestamptz) END)),
                       CASE WHEN key = 'old' THEN CAST(:now AS timestamptz) END, 'x', :now FROM s),
             o AS (INSERT INTO overrides (schedule_id, user_id, starts_at, ends_at, created_by, created_at)
                   SELECT id, :ana, CAST(:now AS timestamptz) - interval '1 hour',
                       CAST(:now AS timestamptz) + CASE WHEN key = 'past' THEN interval '0' ELSE interval '1 hour' END,
                       'x', :now FROM s WHERE key <> 'old'),
             p AS (INSERT INTO escalation_policies (key, name, repeats, created_at, updated_at)
                   VALUES ('web', 'Web', 0, :now, :now) RETURNING id),
             t AS (INSERT INTO escalation_steps (policy_id, position, delay_s) SELECT id, 0, 60 FROM p RETURNING id),
             r AS (INSERT INTO last_resort_targets (position, user_id) VALUES (0, :ana))
        INSERT INTO escalation_targets (step_id, position, user_id) SELECT id, 0, :ana FROM t"""),
        {"now": now, "ana": ids["ana"], "ben": ids["ben"]},
    )
    ana = (await people.read_user(conn, "ana")).document
    with pytest.raises(Conflict) as refused:
        await people.edit_user(conn, now, "ana", as_edit(ana, active=False), actor=CARA)
    assert refused.value.code == "in_use"
    assert refused.value.fields["used_by"] == [
        {"type": "last_resort"},
        {"type": "override", "key": "primary"},
        {"type": "policy", "key": "web"},
        {"type": "schedule", "key": "primary"},
    ]
    assert (await people.edit_user(conn, now, "ana", as_edit(ana, name="Anna"), actor=CARA)).document.name == "Anna"
    dan = (await people.read_user(conn, "dan")).document
    assert not (await people.edit_user(conn, now, "dan", as_edit(dan, active=False), actor=CARA)).document.active


async def test_the_last_admin_stays(conn, now, ids):
    cara = (await people.read_user(conn, "cara")).document
    for change in ({"role": "manager"}, {"active": False}):
        with pytest.raises(Conflict) as refused:
            await people.edit_user(conn, now, "cara", as_edit(cara, **change), actor=CARA)
        assert refused.value.code == "last_admin"
    ana = (await people.read_user(conn, "ana")).document
    await people.edit_user(conn, now, "ana", as_edit(ana, role="admin"), actor=CARA)
    await people.edit_user(conn, now, "cara", as_edit(cara, role="manager"), actor=CARA)


async def test_lists_go_on_after_a_key(conn, ids):
    assert [u.document.key for u in await store.users(conn, after="ana", limit=2)] == ["ben", "cara"]
    assert [u.document.key for u in await store.users(conn, ["dan", "eve"])] == ["dan"]


async def test_an_address_is_normalised_by_its_channel_and_unique(conn, now, ids, channels):
    added = await contact_methods.add(conn, now, ids["ana"], SMS, channels, actor="user:ana")
    assert (added.address, added.verified_at) == ("+4930901820", None)
    again = ContactMethodDocument(channel="sms", address="+49 (30) 90-1820")
    with pytest.raises(Conflict):
        await contact_methods.add(conn, now, ids["ana"], again, channels, actor="user:ana")
    await contact_methods.add(conn, now, ids["ben"], again, channels, actor="user:ben")
    for channel, address, field in [
        ("sms", "030 901820", "address"),
        ("mail", "ana", "address"),
        ("push", "x", "channel"),
    ]:
        document = ContactMethodDocument(channel=channel, address=address)
        with pytest.raises(Invalid) as refused:
            await contact_methods.add(conn, now, ids["ana"], document, channels, actor="user:ana")
        assert refused.value.errors[0]["field"] == field


async def test_a_contact_method_counts_after_its_code_came_back(conn, now, ids, channels):
    added = await contact_methods.add(conn, now, ids["ana"], SMS, channels, actor="user:ana")
    user = ids["ana"], added.id
    assert await contact_methods.verify(conn, now, *user, "000000", actor="user:ana") == NoCode()
    code = await contact_methods.new_code(conn, now, *user, actor="user:ana")
    assert (len(code.text), code.text.isdigit(), code.number) == (6, True, 1)
    assert not (await contacts.people(conn, [ids["ana"]], channels))[ids["ana"]].reachable
    wrong = f"{(int(code.text) + 1) % 1_000_000:06}"
    assert await contact_methods.verify(conn, now, *user, wrong, actor="user:ana") == WrongCode(4)
    verified = await contact_methods.verify(conn, now, *user, f" {code.text} ", actor="user:ana")
    assert isinstance(verified, Verified)
    assert verified.method.verified_at == now
    assert (await contacts.people(conn, [ids["ana"]], channels))[ids["ana"]].reachable
    assert isinstance(await contact_methods.verify(conn, now, *user, "", actor="user:ana"), Verified)
    with pytest.raises(Conflict):
        await contact_methods.new_code(conn, now + timedelta(hours=1), *user, actor="user:ana")
    actions = [a for a, _ in await audited(conn)]
    assert actions == ["contact_method.created", "contact_method.code_sent", "contact_method.verified"]
    assert code.text not in json.dumps([list(r) for r in await audit_of(conn, "contact_method.code_sent")])


async def test_a_code_ends_after_five_tries_and_after_15_minutes(conn, now, ids, channels):
    added = await contact_methods.add(conn, now, ids["ana"], SMS, channels, actor="user:ana")
    user = ids["ana"], added.id
    code = await contact_methods.new_code(conn, now, *user, actor="user:ana")
    wrong = f"{(int(code.text) + 1) % 1_000_000:06}"
    left = [await contact_methods.verify(conn, now, *user, wrong, actor="user:ana") for _ in range(5)]
    assert left == [WrongCode(n) for n in (4, 3, 2, 1, 0)]
    assert await contact_methods.verify(conn, now, *user, code.text, actor="user:ana") == NoCode()
    later = now + timedelta(minutes=2)
    code = await contact_methods.new_code(conn, later, *user, actor="user:ana")
    too_late = later + timedelta(minutes=15)
    assert await contact_methods.verify(conn, too_late, *user, code.text, actor="user:ana") == NoCode()
    just = too_late - timedelta(seconds=1)
    assert isinstance(await contact_methods.verify(conn, just, *user, code.text, actor="user:ana"), Verified)


async def test_codes_are_sent_once_a_minute_and_five_times_an_hour(conn, now, ids, channels):
    added = await contact_methods.add(conn, now, ids["ana"], SMS, channels, actor="user:ana")
    user = ids["ana"], added.id
    for n in range(5):
        at = now + timedelta(seconds=60 * n)
        await contact_methods.new_code(conn, at, *user, actor="user:ana")
        with pytest.raises(Forbidden) as refused:
            await contact_methods.new_code(conn, at + timedelta(seconds=59), *user, actor="user:ana")
        assert (refused.value.code, refused.value.fields["retry_after_s"]) == ("throttled", 1)
    with pytest.raises(Forbidden):
        await contact_methods.new_code(conn, now + timedelta(minutes=10), *user, actor="user:ana")
    await contact_methods.new_code(conn, now + timedelta(minutes=61), *user, actor="user:ana")


async def test_another_address_is_unverified_another_label_is_not(conn, now, ids, channels):
    added = await contact_methods.add(conn, now, ids["ana"], SMS, channels, actor="cli", verified=True)
    user = ids["ana"], added.id
    label = ContactMethodEdit(address="+4930901820", label="work")
    labelled = await contact_methods.edit(conn, now, *user, label, channels, actor="user:ana", version=1)
    assert (labelled.label, labelled.verified_at, labelled.version) == ("work", now, 2)
    assert (await contact_methods.edit(conn, now, *user, label, channels, actor="user:ana")).version == 2
    await conn.execute(text("UPDATE contact_methods SET broken_at = :now, broken_because = 'landline'"), {"now": now})
    moved = ContactMethodEdit(address="+4930901821")
    edited = await contact_methods.edit(conn, now, *user, moved, channels, actor="user:ana", version=2)
    assert (edited.verified_at, edited.broken_at, edited.address) == (None, None, "+4930901821")
    with pytest.raises(NotFound):
        await contact_methods.read(conn, ids["ben"], added.id)
    with pytest.raises(Conflict):
        await contact_methods.remove(conn, now, *user, actor="user:ana", version=2)
    await contact_methods.remove(conn, now, *user, actor="user:ana", version=3)
    assert await contact_store.methods(conn, ids["ana"]) == []
    (first, _), (before, after) = await audit_of(conn, "contact_method.edited")
    assert (first["label"], before["verified"], after["verified"]) == ("", True, False)


async def test_links_in_texts_are_turned_off_and_stay_off_until_turned_on(conn, now, ids, channels):
    added = await contact_methods.add(conn, now, ids["ana"], SMS, channels, actor="cli", verified=True)
    assert added.links is True

    async def edited(**how):
        edit = ContactMethodEdit(**({"address": "+4930901820"} | how))
        return await contact_methods.edit(conn, now, ids["ana"], added.id, edit, channels, actor="user:ana")

    assert (off := await edited(links=False)).links is False
    assert (off.verified_at, off.version) == (now, 2)
    assert (await edited(label="work")).links is False  # left out, it stays
    assert (await edited(address="+4930901821")).links is False
    assert (await edited(address="+4930901821", links=True)).links is True
    records = await audit_of(conn, "contact_method.edited")
    assert [after["links"] for _, after in records] == [False, False, False, True]


async def test_notification_rules_are_the_users_own(conn, now, ids, channels):
    own = await contact_methods.add(conn, now, ids["ana"], SMS, channels, actor="cli", verified=True)
    other = await contact_methods.add(conn, now, ids["ben"], SMS, channels, actor="cli", verified=True)

    def rules(*pairs):
        made = [{"loudness": "loud", "delay_s": delay, "contact_method": method} for delay, method in pairs]
        return NotificationRulesEdit.model_validate({"rules": made})

    version = await contact_methods.put_rules(conn, now, "ana", rules((60, own.id), (0, own.id)), actor="user:ana")
    assert version == 2
    assert [r.delay_s for r in (await contact_store.rules(conn, ids["ana"])).rules] == [0, 60]
    assert await contact_methods.put_rules(conn, now, "ana", rules((0, own.id), (60, own.id)), actor="user:ana") == 2
    with pytest.raises(Invalid) as refused:
        await contact_methods.put_rules(conn, now, "ana", rules((0, other.id)), actor="user:ana")
    assert refused.value.errors[0]["field"] == "rules[0].contact_method"
    with pytest.raises(Conflict):
        await contact_methods.put_rules(conn, now, "ana", rules(), actor="user:ana", version=1)
    await contact_methods.remove(conn, now, ids["ana"], own.id, actor="user:ana")
    assert (await contact_store.rules(conn, ids["ana"])).rules == []


def test_the_default_plan():
    sms, mail, second = UsableMethod(1, "sms", "+1"), UsableMethod(2, "mail", "a@b"), UsableMethod(3, "sms", "+2")

    def plan(methods, loudness):
        return [(r.method.id, r.delay_s) for r in default_rules(methods, loudness)]

    assert plan([sms, mail], "loud") == [(1, 0), (2, 0), (1, 300)]
    assert plan([sms, mail], "quiet") == [(2, 0)]
    assert plan([sms, second], "loud") == [(1, 0), (3, 0), (1, 300), (3, 300)]
    assert plan([sms, second], "quiet") == [(1, 0)]
    assert plan([], "loud") == plan([], "quiet") == []
    push, ntfy = UsableMethod(4, "push", "x #1"), UsableMethod(5, "ntfy", "x #2")
    assert plan([sms, mail, push, ntfy], "loud") == [(1, 0), (2, 0), (4, 0), (5, 0), (1, 300)]
    assert plan([sms, mail, push], "quiet") == [(2, 0)]
    assert plan([sms, push, ntfy], "quiet") == [(4, 0), (5, 0)]


async def test_a_service_is_made_edited_and_deleted(conn, now, ids):
    hours = {"time_zone": "Europe/Berlin", "spans": [{"days": ["mon", "tue"], "from": "09:00", "to": "17:00"}]}
    search = ServiceDocument(
        key="search", name="Search", team="payments", tags=["b", "a", "b"], support_hours=hours, criticality=1
    )
    made = await services.create(conn, now, search, actor=CARA)
    assert made.document.tags == ["a", "b"]
    assert made.document.support_hours == hours
    assert made.team_id == ids["payments"]
    with pytest.raises(Conflict):
        await services.create(conn, now, search, actor=CARA)
    edit = ServiceEdit(name="Search", criticality=3)
    edited = await services.edit(conn, now, "search", edit, actor=CARA, version=1)
    assert (edited.document.team, edited.document.support_hours, edited.version) == (None, None, 2)
    assert (await services.edit(conn, now, "search", edit, actor=CARA)).version == 2
    with pytest.raises(Invalid) as unknown:
        await services.edit(conn, now, "search", ServiceEdit(name="x", team="no", policy="no"), actor=CARA)
    assert [e["field"] for e in unknown.value.errors] == ["team", "policy"]
    await services.delete(conn, now, "search", actor=CARA)
    assert [a for a, _ in await audited(conn)] == ["service.created", "service.edited", "service.deleted"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"criticality": 4},
        {"criticality": "1"},
        {"runbook_url": "javascript:alert(1)"},
        {"runbook_url": "https://"},
        {"support_hours": {"time_zone": "Europe/Berlin"}},
        {"recovery_delay_s": -1},
        {"tags": [""]},
    ],
)
def test_services_that_cannot_be(wrong):
    with pytest.raises(ValueError, match=r"."):
        ServiceEdit(**{"name": "x"} | wrong)


async def test_a_service_with_an_integration_or_an_incident_stays(conn, now, ids):
    document = IntegrationDocument(key="am", name="AM", source="alertmanager", service="checkout")
    await integrations.create(conn, now, document, {"alertmanager"}, actor=CARA)
    with pytest.raises(Conflict) as refused:
        await services.delete(conn, now, "checkout", actor=CARA)
    assert refused.value.fields["used_by"] == [{"type": "integration", "key": "am"}]
    await integrations.delete(conn, now, "am", actor=CARA)
    incident = text("""
        INSERT INTO incidents (id, service_id, correlation_key, title, state, priority, impact, urgency, verdict,
            loudness, opened_at, triggered_at, last_occurrence_at, firing, occurrences)
        VALUES (gen_random_uuid(), :service, 'k', 't', 'triggered', 3, 2, 2, '{}', 'loud', :now, :now, :now, 1, 1)
    """)
    await conn.execute(incident, {"service": ids["checkout"], "now": now})
    with pytest.raises(Conflict) as refused:
        await services.delete(conn, now, "checkout", actor=CARA)
    assert refused.value.fields["used_by"] == [{"type": "incidents"}]
    await conn.execute(text("DELETE FROM incidents"))
    await services.delete(conn, now, "checkout", actor=CARA)


async def keys_of(conn, now, routing_key):
    found = await conn.execute(
        text("SELECT 1 FROM routing_keys WHERE key_hash = :hash AND (expires_at IS NULL OR expires_at > :now)"),
        {"hash": sha256(routing_key.encode()).digest(), "now": now},
    )
    return found.first() is not None


async def test_a_routing_key_is_rotated_with_an_overlap_and_two_count_at_most(conn, now, ids):
    document = IntegrationDocument(key="am", name="AM", source="alertmanager", service="checkout")
    made, first = await integrations.create(conn, now, document, {"alertmanager"}, actor=CARA)
    assert len(first) == 32
    hour = timedelta(hours=1)
    second = await integrations.rotate(conn, now + hour, "am", actor=CARA)
    assert [await keys_of(conn, now + 24 * hour, k) for k in (first, second)] == [True, True]
    assert [await keys_of(conn, now + 25 * hour, k) for k in (first, second)] == [False, True]
    third = await integrations.rotate(conn, now + 2 * hour, "am", actor=CARA, overlap_h=168)
    assert [await keys_of(conn, now + 2 * hour, k) for k in (first, second, third)] == [False, True, True]
    fourth = await integrations.rotate(conn, now + 3 * hour, "am", actor=CARA, overlap_h=0)
    at = now + 3 * hour
    assert [await keys_of(conn, at, k) for k in (first, second, third, fourth)] == [False, False, False, True]
    shown = (await service_store.routing_keys(conn, at, [made.id]))[made.id]
    assert [k.hint for k in shown] == [fourth[-4:]]
    for overlap_h in (-1, 169):
        with pytest.raises(Invalid):
            await integrations.rotate(conn, at, "am", actor=CARA, overlap_h=overlap_h)
    records = json.dumps([[str(x) for x in row] for row in await conn.execute(text("SELECT * FROM audit_records"))])
    assert not [k for k in (first, second, third, fourth) if k in records]


async def test_an_integration_keeps_its_source(conn, now, ids):
    document = IntegrationDocument(key="am", name="AM", source="alertmanager", service="checkout")
    with pytest.raises(Invalid) as source:
        await integrations.create(conn, now, document, {"grafana"}, actor=CARA)
    unknown = document.model_copy(update={"service": "no"})
    with pytest.raises(Invalid) as service:
        await integrations.create(conn, now, unknown, {"alertmanager"}, actor=CARA)
    assert [e.value.errors[0]["field"] for e in (source, service)] == ["source", "service"]
    made, _ = await integrations.create(conn, now, document, {"alertmanager"}, actor=CARA)
    assert made.document == document
    edit = IntegrationEdit(name="AM", service="checkout", ignored_labels=["replica"], enabled=False)
    edited = await integrations.edit(conn, now, "am", edit, actor=CARA, version=1)
    assert (edited.document.source, edited.document.enabled, edited.version) == ("alertmanager", False, 2)
    assert (await integrations.edit(conn, now, "am", edit, actor=CARA)).version == 2
    with pytest.raises(Conflict):
        await integrations.delete(conn, now, "am", actor=CARA, version=1)
