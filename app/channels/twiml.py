"""TwiML: what Twilio says in a call and which keys it waits for. Pure.

Texts of senders are escaped by the XML library, and what XML cannot hold is left out. Source: Twilio, "TwiML for
Programmable Voice": <Say> takes 4,096 characters, a document 64 KB; a <Gather> without a key goes on behind it.
"""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree as ET

LANGUAGE: Final = "en-US"
TIMES: Final = 3
"""So often it is said while nobody presses a key."""
WAITS_S: Final = 6
_SAYS_AT_MOST: Final = 4000


def nothing() -> str:
    """The answer to a message that came in: none."""
    return _document(ET.Element("Response"))


def hang_up() -> str:
    response = ET.Element("Response")
    ET.SubElement(response, "Hangup")
    return _document(response)


def say(words: str, *, times: int = 1) -> str:
    """Says it and hangs up."""
    response = ET.Element("Response")
    for _ in range(times):
        ET.SubElement(response, "Pause", length="1")
        _say(response, words)
    ET.SubElement(response, "Hangup")
    return _document(response)


def ask(words: str, action: str, *, times: int = TIMES) -> str:
    """Says it and waits for one key, which is posted to `action`; without a key it hangs up after a few times."""
    response = ET.Element("Response")
    ET.SubElement(response, "Pause", length="1")
    for _ in range(times):
        gather = ET.SubElement(
            response, "Gather", input="dtmf", numDigits="1", finishOnKey="", timeout=str(WAITS_S), action=action,
            method="POST",
        )  # fmt: skip
        _say(gather, words)
    _say(response, "No key was pressed. Somebody else is told.")
    ET.SubElement(response, "Hangup")
    return _document(response)


def _say(parent: ET.Element, words: str) -> None:
    ET.SubElement(parent, "Say", language=LANGUAGE).text = "".join(filter(_fits_xml, words[:_SAYS_AT_MOST]))


def _fits_xml(char: str) -> bool:
    """Source: XML 1.0, production [2]."""
    point = ord(char)
    return char in "\t\n\r" or 0x20 <= point <= 0xD7FF or 0xE000 <= point <= 0xFFFD or point >= 0x10000


def _document(response: ET.Element) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(response, encoding="unicode")}'
