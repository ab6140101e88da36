"""The sheet as one HTML file and as the text of a mail. Pure.

The file refers to nothing outside of itself: it is read from a disk, a phone's mailbox or on paper when nothing else
can be reached. A few lines of script say how old it is when it is opened; on paper, and without scripts, the date does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import escape
from typing import Final

from app.notifications.watch import duration
from app.vigil.sheet import Roster, Sheet, when

OLD_AFTER: Final = timedelta(hours=2)
_BEGIN, _END = "<!--age-->", "<!--/age-->"
_STAMP: Final = re.compile(r'data-written="([^"]{1,40})"')
_AGE: Final = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)

_STYLE: Final = """
body{font:15px/1.45 system-ui,sans-serif;margin:1rem auto;max-width:52rem;padding:0 .8rem;color:#111;background:#fff}
h1{font-size:1.35rem;margin:.2rem 0}h2{font-size:1.1rem;border-bottom:2px solid #111;margin:1.6rem 0 .4rem}
h3{font-size:1rem;margin:.9rem 0 .2rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.15rem .6rem .15rem 0;border-bottom:1px solid #ccc}
ul{margin:.2rem 0;padding-left:1.2rem;list-style:none}
.none,.old{font-weight:700}.old{border:3px solid #111;padding:.5rem}
section,tr,li{break-inside:avoid}@media print{body{font-size:11pt;margin:0;max-width:none}}
"""
_SCRIPT: Final = """
(function(){var e=document.getElementById("age"),t=Date.parse(e.dataset.written),m=Math.floor((new Date()-t)/6e4);
if(m>=120){e.className="old";e.textContent="THIS PAGE IS "+Math.floor(m/60)+" h "+m%60+" min OLD. "+e.textContent}})();
"""


def html(sheet: Sheet) -> str:
    """The whole file."""
    title = escape(f"On call: {sheet.organisation}")
    body = "\n".join([*_incidents(sheet), *_rosters(sheet), *_contacts(sheet), *_trees(sheet)])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">\n'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        f"{_BEGIN}{_age(sheet.written_at, sheet.written_at, _said_when(sheet))}{_END}\n{body}\n"
        f"<script>{_SCRIPT}</script>\n</body></html>\n"
    )


def restamped(page: str, now: datetime, because: str) -> str | None:
    """A former file that says at its top how old it is, and why. None: it is none of ours, or is not old yet."""
    stamp = _STAMP.search(page)
    if stamp is None or not _AGE.search(page):
        return None
    try:
        written_at = datetime.fromisoformat(stamp[1])
    except ValueError:
        return None
    if written_at.tzinfo is None or now - written_at < OLD_AFTER:
        return None
    return _AGE.sub(lambda _: _BEGIN + _age(written_at, now, because) + _END, page, count=1)


def _age(written_at: datetime, now: datetime, words: str) -> str:
    age = now - written_at
    old = age >= OLD_AFTER
    if old:
        words = (
            f"THIS PAGE IS {duration(age.total_seconds())} OLD. Written {written_at:%a %d %b %Y %H:%M} UTC; looked at "
            f"{now:%a %d %b %H:%M} UTC. {words}"
        )
    kind = ' class="old"' if old else ""
    # without `id`, the script leaves alone what was said already
    name = "" if old else ' id="age"'
    return f'<p{name}{kind} data-written="{written_at.isoformat()}">{escape(words)}</p>'


def _said_when(sheet: Sheet) -> str:
    return (
        f"Written {when(sheet.written_at, sheet.zone)} ({sheet.zone}), and good until {when(sheet.until, sheet.zone)}. "
        f"A new one is written every hour: if this one is older, look for a newer one."
    )


def _incidents(sheet: Sheet) -> Iterator[str]:
    yield "<section><h2>Open incidents</h2>"
    if not sheet.incidents:
        yield "<p>None.</p></section>"
        return
    yield "<table><tr><th>#</th><th></th><th>What</th><th>Since</th><th>Who has it</th></tr>"
    for i in sheet.incidents:
        yield (
            f"<tr><td>{i.number}</td><td>P{i.priority}</td><td>{escape(i.title)} ({escape(i.service)})</td>"
            f"<td>{when(i.opened_at, sheet.zone)}</td><td>{escape(_held(i.held_by, i.state))}</td></tr>"
        )
    yield "</table></section>"


def _held(by: str | None, state: str) -> str:
    return by if by and state != "triggered" else "nobody"


def _rosters(sheet: Sheet) -> Iterator[str]:
    yield "<h2>On call for the next 72 hours</h2>"
    if not sheet.rosters:
        yield "<p>There is no schedule.</p>"
    for roster in sheet.rosters:
        yield f"<section><h3>{escape(roster.name)} <small>({escape(roster.zone)})</small></h3><table>"
        for start, end, who in _turns(roster):
            yield f"<tr><td>{start} to {end}</td><td>{escape(who) if who else '<b class=none>NOBODY</b>'}</td></tr>"
        yield "</table></section>"


def _turns(roster: Roster) -> list[tuple[str, str, str | None]]:
    return [(when(t.starts_at, roster.zone), when(t.ends_at, roster.zone), t.who) for t in roster.turns]


def _contacts(sheet: Sheet) -> Iterator[str]:
    yield "<section><h2>Phones</h2><table>"
    for c in sheet.contacts:
        ways = ", ".join(f"{_address(channel, address)} ({escape(channel)})" for channel, address in c.methods)
        yield f"<tr><td>{escape(c.name)}</td><td>{ways or '<b class=none>cannot be paged</b>'}</td></tr>"
    yield "</table></section>"


def _address(channel: str, address: str) -> str:
    """A number that a phone dials when it is touched."""
    if channel in ("sms", "voice") and re.fullmatch(r"\+[0-9]{4,15}", address):
        return f'<a href="tel:{address}">{address}</a>'
    return escape(address)


def _trees(sheet: Sheet) -> Iterator[str]:
    yield "<h2>Who is paged for what</h2>"
    for tree in sheet.trees:
        yield f"<section><h3>{escape(tree.name)}</h3><p>For {escape(', '.join(tree.services) or 'no service')}.</p><ul>"
        yield "".join(f"<li>{escape(line)}</li>" for line in tree.steps)
        yield "</ul></section>"
    yield f"<section><h3>Last resort</h3><p>{escape(sheet.last_resort or 'NOBODY')}</p></section>"


def text(sheet: Sheet) -> str:
    """The same for a mail or a terminal."""
    lines = [f"On call: {sheet.organisation}", _said_when(sheet), "", "OPEN INCIDENTS"]
    lines += [
        f"  {i.number}  P{i.priority}  {i.title} ({i.service}), since {when(i.opened_at, sheet.zone)}; "
        f"{_held(i.held_by, i.state)} has it"
        for i in sheet.incidents
    ] or ["  None."]
    lines += ["", "ON CALL FOR THE NEXT 72 HOURS"]
    for roster in sheet.rosters:
        lines.append(f"  {roster.name} ({roster.zone})")
        lines += [f"    {start} to {end}  {who or 'NOBODY'}" for start, end, who in _turns(roster)]
    lines += ["", "PHONES"]
    for c in sheet.contacts:
        lines.append(f"  {c.name}: {', '.join(f'{a} ({ch})' for ch, a in c.methods) or 'cannot be paged'}")
    lines += ["", "WHO IS PAGED FOR WHAT"]
    for tree in sheet.trees:
        lines.append(f"  {tree.name}, for {', '.join(tree.services) or 'no service'}")
        lines += [f"    {line}" for line in tree.steps]
    lines += [f"  Last resort: {sheet.last_resort or 'NOBODY'}"]
    return "\n".join(lines) + "\n"
