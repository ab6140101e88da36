"""Logs: one JSON object a line on stderr, readable text where stderr is a terminal. No secret ever appears in one.

    log = structlog.get_logger()
    with logs.about(receipt=receipt_id):            # every line inside carries the id
        log.info("batch_committed", events=12)      # an event has a name and fields, never a sentence made of values

Redaction is the last step before a line is written and looks at everything: names of fields, texts, tracebacks, and
what libraries log. It is a net; whoever logs a secret on purpose still makes a mistake.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, TextIO

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN: Final = "[hidden]"
_LONGEST: Final = 20_000
"""Characters of one value: room for a long traceback, not for a body that somebody logged."""

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_SECRET_NAMES: Final = re.compile(
    r"(^|[_-])(password|passphrase|passwd|secret|token|authorization|cookie|credentials?)$|"
    r"^(api|routing|secret|integration|x-api)[_-]?key$",
    re.IGNORECASE,
)
_QUIET: Final = {
    "uvicorn.access": logging.CRITICAL + 1,  # app.web.observed writes these, with the path redacted
    "apscheduler": logging.WARNING,
    "httpx": logging.WARNING,  # logs whole addresses
    "httpcore": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "mail.log": logging.WARNING,
    "twilio": logging.WARNING,
    "urllib3": logging.ERROR,  # what Apprise sends with: paths in debug, whole addresses in warnings
}

_SOURCE: Final = r"[a-z][a-z_-]{2,19}(?![^/\s?#\"'&])"
"""A path segment of words is a source's name (`/v1/intake/grafana` with the key in a header), not a routing key."""

_NAMED: Final = r"\b[a-z_-]{0,40}(?:password|passwd|secret|token|api_?key|routing_?key|secret_?key|tocsin_session)"
"""A name in a text, before `=` or `:`, whose value is a secret."""

_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"\[parameters: [^\n]*", f"[parameters: {HIDDEN}]"),  # SQLAlchemy's errors
        (r"(?i)(/v1/intake/)(?!" + _SOURCE + r")[^/\s?#\"'&]+", rf"\1{HIDDEN}"),
        (r"(/l/|/ping/|/feeds/|/h/|/password/|/v1/twilio/status/)[^/\s?#\"'&]+", rf"\1{HIDDEN}"),
        (r"(?i)\b(bearer|basic|geniekey|digest)\s+[^\s\"',;]+", rf"\1 {HIDDEN}"),
        (r"(?i)\b[a-z2-7]{42}(@[a-z0-9.-]+)", rf"{HIDDEN}\1"),  # the signed addresses of mails
        (r"(?i)\btoken\s+token=[^\s\"',;]+", f"Token {HIDDEN}"),
        (r"\btocsin_[A-Za-z0-9_-]{40,}", f"tocsin_{HIDDEN}"),  # API keys
        (r"(\b[a-z][a-z0-9+.-]{0,20}://)[^/\s\"']+@", rf"\1{HIDDEN}@"),  # user and password in an address
        (rf"(?i)({_NAMED}[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*')", rf'\1"{HIDDEN}"'),
        (rf"(?i)({_NAMED}\s*[:=]\s*)(?!\[hidden)[^\s\"',;&}})]+", rf"\1{HIDDEN}"),
        # any other path segment or query value that looks random: long, with capitals and digits; not Twilio's ids
        (
            r"(?<=[/=])(?!(?:AC|MM|SM|CA)[0-9a-f]{32}\b)"
            r"(?=[A-Za-z_-]*[0-9])(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{20,}(?![A-Za-z0-9_.-])",
            HIDDEN,
        ),
        (r"(?i)((?:\+|%2b)[1-9]\d)[\d ().-]{4,16}(\d\d)(?!\d)", r"\1…\2"),  # phone numbers
    )
)


def redact(text: str) -> str:
    """The text without routing keys, link tokens, credentials and passwords; phone numbers shortened."""
    text = text[: 2 * _LONGEST]
    for pattern, put in _PATTERNS:
        text = pattern.sub(put, text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def redacted(value: Any, name: str = "") -> Any:
    """Any value as it may be logged. What hides under a secret's name is hidden whole, whatever it is."""
    if name and _SECRET_NAMES.search(name) and value not in (None, "", True, False):
        return HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(k)): redacted(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(v) for v in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    return redact(str(value))


def _redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: redacted(value, name) for name, value in event.items()}


def about(**ids: Any) -> AbstractContextManager[None]:
    """Binds ids (`receipt=`, `incident=`, `notification=`) to every line inside, also of libraries and child tasks."""
    return bound_contextvars(**{name: str(value) for name, value in ids.items() if value is not None})


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Sends all logs, ours and those of libraries, to `stream` (stderr). `level` is `settings.log_level`.

    Raises ValueError for a level that is not one of `LEVELS`. uvicorn must be run with `log_config=None`.
    """
    if level.lower() not in LEVELS:
        raise ValueError(f"TOCSIN_LOG_LEVEL takes {', '.join(LEVELS)}, not {level!r}")
    least, out = LEVELS[level.lower()], stream or sys.stderr
    first: list[Processor] = [
        merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    last = _last(out.isatty())
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,  # loggers are made at import, before this runs
    )
    _take_over_logging(least, out, first, last)


def _last(terminal: bool) -> list[Processor]:
    """From the event with its exception to the line that is written."""
    if terminal:
        # plain tracebacks: the pretty ones print local variables, which hold secrets
        shown: Processor = structlog.dev.ConsoleRenderer(timestamp_key="at", exception_formatter=_nothing)
    else:
        shown = structlog.processors.JSONRenderer(ensure_ascii=False)
    return [structlog.processors.format_exc_info, _redact_event, shown]


def _nothing(sio: TextIO, exc_info: Any) -> None:
    """`format_exc_info` has rendered the exception, and `_redact_event` has seen it."""


def _take_over_logging(least: int, out: TextIO, first: list[Processor], last: list[Processor]) -> None:
    """What libraries say through the standard library's logging comes out as ours does."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *first],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(least)
    for name, quietest in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, quietest))
    logging.captureWarnings(True)
