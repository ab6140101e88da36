"""Mail: what a mail program gets to see, and what the server's codes mean, over real sockets."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from certificates import certificate

from app.channels import letter, mail
from app.channels.channel import Message, SendFailed
from app.channels.mail import MailChannel, Server
from app.channels.names import Names
from app.dev.mailbox import Mailbox
from app.errors import Invalid
from app.settings import Settings

ANA = "ana@example.org"
PAGE = Message(
    notification_id="0193aaaa",
    attempt=2,
    purpose="page",
    to=ANA,
    at=datetime(2026, 11, 22, 2, 14, tzinfo=UTC),
    subject="[P1] checkout: HighErrorRate (#42)",
    text="P1 checkout",
    text_long="p99 > 2 s & rising\n\nSince 02:13 — größer als üblich",
    facts=(("Service", "checkout"), ("Priority", "P1")),
    link="https://pager.example.org/a/0123456789abcdefghijkl?x=1&y=2",
    link_label="Open and acknowledge",
    thread="incident-42",
    loud=True,
)
ORIGIN = letter.sender("Tocsin <pager@example.org>")


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    await mailbox.start()
    yield mailbox
    await mailbox.stop()


def channel_for(mailbox: Mailbox, url: str = "", **changes: Any) -> MailChannel:
    return MailChannel(
        Settings(
            **{
                "data_dir": Path("unused"),
                "smtp_url": url or mailbox.url,
                "mail_from": "Tocsin <pager@example.org>",
                **changes,
            }
        )
    )


async def test_a_page_reaches_the_inbox(mailbox: Mailbox) -> None:
    sent = await channel_for(mailbox).send(PAGE)
    got = await mailbox.expects_mail(ANA, "HighErrorRate", "p99 > 2 s & rising")
    assert (sent.provider, sent.status) == ("smtp", "sent")
    assert got.sender == "pager@example.org"
    message = got.message
    assert sent.provider_id == message["Message-ID"] == "<0193aaaa.2@example.org>"
    assert message["From"] == "Tocsin <pager@example.org>"
    assert message["To"] == ANA
    assert message["Date"].datetime == PAGE.at
    assert message["In-Reply-To"] == message["References"] == "<incident-42.root@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert (message["Importance"], message["X-Priority"]) == ("high", "1")
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert "größer als üblich" in got.text
    assert "Service: checkout\nPriority: P1\n" in got.text
    assert f"Open and acknowledge: {PAGE.link}" in got.text
    assert await channel_for(mailbox).find(PAGE, PAGE.at) is None


def test_a_thread_has_one_root_and_every_attempt_its_own_id() -> None:
    first, second = (letter.letter(replace(PAGE, attempt=n), ORIGIN) for n in (1, 2))
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]
    alone = letter.letter(replace(PAGE, thread="", loud=False), ORIGIN)
    assert alone["References"] is None
    assert alone["Importance"] is None


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def html_of(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_the_html_part_loads_nothing_and_believes_no_text() -> None:
    evil = '<img src="https://evil.example/x.png"><script>1</script>'
    page = replace(PAGE, subject=evil, text_long=evil, facts=((evil, evil),), link_label=evil, thread=evil)
    html = html_of(letter.letter(page, ORIGIN))
    tags = _Tags()
    tags.feed(html)
    names = {tag for tag, _ in tags.seen}
    assert not names & {"img", "script", "link", "iframe", "form", "object", "video"}
    assert [attrs["href"] for tag, attrs in tags.seen if "href" in attrs] == [PAGE.link]
    assert not any("src" in attrs for _, attrs in tags.seen)
    assert "url(" not in html
    assert "@import" not in html
    assert "&lt;script&gt;" in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_without_link_or_facts_there_is_no_empty_button() -> None:
    html = html_of(letter.letter(replace(PAGE, link="", facts=()), ORIGIN))
    assert "<a " not in html
    assert "<th" not in html


@pytest.mark.parametrize(
    "bad", ["\r\nBcc: eve@example.org", "\nX: y\n\n<body>", "\u2028Bcc: x", "\x00\x0b\x85", "\ud800"]
)
async def test_no_text_can_add_a_header(mailbox: Mailbox, bad: str) -> None:
    page = replace(
        PAGE, subject=f"a{bad}b", thread=f"t{bad}", notification_id=f"n{bad}", facts=((bad, bad),), text_long=bad
    )
    await channel_for(mailbox).send(page)
    got = await mailbox.expects_mail(ANA)
    plain = letter.letter(PAGE, ORIGIN)
    assert [name for name in got.message if name != "Received"] == plain.keys()
    assert got.subject.startswith("a ")
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("to", ["ana@example.org\r\nRCPT TO:<eve@example.org>", "ana", "a b@example.org", "<ana@x>"])
async def test_a_bad_address_goes_nowhere(mailbox: Mailbox, to: str) -> None:
    with pytest.raises(SendFailed) as failed:
        await channel_for(mailbox).send(replace(PAGE, to=to))
    assert (failed.value.permanent, failed.value.broken_address) == (True, True)
    assert mailbox.mails == []


def test_a_very_long_subject_and_long_lines_are_within_limits() -> None:
    mail_bytes = letter.letter(replace(PAGE, subject="ü" * 5000, text_long="x" * 5000), ORIGIN).as_bytes()
    assert max(len(line) for line in mail_bytes.split(b"\r\n")) <= 998
    assert b"\n" not in mail_bytes.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("answer", "at", "permanent", "broken", "operators", "code"),
    [
        ("550 5.1.1 No such user", "rcpt", True, True, False, "550 5.1.1"),
        ("550 No such user", "rcpt", True, True, False, "550"),
        ("552 5.2.2 Mailbox full", "rcpt", True, False, False, "552 5.2.2"),
        ("550 5.7.1 Relaying denied", "rcpt", True, False, True, "550 5.7.1"),
        ("450 4.2.1 Greylisted", "rcpt", False, False, False, "450 4.2.1"),
        ("451 4.3.0 Try later", "data", False, False, False, "451 4.3.0"),
        ("554 5.6.0 Looks like spam", "data", True, False, False, "554 5.6.0"),
        ("553 5.7.1 Not your sender", "mail", True, False, True, "553 5.7.1"),
        ("421 4.3.2 Going down", "mail", False, False, False, "421 4.3.2"),
    ],
)
async def test_codes_tell_permanent_from_temporary(
    mailbox: Mailbox, answer: str, at: Any, permanent: bool, broken: bool, operators: bool, code: str
) -> None:
    mailbox.refuses(answer, at=at)
    channel = channel_for(mailbox)
    with pytest.raises(SendFailed) as failed:
        await channel.send(PAGE)
    e = failed.value
    assert (e.permanent, e.broken_address, e.configuration, e.code) == (permanent, broken, operators, code)
    assert not e.maybe_sent
    await channel.send(PAGE)
    await mailbox.expects_mail(ANA, "HighErrorRate")


@pytest.mark.parametrize(("at", "maybe"), [("mail", False), ("rcpt", False), ("data", True)])
@pytest.mark.parametrize("how", [Mailbox.hangs, Mailbox.hangs_up])
async def test_no_answer_is_temporary_and_tells_whether_it_may_have_been_sent(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, at: Any, maybe: bool, how: Callable[..., None]
) -> None:
    monkeypatch.setattr(mail, "_TIMEOUT_S", 0.3)  # a time-out that a test can wait for
    how(mailbox, at=at)
    with pytest.raises(SendFailed) as failed:
        await channel_for(mailbox).send(PAGE)
    assert (failed.value.permanent, failed.value.maybe_sent) == (False, maybe)


async def test_nobody_listening_is_temporary() -> None:
    mailbox = Mailbox()
    await mailbox.start()
    await mailbox.stop()
    with pytest.raises(SendFailed) as failed:
        await channel_for(mailbox).send(PAGE)
    assert (failed.value.permanent, failed.value.maybe_sent, failed.value.code) == (False, False, "unreachable")


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_login() -> None:
    mailbox = Mailbox(login=("tocsin", "p@ss:word"))
    await mailbox.start()
    place = f"127.0.0.1:{mailbox.port}"
    await channel_for(mailbox, f"smtp://tocsin:p%40ss%3Aword@{place}").send(PAGE)
    await mailbox.expects_mail(ANA)
    for url in (f"smtp://tocsin:wrong@{place}", f"smtp://{place}"):
        with pytest.raises(SendFailed) as failed:
            await channel_for(mailbox, url).send(PAGE)
        assert (failed.value.permanent, failed.value.configuration) == (True, True)
        assert not failed.value.broken_address
    await mailbox.stop()


@pytest.fixture(scope="module")
def certificate_of_mailbox(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


async def test_starttls(certificate_of_mailbox: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate_of_mailbox)
    mailbox = Mailbox(login=("tocsin", "secret"), tls=tls)
    await mailbox.start()
    place = f"127.0.0.1:{mailbox.port}"
    await channel_for(mailbox, f"smtp://tocsin:secret@{place}").send(PAGE)
    assert (await mailbox.expects_mail(ANA)).secured
    with pytest.raises(SendFailed, match="certificate") as failed:
        await channel_for(mailbox, f"smtp://tocsin:secret@{place}?tls=required").send(PAGE)
    assert failed.value.configuration
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate_of_mailbox[0]))
    await channel_for(mailbox, f"smtp://tocsin:secret@{place}?tls=required").send(PAGE)
    assert (await mailbox.expects_mail(ANA)).secured
    await mailbox.stop()


async def test_tls_required_and_not_offered_sends_nothing(mailbox: Mailbox) -> None:
    with pytest.raises(SendFailed) as failed:
        await channel_for(mailbox, f"{mailbox.url}?tls=required").send(PAGE)
    assert failed.value.configuration
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", Server("mail.example.org", 587, "offered")),
        ("smtp://mail.example.org:25?tls=none", Server("mail.example.org", 25, "none")),
        ("smtp://u:p%20q@mail.example.org", Server("mail.example.org", 587, "required", "u", "p q")),
        ("smtp://u:p@mail.example.org/?tls=none", Server("mail.example.org", 587, "none", "u", "p")),
        ("smtp://u:p@localhost:1025", Server("localhost", 1025, "offered", "u", "p")),
        ("smtps://u:p@[2001:db8::1]", Server("2001:db8::1", 465, "implicit", "u", "p")),
    ],
)
def test_smtp_urls(url: str, expected: Server) -> None:
    assert mail.server(url) == expected
    assert "p q" not in repr(mail.server(url))


@pytest.mark.parametrize(
    "url",
    ["", "mail.example.org", "http://u:secret@x", "smtp://", "smtp://u:secret@x:port", "smtps://u:secret@x?tls=none"],
)
def test_what_is_no_smtp_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Invalid, match="TOCSIN_SMTP_URL") as refused:
        mail.server(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        (" Ana.Lopez+page@Example.ORG ", "Ana.Lopez+page@example.org"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_addresses_have_one_form(typed: str, address: str) -> None:
    assert letter.normalise(typed) == address
    assert letter.normalise(address) == address


@pytest.mark.parametrize(
    "typed",
    ["", "ana", "ana@", "@example.org", "a@b@c.org", "a..b@c.org", ".a@c.org", "ana@-c.org", "añá@example.org",
     '"a b"@c.org', "ana@c.org, eve@c.org", "ana@c.org\nX: y", "a" * 65 + "@c.org", "a@" + "b" * 64 + ".org"],
)  # fmt: skip
def test_what_is_no_address(typed: str) -> None:
    with pytest.raises(Invalid):
        letter.normalise(typed)


def test_the_sender_of_the_settings() -> None:
    assert letter.sender("pager@example.org").domain == "example.org"
    with pytest.raises(Invalid, match="TOCSIN_MAIL_FROM"):
        letter.sender("nobody")


def test_the_template_is_the_only_one_and_names_no_other_host() -> None:
    folder = Path(letter.__file__).parent / "templates"
    assert [path.name for path in folder.iterdir()] == ["page.html"]
    assert not re.search(r"https?://", (folder / "page.html").read_text())


async def test_mails_go_out_while_name_servers_are_silent(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """To where the mail server was last; certificates are still those of its name."""
    says: list[str] | OSError = ["192.0.2.1", "127.0.0.1"]  # nobody is at the first

    def look_up(host: str) -> list[str]:
        assert host == "mail.example"
        if isinstance(says, OSError):
            raise says
        return says

    channel = channel_for(mailbox, mailbox.url.replace("127.0.0.1", "mail.example"))
    monkeypatch.setattr(channel, "_names", Names(look_up))
    monkeypatch.setattr(mail, "_TIMEOUT_S", 1)
    for _ in range(2):
        await channel.send(PAGE)
        await mailbox.expects_mail(ANA, "HighErrorRate")
        says = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    monkeypatch.setattr(channel, "_names", Names(look_up))
    with pytest.raises(SendFailed, match="Temporary failure in name resolution") as failed:
        await channel.send(PAGE)
    assert (failed.value.code, failed.value.permanent, failed.value.maybe_sent) == ("unreachable", False, False)
