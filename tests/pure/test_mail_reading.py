"""Mails that come in: any bytes are read, programs are told from people, and quotes are left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.channels import mail_reading
from app.channels.mail_text import above_the_quote, words_of_html

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
