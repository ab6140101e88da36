"""The two doors for mail: who may come in, how much, how often; on real sockets."""

from __future__ import annotations

import asyncio
import base64
import smtplib
import ssl
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from certificates import certificate
from databases import TestServer
from whole import Whole, shared

from app.web import mail_smtp
from app.web.mail_intake import LARGEST, MailIntake

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "a-secret-for-mail-1"
BEARER = {"Authorization": f"Bearer {SECRET}", "Content-Type": "message/rfc822"}
ANA = "ana@example.org"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = {
        "smtp_url": "smtp://127.0.0.1:9", "mail_from": "tocsin@example.org", "mail_reply_to": "reply@in.example.org",
        "mail_bounces_to": "@bounces.example.org", "mail_in_listen": "127.0.0.1:0", "mail_in_secret": SECRET,
    }  # fmt: skip
    async with shared(server, tmp_path_factory.mktemp("tocsin"), **settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def house(lasting: Whole) -> Whole:
    await lasting.clear()
    await lasting.execute("TRUNCATE replies, contact_methods CASCADE")
    await lasting.execute(
        "INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)"
        " SELECT id, 'mail', 'Ana@example.org', tocsin_now(), tocsin_now(), tocsin_now() FROM users WHERE key = 'ana'"
    )
    return lasting


async def sent_mail(house: Whole) -> UUID:
    """An attempt to tell Ana of an open incident by mail."""
    incident, notification, attempt = uuid4(), uuid4(), uuid4()
    await house.execute(
        "INSERT INTO incidents (id, service_id, correlation_key, title, state, priority, impact, urgency, verdict,"
        " loudness, opened_at, triggered_at, last_occurrence_at, firing, occurrences)"
        " SELECT :id, s.id, 'x', 'HighErrorRate', 'triggered', 3, 3, 1, '{}', 'loud', tocsin_now(), tocsin_now(),"
        " tocsin_now(), 1, 1 FROM services s WHERE key = 'checkout'",
        id=incident,
    )
    await house.execute(
        "INSERT INTO notifications (id, key, purpose, loudness, state, user_id, contact_method_id, channel, address,"
        " incident_id, epoch, content, created_at, due_at, tries) SELECT :id, 'a page', 'page', 'loud',"
        " 'sent', u.id, m.id, 'mail', m.address, :incident, 1, '{}', tocsin_now(), tocsin_now(), 1 FROM users u"
        " JOIN contact_methods m ON m.user_id = u.id WHERE u.key = 'ana'",
        id=notification, incident=incident,
    )  # fmt: skip
    links = house.tocsin.links
    await house.execute(
        "INSERT INTO attempts (id, notification_id, number, callback_hash, started_at, status, provider)"
        " VALUES (:id, :notification, 1, :hash, tocsin_now(), 'sent', 'smtp')",
        id=attempt, notification=notification, hash=links.hash(links.callback_token(attempt)),
    )  # fmt: skip
    return attempt


def reply_address(house: Whole, attempt: UUID) -> str:
    return f"reply+{house.tocsin.links.mail_token('reply', attempt)}@in.example.org"


def letter(to: str, words: str = "a", sender: str = ANA, **headers: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Message-ID"] = sender, to, f"<{uuid4()}@example.org>"
    mail["Subject"] = "Re: [Checkout] Incident 1"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(words)
    return mail.as_bytes()


async def state(house: Whole) -> str:
    return str(await house.one("SELECT state FROM incidents"))


async def test_without_the_secret_nothing_is_read(house: Whole) -> None:
    raw = letter(reply_address(house, await sent_mail(house)))
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic %%%"}):
        answer = await house.http.post("/v1/mail/inbound", content=raw, headers=headers)
        assert answer.status_code == 401
    assert await state(house) == "triggered"


async def test_the_same_mail_acts_once(house: Whole) -> None:
    raw = letter(reply_address(house, await sent_mail(house)))
    first, again = [await house.http.post("/v1/mail/inbound", content=raw, headers=BEARER) for _ in range(2)]
    assert (first.status_code, first.json(), again.json()) == (200, {"became": "acknowledge"}, {"became": "repeated"})
    assert await state(house) == "acknowledged"
    assert await house.one("SELECT count(*) FROM notifications WHERE purpose = 'notice'") == 1


async def test_basic_authentication_and_an_envelope_in_headers(house: Whole) -> None:
    attempt = await sent_mail(house)
    basic = base64.b64encode(f"mail:{SECRET}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Tocsin-Envelope-To": reply_address(house, attempt).upper()}
    answer = await house.http.post("/v1/mail/inbound", content=letter("team@example.org"), headers=headers)
    assert answer.json() == {"became": "acknowledge"}
    null = {**headers, "Tocsin-Envelope-From": "<>"}
    answer = await house.http.post("/v1/mail/inbound", content=letter("team@example.org", "e"), headers=null)
    assert answer.json() == {"became": "null_sender"}


@pytest.mark.parametrize("field", ["body-mime", "email"])
@pytest.mark.parametrize("as_file", [True, False])
async def test_forms_of_providers(house: Whole, field: str, as_file: bool) -> None:
    to = reply_address(house, await sent_mail(house))
    raw = letter("somebody@example.org", "n")
    more = {"recipient": to} if field == "body-mime" else {"envelope": f'{{"to":["{to}"],"from":"{ANA}"}}'}
    files = {field: ("mail.eml", raw)} if as_file else {"attachment": ("x", b"x")}
    data = more if as_file else {**more, field: raw.decode()}
    answer = await house.http.post(
        "/v1/mail/inbound", data=data, files=files, headers={"Authorization": f"Bearer {SECRET}"}
    )
    assert (answer.status_code, answer.json()) == (200, {"became": "not_actionable"})


async def test_what_is_no_mail_and_what_is_too_large(house: Whole) -> None:
    empty = await house.http.post("/v1/mail/inbound", content=b" ", headers=BEARER)
    assert (empty.status_code, empty.json()["errors"][0]["field"]) == (422, "body")
    large = await house.http.post("/v1/mail/inbound", content=b"x" * (LARGEST + 1), headers=BEARER)
    assert large.status_code == 413
    strange = await house.http.post("/v1/mail/inbound", content=b"\xff\x00\r\n" * 10, headers=BEARER)
    assert strange.json() == {"became": "unknown_address"}


async def test_a_token_of_nothing_and_of_a_bounce_address(house: Whole) -> None:
    attempt = await sent_mail(house)
    nobody = letter(reply_address(house, uuid4()))
    assert (await house.http.post("/v1/mail/inbound", content=nobody, headers=BEARER)).json() == {
        "became": "unknown_address"
    }
    to = f"{house.tocsin.links.mail_token('bounce', attempt)}@bounces.example.org"
    answer = await house.http.post("/v1/mail/inbound", content=letter(to), headers=BEARER)
    assert answer.json() == {"became": "bounce_address"}
    assert await state(house) == "triggered"


async def test_a_broken_or_unverified_address_does_not_count(house: Whole) -> None:
    to = reply_address(house, await sent_mail(house))
    for change in ("broken_at = tocsin_now()", "broken_at = NULL, verified_at = NULL"):
        await house.execute(f"UPDATE contact_methods SET {change}")
        answer = await house.http.post("/v1/mail/inbound", content=letter(to), headers=BEARER)
        assert answer.json() == {"became": "unknown_sender"}
    assert await state(house) == "triggered"


def talk(port: int, *lines: str) -> list[int]:
    """The codes that a client gets for these lines."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        return [client.docmd(line)[0] for line in lines]


async def test_smtp_relays_for_nobody(house: Whole) -> None:
    door = house.tocsin.mail_door
    assert door is not None
    to = reply_address(house, await sent_mail(house))
    codes = await asyncio.to_thread(
        talk, door.port, "EHLO x", "MAIL FROM:<ana@example.org>", "RCPT TO:<cara@example.org>",
        "RCPT TO:<reply@in.example.org>", f"RCPT TO:<reply+{'a' * 42}@in.example.org>",
        f"RCPT TO:<{to.replace('in.example.org', 'elsewhere.example')}>", f"RCPT TO:<{to}>",
    )  # fmt: skip
    assert codes == [250, 250, 550, 550, 550, 550, 250]


async def test_smtp_acts_before_it_says_yes(house: Whole) -> None:
    door = house.tocsin.mail_door
    assert door is not None
    to = reply_address(house, await sent_mail(house))

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", door.port, timeout=20) as client:
            client.sendmail(ANA, [to], letter(to))

    await asyncio.to_thread(send)
    assert await state(house) == "acknowledged"


async def test_smtp_bounds_mails_and_connections(house: Whole) -> None:
    door = house.tocsin.mail_door
    assert door is not None
    to = reply_address(house, await sent_mail(house))
    codes = await asyncio.to_thread(talk, door.port, "EHLO x", f"MAIL FROM:<a@example.org> SIZE={LARGEST + 1}")
    assert codes == [250, 552]
    open_ = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(mail_smtp.CONNECTIONS)]
    for reader, _ in open_:
        assert (await reader.readline()).startswith(b"220")
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    assert (await reader.readline()).startswith(b"421 4.3.2")
    assert await reader.read() == b""
    for _, w in (*open_, (reader, writer)):
        w.close()
        await w.wait_closed()
    async with asyncio.timeout(20):
        while door.connections:  # noqa: ASYNC110  # the server's side of them, which sets no event
            await asyncio.sleep(0.001)
    assert (await asyncio.to_thread(talk, door.port, "EHLO x", "MAIL FROM:<>", f"RCPT TO:<{to}>")) == [250, 250, 250]


async def test_starttls_with_a_certificate(house: Whole, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "IP:127.0.0.1")
    settings = replace(house.tocsin.settings, mail_in_tls_cert=str(cert), mail_in_tls_key=str(key))
    intake = MailIntake(house.tocsin.engine, settings, house.tocsin.links, ["mail"], lambda: None)
    door = mail_smtp.SmtpDoor(settings, intake)
    await door.start()
    to = reply_address(house, await sent_mail(house))

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", door.port, timeout=20) as client:
            client.starttls(context=ssl.create_default_context(cafile=str(cert)))
            client.sendmail(ANA, [to], letter(to))

    await asyncio.to_thread(send)
    await door.stop()
    assert await state(house) == "acknowledged"


async def test_with_a_trusted_server_only_what_passed_dmarc_counts(house: Whole) -> None:
    settings = replace(house.tocsin.settings, mail_in_authserv_id="mx.example.net")
    intake = MailIntake(house.tocsin.engine, settings, house.tocsin.links, ["mail"], lambda: None)
    to = reply_address(house, await sent_mail(house))
    assert await intake.take(letter(to), [to], ANA) == "not_authenticated"
    said = "mx.example.net; dmarc=pass header.from=example.org"
    assert await intake.take(letter(to, Authentication_Results=said), [to], ANA) == "acknowledge"
