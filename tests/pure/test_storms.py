"""When a storm begins and ends, what its alerts have in common, what its messages say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from app import hours
from app.incidents import storms
from app.incidents.storms import Look, Report, Storm
from app.notifications.storm_texts import summary
from app.notifications.texts import About, several

NOW = datetime(2026, 11, 22, 1, 14, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STORM = Storm(
    UUID(int=1), "2026-11-22-0114", "Storm 2026-11-22 02:14", 20, NOW, None, 2, UUID(int=2), {"cluster": "eu-1"}, 40, 90
)


def about(number: int, priority: int, service: str = "Checkout") -> About:
    return About(number, f"Trouble {number}", priority, service, NOW, 1, "", 0)


def test_two_pages_about_one_incident_name_it_once() -> None:
    words = summary([about(5, 1), about(6, 1), about(5, 1), about(6, 1), about(7, 3), about(7, 3)], STORM, "UTC")
    assert [words.text.count(f"#{n} ") for n in (5, 6)] == [1, 1]
    assert len([label for label, _ in words.facts if "#7" in label or "Trouble 7" in label]) <= 1
    assert words.text.index("#5 ") < words.text.index("#6 ")


def looked(last_minute: int, priority: int = 2) -> Look:
    return Look(last_minute, 50, 100, priority, {"cluster": "eu-1"})


@pytest.mark.parametrize(("opened", "begins"), [(0, False), (20, False), (21, True), (1000, True)])
def test_it_begins_above_the_threshold(opened: int, begins: bool) -> None:
    assert storms.begins(opened, 20) is begins


def test_it_ends_after_five_minutes_below_a_quarter_and_not_before() -> None:
    storm, over = storms.after(STORM, looked(5), NOW + MINUTE)
    assert (storm.calm_since, over) == (None, False)
    for n in range(2, 6):
        storm, over = storms.after(storm, looked(4), NOW + n * MINUTE)
        assert (storm.calm_since, over) == (NOW + MINUTE, False)
    _, over = storms.after(storm, looked(4), NOW + 6 * MINUTE)
    assert over


def test_a_gust_begins_the_calm_anew() -> None:
    calm = replace(STORM, calm_since=NOW)
    storm, over = storms.after(calm, looked(5), NOW + 10 * MINUTE)
    assert (storm.calm_since, over) == (None, False)


def test_a_p1_raises_it_and_nothing_lowers_it() -> None:
    raised, _ = storms.after(STORM, looked(30, priority=1), NOW + MINUTE)
    assert raised.priority == 1
    assert storms.after(raised, looked(30, priority=4), NOW + MINUTE)[0].priority == 1


def test_labels_that_four_in_five_share_are_common() -> None:
    alerts = [{"cluster": "eu-1", "pod": f"p{n}", "team": "a" if n < 8 else "b", "zone": "z" if n < 7 else ""}
              for n in range(10)]  # fmt: skip
    assert storms.common_labels(alerts) == {"cluster": "eu-1", "team": "a"}
    assert storms.common_labels([]) == {}


def test_words_leave_out_what_says_nothing_and_stay_short() -> None:
    labels = {"severity": "critical", "cluster": "eu-1", "namespace": "shop", "node": "n" * 100, "zone": "a"}
    assert storms.in_words(labels) == f"cluster=eu-1, namespace=shop, node={'n' * 60}"


def test_its_name_is_local_and_its_key_is_not() -> None:
    assert storms.name_of(NOW, hours.zone("Europe/Berlin")) == "Storm 2026-11-22 02:14"
    assert storms.key_of(NOW) == "2026-11-22-0114"


def test_the_summary_names_every_p1_of_the_message_and_of_the_storm_once() -> None:
    storm = replace(STORM, worst=[{"number": 7, "title": "Trouble 7", "service": "Checkout"},
                                  {"number": 9, "title": "Gone", "service": "Shop"}])  # fmt: skip
    said = summary([about(7, 1), about(8, 3)], storm, "Europe/Berlin")
    assert said.text == (
        "Storm 2026-11-22 02:14: 40 incidents, 90 alerts with cluster=eu-1; P1 #7 Trouble 7 (Checkout)"
        "; P1 #9 Gone (Shop)"
    )
    assert ("P3 #8", "Trouble 8 (Checkout)") in said.facts


def test_several_incidents_are_one_message() -> None:
    said = several([about(1, 1), about(2, 2), about(3, 3, "Shop")])
    assert said.text == "3 new incidents on Checkout and 1 more service: P1 Trouble 1, P2 Trouble 2, P3 Trouble 3"
    many = several([about(n, 3) for n in range(30)], repeated=True)
    assert many.subject == "30 new incidents on Checkout (repeat)"
    assert many.facts[-1] == ("And", "10 more")


def test_the_exit_report_says_what_came_and_what_was_withheld() -> None:
    found = Report(1000, 20_000, 900, 12, 33, [("Checkout", 600)], [("PodNotReady", 400)], {"cluster": "eu-1"})
    said = storms.report(STORM, found, NOW + 23 * MINUTE)
    assert "over after 23 minutes" in said
    assert "1,000 incidents of 20,000 alerts" in said
    assert "900 incidents were not paged separately, 33 pages went out with others" in said
    assert "By service: Checkout 600" in said
