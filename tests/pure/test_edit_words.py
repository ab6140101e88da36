"""How somebody is told which hours others edited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from app.notifications.edit_notices import content
from app.oncall.edit_store import Untold
from app.oncall.edits import Edited

NOW = datetime(2026, 11, 23, 9, 1, 29, tzinfo=UTC)
UNTIL = NOW + timedelta(weeks=4)


def test_no_end_is_named_where_nobody_looked_further() -> None:
    """The shift goes on after the four weeks that are looked at."""
    untold = Untold(1, "Primary", 1, "Europe/Berlin", NOW, UNTIL, (), "Cara", NOW)
    friday, monday = datetime(2026, 12, 4, 8, tzinfo=UTC), datetime(2026, 12, 21, 8, tzinfo=UTC)
    found = Edited(gained=((friday, friday + timedelta(days=1)), (monday, UNTIL)), lost=())
    told = content(untold, found, ZoneInfo("Europe/Berlin"))
    on, friday_to = "from Mon 21 Dec 09:00 CET on", "from Fri 04 Dec 09:00 to Sat 05 Dec 09:00 CET"
    assert told["facts"] == [["You are on call", friday_to], ["You are on call", on]]
    assert told["text"] == f"Your hours in Primary were edited by Cara: on call {friday_to}, {on}."
