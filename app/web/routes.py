"""How routes get into an application: analysed once a process, however many applications it has. Tests have many, and
FastAPI takes half a second for all routes."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, FastAPI

_AROUND: Final[dict[int, APIRouter]] = {}
"""By the id of a router what includes it, and so keeps it; routers cannot be hashed."""


def add(app: FastAPI, *routers: APIRouter) -> None:
    """As `include_router` of each, without what an application could add to them."""
    for router in routers:
        if (around := _AROUND.get(id(router))) is None:
            around = _AROUND[id(router)] = APIRouter()
            around.include_router(router)
        app.router.routes.extend(around.routes)
