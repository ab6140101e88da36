"""What a message says. Pure. The first words carry the most: a phone shows two lines on its lock screen.

Nothing here evaluates or formats what a sender wrote; titles travel as they are, cut to length by the channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.hours import clock, local, zone
from app.incidents import recurrence
from app.incidents.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class About:
    """The incident a message is about, as read at the claim."""

    number: int
    title: str
    priority: int
    service: str
    opened_at: datetime
    firing: int
    runbook_url: str
    """A routing rule's, else the service's."""
    reopened: int
    code: int | None = None
    """By which its reader answers on the channel itself."""
    recurrence: Recurrence | None = None
    """How often it came back and what it was last time; None where nobody asked, or it is the first time."""


@dataclass(frozen=True, slots=True)
class Words:
    """A rendered message, for `channels.Message`."""

    subject: str
    text: str
    text_long: str
    facts: tuple[tuple[str, str], ...]
    link_label: str
    asides: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()
    brief: str = ""


def page(about: About, content: Mapping[str, Any], time_zone: str, now: datetime, *, repeated: bool) -> Words:
    """A page about one incident. The subject is the same for every mail of the incident, so that they form a thread."""
    again = " (repeat)" if repeated else ""
    alerts = f" +{about.firing - 1} more" if about.firing > 1 else ""
    since = local(about.opened_at, zone(time_zone)).strftime("%a %d %b %H:%M %Z")
    facts = [
        ("Service", about.service),
        ("Priority", f"P{about.priority}"),
        ("Since", since),
        ("Alerts firing", str(about.firing)),
        ("Why you", str(content.get("why", ""))),
    ]
    if about.reopened:
        facts.append(("Reopened", f"{about.reopened} times"))
    if known := recurrence.line(about.recurrence, now):
        facts.append(("Happened before", known))
    if about.runbook_url:
        facts.append(("Runbook", about.runbook_url))
    return Words(
        subject=f"[{about.service}] Incident {about.number}: {about.title}",
        text=f"P{about.priority} #{about.number}{again} {about.title}{alerts} ({about.service})",
        text_long=f"P{about.priority} incident {about.number}{again}: {about.title}",
        facts=tuple(facts),
        link_label="Open and acknowledge",
        asides=(known, *recurrence.shorter(about.recurrence)) if known else (),
        replies=replies_to_one(about) if about.code else (),
    )


def replies_to_one(about: About) -> tuple[str, ...]:
    """How to acknowledge by an answer, the longest form first."""
    return f"Reply {about.code}a to acknowledge", f"Reply {about.code}a"


def for_information(about: About, content: Mapping[str, Any], state: str, time_zone: str, *, repeated: bool) -> Words:
    """To somebody who need not respond: nothing is asked for."""
    again = " (repeat)" if repeated else ""
    since = local(about.opened_at, zone(time_zone)).strftime("%a %d %b %H:%M %Z")
    stands = "nobody has it yet" if state == "triggered" else f"it is {state}"
    return Words(
        subject=f"[{about.service}] For your information: incident {about.number}: {about.title}",
        text=f"For your information{again}: P{about.priority} #{about.number} {about.title}"
        f" ({about.service}), {stands}",
        text_long=(
            f"For your information{again}: P{about.priority} incident {about.number}, {about.title}. You need not do"
            f" anything; {stands}."
        ),
        facts=(
            ("Service", about.service),
            ("Priority", f"P{about.priority}"),
            ("Since", since),
            ("Why you", str(content.get("why", ""))),
        ),
        link_label="Look at it (asks you to log in)",
    )


DRILL_TITLE = "Drill: "
"""How the titles of drills begin."""


def drill(about: About, content: Mapping[str, Any], *, repeated: bool) -> Words:
    """A test page. Its first words say so in every form: nobody shall look for trouble that there is not."""
    what = about.title.removeprefix(DRILL_TITLE)
    again = " (repeat)" if repeated else ""
    please = "Please acknowledge" if about.code else "Please open and acknowledge"
    return Words(
        subject=f"DRILL, a test page: #{about.number}",
        text=f"DRILL{again}, no real incident: #{about.number} {what}. {please}",
        text_long=(
            f"DRILL{again}: there is no real incident. This is a {what}. Please open the link and acknowledge, as you"
            " would at night; that ends it."
        ),
        facts=(("Why you", str(content.get("why", ""))),),
        link_label="Open and acknowledge the drill",
        replies=replies_to_one(about) if about.code else (),
    )


def posted(about: About, content: Mapping[str, Any], state: str, *, repeated: bool) -> Words:
    """What whoever has the incident wrote to those who wait."""
    again = " (repeat)" if repeated else ""
    said, by = str(content["update"]), content["by"]
    return Words(
        subject=f"[{about.service}] For your information: incident {about.number}: {about.title}",
        text=f"Update{again} on #{about.number} {about.title[:40]}, by {by}: {said}",
        text_long=f"Update{again} on incident {about.number}, {about.title}, by {by}:\n\n{said}",
        facts=(("Service", about.service), ("Priority", f"P{about.priority}"), ("State", state)),
        link_label="Look at it (asks you to log in)",
    )


def shadow(about: About, content: Mapping[str, Any], time_zone: str, *, repeated: bool) -> Words:
    """To who looks on while somebody else is paged: nothing is asked for."""
    again = " (repeat)" if repeated else ""
    names = content["shadows"]
    since = local(about.opened_at, zone(time_zone)).strftime("%a %d %b %H:%M %Z")
    return Words(
        subject=f"[{about.service}] You shadow {names}: incident {about.number}: {about.title}",
        text=f"You shadow {names}{again}: P{about.priority} #{about.number} {about.title} ({about.service})",
        text_long=(
            f"You shadow {names}{again}, who is paged for P{about.priority} incident {about.number}: {about.title}."
            " You need not do anything."
        ),
        facts=(("Service", about.service), ("Priority", f"P{about.priority}"), ("Since", since)),
        link_label="Look at it (asks you to log in)",
    )


def update_is_due(about: About, time_zone: str, *, repeated: bool) -> Words:
    """To whoever has the incident: those who wait want to know how it stands."""
    again = " (repeat)" if repeated else ""
    since = local(about.opened_at, zone(time_zone)).strftime("%a %d %b %H:%M %Z")
    return Words(
        subject=f"[{about.service}] Incident {about.number}: {about.title}",
        text=f"P{about.priority} #{about.number}{again}: an update is due on {about.title} ({about.service})",
        text_long=(
            f"An update is due on incident {about.number}{again}: {about.title}. You have it; please tell those who"
            " wait how it stands."
        ),
        facts=(("Service", about.service), ("Priority", f"P{about.priority}"), ("Since", since)),
        link_label="Post an update (asks you to log in)",
    )


def expires_soon(about: About, content: Mapping[str, Any], time_zone: str, *, repeated: bool) -> Words:
    """To whoever has the incident: it pages them and whoever is on call when they say nothing."""
    again = " (repeat)" if repeated else ""
    at = clock(local(datetime.fromisoformat(content["expires_at"]), zone(time_zone)))
    reply = f" Reply {about.code}a to keep it." if about.code else ""
    then = f"your acknowledgement ends at {at}, then it pages again"
    return Words(
        subject=f"[{about.service}] Incident {about.number}: {about.title}",
        text=f"P{about.priority} #{about.number}{again}: {then}: {about.title} ({about.service}).{reply}",
        text_long=f"You have incident {about.number}{again}, {about.title}: {then}. Say so if you still have it.",
        facts=tuple(facts_of([about])),
        link_label="I still have it",
    )


NAMED = 20
"""So many incidents are named in a mail about several; the screen behind its link has all of them."""


def several(about: Sequence[About], *, repeated: bool = False) -> Words:
    """One message about several incidents, the most important first: `7 new incidents on checkout: P1 ..., P2 ...`."""
    again = " (repeat)" if repeated else ""
    head = f"{len(about)} new incidents on {_where(about)}{again}"
    named = ", ".join(f"P{a.priority} {a.title}{f' ({a.code})' if a.code else ''}" for a in about[:NAMED])
    return Words(
        subject=head,
        text=f"{head}: {named}",
        text_long=f"{head}.",
        facts=tuple(facts_of(about)),
        link_label="See them and acknowledge",
        replies=replies_to_several(about) if about[0].code else (),
    )


def replies_to_several(about: Sequence[About]) -> tuple[str, ...]:
    """How to acknowledge one of them, or all of the first one's service."""
    code = about[0].code
    all_of = f"{code}aa for all of {about[0].service}"
    return f"Reply {code}a for one, {all_of}", f"Reply {code}a or {code}aa"


