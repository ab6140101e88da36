"""Paper mode: one file that is whole, private, readable without us, and says when it is old; a mail that says news."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from town import Town, hours, minutes

from app.main import Tocsin
from app.vigil import files, paper_texts, sheet
from app.vigil.paper import Paper
from app.vigil.sheet import Sheet

ROOT = Path(__file__).resolve().parents[2]
LAYER = {"name": "days", "unit": "day", "length": 1, "anchor": "2026-01-05T09:00", "members": [["ana"], ["ben"]]}


async def furnished(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    primary = await town.schedule("primary", [LAYER])
    await town.service("checkout", policy=[primary, minutes(5), [ana, ben]], repeats=1)


async def sheet_of(town: Town) -> Sheet:
    return await paper(town).read()


def paper(town: Town, **settings: Any) -> Paper:
    return Paper(replace(town.settings, **settings), town.engine)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_file_holds_what_one_needs_and_nothing_from_elsewhere(town: Town, tmp_path: Path) -> None:
    await furnished(town)
    await town.alertmanager.fires("<b>Disk</b>")
    lies = tmp_path / "paper"
    one = paper(town, paper_dir=str(lies))
    await one.look()
    page = (lies / files.NAME).read_text()
    for words in ("Ana", "Ben", town.residents["Ana"].number, "Cara", "schedule Primary", "after 5 min", "Checkout",
                  "&lt;b&gt;Disk", "Europe/Berlin", "Last resort"):  # fmt: skip
        assert words in page
    assert "<b>Disk" not in page
    assert re.findall(r"(?:src|url|import|fetch)\s*[=(]", page) == []
    assert set(re.findall(r'href="(\w+):', page)) == {"tel"}
    assert (mode(lies), mode(lies / files.NAME)) == (0o700, 0o600)
    assert os.listdir(lies) == [files.NAME]
    turns = (await sheet_of(town)).rosters[0].turns
    assert (turns[-1].ends_at - turns[0].starts_at) == timedelta(hours=72)
    assert {turn.who for turn in turns} == {"Ana", "Ben"}
    assert turns[0].who is not None
    await town.residents[turns[0].who].phone.expects_sms("Disk")


async def test_it_is_mailed_when_it_says_news_and_at_most_hourly(town: Town) -> None:
    await furnished(town)
    one, other = paper(town, paper_to="desk@example.org, boss@example.org"), paper(town, paper_to="desk@example.org")
    desk, boss = town.mailbox.inbox("desk@example.org"), town.mailbox.inbox("boss@example.org")
    await one.look()
    await other.look()
    assert (len(desk.items), len(boss.items)) == (1, 1)
    assert "Ana" in desk.items[0].text
    assert town.residents["Ana"].number in desk.items[0].text
    for _ in range(5):  # time goes on, a turn ends: no news
        await town.wait(hours(4))
        await one.look()
    assert len(desk.items) == 1
    await town.people("Dan", each_with="sms")
    await one.look()
    assert len(desk.items) == 1  # less than an hour since the last look
    await town.wait(minutes(61))
    await one.look()
    assert len(desk.items) == 2
    await town.wait(hours(25))
    await one.look()
    assert len(desk.items) == 3  # the one before shows less than two days ahead
    desk.items.clear()
    boss.items.clear()
    await one.close()
    await other.close()


async def test_a_mail_that_no_server_took_is_tried_again(town: Town) -> None:
    await furnished(town)
    one = paper(town, paper_to="desk@example.org")
    town.mailbox.refuses("451 later", to="desk@example.org")
    await one.look()
    desk = town.mailbox.inbox("desk@example.org")
    assert desk.items == []
    await town.wait(minutes(61))
    await one.look()
    assert len(desk.items) == 1
    desk.items.clear()
    await one.close()


async def test_an_override_within_sight_is_news_and_one_beyond_is_not(town: Town) -> None:
    await furnished(town)
    before = await sheet_of(town)
    known = sheet.substance(before)
    assert not sheet.changed(known, before)
    turns = before.rosters[0].turns
    later = replace(before, written_at=before.written_at + timedelta(hours=2))
    moved = replace(turns[1], who="Dan")
    roster = replace(before.rosters[0], turns=[turns[0], moved, *turns[2:]])
    assert sheet.changed(known, replace(later, rosters=[roster]))
    beyond = replace(turns[-1], starts_at=before.until, ends_at=before.until + timedelta(hours=2), who="Dan")
    roster = replace(before.rosters[0], turns=[*turns, beyond])
    assert not sheet.changed(known, replace(later, rosters=[roster]))


async def test_a_stale_one_says_how_old_it_is_at_the_top(town: Town, tmp_path: Path) -> None:
    await furnished(town)
    found = await sheet_of(town)
    page = paper_texts.html(found)
    assert paper_texts.restamped(page, found.written_at + timedelta(hours=1), "x") is None
    old = paper_texts.restamped(page, found.written_at + timedelta(hours=5), "No <database>.")
    assert old is not None
    top = old[old.index("</h1>") :][:400]
    assert "THIS PAGE IS 5 h 0 min OLD" in top
    assert "No &lt;database&gt;." in top
    again = paper_texts.restamped(old, found.written_at + timedelta(hours=7), "x")
    assert again is not None
    assert "7 h 0 min OLD" in again
    assert "5 h 0 min" not in again
    assert paper_texts.restamped("<html>something else</html>", found.written_at, "x") is None


async def test_without_a_database_the_old_file_says_so(town: Town, tmp_path: Path) -> None:
    await furnished(town)
    lies = tmp_path / "paper"
    written_at = datetime.now(UTC) - timedelta(hours=5)
    files.write(lies, paper_texts.html(replace(await sheet_of(town), written_at=written_at)))
    away = f"postgresql://nobody@/none?host={tmp_path}"
    process = Tocsin(replace(town.settings, roles=("worker",), paper_dir=str(lies)), away)
    assert process.vigil.paper is not None
    await process.vigil.paper.look()
    page = (lies / files.NAME).read_text()
    assert "Ana" in page
    assert "THIS PAGE IS 5 h 0 min OLD" in page
    assert "The database cannot be read" in page
    assert mode(lies / files.NAME) == 0o600
    await process.vigil.close()
    await process.second_path.close()
    await process.calendars.close()


async def command(town: Town, *arguments: str, database: str = "", **settings: str) -> tuple[int, str, str]:
    told = {"TOCSIN_DATABASE_URL": database or town.database_url, "TOCSIN_DATA_DIR": str(town.settings.data_dir)}
    told |= {f"TOCSIN_{name.upper()}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", "paper", *arguments, cwd=ROOT,
        env=told | {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_needs_no_server(town: Town, tmp_path: Path) -> None:
    await furnished(town)
    code, out, _ = await command(town)
    assert code == 0
    assert "ON CALL FOR THE NEXT 72 HOURS" in out
    lies = tmp_path / "there"
    code, out, err = await command(town, paper_dir=str(lies))
    assert (code, out) == (0, "")
    assert str(lies / files.NAME) in err
    assert mode(lies / files.NAME) == 0o600
    code, out, _ = await command(town, "--html", paper_dir=str(lies))
    assert out.startswith("<!doctype html>")
    gone = f"postgresql://nobody@/none?host={tmp_path}"
    code, out, err = await command(town, database=gone, paper_dir=str(lies))
    assert code == 1
    assert "Traceback" not in err
    assert (lies / files.NAME).exists()
