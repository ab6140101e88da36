"""Mails that come in: any bytes are read, programs are told from people, and quotes are left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.links import Links
from app.access.secrets import Secrets
from app.channels import letter, mail_reading, signed_addresses
from app.channels.bounces import Bounce
from app.channels.channel import Message
from app.channels.mail_reading import Answer, Ignored
from app.channels.mail_text import above_the_quote, words_of_html
from app.errors import Invalid
from app.notifications.mail_words import Written, written
from app.notifications.replies import Said

HEADERS = st.sampled_from([
    b"From", b"To", b"Content-Type", b"Content-Transfer-Encoding", b"Subject", b"Message-ID", b"Authentication-Results",
    b"Auto-Submitted", b"Return-Path",
])  # fmt: skip
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([
        b"multipart/report; report-type=delivery-status; boundary=x", b"multipart/mixed; boundary=x", b"base64",
        b"text/html; charset=utf-7", b"text/plain; charset=\xff", b"message/rfc822", b"message/delivery-status",
        b"=?utf-8?q?=FF?=", b"=?nope?b?!!!?=", b"quoted-printable", b"x-uuencode", b"text/plain; charset*=utf-8''%ff",
    ]),
)  # fmt: skip


@given(st.binary(max_size=400))
def test_any_bytes_are_read(raw: bytes) -> None:
    mail_reading.read(raw, own="tocsin@example.org", authserv_id="mx")


@given(
    st.lists(st.tuples(HEADERS, VALUES), max_size=8),
    st.lists(st.tuples(st.lists(st.tuples(HEADERS, VALUES), max_size=3), st.binary(max_size=80)), max_size=4),
)
def test_any_headers_and_parts_are_read(
    headers: list[tuple[bytes, bytes]], parts: list[tuple[list[tuple[bytes, bytes]], bytes]]
) -> None:
    head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    body = b"".join(
        b"--x\r\n" + b"".join(n + b": " + v + b"\r\n" for n, v in inner) + b"\r\n" + content + b"\r\n"
        for inner, content in parts
    )
    mail_reading.read(head + b"\r\n" + body + b"--x--\r\n", own="tocsin@example.org", authserv_id="mx")


@given(st.text(max_size=400))
def test_any_text_has_an_end(text: str) -> None:
    assert len(above_the_quote(text)) <= len(text)
    words_of_html(text)


def mail(body: str, *, kind: str = "text/plain; charset=utf-8", **headers: str) -> bytes:
    given = {"From": "Ana <ana@example.org>", "Message-ID": "<1@example.org>", "Content-Type": kind}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return ("".join(f"{n}: {v}\r\n" for n, v in given.items()) + "\r\n" + body).encode()


def what(raw: bytes, **how: Any) -> Any:
    return mail_reading.read(raw, own="tocsin@example.org", **how).read


QUOTES = {
    "gmail": "a\n\nOn Mon, Nov 23, 2026 at 11:00 AM Tocsin <tocsin@example.org> wrote:\n\n> P2 incident 1",
    "gmail, broken over lines": "a\n\nOn Mon, Nov 23, 2026 at 11:00 AM Tocsin\n<reply+abc@in.example.org>\nwrote:\n> x",
    "gmail, German": "a\n\nAm Mo., 23. Nov. 2026 um 11:00 Uhr schrieb Tocsin <tocsin@example.org>:\n\n> x",
    "gmail, French": "a\n\nLe lun. 23 nov. 2026 à 11:00, Tocsin <tocsin@example.org> a écrit :\n\n> x",
    "gmail, Spanish": "a\n\nEl lun, 23 nov 2026 a las 11:00, Tocsin (<tocsin@example.org>) escribió:\n\n> x",
    "gmail, Italian": "a\n\nIl giorno lun 23 nov 2026 alle ore 11:00 Tocsin <t@example.org> ha scritto:\n> x",
    "gmail, Dutch": "a\n\nOp ma 23 nov 2026 om 11:00 schreef Tocsin <tocsin@example.org>:\n> x",
    "gmail, Japanese": "a\n\n2026年11月23日(月) 11:00 Tocsin <tocsin@example.org>のメール:\n> x",
    "gmail, Polish": "a\n\npon., 23 lis 2026 o 11:00 Tocsin <tocsin@example.org> napisał(a):\n> x",
    "apple": "a\n\nSent from my iPhone\n\n> On 23. Nov 2026, at 11:00, Tocsin <tocsin@example.org> wrote:\n> \n> x",
    "outlook": "a\n\n________________________________\nFrom: Tocsin <t@example.org>\nSent: Monday\nTo: Ana\nSubject: x",
    "outlook, without a line": "a\n\nFrom: Tocsin <t@example.org>\nSent: Monday\nTo: Ana\nSubject: x\n\nP2 incident",
    "outlook, German": "a\n\nVon: Tocsin <t@example.org>\nGesendet: Montag\nAn: Ana\nBetreff: x\n\nP2 incident",
    "outlook, phone": "a\n\nGet Outlook for iOS<https://aka.ms/o0ukef>\n________________________________\nFrom: x",
    "old outlook": "a\n\n-----Original Message-----\nFrom: Tocsin\nSent: Monday",
    "thunderbird": "a\n\nOn 11/23/26 11:00, Tocsin wrote:\n> x",
    "signature": "a\n-- \nAna Example, Example Inc",
    "blanks": "\r\n\r\n  a  \r\n\r\n> x",
}


@pytest.mark.parametrize("text", QUOTES.values(), ids=QUOTES)
def test_what_is_above_the_quote(text: str) -> None:
    assert above_the_quote(text) == "a"


@pytest.mark.parametrize(
    "text",
    [
        "I wrote:\nrestart at 11:00 helps",
        "From now on: nobody restarts it\nand we wait",
        "see 2026 budget:",
        "On it\nwill be fixed at 12:30",
    ],
)
def test_prose_is_not_cut(text: str) -> None:
    assert above_the_quote(text) == text


HTML = {
    "gmail": '<div dir="ltr">a&nbsp;<br></div><br><div class="gmail_quote"><div class="gmail_attr">On Mon</div>x</div>',
    "outlook": "<html><head><style>p{x}</style></head><body><p>a</p><div id=appendonsend></div><hr><div "
    'id="divRplyFwdMsg">From</div></body></html>',
    "apple": "<html><body>a<br><blockquote type=cite>x</blockquote></body></html>",
    "proton": '<div>a</div><div class="protonmail_quote">On Monday</div>',
    "yahoo": '<div class="yahoo_quoted">x</div>'.join(["<div>a</div>", ""]),
    "never closed": "<div><p>a<p><blockquote",
    "header block": "<div>a</div><p><b>From:</b> Tocsin<br><b>Sent:</b> Mon<br><b>To:</b> Ana<br></p>",
}


@pytest.mark.parametrize("html", HTML.values(), ids=HTML)
def test_the_first_line_of_html(html: str) -> None:
    assert what(mail(html, kind="text/html; charset=utf-8")).text.splitlines()[0] == "a"


def test_the_text_part_counts_and_html_only_where_it_is_empty() -> None:
    parts = (
        "--b\r\nContent-Type: text/plain\r\n\r\n{}\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>from html</p>\r\n--b--"
    )
    assert what(mail(parts.format("a"), kind="multipart/alternative; boundary=b")).text == "a"
    assert what(mail(parts.format("> only a quote"), kind="multipart/alternative; boundary=b")).text == "from html"


def test_encodings() -> None:
    assert what(mail("YQo=", Content_Transfer_Encoding="base64")).text == "a"
    assert what(mail("gr=C3=BC=C3=9Fe", Content_Transfer_Encoding="quoted-printable")).text == "grüße"
    assert what(mail("a", kind="text/plain; charset=klingon")).text == "a"
    assert what(mail("a", Subject="=?utf-8?b?UmU6IHjDtng=?=")).subject == "Re: xöx"


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Auto-Submitted": "auto-replied; owner-email=x"}, "auto_submitted"),
        ({"Auto-Submitted": "AUTO-GENERATED"}, "auto_submitted"),
        ({"Precedence": "Bulk"}, "precedence"),
        ({"Precedence": "auto_reply"}, "precedence"),
        ({"X-Autoreply": ""}, "autoreply"),
        ({"X-Autorespond": "x"}, "autoreply"),
        ({"Return-Path": "<>"}, "null_sender"),
        ({"List-Unsubscribe": "<mailto:x@example.org>"}, "list"),
        ({"Subject": "Abwesenheitsnotiz: Re: x"}, "autoreply"),
        ({"Subject": "=?utf-8?q?R=C3=A9ponse_automatique?= : x"}, "autoreply"),
        ({"From": "Tocsin <TOCSIN@example.org>"}, "our_own"),
        ({"From": "a@example.org, b@example.org"}, "no_sender"),
        ({"From": ""}, "no_sender"),
        ({"Content-Type": "multipart/report; report-type=disposition-notification; boundary=b"}, "report"),
    ],
    ids=str,
)
def test_what_nobody_wrote_is_ignored(headers: dict[str, str], why: str) -> None:
    assert what(mail("a", **headers)) == Ignored(why)


CONTRACT = json.loads((Path(__file__).parents[1] / "payloads/email/headers.json").read_text())
IGNORED = {
    "Auto-Submitted other than no": [{"Auto-Submitted": "auto-generated"}, {"Auto-Submitted": "auto-notified"}],
    "Precedence bulk, list, junk (vacation mail)": [{"Precedence": p} for p in ("bulk", "list", "junk")],
    "X-Autoreply, X-Autorespond": [{"X-Autoreply": "yes"}, {"X-Autorespond": "yes"}],
    "Return-Path <> (bounces, feed them to the delivery state)": [{"Return-Path": "<>"}],
    "Content-Type multipart/report": [{"Content-Type": "multipart/report; boundary=b"}],
}


@pytest.mark.parametrize("rule", CONTRACT["inbound"]["ignore_when"])
def test_the_contract_says_what_is_ignored(rule: str) -> None:
    for headers in IGNORED[rule]:
        assert isinstance(what(mail("a", **headers)), Ignored), headers


def test_the_contract_says_what_a_mail_of_ours_has() -> None:
    """In the order of the contract; Precedence, List-Unsubscribe and List-ID are for other mails than pages, and
    X-Entity-Ref-ID would break the thread."""
    page = Message(
        notification_id="0193", attempt=2, purpose="page", to="ana@example.org", at=datetime(2026, 11, 23, tzinfo=UTC),
        subject="[Checkout] Incident 42: x", text="x", thread="incident-42", loud=True, replies=("answer so",),
    )  # fmt: skip
    sent = letter.letter(page, letter.sender("Tocsin <t@pager.example.org>"), "reply+x@pager.example.org")
    assert {name: str(sent[name]) for name in CONTRACT["outbound"] if name in sent} == {
        "Message-ID": "<0193.2@pager.example.org>",
        "In-Reply-To": "<incident-42.root@pager.example.org>",
        "References": "<incident-42.root@pager.example.org>",
        "Subject": "[Checkout] Incident 42: x",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Date": "Mon, 23 Nov 2026 00:00:00 +0000",
        "Reply-To": "Tocsin <reply+x@pager.example.org>",
        "Importance": "high",
    }
    assert [part.get_content_type() for part in sent.iter_parts()] == ["text/plain", "text/html"]
    assert all("answer so" in str(part.get_content()) for part in sent.iter_parts())
    silent = letter.letter(page, letter.sender("t@pager.example.org"))
    assert silent["Reply-To"] is None
    assert "answer so" not in silent.as_string()


def test_long_ids_of_others_stay_readable() -> None:
    long = f"<{'x' * 180}@example.org>"
    page = Message(
        notification_id="0193", attempt=1, purpose="notice", to="ana@example.org",
        at=datetime(2026, 11, 23, tzinfo=UTC), subject="x", text="x", thread="incident-42", in_reply_to=long,
    )  # fmt: skip
    raw = letter.letter(page, letter.sender("t@example.org")).as_bytes()
    assert f"In-Reply-To: {long}\r\nReferences: <incident-42.root@example.org>\r\n {long}\r\n".encode() in raw


def test_what_people_write_is_not_ignored() -> None:
    for headers in ({"Auto-Submitted": "no"}, {"Auto-Submitted": "no (yet)"}, {"Precedence": "first-class"},
                    {"Return-Path": "<ana@example.org>"}, {"X-Auto-Response-Suppress": "DR"}):  # fmt: skip
        assert isinstance(what(mail("a", **headers)), Answer), headers
    assert what(mail("a"), envelope_from="") == Ignored("null_sender")
    assert isinstance(what(mail("a", Return_Path="<>"), envelope_from="ana@example.org"), Answer)


@pytest.mark.parametrize(
    ("given", "sender"),
    [
        ("ana@Example.org", "ana@example.org"),
        ('"Ana, <x@example.com>" <ana@example.org>', "ana@example.org"),
        ("Ana <ana@example.org> (at home)", "ana@example.org"),
        ("ana@example.org <mallory@example.com>", "mallory@example.com"),
        ("<ana@example.org> <mallory@example.com>", ""),
        ("ana@example.org)mallory@example.com", ""),
        ("=?utf-8?q?Ana_=C3=9C?= <ana@example.org>", "ana@example.org"),
    ],
)
def test_the_sender_is_read_in_one_way_only(given: str, sender: str) -> None:
    found = what(mail("a", From=given))
    assert (found.sender if isinstance(found, Answer) else "") == sender


def test_only_the_trusted_server_says_who_is_authenticated() -> None:
    good = "mx.example.net; spf=pass; dmarc=pass (p=none) header.from=example.org"
    assert what(mail("a", Authentication_Results=good), authserv_id="mx.example.net").authenticated
    assert not what(mail("a", Authentication_Results=good)).authenticated
    assert not what(mail("a", Authentication_Results=good), authserv_id="mx.example.com").authenticated
    for bad in (good.replace("dmarc=pass", "dmarc=fail"), good.replace("header.from=example.org", "header.from=x.org"),
                "mx.example.net; none", "mx.example.net; dkim=pass reason=\"dmarc=pass\""):  # fmt: skip
        assert not what(mail("a", Authentication_Results=bad), authserv_id="mx.example.net").authenticated
    both = mail("a", Authentication_Results="mx.example.net; dmarc=fail").replace(
        b"\r\n\r\n", f"\r\nAuthentication-Results: {good}\r\n\r\n".encode(), 1
    )
    assert not what(both, authserv_id="mx.example.net").authenticated, "the topmost counts"


def test_the_same_mail_has_the_same_identity() -> None:
    first = mail_reading.read(mail("a"))
    assert first.identity == mail_reading.read(b"Received: again\r\n" + mail("a")).identity
    assert first.identity != mail_reading.read(mail("a", Message_ID="<2@example.org>")).identity
    broken = mail("a", Message_ID="what is this")
    assert mail_reading.read(broken).identity == mail_reading.read(broken).identity
    assert what(broken).message_id == ""


def report(*blocks: str, kind: str = "delivery-status", part: str = "message/delivery-status") -> bytes:
    body = f"--b\r\nContent-Type: text/plain\r\n\r\nsorry\r\n\r\n--b\r\nContent-Type: {part}\r\n\r\n"
    head = {"Return-Path": "<>", "Auto-Submitted": "auto-replied"}
    return mail(
        body + "\r\n\r\n".join(b.replace("\n", "\r\n") for b in blocks) + "\r\n\r\n--b--\r\n",
        kind=f"multipart/report; report-type={kind}; boundary=b", **head,
    )  # fmt: skip


def bounce(status: str, said: str = "smtp; 550 no", action: str = "failed") -> Any:
    about = f"Final-Recipient: rfc822; ana@example.org\nAction: {action}\nStatus: {status}\nDiagnostic-Code: {said}"
    return what(report("Reporting-MTA: dns; mx.example.net", about))


@pytest.mark.parametrize(
    ("status", "permanent", "broken"),
    [
        ("5.1.1", True, True), ("5.1.10", True, True), ("5.2.1", True, True), ("5.0.0", True, True),
        ("5.4.4", True, True), ("5.7.13", True, True), ("5.9.9", True, True), ("5.2.2", True, False),
        ("5.7.1", True, False), ("5.1.8", True, False), ("5.6.0", True, False), ("4.2.2", False, False),
        ("4.4.7", False, False), ("4.1.1", False, False), ("nonsense", False, False),
    ],
)  # fmt: skip
def test_hard_and_soft_bounces(status: str, permanent: bool, broken: bool) -> None:
    found = bounce(status)
    assert isinstance(found, Bounce)
    assert found.fault is not None
    assert (found.kind, found.hard, found.fault.broken_address) == ("failed", permanent, broken)


def test_a_vague_code_gives_way_to_a_better_one_and_words_are_kept() -> None:
    found = bounce("5.0.0", "smtp; 550-5.1.1 The email account\n that you tried to reach does not exist")
    assert found.fault.code == "5.1.1"
    assert "there is no such mailbox (bounced with 5.1.1; the server said: 550-5.1.1 The email account that" in str(
        found.fault
    )
    assert bounce("5.1.1 (bad mailbox)").fault.code == "5.1.1"


def test_delays_deliveries_and_relays() -> None:
    late = bounce("4.4.1", action="delayed")
    assert (late.kind, late.fault.permanent, late.fault.code) == ("delayed", False, "4.4.1")
    assert bounce("2.0.0", action="delivered") == Bounce("delivered")
    assert bounce("2.0.0", action="relayed (to a gateway)") == Ignored("report")
    assert bounce("2.0.0", action="sung") == Ignored("report")


@pytest.mark.parametrize(("kind", "counts"), [("abuse", True), ("fraud", True), ("not-spam", False)])
def test_complaints(kind: str, counts: bool) -> None:
    fields = f"Feedback-Type: {kind}\nUser-Agent: x/1\nVersion: 1"
    found = what(report(fields, kind="feedback-report", part="message/feedback-report"))
    assert (isinstance(found, Bounce) and found.kind == "complaint") is counts


@given(st.binary(max_size=300), st.sampled_from(["message/delivery-status", "message/feedback-report", "text/plain"]))
def test_any_report_is_read(content: bytes, part: str) -> None:
    mail_reading.read(report("Action: failed", part=part).replace(b"Action: failed", content))


@given(st.text(max_size=120))
def test_any_words_mean_something(text: str) -> None:
    found = written(text)
    assert found.verb not in ("stop", "start", "unknown") or not text.strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", Said("acknowledge")),
        ("Ack.\nthanks", Said("acknowledge")),
        ("a 15", Said("acknowledge", None, 15)),
        ("#42 a 15", Said("acknowledge", 42, 15)),
        ("42aa", Said("acknowledge_all", 42)),
        ("1234567: c", Said("resolve", 1234567)),
        ("s 10", Said("snooze", None, 10)),
        ("?", Said("why")),
        ("", Said("help")),
    ],
)
def test_commands(text: str, said: Said) -> None:
    assert written(text) == Written(said)


@pytest.mark.parametrize(
    ("text", "note", "about"),
    [
        ("stop", "stop", None),
        ("15 minutes please", "15 minutes please", None),
        ("#42 the disk is full\nagain", "the disk is full\nagain", 42),
        ("a few of them", "a few of them", None),
        ("a all please", "a all please", None),
        ("x" * 5000, "x" * 2000, None),
    ],
)
def test_prose(text: str, note: str, about: int | None) -> None:
    found = written(text)
    assert (found.verb, found.note, found.said.code) == ("note", note, about)


def test_addresses_of_ours() -> None:
    token = "a" * 42
    plus, own = signed_addresses.signed("Reply@In.example.org", "X"), signed_addresses.signed("@in.example.org", "X")
    assert plus is not None
    assert own is not None
    assert plus.address(token) == f"Reply+{token}@in.example.org"
    assert plus.token_in(f"<REPLY+{token.upper()}@IN.EXAMPLE.ORG>") == token
    assert own.token_in(own.address(token)) == token
    for other in (f"{token}@in.example.org", f"reply+{token}@example.org", "reply@in.example.org", "", "@"):
        assert plus.token_in(other) == ""
    for wrong in ("reply", "reply@", "a b@example.org", "x" * 30 + "@example.org"):
        with pytest.raises(Invalid, match="TOCSIN_X"):
            signed_addresses.signed(wrong, "TOCSIN_X")


def test_tokens_are_for_one_purpose_and_one_installation() -> None:
    attempt, links = uuid4(), Links(Secrets(b"k" * 40))
    token = links.mail_token("reply", attempt)
    assert links.read_mail_token(token.upper()) == ("reply", attempt)
    assert links.read_mail_token(links.mail_token("bounce", attempt)) == ("bounce", attempt)
    assert Links(Secrets(b"l" * 40)).read_mail_token(token) is None
    for n in range(0, 40, 3):
        other = token[:n] + ("b" if token[n] != "b" else "c") + token[n + 1 :]
        assert links.read_mail_token(other) is None
    for wrong in ("", "a" * 41, token + "a", "ä" * 42, "0" * 42):
        assert links.read_mail_token(wrong) is None