def facts_of(about: Sequence[About]) -> list[tuple[str, str]]:
    """A line for each incident, and how many more there are."""
    facts = [(f"P{a.priority} #{a.number}", f"{a.title} ({a.service})") for a in about[:NAMED]]
    return facts + ([("And", f"{len(about) - NAMED} more")] if len(about) > NAMED else [])


def _where(about: Sequence[About]) -> str:
    services = list(dict.fromkeys(a.service for a in about))
    more = len(services) - 1
    return services[0] + (f" and {more} more service{'s' if more > 1 else ''}" if more else "")


def verification(content: Mapping[str, Any], *, repeated: bool = False) -> Words:
    again = "(repeat) " if repeated else ""
    text = f"{again}Your Tocsin verification code is {content['code']}. It is valid for 15 minutes."
    return Words("Your Tocsin verification code", text, text, (), "")


def notice(content: Mapping[str, Any], *, repeated: bool = False, links: bool = True) -> Words:
    """`text_long`: for channels that have room for it. `links`: whether its reader gets the link that confirms a
    handoff."""
    again = "(repeat) " if repeated else ""
    asked = "" if links or "handshake" not in content else " Please confirm it on the screen On call."
    text = f"{again}{content['text']}{asked}"
    facts = tuple((str(name), str(value)) for name, value in content.get("facts", ()))
    label = "Confirm that you have it" if "handshake" in content else ""
    subject = str(content.get("subject", "A notice from Tocsin"))
    long = again + str(content["text_long"]) if "text_long" in content else text
    return Words(subject, text, long, facts, label)
