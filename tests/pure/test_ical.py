"""Calendars as Google and Exchange write them, the edge cases of the standard, and calendars that mean harm."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.calendars import deriving, entries
from app.calendars.entries import Found
from app.calendars.lines import MAX_EVENTS
from app.calendars.people import Account, Meant, People, Words, meant
from app.calendars.recurrence import Budget, TooMuch, Unusable

SAMPLES: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "payloads" / "ical" / "samples.yaml").read_text())
T0, T1 = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
ANN, BOB, CHO = 1, 2, 3
PEOPLE = People.of(
    [
        Account(ANN, "ann", "Ann Arbor", "ann@example.org"),
        Account(BOB, "bob", "Bob", "bob@example.org"),
        Account(CHO, "cho", "Chris", "cho@example.org"),
        Account(4, "cho2", "Chris", "cho2@example.org"),
    ],
    {"user1": "bob", "Alice": "ann"},
)


def calendar(*events: str, head: str = "") -> bytes:
    lines = f"BEGIN:VCALENDAR\nVERSION:2.0\n{head}" + "".join(events) + "END:VCALENDAR\n"
    return lines.replace("\n", "\r\n").encode()


def event(*lines: str, summary: str = "ann", uid: str = "1") -> str:
    return "\n".join(["BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{summary}", *lines, "END:VEVENT", ""])


def read(*events: str, head: str = "", zone: str = "Europe/Berlin") -> Found:
    return entries.read(calendar(*events, head=head), zone, T0, T1)


def times(found: Found) -> list[str]:
    return [f"{e.starts_at:%m-%dT%H:%M}/{e.ends_at:%m-%dT%H:%M}" for e in found.entries]


def sample(name: str) -> list[tuple[str, tuple[int, ...]]]:
    found = entries.read(SAMPLES[name].replace("\n", "\r\n").encode(), "UTC", T0, T1)
    assert found.problems == []
    return [(when, meant(e.words, PEOPLE).user_ids) for when, e in zip(times(found), found.entries, strict=True)]


def test_google_weekly_rotation_with_exceptions() -> None:
    """Every other Monday 09:00 in Berlin until the end of August; the second one is Bob's, 13 April is left out."""
    found = sample("google_weekly_rotation_with_exceptions")
    assert found[:4] == [
        ("03-02T08:00/03-09T08:00", (ANN,)),
        ("03-16T08:00/03-23T08:00", (BOB,)),
        ("03-30T07:00/04-06T07:00", (ANN,)),
        ("04-27T07:00/05-04T07:00", (ANN,)),
    ]
    assert (len(found), found[-1][0]) == (13, "08-31T07:00/09-07T07:00")


def test_google_single_event_utc() -> None:
    assert sample("google_single_event_utc") == [("08-01T12:30/08-01T13:30", (BOB,))]


def test_all_day_exclusive_end() -> None:
    """Whole days are days of X-WR-TIMEZONE, UTC+5 here; the end is not included."""
    assert sample("all_day_exclusive_end") == [("01-26T19:00/01-28T19:00", (ANN,))]


def test_google_cancelled_instance() -> None:
    found = sample("google_cancelled_instance")
    assert found[0] == ("09-07T01:00/09-07T01:30", (ANN,))
    assert "10-14" not in {when[:5] for when, _ in found}
    assert {"10-12", "10-19"} <= {when[:5] for when, _ in found}


def test_exchange_windows_zone_names() -> None:
    """W. Europe is Berlin. Until 30 November 09:00Z, included."""
    found = sample("exchange_windows_zone_names")
    assert (found[0][0], found[-1][0], len(found)) == ("11-18T09:00/11-18T10:30", "11-30T09:00/11-30T10:30", 13)


def test_exchange_all_day() -> None:
    assert [when for when, _ in sample("exchange_all_day")] == ["11-18T00:00/11-19T00:00"]


