"""The field for the digest on *My account*, as sent without scripts, and the same over the API."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio
from forms import get, press, refused
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERS = "SELECT digest_at FROM users WHERE key = 'ana'"
METHOD = """
    INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
    SELECT id, 'mail', 'quiet@example.org', tocsin_now(), tocsin_now(), tocsin_now() FROM users WHERE key = 'ana'
"""


def entered(screen: str) -> tuple[str, bool]:
    """What the field says, and whether it is marked as wrong."""
    [(value, rest)] = re.findall(r'<input type="time" name="at" value="(.*?)"([^>]*)>', screen)
    return value, "aria-invalid" in rest


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _as_it_was(house: Whole) -> None:
    await house.execute("UPDATE users SET digest_at = NULL")


async def test_it_is_off_until_somebody_sets_it_and_can_be_turned_off_again(house: Whole) -> None:
    before = await get(house, "/account", "ana")
    assert entered(before) == ("", False)
    assert "(each at once)" in before
    assert "Each at once again" not in before
    after = await press(house, "/account/digest", "ana", {"at": "07:30"})
    assert "Quiet pages of the night wait for the morning from now on." in after
    assert entered(after) == ("07:30", False)
    assert "(each at once)" not in after
    assert await house.one(HERS) == "07:30"
    again = await press(house, "/account/digest", "ana", {"at": ""})
    assert "Each quiet page goes out at once from now on." in again
    assert await house.one(HERS) is None
    audited = await house.rows("SELECT action, after ->> 'digest_at' FROM audit_records ORDER BY id DESC LIMIT 2")
    assert [tuple(a) for a in audited] == [("user.edited", None), ("user.edited", "07:30")]


async def test_what_is_no_time_of_the_day_is_refused_and_stays_as_entered(house: Whole) -> None:
    for wrong in ("24:00", "9:00", "soon", "09:00:00", "<b>"):
        screen = await refused(house, "/account/digest", 422, "ana", {"at": wrong})
        assert "The time of the digest is one of the day, like 09:00." in screen
        assert entered(screen) == (wrong, True)
    assert await house.one(HERS) is None


async def test_it_says_by_whose_clocks_and_where_to(house: Whole) -> None:
    await house.execute("UPDATE users SET time_zone = 'Asia/Tokyo' WHERE key = 'ana'")
    await house.execute(
        "UPDATE contact_methods SET verified_at = NULL WHERE user_id = (SELECT id FROM users WHERE key = 'ana')"
    )
    assert "It goes to" not in await get(house, "/account", "ana")
    await house.execute(METHOD)
    shown = await get(house, "/account", "ana")
    assert "by the clocks of Asia/Tokyo" in shown
    await house.execute("DELETE FROM contact_methods WHERE address = 'quiet@example.org'")
    await house.execute("UPDATE users SET time_zone = NULL WHERE key = 'ana'")
    assert "by the clocks of UTC" in await get(house, "/account", "ana")


async def test_a_machine_has_no_digest(house: Whole) -> None:
    await refused(house, "/account/digest", 404, "machine", {"at": "07:30"})


async def test_over_the_api_a_wrong_time_is_named_and_what_is_left_out_stays(house: Whole) -> None:
    async def put(status: int = 200, **members: object) -> dict[str, object]:
        told = {"name": "Ana", "time_zone": None} | members
        answer = await house.http.put("/api/v1/users/me", json=told, headers=house.as_person("ana"))
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    assert (await put())["digest_at"] is None
    assert (await put(digest_at="07:30"))["digest_at"] == "07:30"
    assert (await put())["digest_at"] == "07:30"
    for wrong in ("24:00", "9", "", 9, "09:00\n"):
        problem = await put(422, digest_at=wrong)
        assert [e["field"] for e in problem["errors"]] == ["digest_at"], problem
    assert (await put(digest_at=None))["digest_at"] is None
