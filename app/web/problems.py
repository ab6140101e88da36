"""Errors become RFC 9457 `application/problem+json` here and nowhere else.

Every problem has `type` (a stable relative address, `/problems/<code>`), `title`, `status`, `detail`, `instance`, its
`code`, and the fields of the error. Inputs are never echoed: they may hold passwords.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from app.errors import (
    INSTANT_NEEDED,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
    field_message,
    written,
    wrong_members,
)

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"

_BY_CODE: Final = {"outdated": 412, "throttled": 429}
_BY_KIND: Final[tuple[tuple[type[Refusal], int], ...]] = (
    (NotFound, 404),
    (Conflict, 409),
    (Forbidden, 403),
    (Invalid, 422),
)
_HTTP_CODES: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_OWN_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance", "code"})


class Unauthenticated(Exception):
    """No credential, or one that is wrong or expired. 401."""

    def __init__(self, message: str = "log in, or send an API key as Authorization: Bearer") -> None:
        super().__init__(message)
        self.message = message


def install(app: FastAPI) -> None:
    """Teaches `app` to answer every error as a problem."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(Unauthenticated, _unauthenticated)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeout, _unavailable)
    app.add_exception_handler(OSError, _no_connection)
    app.add_exception_handler(Exception, _unexpected)


def status_of(error: Refusal) -> int:
    """The HTTP status of a refusal: by its code where that has a status of its own, else by its kind."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((status for kind, status in _BY_KIND if isinstance(error, kind)), 400)


def answer(request: Request, error: Refusal) -> JSONResponse:
    """The refusal as a response. For endpoints that must refuse *and* commit: they return this instead of raising."""
    fields = dict(error.fields)
    if isinstance(error, Invalid):
        fields["errors"] = error.errors
    headers = {"Retry-After": str(int(fields["retry_after_s"]))} if "retry_after_s" in fields else None
    return problem(request, status_of(error), error.code, error.message, fields, headers)


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    fields: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """One problem document. `fields` are members of its own; the standard ones win."""
    extra = {name: value for name, value in (fields or {}).items() if name not in _OWN_MEMBERS}
    body = {
        "type": f"/problems/{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "code": code,
        **jsonable_encoder(extra),
    }
    return JSONResponse(body, status, dict(headers) if headers else None, MEDIA_TYPE)


async def _refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return answer(request, error)


async def _unauthenticated(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Unauthenticated)
    return problem(request, 401, "unauthenticated", error.message, headers={"WWW-Authenticate": "Bearer"})


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(e["type"] == "json_invalid" for e in found):
        return problem(request, 400, "malformed_json", "the body is not JSON")
    errors = _field_errors(found, error.body)
    detail = f"{errors[0]['field'] or 'the ' + errors[0]['in']}: {errors[0]['message']}"
    return problem(request, 422, "invalid", detail, {"errors": errors})


def _field_errors(found: Sequence[Mapping[str, Any]], body: Any) -> list[dict[str, str]]:
    errors = [
        {"in": str(e["loc"][0]), "field": written(e["loc"][1:]), "message": _message(e)}
        for e in found
        if e["loc"][0] != "body"
    ]
    in_body = [{**e, "loc": e["loc"][1:]} for e in found if e["loc"][0] == "body"]
    for e in in_body:
        if not e["loc"] and e["type"] != "value_error":  # that is a model's own word about its members
            e |= {"type": "value_error", "msg": "a JSON object is needed, sent as application/json"}
    return [*errors, *({"in": "body", **wrong} for wrong in wrong_members(in_body, body))]


def _message(error: Mapping[str, Any]) -> str:
    """Of a part of the address: there + stands for a blank, so an offset is easily lost."""
    message = field_message(error)
    return f"{message} (+ is written %2B in an address)" if message == INSTANT_NEEDED else message


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, f"http_{error.status_code}")
    detail = "there is nothing here" if error.status_code == 404 else str(error.detail)
    return problem(request, error.status_code, code, detail, headers=error.headers)


async def _database(request: Request, error: Exception) -> JSONResponse:
    """What the database refused and no command foresaw, by SQLSTATE (PostgreSQL manual, appendix A)."""
    assert isinstance(error, DBAPIError)
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if error.connection_invalidated or state[:2] in ("08", "53", "57") or state in ("40001", "40P01", "55P03", "25006"):
        return await _unavailable(request, error)
    if state[:2] == "22" or state == "23514":
        return problem(request, 422, "invalid", "a value cannot be stored", {"errors": []})
    if state[:2] == "23":
        return problem(request, 409, "conflict", "this is taken, in use, or has just been removed")
    return await _unexpected(request, error)


async def _no_connection(request: Request, error: Exception) -> JSONResponse:
    """`ConnectionRefusedError` and its like come from connecting to the database: nothing else is called from here."""
    if isinstance(error, ConnectionError | FileNotFoundError | TimeoutError):
        return await _unavailable(request, error)
    return await _unexpected(request, error)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("database_unavailable", error=type(error).__name__)
    return problem(request, 503, "unavailable", "try again in a moment", headers={"Retry-After": "2"})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """Says nothing of what happened but an id that finds it in the log; the path's pattern, as paths hold secrets."""
    error_id = token_hex(8)
    route = getattr(request.scope.get("route"), "path", "")
    log.error("request_failed", error_id=error_id, route=route, method=request.method, exc_info=error)
    return problem(request, 500, "internal", "something went wrong on our side", {"error_id": error_id})
