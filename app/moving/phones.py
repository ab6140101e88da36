"""Phone numbers as the document has them: E.164."""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

from app.errors import Invalid

_ROUNDED: Final = re.compile(r"^\d+([.,]\d+)?E\+?\d+$", re.IGNORECASE)


def check_country(country: str) -> str:
    """Two letters, upper case. Raises `Invalid`."""
    if country.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise Invalid(f"--country {country}: give the two letters of a country, like DE")
    return country.upper()


def e164(text: str, country: str | None = None) -> str:
    """`country`: two letters, for numbers without a country code. Raises `Invalid` for what cannot be a number, as
    spreadsheets round them."""
    if _ROUNDED.match(text):
        raise Invalid(f"{text} was rounded by a spreadsheet; make the column text and enter the number again")
    text = text.replace("(0)", "")
    text = f"+{text[2:]}" if text.startswith("00") else text
    if not text.startswith("+") and country is None:
        raise Invalid(f"{text} has no country code; write it like +49 30 901820, or say --country")
    try:
        number = phonenumbers.parse(text, None if text.startswith("+") else country)
    except phonenumbers.NumberParseException:
        raise Invalid(f"{text} is no phone number") from None
    if not phonenumbers.is_possible_number(number) or number.extension:
        raise Invalid(f"{text} is too long, too short or has an extension")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