BERLIN = ";TZID=Europe/Berlin"
EDGES: dict[str, tuple[list[str], list[str]]] = {
    "P7D is nominal": ([f"DTSTART{BERLIN}:20260323T090000", "DURATION:P7D"], ["03-23T08:00/03-30T07:00"]),
    "PT168H is exact": ([f"DTSTART{BERLIN}:20260323T090000", "DURATION:PT168H"], ["03-23T08:00/03-30T08:00"]),
    "P1DT12H is both": ([f"DTSTART{BERLIN}:20260328T090000", "DURATION:P1DT12H"], ["03-28T08:00/03-29T19:00"]),
    "no end, DATE: one day": (["DTSTART;VALUE=DATE:20260601"], ["05-31T22:00/06-01T22:00"]),
    "no end, DATE-TIME: nothing": (["DTSTART:20260601T090000Z"], []),
    "UNTIL as DATE": (
        ["DTSTART:20260830T090000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20260901"],
        ["08-30T09:00/08-30T10:00", "08-31T09:00/08-31T10:00", "09-01T09:00/09-01T10:00"],
    ),
    "UNTIL floating": (
        [f"DTSTART{BERLIN}:20260830T090000", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20260831T090000"],
        ["08-30T07:00/08-30T08:00", "08-31T07:00/08-31T08:00"],
    ),
    "several EXDATE values": (
        [f"DTSTART{BERLIN}:20260406T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=4",
         f"EXDATE{BERLIN}:20260413T090000,20260420T090000"],
        ["04-06T07:00/04-06T08:00", "04-27T07:00/04-27T08:00"],
    ),
    "EXDATE as DATE": (
        [f"DTSTART{BERLIN}:20260406T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3",
         "EXDATE;VALUE=DATE:20260413"],
        ["04-06T07:00/04-06T08:00", "04-20T07:00/04-20T08:00"],
    ),
    "EXDATE in UTC": (
        [f"DTSTART{BERLIN}:20260406T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20260413T070000Z"],
        ["04-06T07:00/04-06T08:00"],
    ),
    "RDATE": (
        [f"DTSTART{BERLIN}:20260406T090000", "DURATION:PT1H", f"RDATE{BERLIN}:20260501T100000,20260502T100000"],
        ["04-06T07:00/04-06T08:00", "05-01T08:00/05-01T09:00", "05-02T08:00/05-02T09:00"],
    ),
    "TZID with prefix": (
        ["DTSTART;TZID=/freeassociation.sourceforge.net/Europe/Berlin:20260601T090000", "DURATION:PT1H"],
        ["06-01T07:00/06-01T08:00"],
    ),
    "hour that does not exist": ([f"DTSTART{BERLIN}:20260329T023000", "DURATION:PT1H"], ["03-29T01:00/03-29T02:00"]),
    "hour that exists twice": ([f"DTSTART{BERLIN}:20261025T023000", "DURATION:PT1H"], ["10-25T00:30/10-25T01:30"]),
    "floating time": (["DTSTART:20260302T090000", "DURATION:PT1H"], ["03-02T08:00/03-02T09:00"]),
    "month end": (
        ["DTSTART:20260131T090000Z", "DURATION:PT1H", "RRULE:FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3"],
        ["01-31T09:00/01-31T10:00", "03-31T09:00/03-31T10:00", "05-31T09:00/05-31T10:00"],
    ),
    "last weekday": (
        ["DTSTART:20260130T090000Z", "DURATION:PT1H", "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=3"],
        ["01-30T09:00/01-30T10:00", "02-27T09:00/02-27T10:00", "03-31T09:00/03-31T10:00"],
    ),
    "week numbers": (
        ["DTSTART:20251229T090000Z", "DURATION:P7D", "RRULE:FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO;WKST=MO"],
        ["12-29T09:00/01-05T09:00", "12-28T09:00/01-04T09:00"],
    ),
    "end in another zone": (
        [f"DTSTART{BERLIN}:20260601T090000", "DTEND;TZID=Asia/Tokyo:20260601T180000"], ["06-01T07:00/06-01T09:00"],
    ),
    "cancelled": (["DTSTART:20260601T090000Z", "DURATION:PT1H", "STATUS:CANCELLED"], []),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_edge_cases(name: str) -> None:
    lines, expected = EDGES[name]
    found = read(event(*lines))
    assert (times(found), found.problems) == (expected, [])


def test_folded_and_escaped_text() -> None:
    body = calendar(event("DTSTART:20260601T090000Z", "DURATION:PT1H", summary="a very long text \n  over two lines"))
    assert entries.read(body, "UTC", T0, T1).entries[0].words.summary == "a very long text over two lines"
    found = read(event("DTSTART:20260601T090000Z", "DURATION:PT1H", summary=r"Ann Arbor\, Bob\; level 2\nsecond line"))
    assert found.entries[0].words.summary == "Ann Arbor, Bob; level 2 second line"
    assert meant(found.entries[0].words, PEOPLE).user_ids == (ANN, BOB)


def test_range_this_and_future() -> None:
    found = read(
        event("DTSTART:20260601T090000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=4"),
        event("RECURRENCE-ID;RANGE=THISANDFUTURE:20260603T090000Z", "DTSTART:20260603T110000Z", "DURATION:PT2H",
              summary="bob"),
    )  # fmt: skip
    assert times(found)[1:] == ["06-02T09:00/06-02T10:00", "06-03T11:00/06-03T13:00", "06-04T11:00/06-04T13:00"]
    assert [meant(e.words, PEOPLE).user_ids for e in found.entries] == [(ANN,), (ANN,), (BOB,), (BOB,)]


def test_an_alarm_within_an_event_is_no_part_of_it() -> None:
    alarm = "BEGIN:VALARM\nTRIGGER:-PT5M\nSUMMARY:bob\nDURATION:PT1H\nEND:VALARM"
    found = read(event("DTSTART:20260601T090000Z", "DTEND:20260601T100000Z", alarm))
    assert (times(found), found.entries[0].words.summary) == (["06-01T09:00/06-01T10:00"], "ann")


def test_the_newest_revision_of_an_entry_counts() -> None:
    old = event("DTSTART:20260601T090000Z", "DURATION:PT1H", "SEQUENCE:1")
    new = event("DTSTART:20260602T090000Z", "DURATION:PT1H", "SEQUENCE:2")
    assert times(read(new, old)) == ["06-02T09:00/06-02T10:00"]


ZONE = """BEGIN:VTIMEZONE
TZID:Customized Time Zone 1
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""


@given(at=st.datetimes(datetime(2026, 1, 2), datetime(2026, 12, 30)).map(lambda at: at.replace(microsecond=0)))
def test_a_zone_that_the_calendar_describes_is_read_by_its_rules(at: datetime) -> None:
    """As Berlin, whose rules these are, in every hour of a year."""
    own, known = (
        read(event(f"DTSTART;TZID={tzid}:{at:%Y%m%dT%H%M%S}", "DURATION:PT1H"), head=ZONE, zone="UTC")
        for tzid in ("Customized Time Zone 1", "Europe/Berlin")
    )
    assert (times(own), own.problems) == (times(known), [])


def test_an_unknown_zone_is_told() -> None:
    found = read(event("DTSTART;TZID=Nowhere/Land:20260601T090000", "DURATION:PT1H"))
    assert times(found) == ["06-01T07:00/06-01T08:00"]
    assert found.problems == ["time zone 'Nowhere/Land' is unknown: its times are read in the calendar's own zone"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["DTSTART:20260601T090000Z", "RRULE:FREQ=SECONDLY"], "repeats by the minute or second"),
        (["DTSTART:20260601T090000Z", "RRULE:FREQ=DAILY;INTERVAL=0"], "INTERVAL=0"),
        (["DTSTART:20260601T090000Z", "RRULE:FREQ=FORTNIGHTLY"], "'FORTNIGHTLY'"),
        (["DTSTART:20260601T090000Z", "RRULE:FREQ=DAILY;BYMONTH=13"], "BYMONTH=13"),
        (["DTSTART:20260601T090000Z", "RRULE:FREQ=DAILY;UNTIL=never"], "'NEVER'"),
        (["DTSTART:99999999T990000Z"], "is no time"),
        (["DTSTART:20260601T090000Z", "DTEND:20260501T090000Z"], "ends before it starts"),
        (["DTSTART:20260601T090000Z", "DURATION:-PT1H"], "is no duration"),
        (["SUMMARY:again"], "has no start"),
        (["DTSTART:20260601T000000Z", "RRULE:FREQ=DAILY;BYHOUR=" + ",".join(map(str, range(24)))
          + ";BYMINUTE=" + ",".join(map(str, range(60))) + ";BYSECOND=1,2"], "too often"),
    ],
)  # fmt: skip
def test_one_bad_entry_is_told_and_the_others_count(lines: list[str], problem: str) -> None:
    found = read(event(*lines), event("DTSTART:20260601T090000Z", "DURATION:PT1H", uid="2"))
    assert times(found) == ["06-01T09:00/06-01T10:00"]
    assert len(found.problems) == 1
    assert problem in found.problems[0]


HOURS_OF_NO_DAY = "RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30"
BOMBS: dict[str, bytes] = {
    "hours of no day": calendar(*(event("DTSTART:19700101T000000Z", HOURS_OF_NO_DAY, uid=str(n)) for n in range(2000))),
    "every minute of centuries": calendar(
        *(event("DTSTART:19700101T000000Z", "DURATION:PT1H", "RRULE:FREQ=HOURLY;COUNT=999999999", uid=str(n))
          for n in range(50))
    ),
    "years of no day": calendar(
        *(event("DTSTART:19700101T000000Z", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", uid=str(n))
          for n in range(4000))
    ),
    "many at once": calendar(
        *(event("DTSTART:20260101T000000Z", "DURATION:P1D", "RRULE:FREQ=HOURLY", uid=str(n)) for n in range(100))
    ),
    "too many entries": calendar(*(event("DTSTART:20260101T000000Z", uid=str(n)) for n in range(MAX_EVENTS + 1))),
    "nested": b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 5000,
    "large": b"BEGIN:VCALENDAR\r\n" + b"X" * 1_100_000,
    "a zone that never ends": calendar(
        event("DTSTART;TZID=x:20260101T000000", "DURATION:P1D"),
        head=ZONE.replace("FREQ=YEARLY", "FREQ=HOURLY;BYHOUR=1").replace("16010101", "19010101") * 20,
    ),
    "unknown zones": calendar(*(event(f"DTSTART;TZID=Z{n}:20260101T000000", uid=str(n)) for n in range(4000))),
    "all excluded": calendar(event("DTSTART:20260101T000000Z", "DURATION:PT1H", "RRULE:FREQ=HOURLY", *(
        f"EXDATE:2026{1 + n // 700:02}{1 + n // 24 % 28:02}T{n % 24:02}0000Z" for n in range(8000)))),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_hostile_calendars_cost_little(name: str) -> None:
    """That they end at all is what matters; they spend no more than there is."""
    budget = Budget()
    with suppress(TooMuch, Unusable):
        assert len(entries.read(BOMBS[name], "UTC", T0, T1, budget).entries) <= Budget().instances
    assert budget.work > -366


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    for content in (body, calendar(event(body.decode(errors="replace"))), calendar(head=body.decode(errors="replace"))):
        with suppress(Unusable):
            entries.read(content, "UTC", T0, T1)


def said(summary: str = "", **words: Any) -> Meant:
    return meant(Words(summary, **words), PEOPLE)


@pytest.mark.parametrize(
    ("summary", "user_ids"),
    [
        ("ann", (ANN,)),
        ("@ANN", (ANN,)),
        ("Ann  Arbor", (ANN,)),
        ("ann@example.org", (ANN,)),
        ("On call: Ann Arbor", (ANN,)),
        ("On-Call - Ann Arbor", (ANN,)),
        ("Ann Arbor is on call", (ANN,)),
        ("On Call - Primary - Ann Arbor", (ANN,)),
        ("Primary: bob@example.org (backup)", (BOB,)),
        ("Primary (Bob)", (BOB,)),
        ("Ann Arbor & Bob", (ANN, BOB)),
        ("bob and ann", (BOB, ANN)),
        ("Alice", (ANN,)),
    ],
)
def test_names_as_people_and_programs_write_them(summary: str, user_ids: tuple[int, ...]) -> None:
    assert said(summary) == Meant(user_ids)


@pytest.mark.parametrize("summary", ["Zoe", "Arbor", "Chris", "zoe@example.org", "On call: Zoe"])
def test_nobody_is_guessed(summary: str) -> None:
    """Neither by a first name, nor by one that two people have."""
    found = said(summary, organizer=("bob@example.org", "Bob"))
    assert (found.user_ids, len(found.unknown)) == ((), 1)


def test_one_of_two_is_known() -> None:
    assert said("Bob, Zoe") == Meant((BOB,), ("Zoe",))


def test_who_takes_part_is_meant_when_the_summary_names_nobody() -> None:
    """As PagerDuty writes it; who made an entry counts only when it says nothing else."""
    attendees = (("ann@example.org", ""), ("", "Bob"))
    assert said("Database rota", attendees=attendees) == Meant((ANN, BOB))
    assert said("Bob", attendees=attendees[:1]) == Meant((BOB,))
    assert said("", organizer=("bob@example.org", "")) == Meant((BOB,))
    assert said("on call", organizer=("bob@example.org", "")) == Meant((BOB,))
    assert said("") == Meant((), ("an entry that names nobody",))
    declined = read(event("DTSTART:20260601T090000Z", "DURATION:PT1H",
                          "ATTENDEE;PARTSTAT=DECLINED:mailto:ann@example.org", "ATTENDEE:MAILTO:bob@example.org",
                          summary="Rota"))  # fmt: skip
    assert meant(declined.entries[0].words, PEOPLE) == Meant((BOB,))


def test_holidays_are_whole_days() -> None:
    body = calendar(
        event("DTSTART;VALUE=DATE:20260501", "RRULE:FREQ=YEARLY", summary="Labour Day"),
        event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227", summary="Christmas", uid="2"),
        event("DTSTART:20260601T090000Z", "DURATION:PT1H", summary="Party", uid="3"),
    ).decode()
    found = deriving.holidays(body, "Europe/Berlin", T0)
    assert date(2027, 5, 1) in found.days
    assert [day.day for day, name in found.days.items() if name == "Christmas"] == [24, 25, 26]
    assert found.problems == ("'Party' is no whole day, and so no holiday",)


def test_unknown_names_are_counted() -> None:
    body = calendar(
        event("DTSTART:20251201T090000Z", "DURATION:P1D", "RRULE:FREQ=WEEKLY;COUNT=8", summary="Zoe")
    ).decode()
    found = deriving.shifts(body, "UTC", PEOPLE, T0)
    assert found.unknown == ({"name": "Zoe", "count": 3, "starts_at": "2026-01-05T09:00:00+00:00"},)
    assert {(one.user_id, one.said) for one in found.named} == {(0, "Zoe")}
    assert found.named[-1].starts_at - found.named[0].starts_at == timedelta(weeks=7)
