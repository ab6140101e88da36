"""What a message says while a storm lasts: how much has come, what it has in common, and every P1 by its name. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from app.hours import local, zone
from app.incidents import storms
from app.incidents.storms import Storm
from app.notifications.texts import About, Words, facts_of, replies_to_one, replies_to_several


def summary(about: Sequence[About], storm: Storm, time_zone: str, *, repeated: bool = False) -> Words:
    """`about`: the incidents this message is about, the most important first; P1s of the storm that nobody has yet are
    named too."""
    again = " (repeat)" if repeated else ""
    came = f"{storm.incidents:,} incidents, {storm.alerts:,} alerts"
    common = storms.in_words(storm.labels)
    head = f"{storm.name}{again}: {came}" + (f" with {common}" if common else "")
    # Two pages about one incident, of two steps, may go out as one message.
    once = {a.number: a for a in reversed(about) if not a.title.startswith(storm.name)}
    named = list(reversed(once.values()))
    worst = [(a.number, a.title, a.service) for a in named if a.priority == 1]
    known = {number for number, _, _ in worst}
    worst += [(w["number"], w["title"], w["service"]) for w in storm.worst if w["number"] not in known]
    facts = [
        ("Since", local(storm.started_at, zone(time_zone)).strftime("%a %d %b %H:%M %Z")),
        ("In common", ", ".join(f"{name}={value}" for name, value in storm.labels.items())),
        *facts_of([a for a in named if a.priority > 1]),
    ]
    return Words(
        subject=storm.name,
        text=head + ("".join(f"; P1 #{n} {t} ({s})" for n, t, s in worst) if worst else "; no P1 in it that waits"),
        text_long=head + "." + "".join(f"\nP1 #{n}: {t} ({s})" for n, t, s in worst),
        facts=tuple((label, value) for label, value in facts if value),
        link_label="See them and acknowledge",
        replies=(replies_to_several(about) if len(about) > 1 else replies_to_one(about[0])) if about[0].code else (),
    )
