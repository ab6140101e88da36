"""What a service may say about how long acknowledgements last."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.directory.documents import ServiceDocument
from app.errors import wrong_members


def test_only_what_differs_is_said_and_in_one_order() -> None:
    assert ServiceDocument(key="s", name="S").acknowledgement_minutes == {}
    said = ServiceDocument(key="s", name="S", acknowledgement_minutes={"P3": 0, "P1": 6})
    assert list(said.acknowledgement_minutes.items()) == [("P1", 6), ("P3", 0)]


@pytest.mark.parametrize(
    "wrong", [{"P6": 10}, {"1": 10}, {"P1": -1}, {"P1": 5}, {"P1": 1.5}, {"P1": "15"}, {"P1": 10_081}, {"P1": None}, []]
)
def test_what_cannot_be_is_refused_naming_the_field(wrong: object) -> None:
    with pytest.raises(ValidationError) as refused:
        ServiceDocument.model_validate({"key": "s", "name": "S", "acknowledgement_minutes": wrong})
    assert refused.value.errors()[0]["loc"][0] == "acknowledgement_minutes"


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"P1": 5}, "P1", "6 minutes or more, or 0 for ever"),
        ({"P2": 60, "P3": 10_081}, "P3", "10080"),
        ({"P4": "15"}, "P4", "a whole number is needed"),
        ({"P6": 10}, "P6", "P1"),
    ],
)
def test_the_member_that_is_wrong_is_named(wrong: dict[str, object], field: str, words: str) -> None:
    given = {"key": "s", "name": "S", "acknowledgement_minutes": wrong}
    with pytest.raises(ValidationError) as refused:
        ServiceDocument.model_validate(given)
    [said] = wrong_members(refused.value.errors(), given)
    assert said["field"] == f"acknowledgement_minutes.{field}"
    assert words in said["message"]
