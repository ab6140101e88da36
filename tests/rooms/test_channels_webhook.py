"""The webhook channel against a real socket: what is posted, how it is signed, and what its answers mean."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.channels.channel import Message, SendFailed
from app.channels.webhook import WebhookChannel, shown, signed
from app.channels.webhook_request import usual
from app.dev import wire
from app.settings import Settings

KEY = bytes(range(32))
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


class Receiver:
    def __init__(self) -> None:
        self.answer: wire.Answer | None = wire.Answer(204)
        """None: it resets the connection."""
        self.requests: list[wire.Request] = []
        self.server = wire.Server(self.take)

    async def take(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        if self.answer is None:
            raise wire.Reset
        return self.answer


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.server.start("127.0.0.1", 0)
    yield receiver
    await receiver.server.stop()


def message(port: int) -> Message:
    return Message(
        notification_id="n-1", attempt=1, purpose="page", to=f"http://127.0.0.1:{port}/hook", at=NOW, subject="",
        text="", request=usual({"type": "incident.escalated"}), signing_keys=[KEY],
    )  # fmt: skip


async def channel(tmp_path: Path, *, private: bool = True) -> WebhookChannel:
    return WebhookChannel(Settings(data_dir=tmp_path, allow_private_networks=private))


async def test_the_receiver_can_verify_what_it_gets(receiver: Receiver, tmp_path: Path) -> None:
    sending = await channel(tmp_path)
    sent = await sending.send(message(receiver.server.port))
    await sending.close()
    assert (sent.provider, sent.provider_id, sent.status) == ("webhook", "n-1", "delivered")
    [request] = receiver.requests
    assert json.loads(request.body) == {"type": "incident.escalated"}
    # as the specification tells a receiver to do it, from the secret that people were shown
    secret = b64decode(shown(KEY).removeprefix("whsec_"))
    content = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    assert request.headers["webhook-signature"] == "v1," + b64encode(hmac.digest(secret, content, "sha256")).decode()
    assert request.headers["webhook-timestamp"] == str(int(NOW.timestamp()))


async def test_while_two_secrets_count_it_is_signed_with_each(receiver: Receiver, tmp_path: Path) -> None:
    """A list in one header, as the specification has it: whoever knows one of them can verify it."""
    sending = await channel(tmp_path)
    await sending.send(replace(message(receiver.server.port), signing_keys=[b"the newest", KEY]))
    await sending.close()
    [request] = receiver.requests
    alone = [signed("n-1", NOW, request.body, [key])["webhook-signature"] for key in (b"the newest", KEY)]
    assert request.headers["webhook-signature"].split(" ") == alone


async def failure(tmp_path: Path, port: int) -> SendFailed:
    """What is raised when the receiver at this port is called."""
    sending = await channel(tmp_path)
    with pytest.raises(SendFailed) as failed:
        await sending.send(message(port))
    await sending.close()
    return failed.value


@pytest.mark.parametrize(
    ("answer", "permanent", "after"),
    [
        (wire.Answer(500), False, None),
        (wire.Answer(503, headers={"Retry-After": "7"}), False, 7.0),
        (wire.Answer(429), False, None),
        (wire.Answer(301, headers={"Location": "http://127.0.0.1:1/"}), True, None),
        (wire.Answer(404), True, None),
        (wire.Answer(410), True, None),
    ],
)
async def test_what_an_answer_means(
    receiver: Receiver, tmp_path: Path, answer: wire.Answer, permanent: bool, after: float | None
) -> None:
    receiver.answer = answer
    failed = await failure(tmp_path, receiver.server.port)
    assert (failed.permanent, failed.retry_after_s) == (permanent, after)
    assert failed.code == str(answer.status)


async def test_the_inner_network_is_out_of_reach(receiver: Receiver, tmp_path: Path) -> None:
    sending = await channel(tmp_path, private=False)
    with pytest.raises(SendFailed, match="private network") as failed:
        await sending.send(message(receiver.server.port))
    await sending.close()
    assert (failed.value.permanent, failed.value.configuration) == (True, True)
    assert receiver.requests == []


async def test_whoever_is_not_there_is_tried_again(receiver: Receiver, tmp_path: Path) -> None:
    port = receiver.server.port
    await receiver.server.stop()
    failed = await failure(tmp_path, port)
    assert (failed.permanent, failed.maybe_sent) == (False, False)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "the webhook: ReadError: the connection broke"),
        (wire.Answer(302), "the webhook answered 302, and redirects are not followed"),
        (wire.Answer(404), "the webhook answered 404"),
    ],
)
async def test_what_is_said_of_a_receiver(
    receiver: Receiver, tmp_path: Path, answer: wire.Answer | None, said: str
) -> None:
    receiver.answer = answer
    failed = await failure(tmp_path, receiver.server.port)
    assert str(failed) == said
