"""A worker process of its own, metronome and all, to be killed: `python process.py`, told everything by environment."""

from __future__ import annotations

import asyncio

from app import settings
from app.main import Tocsin


async def main() -> None:
    told = settings.read()
    async with Tocsin(told, told.database_url).running():
        print("ready", flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
