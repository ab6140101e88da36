"""Gateways as an operator describes them (TOCSIN_GATEWAYS): what is asked, how the answer is read, in what order.

Nothing here asks anybody. docs/providers.md explains every field, with two examples that the tests run.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

Value = str | int | bool
When = dict[str, Value | list[Value]]


class _Described(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Secret(_Described, frozen=True):
    """One of the two: the name of a variable of the environment, or of a file."""

    env: str = ""
    file: str = ""


class Basic(_Described, frozen=True):
    user: str
    password: str


class Request(_Described, frozen=True):
    """A request. At most one of `form` and `json`."""

    url: str
    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    form: dict[str, str] | None = None
    json: dict[str, Any] | list[Any] | None = None
    basic: Basic | None = None


class Taken(_Described, frozen=True):
    """The message was taken: the HTTP status is one of `status` (any 2xx) and all of `when` holds; `id` names it."""

    id: str = ""
    status: list[int] = []
    when: When = {}


class Mistake(_Described, frozen=True):
    """What an error means. It is meant when all that is named fits: one of the codes, one of the HTTP statuses (of
    answers only), all of `when`."""

    code: list[str | int] = []
    status: list[int] = []
    when: When = {}
    permanent: bool = False
    broken: bool = False
    opted_out: bool = False
    configuration: bool = False
    not_sent: bool = False
    words: str = ""


class Report(_Described, frozen=True):
    """What is said later of a message: `word` is its status there, `words` says which of ours that is."""

    word: str
    words: dict[str, str]
    id: str = ""
    digits: str = ""
    price: str = ""
    currency: str = ""


class Query(_Described, frozen=True):
    """Asks what became of a message."""

    request: Request
    report: Report


class Signed(_Described, frozen=True):
    """How a callback proves who sent it: a shared secret in a header or in the query, or an HMAC over the raw body.
    `former`: a second secret that counts as well, while they are exchanged."""

    secret: str
    former: str = ""
    header: str = ""
    query: str = ""
    hmac: Literal["", "sha1", "sha256", "sha512"] = ""
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""


class StatusCallback(_Described, frozen=True):
    signed: Signed
    report: Report


class InboundCallback(_Described, frozen=True):
    """A text that came in."""

    signed: Signed
    id: str
    sender: str = field(name="from")
    text: str


class Find(_Described, frozen=True):
    """Asks by our reference whether a message was taken, after an answer that was not clear."""

    request: Request
    id: str


class Gateway(_Described, frozen=True):
    name: str
    channel: Literal["sms", "voice"]
    send: Request
    taken: Taken
    secrets: dict[str, Secret] = {}
    code: str = ""
    says: str = ""
    errors: list[Mistake] = []
    status: Query | None = None
    find: Find | None = None
    probe: Request | None = None
    status_callback: StatusCallback | None = None
    inbound: InboundCallback | None = None
    timeout_s: float = 10


class Gateways(_Described, frozen=True):
    """All of them. `order`: providers by channel, the preferred one first; `prefixes`: the same for numbers that begin
    so, by channel."""

    gateways: list[Gateway] = []
    order: dict[Literal["sms", "voice"], list[str]] = {}
    prefixes: dict[Literal["sms", "voice"], dict[str, list[str]]] = {}

    def of(self, channel: str) -> list[Gateway]:
        return [g for g in self.gateways if g.channel == channel]

    def orders(self, channel: Any, providers: list[str]) -> dict[str, list[str]]:
        """The orders of a channel by prefix. `providers`: those that are configured, in their usual order."""
        return {"": self.order.get(channel, providers)} | self.prefixes.get(channel, {})
