"""The matrix: impact x urgency -> priority (ITIL). The admin sees and edits it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from app.errors import Invalid

INPUTS = (1, 2, 3)
PRIORITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Matrix:
    """`rows[impact - 1][urgency - 1]` is a priority, 1 (P1) to 5. Use `check` to build one from outside."""

    rows: tuple[tuple[int, ...], ...]

    def priority(self, impact: int, urgency: int) -> int:
        """1 to 5. Raises `ValueError` when an input is not 1, 2 or 3."""
        if impact not in INPUTS or urgency not in INPUTS:
            raise ValueError(f"impact and urgency are 1 to 3, not {impact} and {urgency}")
        return self.rows[impact - 1][urgency - 1]

    def document(self) -> list[list[int]]:
        """The inverse of `check`."""
        return [list(row) for row in self.rows]


DEFAULT = Matrix(((1, 2, 3), (2, 3, 4), (3, 4, 5)))


def check(document: object) -> Matrix:
    """From JSON, `[[1,2,3],[2,3,4],[3,4,5]]`: three rows (impact 1 to 3) of three priorities (urgency 1 to 3).

    Raises `Invalid` when it is not complete, or when a wider impact or a nearer urgency would be less important.
    """
    errors = [{"field": name, "message": message} for name, message in _shape(document)]
    if errors or not isinstance(document, list):
        raise Invalid("the matrix is three rows of three priorities", errors=errors)
    matrix = Matrix(tuple(tuple(row) for row in document))
    errors = [{"field": name, "message": message} for name, message in _order(matrix)]
    if errors:
        raise Invalid(errors[0]["message"], errors=errors)
    return matrix


def _shape(document: object) -> list[tuple[str, str]]:
    if not isinstance(document, list) or len(document) != len(INPUTS):
        return [("matrix", "must be three rows, one for each impact")]
    wrong: list[tuple[str, str]] = []
    for i, row in enumerate(document):
        if not isinstance(row, list) or len(row) != len(INPUTS):
            wrong.append((f"matrix[{i}]", "must be three priorities, one for each urgency"))
            continue
        for j, priority in enumerate(row):
            if type(priority) is not int or priority not in PRIORITIES:
                wrong.append((f"matrix[{i}][{j}]", f"must be a priority from 1 to 5, not {priority!r:.40}"))
    return wrong


def _order(matrix: Matrix) -> list[tuple[str, str]]:
    wrong: list[tuple[str, str]] = []
    for impact, urgency in product(INPUTS, INPUTS):
        here = matrix.priority(impact, urgency)
        for i, u in ((impact + 1, urgency), (impact, urgency + 1)):
            if i in INPUTS and u in INPUTS and (there := matrix.priority(i, u)) < here:
                wrong.append(
                    (
                        f"matrix[{i - 1}][{u - 1}]",
                        f"impact {i}, urgency {u} is P{there}, more important than P{here} "
                        f"of impact {impact}, urgency {urgency}",
                    )
                )
    return wrong
