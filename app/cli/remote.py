"""A Tocsin somewhere, asked over its HTTP API with an API key, for commands that need no access to its machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import httpx
import typer

from app.errors import Invalid, Refusal

TIMEOUT_S: Final = 60.0
"""A plan is made by doing everything and taking it back."""

Url = Annotated[
    str,
    typer.Option(envvar="TOCSIN_URL", help="The address of the Tocsin to talk to.", show_default=True),
]
DEFAULT_URL: Final = "http://127.0.0.1:8080"


class Answered(Refusal):
    """It said no. `lines` are for people: the reason, then each place that is wrong."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n  ".join(lines))


@contextmanager
def client(url: str) -> Iterator[httpx.Client]:
    """With the key of TOCSIN_API_KEY (or TOCSIN_API_KEY_FILE). Raises `Invalid` without one."""
    headers = {"Authorization": f"Bearer {_api_key()}"}
    try:
        with httpx.Client(base_url=url.rstrip("/") + "/api/v1", headers=headers, timeout=TIMEOUT_S) as made:
            yield made
    except httpx.InvalidURL as e:
        raise Invalid(f"--url: {e}") from e
    except httpx.HTTPError as e:
        raise Invalid(f"{url} does not answer: {str(e) or type(e).__name__}") from e


def _api_key() -> str:
    if (path := os.environ.get("TOCSIN_API_KEY_FILE")) and "TOCSIN_API_KEY" not in os.environ:
        with open(path) as file:
            return file.read().strip()
    key = os.environ.get("TOCSIN_API_KEY", "").strip()
    if not key:
        raise Invalid(
            "TOCSIN_API_KEY is not set: it takes an API key with the scope configure, as "
            "`tocsin api-key KEY` makes them where Tocsin runs"
        )
    return key


def answer(response: httpx.Response) -> Any:
    """The JSON of a 2xx answer. Raises `Answered` with what the problem says."""
    if response.is_success:
        return response.json() if response.content else None
    try:
        problem = response.json()
        lines = _reasons(problem)
    except (ValueError, KeyError, TypeError):
        lines = [f"{response.request.url} was answered with {response.status_code} {response.reason_phrase}"]
    if response.status_code == 401:
        lines.append("(the API key of TOCSIN_API_KEY)")
    raise Answered(lines)


def _reasons(problem: dict[str, Any]) -> list[str]:
    """One reason in a line of its own; several under a line that counts them. Raises KeyError, TypeError."""
    at = ".".join(filter(None, [problem.get("at"), problem.get("field")]))
    errors = [f"{e['field']}: {e['message']}" if e["field"] else str(e["message"]) for e in problem.get("errors") or []]
    reasons = list(dict.fromkeys(errors)) or [f"{at}: {problem['detail']}" if at else str(problem["detail"])]
    return reasons if len(reasons) == 1 else [f"{len(reasons)} things are wrong", *reasons]
