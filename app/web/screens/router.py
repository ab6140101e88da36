"""All screens, for people with a browser. Not part of the API's description."""

from __future__ import annotations

from fastapi import APIRouter

from app.web.screens import static

router = APIRouter(include_in_schema=False)
router.include_router(static.router)
