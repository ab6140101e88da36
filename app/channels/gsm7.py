"""What fits into a text message: the GSM-7 alphabet, look-alikes, segments.

Source: GSM 03.38 default alphabet and its extension table; 3GPP TS 23.040 for the sizes of concatenated segments.
One character outside the table turns the whole message into UCS-2 and more than halves what a segment holds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Encoding = Literal["gsm7", "ucs2"]

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = frozenset("\f^{}\\[~]|€")
"""Two septets each, and the pair is not split over two segments."""

_SIZES: Final[dict[Encoding, tuple[int, int]]] = {"gsm7": (160, 153), "ucs2": (70, 67)}
_CUT: Final = "..."

_PAIRS: Final = (
    "…:... ç:c œ:oe Œ:OE ł:l Ł:L đ:d Đ:D ı:i ð:d Ð:D þ:th Þ:TH ẞ:SS µ:u μ:u °: ×:x ÷:/ ±:+/- →:-> ←:<- ⇒:=> ↔:<-> "
    "↑:^ ↓:v ≥:>= ≤:<= ≠:!= ≈:~ ✓:OK ✔:OK ‹:< ›:> ¦:| ⁄:/"
)
_LOOK_ALIKES: Final = {
    **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("•·‣▪●", "-"),
    **dict.fromkeys("\t\v\r\f", " "),
    **dict(pair.split(":") for pair in _PAIRS.split()),
}


@dataclass(frozen=True, slots=True)
class Size:
    """`units` are septets for gsm7 and UTF-16 code units for ucs2."""

    encoding: Encoding
    units: int
    segments: int


def size(text: str) -> Size:
    """How the text is encoded and how many segments are paid for. An empty text still is one message."""
    encoding: Encoding = "gsm7" if all(map(_known, text)) else "ucs2"
    widths = [_width(c, encoding) for c in text]
    units = sum(widths)
    single, concatenated = _SIZES[encoding]
    if units <= single:
        return Size(encoding, units, 1)
    segments, used = 1, 0
    for width in widths:
        if used + width > concatenated:  # an escape pair or a surrogate pair moves to the next segment whole
            segments, used = segments + 1, 0
        used += width
    return Size(encoding, units, segments)


def _width(char: str, encoding: Encoding) -> int:
    if encoding == "gsm7":
        return 2 if char in EXTENSION else 1
    return 2 if ord(char) > 0xFFFF else 1


def transliterate(text: str) -> str:
    """The text in GSM-7 where look-alikes make that possible.

    Accents that the table lacks go, typographic signs become plain ones, symbols and emoji are left out. A text with
    letters of a script that GSM-7 does not know keeps all its letters and will be UCS-2.
    """
    clean = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    plain = "".join(_plain(c) for c in clean)
    return plain if all(map(_known, plain)) else "".join(c for c in clean if _printable(c))


def _known(char: str) -> bool:
    return char in BASIC or char in EXTENSION


def _printable(char: str) -> bool:
    """Joiners shape words in some scripts; other format characters and controls only confuse."""
    return char in "\n\u200c\u200d" or not unicodedata.category(char).startswith("C")


def _plain(char: str) -> str:
    if (found := _LOOK_ALIKES.get(char)) is not None:
        return found
    if _known(char):
        return char
    parts = (c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    bare = "".join(_LOOK_ALIKES.get(c, c) for c in parts)
    if bare and all(map(_known, bare)):
        return bare
    category = unicodedata.category(char)
    if category[0] in "CM" or category in ("So", "Sk"):
        return ""
    if category[0] in "SP":
        return "?"
    return " " if category[0] == "Z" else char


def fit_sms(text: str, link: str = "", max_segments: int = 2, *, asides: Sequence[str] = ()) -> str:
    """The text, shortened so that it and the link stay within `max_segments`; the link is never cut.

    Cuts at a blank when one is near. A link that is too long by itself is returned alone. `asides`: the first of them
    that costs no segment more goes between text and link.
    """
    text = transliterate(text).strip()
    tail = f"\n{link}" if link else ""
    whole = (text + tail).strip()
    if (paid := size(whole).segments) <= max_segments:
        longer = (f"{text}\n{transliterate(aside).strip()}{tail}" for aside in asides)
        return next((more for more in longer if size(more).segments <= paid), whole)
    longest = min(len(text), max_segments * _SIZES["gsm7"][0])
    for length in range(longest, 0, -1):
        if size(text[:length] + _CUT + tail).segments <= max_segments:
            return _at_blank(text[:length]) + _CUT + tail
    return link or text[: _SIZES["ucs2"][0]]


def _at_blank(text: str) -> str:
    head, _, rest = text.rpartition(" ")
    return (head if head and len(rest) <= 12 else text).rstrip()
