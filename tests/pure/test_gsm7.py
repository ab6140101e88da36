"""Text messages: what GSM-7 holds, what is paid for, what is cut. Rules: GSM 03.38, 3GPP TS 23.040."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels.gsm7 import BASIC, EXTENSION, Size, fit_sms, size, transliterate

LINK = "https://pager.example.org/a/0123456789abcdefghijkl"


def test_the_table_has_the_127_characters_of_the_standard() -> None:
    assert len(BASIC) == 127  # 128 code points, one of them the escape
    assert len(EXTENSION) == 10
    assert not BASIC & EXTENSION
    assert "ç" not in BASIC
    assert "Ç" in BASIC
    assert "`" not in BASIC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Size("gsm7", 0, 1)),
        ("a" * 160, Size("gsm7", 160, 1)),
        ("a" * 161, Size("gsm7", 161, 2)),
        ("a" * 306, Size("gsm7", 306, 2)),
        ("a" * 307, Size("gsm7", 307, 3)),
        ("€" * 80, Size("gsm7", 160, 1)),
        ("€" * 81, Size("gsm7", 162, 2)),
        # 152 septets and an escape pair: the pair does not fit the 153rd and moves on whole
        ("a" * 152 + "€" + "a" * 151, Size("gsm7", 305, 2)),
        ("a" * 152 + "€" + "a" * 152, Size("gsm7", 306, 3)),
        ("ж" * 70, Size("ucs2", 70, 1)),
        ("ж" * 71, Size("ucs2", 71, 2)),
        ("ж" * 134, Size("ucs2", 134, 2)),
        ("ж" * 135, Size("ucs2", 135, 3)),
        ("🔥" * 35, Size("ucs2", 70, 1)),
        # 66 units and a surrogate pair
        ("ж" * 66 + "🔥" + "ж" * 66, Size("ucs2", 134, 3)),
        ("a" * 69 + "✓", Size("ucs2", 70, 1)),
        ("a" * 70 + "✓", Size("ucs2", 71, 2)),
    ],
)
def test_size(text: str, expected: Size) -> None:
    assert size(text) == expected


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("It’s “down” – 5 × worse…", 'It\'s "down" - 5 x worse...'),
        ("façade Łódź ő á í ó ú", "facade Lodz o a i o u"),
        ("Größe ÄÖÜ ñ é Ç", "Größe ÄÖÜ ñ é Ç"),
        ("e\u0301", "é"),
        ("a\u00a0b\u2009c\td", "a b c d"),
        ("🔥 disk full 🔥\ufe0f", " disk full "),
        ("p99 > 500 µs at 85 °C → restart", "p99 > 500 us at 85 C -> restart"),
        ("ﬁle №5 ™ ½", "file No5 TM 1/2"),
        ("zero\u200bwidth\ufeff \x00nul \u202eevil", "zerowidth nul evil"),
        ("∞ ₹", "? ?"),
        ("line\r\nnext", "line\nnext"),
        ("\ud800lone", "lone"),
    ],
)
def test_look_alikes_become_gsm7(text: str, plain: str) -> None:
    assert transliterate(text) == plain
    assert size(plain).encoding == "gsm7"


def test_letters_of_another_script_keep_everything() -> None:
    text = "Диск полон – “db” 🔥"
    assert transliterate(text) == text
    assert transliterate("می\u200cشود\u202e") == "می\u200cشود"


def test_short_text_and_link_are_left_whole() -> None:
    assert fit_sms("P1 checkout: HighErrorRate", LINK) == f"P1 checkout: HighErrorRate\n{LINK}"
    assert fit_sms("code 123456") == "code 123456"
    assert fit_sms("", LINK) == LINK


def test_long_text_is_cut_at_a_blank_and_keeps_its_link() -> None:
    fitted = fit_sms("word " * 200, LINK)
    assert fitted.endswith(f"word...\n{LINK}")
    assert size(fitted).segments == 2
    assert size(fitted).units > 295


def test_cyrillic_gets_two_short_segments() -> None:
    fitted = fit_sms("д" * 500, LINK)
    assert fitted.endswith(f"д...\n{LINK}")
    assert size(fitted) == Size("ucs2", 134, 2)


def test_one_segment_and_a_link_too_long_for_it() -> None:
    assert size(fit_sms("x" * 500, LINK, max_segments=1)).units == 160
    monster = "https://pager.example.org/" + "a" * 300
    assert fit_sms("text", monster, max_segments=1) == monster


@given(st.text(max_size=400), st.sampled_from(["", LINK]), st.integers(1, 3))
def test_whatever_the_text_the_limit_holds_and_the_link_survives(text: str, link: str, segments: int) -> None:
    fitted = fit_sms(text, link, segments)
    assert size(fitted).segments <= segments
    assert fitted.endswith(link)


def test_every_latin_letter_of_europe_becomes_gsm7_but_seven() -> None:
    letters = [c for c in map(chr, range(0xC0, 0x180)) if c.isalpha()]
    assert {c for c in letters if size(transliterate(c)).encoding == "ucs2"} == set("ĦħĸŊŋŦŧ")


@given(st.text())
def test_transliterating_twice_changes_nothing(text: str) -> None:
    once = transliterate(text)
    assert transliterate(once) == once
    assert unicodedata.is_normalized("NFC", once)
