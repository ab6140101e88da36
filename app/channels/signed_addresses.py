"""Addresses of ours with a token in them, by which an answer or a bounce is known to belong to one mail. Pure.

TOCSIN_MAIL_REPLY_TO=reply@example.org    reply+<token>@example.org   (subaddresses, RFC 5233)
TOCSIN_MAIL_REPLY_TO=@in.example.org      <token>@in.example.org      (a domain of its own, all of whose mail comes)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.channels import letter
from app.errors import Invalid
from app.settings import Settings

TOKEN_LENGTH: Final = 42
_LONGEST_LOCAL: Final = 64


@dataclass(frozen=True, slots=True)
class Signed:
    """`prefix` is what comes before the token."""

    prefix: str
    domain: str

    def address(self, token: str) -> str:
        return f"{self.prefix}{token}@{self.domain}"

    def token_in(self, address: str) -> str:
        """Empty where the address is not one of these. Case does not matter: servers on the way may change it."""
        local, _, domain = address.strip().strip("<>").lower().rpartition("@")
        if domain != self.domain or not local.startswith(self.prefix.lower()):
            return ""
        token = local[len(self.prefix) :]
        return token if len(token) == TOKEN_LENGTH else ""


def signed(setting: str, name: str) -> Signed | None:
    """What a setting says, None where it is empty. Raises Invalid that names the setting."""
    if not setting:
        return None
    local, _, _ = setting.strip().rpartition("@")
    try:
        kept_local, _, domain = letter.normalise(setting if local else f"x{setting.strip()}").rpartition("@")
    except Invalid as e:
        raise Invalid(f"{name} takes reply@example.org, or @in.example.org for a domain of its own") from e
    prefix = f"{kept_local}+" if local else ""
    if len(prefix) + TOKEN_LENGTH > _LONGEST_LOCAL:
        raise Invalid(f"{name}: {_LONGEST_LOCAL - TOKEN_LENGTH - 1} characters at most before the @")
    return Signed(prefix, domain)


def replies(settings: Settings) -> Signed | None:
    return signed(settings.mail_reply_to, "TOCSIN_MAIL_REPLY_TO")


def bounces(settings: Settings) -> Signed | None:
    return signed(settings.mail_bounces_to, "TOCSIN_MAIL_BOUNCES_TO")


def token_in(settings: Settings, addresses: Sequence[str]) -> str:
    """The token of the first of these addresses that is one of ours; empty where none is."""
    ours = [s for s in (replies(settings), bounces(settings)) if s is not None]
    return next((token for a in addresses for s in ours if (token := s.token_in(a))), "")
