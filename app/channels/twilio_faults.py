"""What Twilio's error codes mean for a page: try again, try another way, or call the operators.

Source: Twilio's error dictionary; the answers to requests (2xxxx, 6xxxx) and to deliveries (3xxxx).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.channels.channel import SendFailed

_AGAIN: Final[dict[str, bool]] = {}
_ELSEWHERE: Final = {"permanent": True}
_BROKEN: Final = {"permanent": True, "broken_address": True}
_OPTED_OUT: Final = {"permanent": True, "broken_address": True, "opted_out": True}
_OPERATORS: Final = {"permanent": True, "configuration": True}

_CODES: Final[dict[int, tuple[Mapping[str, bool], str]]] = {
    20003: (_OPERATORS, "Twilio refused our account or token"),
    20404: (_OPERATORS, "Twilio does not know this account or resource"),
    20429: (_AGAIN, "Twilio is busy with too many requests of ours"),
    20500: ({"maybe_sent": True}, "Twilio has an internal error"),
    21205: (_OPERATORS, "our callback address is not a valid URL"),
    21210: (_OPERATORS, "our sender number is not verified"),
    21211: (_BROKEN, "this is not a valid phone number"),
    21212: (_OPERATORS, "our sender number is not valid"),
    21214: (_BROKEN, "this number cannot be reached by a call"),
    21215: (_OPERATORS, "calls to this country are not enabled at Twilio"),
    21216: (_OPERATORS, "Twilio blocks calls to this number"),
    21217: (_BROKEN, "this is not a valid phone number"),
    21219: (_OPERATORS, "a trial account may only call verified numbers"),
    21265: (_BROKEN, "this is a short code, not a phone number"),
    21408: (_OPERATORS, "text messages to this country are not enabled at Twilio"),
    21601: (_OPERATORS, "our sender number cannot send text messages"),
    21602: (_OPERATORS, "the message had no text"),
    21603: (_OPERATORS, "the message had no sender"),
    21604: (_OPERATORS, "the message had no recipient"),
    21606: (_OPERATORS, "our sender number cannot be used for this message"),
    21608: (_OPERATORS, "a trial account may only text verified numbers"),
    21610: (_OPTED_OUT, "the owner of this number replied STOP; texting START to our number undoes that"),
    21611: (_ELSEWHERE, "the queue of our sender number is full"),
    21612: (_ELSEWHERE, "this number cannot be reached from our sender number"),
    21614: (_BROKEN, "this is not a mobile number; calls may work"),
    21617: (_OPERATORS, "the message was too long"),
    21619: (_OPERATORS, "the message had no content"),
    21703: (_OPERATORS, "our messaging service has no sender number"),
    21705: (_OPERATORS, "our messaging service does not exist"),
    63038: (_OPERATORS, "our account has reached its daily limit of messages"),
    30001: (_AGAIN, "the message waited in a queue for too long"),
    30002: (_OPERATORS, "our account is suspended"),
    30003: (_AGAIN, "the phone is switched off or out of reach"),
    30004: (_ELSEWHERE, "the recipient or the carrier blocks our messages"),
    30005: (_BROKEN, "this number is unknown or no longer in use"),
    30006: (_BROKEN, "this is a landline or its carrier takes no text messages"),
    30007: (_OPERATORS, "the carrier filtered the message: check its content and our registration"),
    30008: (_AGAIN, "the carrier gave no reason"),
    30009: (_AGAIN, "a part of the message got lost"),
    30010: (_OPERATORS, "the message costs more than our price limit"),
    30022: (_AGAIN, "our messages to the US come too fast for our registration"),
    30023: (_OPERATORS, "our daily cap for messages to the US is reached"),
    30024: (_OPERATORS, "our sender is not provisioned"),
    30032: (_OPERATORS, "our toll-free number is not verified"),
    30034: (_OPERATORS, "our number is not registered for messages to the US (A2P 10DLC)"),
    30036: (_ELSEWHERE, "the message expired before it could be delivered"),
    30410: (_AGAIN, "the carrier did not answer in time"),
    30450: (_OPERATORS, "Twilio's fraud guard blocks messages to this prefix"),
}


def of_answer(status: int, code: int | None, text: str = "", retry_after_s: float | None = None) -> SendFailed:
    """The failure behind an answer that is not 2xx. `text` is Twilio's own message, used for codes unknown here."""
    if code in _CODES:
        return _fault(code, retry_after_s)
    words = f"Twilio answered {status}{f': {text}' if text else ''}"
    if status == 429:
        return SendFailed(words, code=str(code or status), retry_after_s=retry_after_s)
    if status >= 500:
        return SendFailed(words, code=str(code or status), retry_after_s=retry_after_s, maybe_sent=True)
    operators = status in (401, 403, 404, 405, 407) or status < 400
    return SendFailed(words, permanent=True, code=str(code or status), configuration=operators)


def of_delivery(code: int | None) -> SendFailed:
    """The failure behind a message that Twilio took and did not deliver. Codes unknown here count as temporary."""
    if code in _CODES:
        return _fault(code)
    return SendFailed("the message was not delivered", code=str(code or ""))


def _fault(code: int, retry_after_s: float | None = None) -> SendFailed:
    facts, words = _CODES[code]
    given: dict[str, Any] = {**facts}
    return SendFailed(f"{words} (Twilio {code})", code=str(code), retry_after_s=retry_after_s, **given)
