"""Addresses that an import gives after all else: of calendars and webhooks, which no document holds."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from app.calendars.documents import shown
from app.cli import remote
from app.moving.moved import GivenAddress


def wanted(client: httpx.Client, addresses: Sequence[GivenAddress]) -> list[GivenAddress]:
    """Those of what has none yet. One that is there stays: nobody can see whether it is the same."""
    return [address for address in addresses if not _known(client, address)]


def give(client: httpx.Client, addresses: Sequence[GivenAddress]) -> list[str]:
    """Returns what was refused, and why."""
    refused = []
    for one in addresses:
        try:
            remote.answer(client.put(f"/{one.section}/{one.key}/address", json={"address": one.address}))
        except remote.Answered as no:
            refused.append(f"{line(one).removeprefix('+ ')}: {no.message}")
    return refused


def line(one: GivenAddress) -> str:
    return f"+ address of {one.section.removesuffix('s')} {one.key}: {shown(one.address)}"


def _known(client: httpx.Client, one: GivenAddress) -> bool:
    response = client.get(f"/{one.section}/{one.key}")
    if response.status_code == 404:
        return False
    answer = remote.answer(response)
    return bool(answer["state"]["address"] if one.section == "calendars" else answer["address"])
