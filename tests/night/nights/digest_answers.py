"""How people answer the digest of a night by text message: for all of it, or for what it names. Pure."""

from __future__ import annotations

import re
from random import Random
from typing import Final

from nights.evidence import Letter
from nights.script import Night, Resident

SOON_S: Final = (20, 400)
AGAIN_S: Final = (30, 1500)
SAYINGS: Final = (
    "a all", "a all", "a all", "a {some}", "a {some}", "a {one}", "c {one}", "n {one}", "s 30 {one}", "s 30 {some}",
    "a {one} 999", "c all", "n all", "s 30 all",
)  # fmt: skip
_NAMED: Final = re.compile(r"(?:^|: |; )(\d{1,3}): P\d (.+?)(?=; \d{1,3}: P\d |$)")


def reaction(night: Night, resident: Resident, letter: Letter, nth: int) -> list[tuple[float, str]]:
    """(seconds after the message, words) for the `nth` message to this person."""
    chance = night.chance("digest answer", resident.key, nth)
    codes = list(named(letter))
    if resident.temper == "never" or not codes:
        return []
    at = round(chance.uniform(*SOON_S), 3)
    answers = [(at, _said(chance, codes))]
    if resident.temper in ("twice", "busy", "wrong"):
        answers.append((round(at + chance.uniform(*AGAIN_S), 3), _said(chance, codes)))
    return answers


def _said(chance: Random, codes: list[int]) -> str:
    some = sorted(chance.sample(codes, min(len(codes), 2)))
    return chance.choice(SAYINGS).format(one=chance.choice(codes), some=" ".join(map(str, some)))


def named(letter: Letter) -> dict[int, str]:
    """What a digest says of each incident that it names, by its code."""
    return {int(code): line for code, line in _NAMED.findall(letter.text)} if letter.digest else {}
