"""Whom an entry means: from the words of a calendar to users. Pure.

In the order in which it is tried: the key that Tocsin itself wrote; mail addresses in the summary; the whole summary
without "On call:"; its parts, as separate people ("Ann, Bob") or beside a schedule's name ("On Call - Ann - Primary");
who takes part (PagerDuty names its users so); who made it, when the summary says nothing else. A first name alone is
nobody's: to wake the wrong person is worse than to say that nobody is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_MAIL: Final = re.compile(r"[^\s@<>,;:()\"']+@[^\s@<>,;:()\"']+")
_ON_CALL: Final = re.compile(r"^\W*(?:on[ -]?call|oncall|bereitschaft|pager)\b\W*|\W*\b(?:is )?on[ -]?call\W*$", re.I)
_LIST: Final = re.compile(r"\s*(?:[,;/&+|\n]|\band\b|\bund\b)\s*", re.I)
_BESIDE: Final = re.compile(r"\s+[-–—]\s+|\s*[:()\[\]|]\s*")


@dataclass(frozen=True, slots=True)
class Words:
    """What an entry says about people: its summary, (mail or empty, name or empty) of who takes part and of who made
    it, and the key of a user where Tocsin wrote it."""

    summary: str = ""
    attendees: tuple[tuple[str, str], ...] = ()
    organizer: tuple[str, str] = ("", "")
    user: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A user as calendars may name one."""

    id: int
    key: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class People:
    """Everybody, by everything that names one: key, mail address, name, and what the calendar's owner said (`aliases`:
    name to user key). A name that two people have is nobody's."""

    by_word: Mapping[str, int] = field(default_factory=dict)
    by_key: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, accounts: Iterable[Account], aliases: Mapping[str, str] = {}) -> People:
        known = list(accounts)
        names: dict[str, set[int]] = {}
        for account in known:
            names.setdefault(_plain(account.name), set()).add(account.id)
        words = {name: ids.copy().pop() for name, ids in names.items() if len(ids) == 1}
        keys = {account.key: account.id for account in known}
        words |= {_plain(account.email): account.id for account in known}
        words |= keys | {_plain(alias): keys[key] for alias, key in aliases.items() if key in keys}
        return cls(words, keys)

    def find(self, word: str) -> int | None:
        return self.by_word.get(_plain(word))


@dataclass(frozen=True, slots=True)
class Meant:
    """Users, each once, and the words that should have named one and did not."""

    user_ids: tuple[int, ...] = ()
    unknown: tuple[str, ...] = ()


def meant(words: Words, people: People) -> Meant:
    """Nobody and nothing unknown for an entry that says that nobody is on call."""
    if words.user == "-":
        return Meant()
    if words.user and words.user in people.by_key:
        return Meant((people.by_key[words.user],))
    bare = _ON_CALL.sub("", words.summary).strip()
    found = _in_summary(words.summary.strip(), bare, people)
    if found.user_ids:
        return found
    attending = _of(words.attendees, people)
    if attending.user_ids:
        return attending
    if not bare and not words.attendees:
        by = _of([words.organizer], people)
        if by.user_ids:
            return by
    said = found.unknown or ((bare or words.summary.strip(),) if (bare or words.summary.strip()) else ())
    return Meant((), said or attending.unknown or ("an entry that names nobody",))


def _in_summary(summary: str, bare: str, people: People) -> Meant:
    if mails := _MAIL.findall(summary):
        return _each(mails, people)
    for whole in (summary, bare):
        if (user := people.find(whole)) is not None:
            return Meant((user,))
    listed = [part for part in _LIST.split(bare) if part]
    if len(listed) > 1 and (several := _each(listed, people)).user_ids:
        return several
    for part in _BESIDE.split(bare):
        beside = _each([one for one in _LIST.split(_ON_CALL.sub("", part)) if one], people)
        if beside.user_ids:
            return beside
    return Meant()


def _each(words: Iterable[str], people: People) -> Meant:
    found: dict[int, None] = {}
    unknown: dict[str, None] = {}
    for word in words:
        user = people.find(word)
        if user is None:
            unknown[word[:200]] = None
        else:
            found[user] = None
    return Meant(tuple(found), tuple(unknown))


def _of(named: Iterable[tuple[str, str]], people: People) -> Meant:
    found: dict[int, None] = {}
    unknown: dict[str, None] = {}
    for mail, name in named:
        users = [user for user in (people.find(mail) if mail else None, people.find(name) if name else None) if user]
        if users:
            found[users[0]] = None
        elif mail or name:
            unknown[mail or name] = None
    return Meant(tuple(found), tuple(unknown))


def _plain(word: str) -> str:
    return " ".join(word.strip().lstrip("@").split()).casefold()
