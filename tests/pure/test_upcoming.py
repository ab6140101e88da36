"""What of the next 48 hours is news, by example and for any order of findings; and the weekly mail."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from test_lint import ANA, BEN, OFFICE, layer, plan

from app.oncall.lint import Finding
from app.proof import weekly
from app.proof.upcoming import AHEAD, Danger, Known, dangers, in_words, mended, news, subject

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def gap(start: timedelta, end: timedelta) -> Danger:
    return Danger("gap", None, NOW + start, NOW + end)


def known(danger: Danger, *, state: str = "open", told: bool = True, id: int = 1) -> Known:
    return Known(id, danger, state, told)


def test_gaps_and_unreachable_people_of_48_hours() -> None:
    found = dangers(plan(layer(ANA, BEN, restrictions=OFFICE)), NOW, {ANA, 99})
    assert [d.code for d in found] == ["gap", "gap", "unreachable"]
    assert found[0] == Danger("gap", None, NOW + 4 * HOUR, NOW + 20 * HOUR)
    assert (found[2].user_id, found[2].starts_at, found[2].ends_at) == (ANA, NOW, NOW + AHEAD)
    assert dangers(plan(layer(ANA, BEN)), NOW, {BEN}) == [], "it is not Ben's week"


def test_what_is_known_is_no_news_also_when_it_grew() -> None:
    before = gap(40 * HOUR, 47 * HOUR)
    after = gap(40 * HOUR, 48 * HOUR)
    told = news([after], [known(before)], NOW, BERLIN)
    assert (told.new, told.mended, told.passed) == ((), (), ())
    assert told.longer == ((1, after),)


def test_what_nobody_could_be_told_is_told_again() -> None:
    assert [k.id for k in news([gap(HOUR, DAY)], [known(gap(HOUR, DAY), told=False)], NOW, BERLIN).untold] == [1]


def test_mended_before_its_time_and_passed_after_it() -> None:
    told = news([], [known(gap(HOUR, DAY)), known(gap(-DAY, -HOUR), id=2)], NOW, BERLIN)
    assert ([k.id for k in told.mended], [k.id for k in told.passed]) == ([1], [2])


def test_the_same_hours_of_another_day_are_meant_once_they_came_to_pass() -> None:
    tonight, tomorrow = gap(10 * HOUR, 18 * HOUR), gap(34 * HOUR, 42 * HOUR)
    assert [repeats for _, repeats in news([tonight, tomorrow], [], NOW, BERLIN).new] == [None, None]
    last_night = known(gap(-14 * HOUR, -6 * HOUR), state="passed", id=7)
    assert [repeats for _, repeats in news([tonight], [last_night], NOW, BERLIN).new] == [7]
    untold = known(last_night.danger, state="passed", told=False, id=7)
    assert [repeats for _, repeats in news([tonight], [untold], NOW, BERLIN).new] == [None]
    assert [repeats for _, repeats in news([gap(11 * HOUR, 18 * HOUR)], [last_night], NOW, BERLIN).new] == [None]
    long_ago = known(gap(-14 * HOUR - 8 * DAY, -6 * HOUR - 8 * DAY), state="passed")
    assert [repeats for _, repeats in news([tonight], [long_ago], NOW, BERLIN).new] == [None]


def test_the_hours_are_those_of_the_wall() -> None:
    """Clocks go forward on 29 March: 22:00 is 21:00 UTC before and 20:00 UTC after."""
    now = datetime(2026, 3, 29, 6, tzinfo=UTC)
    before = Danger("gap", None, datetime(2026, 3, 28, 21, tzinfo=UTC), datetime(2026, 3, 29, 4, tzinfo=UTC))
    after = Danger("gap", None, datetime(2026, 3, 29, 20, tzinfo=UTC), datetime(2026, 3, 30, 4, tzinfo=UTC))
    assert news([after], [known(before, state="passed", id=3)], now, BERLIN).new == ((after, 3),)


spans = st.tuples(st.integers(0, 40), st.integers(1, 8)).map(lambda s: gap(s[0] * HOUR, (s[0] + s[1]) * HOUR))


@given(st.lists(spans, max_size=6))
def test_a_second_look_at_the_same_says_nothing(found: list[Danger]) -> None:
    first = news(found, [], NOW, BERLIN)
    stored = [known(danger, id=n) for n, (danger, _) in enumerate(first.new)]
    again = news(found, stored, NOW, BERLIN)
    assert (again.new, again.mended, again.passed, again.untold) == ((), (), (), ())


def test_the_subject_names_every_kind() -> None:
    lost = Danger("unreachable", 1, NOW, NOW + HOUR)
    other = Danger("unreachable", 2, NOW, NOW + HOUR)
    assert subject([gap(0 * HOUR, HOUR)], "Primary") == "Primary: a gap within 48 h"
    assert subject([lost], "Primary") == "Primary: somebody unreachable within 48 h"
    assert subject([gap(0 * HOUR, HOUR), lost], "Primary") == "Primary: a gap and somebody unreachable within 48 h"
    many = [gap(0 * HOUR, HOUR), gap(2 * HOUR, 3 * HOUR), lost, other]
    assert subject(many, "Primary") == "Primary: 2 gaps and 2 people unreachable within 48 h"


def test_words_are_on_the_clocks_of_the_schedule() -> None:
    danger = gap(10 * HOUR, 18 * HOUR)
    assert in_words(danger, "Primary", "", "", BERLIN) == (
        "Primary: nobody is on call from Mon 02 Mar 23:00 to Tue 03 Mar 07:00 CET"
    )
    assert mended(danger, "Primary", "", BERLIN).startswith("Mended. Primary: there is no gap any more from Mon")
    lost = Danger("unreachable", 1, NOW, NOW + HOUR)
    assert in_words(lost, "Primary", "Ana", "no contact method", BERLIN) == (
        "Primary: Ana has shifts from Mon 02 Mar 13:00 to 14:00 CET and cannot be reached: no contact method"
    )


class TestWeekly:
    def test_monday_at_nine_of_the_owners_clock(self) -> None:
        monday = date(2026, 3, 30)
        assert weekly.due(monday, BERLIN) == datetime(2026, 3, 30, 7, tzinfo=UTC), "clocks went forward the day before"
        assert weekly.due(monday, ZoneInfo("Pacific/Kiritimati")) == datetime(2026, 3, 29, 19, tzinfo=UTC)

    @given(
        st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.sampled_from(["Pacific/Kiritimati", "Etc/GMT+12"])
    )
    def test_a_week_is_planned_before_anybody_is_due_in_it(self, at: datetime, zone: str) -> None:
        now = at.replace(tzinfo=UTC)
        week = weekly.week_of(now)
        assert week.weekday() == 0
        assert weekly.due(week + timedelta(days=7), ZoneInfo(zone)) > now

    def test_what_is_late_waits_for_a_working_hour(self) -> None:
        def berlin(day: int, hour: int) -> datetime:
            return datetime(2026, 3, day, hour, tzinfo=BERLIN)

        assert weekly.sane(berlin(2, 9), BERLIN) == berlin(2, 9)
        assert weekly.sane(berlin(2, 17), BERLIN) == berlin(3, 9)
        assert weekly.sane(berlin(3, 3), BERLIN) == berlin(3, 9)
        assert not weekly.is_over(date(2026, 3, 2), berlin(2, 16), BERLIN)
        assert weekly.is_over(date(2026, 3, 2), berlin(2, 17), BERLIN)

    def test_only_warnings_are_wrong(self) -> None:
        note = Finding("double_cover", "note", "two at once")
        assert weekly.wrong("primary", "Primary", [note]) is None
        found = weekly.wrong("primary", "Primary", [note, Finding("gap", "warning", "nobody is on call once")])
        assert found is not None
        assert [f["message"] for f in found["findings"]] == ["nobody is on call once"]

    def test_the_mail_marks_what_is_new_and_leads_to_the_schedules(self) -> None:
        gaps = Finding("gap", "warning", "nobody is on call 3 times")
        fewer = Finding("gap", "warning", "nobody is on call 2 times")
        run = Finding("long_run", "warning", "Ana is on call for more than 7 days", (1,))
        last = weekly.wrong("primary", "Primary", [gaps])
        this = weekly.wrong("primary", "Primary", [fewer, run])
        assert last is not None
        assert this is not None
        said = weekly.letter([this], weekly.marks([last]), "https://tocsin.test")
        assert said["subject"] == "On call: 2 things to look at in Primary"
        assert "- nobody is on call 2 times. To do: put somebody in" in said["text_long"]
        assert "- NEW: Ana is on call for more than 7 days" in said["text_long"]
        assert "New since last week: 1." in said["text_long"]
        assert "https://tocsin.test/schedules/primary" in said["text_long"]
        assert "NEW" not in weekly.letter([this], None, "")["text_long"], "nothing is new in the first mail"
