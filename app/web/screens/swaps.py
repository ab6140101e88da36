"""Swaps from screens: ask, take, decline, withdraw; each is one form, and leads back to where it was sent from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Response

from app.oncall import store, swap_store
from app.oncall.override_document import SwapDocument
from app.oncall.swap_store import StoredSwap
from app.web.api import swaps as api
from app.web.dependencies import ChannelsGiven
from app.web.models import Key
from app.web.screens.reader import Reader, reads
from app.web.screens.taking import Whence, checked, entered_instant

router = APIRouter(prefix="/schedules/{key}/swaps", include_in_schema=False)

Editing = Annotated[Reader, reads("overrides.edit")]
SwapId = Annotated[int, Path(ge=1, lt=2**63)]
SHOWN: Final = 50


class AskForm(Whence):
    """A shift of whoever sends this. `to`: only this person is asked, who gives what lies between `return_starts_at`
    and `return_ends_at`, if anything. `mine`: both ends of the shift in one, from a list of them."""

    mine: str = ""
    starts_at: str = ""
    ends_at: str = ""
    to: str = ""
    return_starts_at: str = ""
    return_ends_at: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class OfferedSwap:
    """An open swap as somebody reads it. `may_take`, `may_decline`, `may_withdraw`: whether it is theirs to do."""

    swap: StoredSwap
    may_take: bool
    may_decline: bool
    may_withdraw: bool


def offered(reader: Reader, found: list[StoredSwap]) -> list[OfferedSwap]:
    """With what the reader may do, by the rule of the commands (`oncall.swaps`)."""
    caller = reader.caller
    me, admin = caller.user_key, caller.role == "admin"
    may = caller.may("overrides.edit") and me is not None
    return [
        OfferedSwap(
            swap,
            may and swap.user != me and (swap.to in (None, me)),
            may and swap.to is not None and swap.to == me,
            may and (swap.user == me or admin),
        )
        for swap in found
        if swap.ends_at > reader.tx.now
    ]


async def concerning_me(reader: Reader) -> list[OfferedSwap]:
    """The open swaps that a person asked for, was asked for, or might take."""
    caller, tx = reader.caller, reader.tx
    if caller.user_id is None:
        return []
    mine = await store.schedules_of_user(tx.conn, caller.user_id, window=(tx.now, tx.now))
    found = await swap_store.concerning(
        tx.conn, tx.now, caller.user_id, teams=caller.team_ids, schedules=list(mine), limit=SHOWN
    )
    return offered(reader, found)


@router.post("")
async def ask(key: Key, reader: Editing, channels: ChannelsGiven, form: Annotated[AskForm, Form()]) -> Response:
    """Nothing changes until somebody takes it."""
    first, _, last = form.mine.partition("/") if form.mine else (form.starts_at, "", form.ends_at)
    given: dict[str, object] = {
        "to": form.to or None,
        "comment": form.comment.strip(),
        "starts_at": max(entered_instant(first, "starts_at"), reader.tx.now),
        "ends_at": entered_instant(last, "ends_at"),
    }
    if form.return_starts_at:
        begins = max(entered_instant(form.return_starts_at, "return_starts_at"), reader.tx.now)
        given["in_return"] = {"starts_at": begins, "ends_at": entered_instant(form.return_ends_at, "return_ends_at")}
    wanted = checked(SwapDocument, given)
    await api.ask_for_a_swap(key, wanted, Response(), reader.tx, channels, reader.caller)
    return form.returns(key, "asked")


@router.post("/{swap_id}/take")
async def take(
    key: Key, swap_id: SwapId, reader: Editing, channels: ChannelsGiven, form: Annotated[Whence, Form()]
) -> Response:
    await api.take_swap(key, swap_id, reader.tx, channels, reader.caller)
    return form.returns(key, "taken")


@router.post("/{swap_id}/decline")
async def decline(
    key: Key, swap_id: SwapId, reader: Editing, channels: ChannelsGiven, form: Annotated[Whence, Form()]
) -> Response:
    await api.decline_swap(key, swap_id, reader.tx, channels, reader.caller)
    return form.returns(key, "declined")


@router.post("/{swap_id}/withdraw")
async def withdraw(key: Key, swap_id: SwapId, reader: Editing, form: Annotated[Whence, Form()]) -> Response:
    await api.withdraw_swap(key, swap_id, reader.tx, reader.caller)
    return form.returns(key, "swap_withdrawn")
