"""CEL expressions that give a text instead of a condition: parts of a correlation key. The same names and limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from cel_expr_python.cel import Expression, Type

from app.rules import conditions
from app.rules.facts import Facts


@dataclass(frozen=True, slots=True)
class Text:
    """Built by `compile_text`. `references` as of a condition."""

    source: str
    references: frozenset[str]
    _program: Expression = field(repr=False, compare=False)

    def of(self, facts: Facts) -> str | None:
        """Its value; None when it cannot be evaluated. Never raises."""
        try:
            result = self._program.eval(conditions.activation(facts, self.references))
        except RuntimeError:
            return None
        return str(result.value()) if result.type() == Type.STRING else None


@lru_cache(maxsize=1_024)
def compile_text(source: str) -> Text:
    """Raises `Invalid` as `conditions.compile`, also for what is no text."""
    conditions.check_source(source)
    program, findings = conditions.build(source, Type.STRING, "a part of a key is a text")
    return Text(source, findings.references, program)
