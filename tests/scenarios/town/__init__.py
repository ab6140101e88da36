"""The town: the whole service on real sockets, a clock that is moved, phones and mailboxes to expect things from.

    async def test_unanswered_page_climbs_to_second_step(town):
        ana, ben = await town.people("Ana", "Ben", each_with="sms")
        await town.service("checkout", policy=[ana, minutes(5), ben])
        await town.alertmanager.fires("HighErrorRate", service="checkout")
        await ana.phone.expects_sms("HighErrorRate")
        await town.wait(minutes(5))
        await ben.phone.expects_sms("HighErrorRate")

What nobody expected, or an ERROR in the log, fails the story at its end.
"""

from __future__ import annotations

from datetime import timedelta

from town.building import OFFICE
from town.clock import MONDAY
from town.residents import Resident
from town.town import Town, opened

__all__ = ["MONDAY", "OFFICE", "Resident", "Town", "hours", "minutes", "opened", "seconds"]


def seconds(n: float) -> timedelta:
    return timedelta(seconds=n)


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


def hours(n: float) -> timedelta:
    return timedelta(hours=n)
