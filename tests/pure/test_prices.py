"""What counts as a price of what providers write."""

from __future__ import annotations

import pytest

from app.channels.channel import Price


@pytest.mark.parametrize(
    ("amount", "currency", "known"),
    [
        ("0.0750", "EUR", "0.0750"),
        ("-0.0079", "usd", "0.0079"),
        ("0", "EUR", "0"),
        ("350", " IDR ", "350"),
        ("0.055000000000000003941", "EUR", "0.055"),
        ("1e-9999999", "EUR", "0"),
    ],
)
def test_a_price_is_what_a_message_can_cost(amount: str, currency: str, known: str) -> None:
    told = Price.told(amount, currency)
    assert told is not None
    assert (str(told.amount), told.currency) == (known, currency.strip().upper())


@pytest.mark.parametrize(
    "amount", ["", "None", "abc", "0,05", "NaN", "sNaN", "Infinity", "1e9", "-1e200000", "1e9999999"]
)
def test_anything_else_is_none(amount: str) -> None:
    assert Price.told(amount, "EUR") is None


@pytest.mark.parametrize("currency", ["", "None", "E", "EURO", "€", "ÉUR"])
def test_nor_is_a_number_without_a_currency(currency: str) -> None:
    assert Price.told("0.05", currency) is None
