"""Who may come in: passwords, sessions, API keys, one-time links, secrets, throttling."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from rows import audited, cast
from sqlalchemy import text

from app.access import api_keys, commands, identify, passwords, store
from app.access.permissions import PERMISSIONS, ROLES, SCOPES, Caller
from app.access.secrets import Secrets
from app.access.throttle import PER_ADDRESS, PER_LOGIN, Throttle
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.settings import Settings

PASSWORD = "correct horse battery"


@pytest.fixture
async def ids(conn, now):
    return await cast(conn, now)


async def give_password(conn, now, ids, key="ana", password=PASSWORD):
    token = await commands.give_password_link(conn, now, ids[key], key, actor="cli")
    return await commands.set_password(conn, now, token=token, password=password)


async def log_in(conn, now, throttle, email="ana@example.org", password=PASSWORD, address="192.0.2.1"):
    return await commands.log_in(conn, now, throttle, email=email, password=password, address=address)


async def test_a_password_is_argon2id_with_the_chosen_cost():
    made = await passwords.hash_of(PASSWORD)
    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches(PASSWORD, made)
    assert not await passwords.matches(PASSWORD + "!", made)
    assert not await passwords.matches("nobody has this password", None)
    assert not passwords.outdated(passwords._OF_NOBODY)  # whoever does not exist takes as long as whoever does
    assert not await passwords.matches(PASSWORD, "not a hash")
    for wrong in ("x" * 9, "x" * 201):
        with pytest.raises(Invalid):
            await passwords.hash_of(wrong)


async def test_a_one_time_link_sets_a_password_once_and_ends_sessions(conn, now, ids):
    first = await give_password(conn, now, ids)
    token = await commands.give_password_link(conn, now, ids["ana"], "ana", actor="user:cara")
    assert (await commands.password_link_user(conn, now, token)).key == "ana"
    with pytest.raises(Invalid):
        await commands.set_password(conn, now, token=token, password="short")
    second = await commands.set_password(conn, now, token=token, password="another password")
    assert await identify.by_session(conn, now, first.token) is None
    assert (await identify.by_session(conn, now, second.token)).actor == "user:ana"
    with pytest.raises(NotFound):
        await commands.set_password(conn, now, token=token, password="a third password")
    assert await log_in(conn, now, Throttle()) is None
    assert await log_in(conn, now, Throttle(), password="another password")
    assert ("user.password_set", "ana") in await audited(conn)


async def test_an_old_a_replaced_and_an_invented_link_set_nothing(conn, now, ids):
    replaced = await commands.give_password_link(conn, now, ids["ana"], "ana", actor="cli")
    old = await commands.give_password_link(conn, now, ids["ana"], "ana", actor="cli")
    for at, token in [(now, replaced), (now + timedelta(hours=24), old), (now, "x" * 43)]:
        with pytest.raises(NotFound):
            await commands.set_password(conn, at, token=token, password=PASSWORD)


async def test_logging_in_and_out(conn, now, ids):
    await give_password(conn, now, ids)
    throttle = Throttle()
    session = await log_in(conn, now, throttle, email=" ANA@example.org")
    assert len(session.token) == 43
    assert session.token not in repr(session)
    assert (await identify.by_session(conn, now, session.token)).user_key == "ana"
    await commands.log_out(conn, session.token)
    assert await identify.by_session(conn, now, session.token) is None
    await commands.log_out(conn, session.token)
    for email, password in [("ana@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("ben@example.org", "")]:
        assert await log_in(conn, now, throttle, email, password) is None


async def test_sessions_roll_for_14_days_and_end(conn, now, ids):
    session = await give_password(conn, now, ids)
    day = timedelta(days=1)
    assert await identify.by_session(conn, now + 13 * day, session.token)
    assert await identify.by_session(conn, now + 26 * day, session.token)
    assert await identify.by_session(conn, now + 40 * day, session.token) is None
    other = await give_password(conn, now, ids, "ben")
    assert await identify.by_session(conn, now + 14 * day, other.token) is None
    await store.sweep(conn, now + 41 * day)
    assert (await conn.execute(text("SELECT count(*) FROM sessions"))).scalar_one() == 0


async def test_an_inactive_user_is_nobody_at_once(conn, now, ids):
    session = await give_password(conn, now, ids)
    secret = await api_keys.create(conn, now, actor="cli", key="k", name="K", scopes=["read"], user_id=ids["ana"])
    assert await identify.by_api_key(conn, now, secret)
    await conn.execute(text("UPDATE users SET active = false WHERE key = 'ana'"))
    assert await identify.by_session(conn, now, session.token) is None
    assert await identify.by_api_key(conn, now, secret) is None
    assert await log_in(conn, now, Throttle()) is None


async def test_changing_ones_password(conn, now, ids):
    session = await give_password(conn, now, ids)
    throttle = Throttle()
    with pytest.raises(Forbidden) as refused:
        await commands.change_password(conn, now, throttle, ids["ana"], current="wrong", new="a new password")
    assert refused.value.code == "wrong_password"
    await commands.change_password(conn, now, throttle, ids["ana"], current=PASSWORD, new="a new password")
    assert await identify.by_session(conn, now, session.token) is None
    assert await log_in(conn, now, throttle, password="a new password")


async def test_an_outdated_hash_is_made_again_at_login(conn, now, ids):
    weak = passwords.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await conn.execute(text("UPDATE users SET password_hash = :hash WHERE key = 'ana'"), {"hash": weak})
    assert await log_in(conn, now, Throttle())
    made = (await conn.execute(text("SELECT password_hash FROM users WHERE key = 'ana'"))).scalar_one()
    assert "m=19456" in made


async def test_too_many_failures_for_a_login_wait_even_with_the_right_password(conn, now, ids):
    await give_password(conn, now, ids)
    throttle = Throttle()
    for n in range(PER_LOGIN.failures):
        assert await log_in(conn, now, throttle, password="wrong", address=f"192.0.2.{n}") is None
    with pytest.raises(Forbidden) as refused:
        await log_in(conn, now, throttle, address="192.0.2.200")
    assert refused.value.code == "throttled"
    assert refused.value.fields["retry_after_s"] == PER_LOGIN.within.total_seconds()
    assert await log_in(conn, now, throttle, email="ben@example.org") is None
    assert await log_in(conn, now + PER_LOGIN.within, throttle)


def test_too_many_failures_from_an_address_wait(now):
    throttle = Throttle()
    for n in range(PER_ADDRESS.failures):
        throttle.attempt(now, {f"login:{n}": PER_LOGIN, "address:a": PER_ADDRESS})
    with pytest.raises(Forbidden):
        throttle.attempt(now, {"login:new": PER_LOGIN, "address:a": PER_ADDRESS})
    throttle.attempt(now, {"login:new": PER_LOGIN, "address:b": PER_ADDRESS})
    throttle.excuse("address:a")
    throttle.attempt(now, {"login:new": PER_LOGIN, "address:a": PER_ADDRESS})


async def test_an_api_key_is_shown_once_and_counts_until_revoked_or_expired(conn, now):
    secret = await api_keys.create(
        conn, now, actor="user:cara", key="ci", name="CI", scopes=["read"], expires_at=now + timedelta(days=1)
    )
    assert len(secret) == len("tocsin_") + 43
    caller = await identify.by_api_key(conn, now, secret)
    assert (caller.actor, caller.role, caller.scopes, caller.user_id) == ("api_key:ci", "admin", {"read"}, None)
    assert await identify.by_api_key(conn, now + timedelta(days=1), secret) is None
    assert await identify.by_api_key(conn, now, secret[:-1]) is None
    with pytest.raises(Conflict):
        await api_keys.create(conn, now, actor="user:cara", key="ci", name="CI", scopes=["read"])
    await api_keys.revoke(conn, now, "ci", actor="user:cara")
    assert await identify.by_api_key(conn, now, secret) is None
    with pytest.raises(NotFound):
        await api_keys.revoke(conn, now, "ci", actor="user:cara")
    assert await audited(conn) == [("api_key.created", "ci"), ("api_key.revoked", "ci")]


@pytest.mark.parametrize(
    ("scopes", "ends_in", "field"),
    [([], 1, "scopes"), (["read", "all"], 1, "scopes"), (["read"], 0, "expires_at")],
)
async def test_api_keys_that_cannot_be(conn, now, scopes, ends_in, field):
    expires_at = now + timedelta(hours=ends_in)
    with pytest.raises(Invalid) as refused:
        await api_keys.create(conn, now, actor="cli", key="x", name="X", scopes=scopes, expires_at=expires_at)
    assert [e["field"] for e in refused.value.errors] == [field]


async def test_no_secret_is_stored_or_audited_readably(conn, now, ids):
    session = await give_password(conn, now, ids)
    secret = await api_keys.create(conn, now, actor="user:cara", key="ci", name="CI", scopes=["read"])
    link = await commands.give_password_link(conn, now, ids["ana"], "ana", actor="cli")
    kept = []
    for table in ("sessions", "api_keys", "one_time_links", "users", "audit_records"):
        rows = await conn.execute(text(f"SELECT to_jsonb(t) FROM {table} t"))
        kept += [json.dumps(row) for row in rows.scalars()]
    for shown in (session.token, secret, link, PASSWORD):
        assert not [row for row in kept if shown in row or shown.encode().hex() in row]


def caller(role, scopes=None, managed=(), user_id=1):
    return Caller(
        kind="user" if scopes is None else "api_key",
        actor="user:x",
        name="X",
        role=role,
        user_id=user_id,
        scopes=None if scopes is None else frozenset(scopes),
        managed_team_ids=frozenset(managed),
    )


@pytest.mark.parametrize("name", PERMISSIONS)
def test_every_permission_by_role_and_scope(name):
    wanted = PERMISSIONS[name]
    for role in ROLES:
        reached = ROLES.index(role) >= ROLES.index(wanted.role)
        assert caller(role).may(name) is reached
        for scope in SCOPES:
            assert caller(role, [scope]).may(name) is (reached and scope == wanted.scope)
    with pytest.raises(Forbidden):
        caller("admin", []).require(name)


def test_what_the_roles_are_for():
    def reach(role):
        return {name for name in PERMISSIONS if caller(role).may(name)}

    assert reach("viewer") < reach("operator") < reach("manager") < reach("admin") == set(PERMISSIONS)
    assert not {"incidents.respond", "overrides.edit"} & reach("viewer")
    assert {"incidents.respond", "overrides.edit"} <= reach("operator")
    own = {"overrides.edit", "silences.edit", "me.edit", "api_keys.edit", "schedule_feeds.edit"}
    assert {n for n in reach("operator") if n.endswith(".edit")} == own
    assert {n for n, p in PERMISSIONS.items() if p.of_team} <= reach("manager")
    assert not {"users.edit", "audit.read", "organisation.edit"} & reach("manager")


def test_managers_reach_their_teams_and_nothing_without_a_team():
    assert caller("admin").manages(None)
    assert caller("manager", managed=[7]).manages(7)
    for who, team in [
        (caller("manager", managed=[7]), 8),
        (caller("manager", managed=[7]), None),
        (caller("operator", managed=[7]), 7),
    ]:
        with pytest.raises(Forbidden) as refused:
            who.require_team(7 if who.role == "manager" else team, team)
        assert refused.value.code == "not_your_team"


def test_a_manager_of_a_team_whose_role_is_operator_learns_that_both_are_needed():
    with pytest.raises(Forbidden) as refused:
        caller("operator", managed=[7]).require("schedules.edit")
    assert refused.value.message.endswith(
        "may not do this: it takes the role manager, and besides that managing the team it belongs to (you do manage a"
        " team); your role is operator"
    )
    with pytest.raises(Forbidden) as refused:
        caller("operator", managed=[7]).require_team(7)
    assert refused.value.message.endswith("; it takes the role manager, too: yours is operator")
    with pytest.raises(Forbidden) as refused:
        caller("manager", managed=[7]).require_team(8)
    assert refused.value.message.endswith("does not manage the team this belongs to")


def test_api_keys_reach_no_further_than_who_made_them():
    api_keys.may_handle(caller("viewer"), 1, frozenset({"admin"}))
    api_keys.may_handle(caller("admin"), None, frozenset({"admin"}))
    api_keys.may_handle(caller("admin", ["admin"]), 2, frozenset({"admin"}))
    api_keys.may_handle(caller("admin", ["admin", "read"], user_id=None), None, frozenset({"read"}))
    for who, user_id, scopes in [
        (caller("viewer"), 2, {"read"}),
        (caller("manager"), None, {"read"}),
        (caller("admin", ["admin"]), 1, {"read"}),
        (caller("admin", ["admin"], user_id=None), None, {"respond"}),
    ]:
        with pytest.raises(Forbidden):
            api_keys.may_handle(who, user_id, frozenset(scopes))


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "new")
    first = Secrets.load(settings)
    assert Secrets.load(settings) == first
    path = tmp_path / "new" / "secret_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["secret_key"]
    assert path.read_text().strip() not in repr(first)
    assert first.key("links") != first.key("codes")
    assert len(first.key("links")) == 32
    given = Settings(data_dir=tmp_path, secret_key="s" * 32)
    assert Secrets.load(given).key("links") == Secrets.load(given).key("links") != first.key("links")
    path.write_text("")
    with pytest.raises(Invalid):
        Secrets.load(settings)


def test_derivation_is_hkdf_and_signatures_are_bound_to_their_purpose():
    # KNOWN comes from `openssl kdf -keylen 32 ... HKDF` with a zero salt and the info `tocsin/links`.
    assert Secrets(b"k" * 32).key("links").hex() == KNOWN
    secrets = Secrets(b"k" * 32)
    signature = secrets.sign("links", "message")
    assert secrets.verify("links", "message", signature)
    assert not secrets.verify("links", "another", signature)
    assert not secrets.verify("codes", "message", signature)
    assert not secrets.verify("links", "message", "é")


KNOWN = "6ca9e7bba1039b578505f272e6c07e7b03827ae42ce01ba58592581a50afc77f"
