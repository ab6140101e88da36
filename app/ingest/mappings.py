"""Whether a mapping may be saved: it belongs to its source, and every expression of it compiles."""

from __future__ import annotations

from app.directory.mapping_document import MappingDocument
from app.errors import Invalid
from app.ingest.adapters.mapping import compiled

MAPPED_SOURCES = frozenset({"generic", "grafana"})


def check(source: str, mapping: MappingDocument | None) -> None:
    """Raises `Invalid`; its errors have fields like `mapping.fields.title` and say line and column."""
    if mapping is None:
        return
    if source not in MAPPED_SOURCES:
        why = f"the source {source!r} takes no mapping; {' and '.join(sorted(MAPPED_SOURCES))} do"
        raise Invalid(f"mapping: {why}", errors=[{"field": "mapping", "message": why}])
    compiled(mapping.plain())
