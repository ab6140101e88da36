"""What carriers of a country do to text messages, as data. Not exhaustive: where a country is missing, both work.

Source: Twilio, "Global SMS guidelines" (one page per country: "Two-way SMS supported", "Message content restrictions").
Carriers change their minds; a country that refuses links shows as 30007 in the attempts.
"""

from __future__ import annotations

from typing import Final

import phonenumbers
from msgspec import Struct


class Rule(Struct, frozen=True, gc=False):
    """`links`: a message with one arrives. `replies`: an answer comes back to a number of ours."""

    country: str
    links: bool = True
    replies: bool = True


RULES: Final[dict[int, Rule]] = {
    84: Rule("Vietnam", replies=False),
    86: Rule("China", links=False, replies=False),
    91: Rule("India", replies=False),
    502: Rule("Guatemala", replies=False),
    506: Rule("Costa Rica", replies=False),
    507: Rule("Panama", replies=False),
}
"""By country calling code."""

_NOTHING_SPECIAL: Final = Rule("")


def of(number: str) -> Rule:
    """The rule for a number in E.164; for what is none, no rule."""
    try:
        code = phonenumbers.parse(number, None).country_code
    except phonenumbers.NumberParseException:
        return _NOTHING_SPECIAL
    return RULES.get(code or 0, _NOTHING_SPECIAL)
