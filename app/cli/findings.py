"""What `tocsin doctor` found, and how it is shown. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

State = Literal["ok", "warning", "problem"]
_SIGNS: Final[dict[State, str]] = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}
_COLOURS: Final[dict[State, str]] = {"ok": "32", "warning": "33", "problem": "31;1"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice`: what to do about it."""

    check: str
    state: State
    detail: str
    advice: str = ""


def ok(check: str, detail: str) -> Finding:
    return Finding(check, "ok", detail)


def warning(check: str, detail: str, advice: str = "") -> Finding:
    return Finding(check, "warning", detail, advice)


def problem(check: str, detail: str, advice: str = "") -> Finding:
    return Finding(check, "problem", detail, advice)


def well(findings: Sequence[Finding]) -> bool:
    """Nothing would keep a page from arriving."""
    return all(f.state != "problem" for f in findings)


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    return {"ok": well(findings), "findings": [asdict(f) for f in findings]}


def table(findings: Sequence[Finding], *, coloured: bool = False) -> Iterator[str]:
    """A line each, with the advice under it; the verdict last."""
    width = max(len(f.check) for f in findings)
    for f in findings:
        sign = f"{_SIGNS[f.state]:<8}"
        yield f"{_paint(sign, f.state, coloured)} {f.check:<{width}}  {f.detail}"
        if f.advice:
            yield f"{'':<{width + 11}}{f.advice}"
    counts = {state: sum(f.state == state for f in findings) for state in _SIGNS}
    yield ""
    if counts["problem"]:
        yield f"{_count(counts['problem'], 'problem')}: pages may not arrive."
    elif counts["warning"]:
        yield f"Pages would arrive; {_count(counts['warning'], 'warning')}."
    else:
        yield "All is well."


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _paint(text: str, state: State, coloured: bool) -> str:
    return f"\x1b[{_COLOURS[state]}m{text}\x1b[0m" if coloured else text
