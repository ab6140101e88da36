"""What the editors of schedules, policies and lists share: the fields of a form as a tree, and how a refusal is shown.

Every form carries the version that its screen showed. When somebody else saved meanwhile nothing is done, what was
entered stays, and the screen shows how it differs from what is saved now; saved again, it takes the place of that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from app.configuration import yaml_text
from app.errors import Refusal
from app.web.problems import status_of
from app.web.screens.form_tree import Tree, grown, text
from app.web.screens.rendering import HEADERS
from app.web.screens.rule_text import changes

MOST_FIELDS: Final = 30_000


async def _tree(request: Request) -> Tree:
    entered = await request.form(max_fields=MOST_FIELDS)
    return grown((name, value) for name, value in entered.multi_items() if isinstance(value, str))


Entered = Annotated[Tree, Depends(_tree)]
"""The form that was sent."""


@dataclass(frozen=True, slots=True)
class Again:
    """A form that is shown again. `said`: why nothing was saved. `focus`: the path of the entry to go on with.
    `differs`: how what was entered differs from what somebody else saved meanwhile."""

    status: int = 200
    errors: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    focus: str = ""
    outdated: bool = False
    differs: Sequence[tuple[str, str]] = ()


FRESH: Final = Again()


def version(tree: Tree) -> int | None:
    """The one that the screen showed; what is no version at all is none that there is."""
    entered = text(tree, "version")
    return int(entered) if entered.isascii() and entered.isdigit() and len(entered) < 10 else -1


def refused(error: Refusal, errors: Mapping[str, str]) -> Again:
    """`errors`: what it says of which field."""
    return Again(status_of(error), errors, "" if errors else error.message)


async def outdated(error: Refusal, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Again:
    """Somebody saved meanwhile. `theirs`: the document as it is now, `ours`: as entered."""
    differs = await asyncio.to_thread(lambda: changes(yaml_text.write(dict(theirs)), yaml_text.write(dict(ours))))
    return Again(status_of(error), {}, error.message, outdated=True, differs=differs)


def seen(*parts: Any) -> str:
    """What a preview was of: a form is saved when this is what its screen showed."""
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def to(address: str) -> Response:
    return RedirectResponse(address, 303, dict(HEADERS))
