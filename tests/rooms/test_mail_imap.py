"""A mailbox elsewhere, looked at over IMAP on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.exc import OperationalError

from app.channels import imap
from app.channels.imap import ImapFailed
from app.dev.imap_box import ImapBox
from app.errors import Invalid
from app.web.mail_imap import ImapDoor


@pytest_asyncio.fixture
async def box() -> AsyncIterator[ImapBox]:
    box = ImapBox()
    await box.start()
    yield box
    await box.stop()


class Intake:
    """Keeps what it is given; a mail that says so finds the database away."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def take(self, raw: bytes) -> str:
        if b"away" in raw:
            raise OperationalError("SELECT 1", {}, OSError("gone"))
        self.taken.append(raw)
        return "acknowledge"


def door(box: ImapBox, intake: Any) -> ImapDoor:
    return ImapDoor(imap.mailbox(f"imap://tocsin:pass%20word@127.0.0.1:{box.port}/INBOX?tls=none"), intake)


async def test_what_is_new_is_acted_on_and_marked(box: ImapBox) -> None:
    intake = Intake()
    looking = door(box, intake)
    assert await looking.poll() == 0
    box.put(b"Subject: one\r\n\r\na\r\n)")
    box.put(b"Subject: two\r\n\r\n\xff {3}\r\n")
    assert await looking.poll() == 2
    assert intake.taken == [box.mails[1], box.mails[2]]
    assert box.seen == {1, 2}
    assert await looking.poll() == 0


async def test_what_could_not_be_acted_on_is_read_again(box: ImapBox) -> None:
    box.put(b"Subject: one\r\n\r\na")
    box.put(b"Subject: away\r\n\r\na")
    with pytest.raises(OperationalError):
        await door(box, Intake()).poll()
    assert box.seen == {1}
    box.mails[2] = b"Subject: back\r\n\r\na"
    assert await door(box, Intake()).poll() == 1


async def test_what_is_too_large_is_not_fetched(box: ImapBox) -> None:
    uid = box.put(b"x" * (5 * 1024 * 1024 + 1))
    intake = Intake()
    assert await door(box, intake).poll() == 1
    assert intake.taken == []
    assert box.seen == {uid}


async def test_a_mailbox_that_says_no(box: ImapBox) -> None:
    box.refuses_login = True
    with pytest.raises(ImapFailed) as told:
        await door(box, Intake()).poll()
    assert "pass word" not in str(told.value)
    await door(box, Intake()).poll_due()  # is logged, and asked again later
    await box.stop()
    with pytest.raises(ImapFailed):
        await door(box, Intake()).poll()
    await box.start()


@pytest.mark.parametrize(
    "url",
    ["mail.example.org", "imaps://mail.example.org", "imap://u:secret@mail.example.org/?tls=none",
     "imaps://u:secret@mail.example.org:x/", 'imaps://u:secret@mail.example.org/a"b', "pop3://u:secret@x"],
)  # fmt: skip
def test_addresses_that_cannot_be_right(url: str) -> None:
    with pytest.raises(Invalid, match="TOCSIN_MAIL_IN_IMAP_URL") as told:
        imap.mailbox(url)
    assert "secret" not in str(told.value)


def test_addresses() -> None:
    assert imap.mailbox("imaps://u%40x:p@mail.example.org") == imap.Mailbox(
        "mail.example.org", 993, True, False, "u@x", "p", "INBOX"
    )
    assert imap.mailbox("imap://u:p@mail.example.org/Answers").starttls
