"""What every mapped class shares: naming of constraints, column types, the two kinds of identity (behaviour.md 13)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Integer, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.orm import DeclarativeBase, mapped_column

Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
"""An instant, aware, in UTC."""

RowId = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
"""The identity of a configuration row; people and URLs use its `key`."""

RoadId = Annotated[UUID, mapped_column(PgUUID(as_uuid=True), primary_key=True)]
"""The identity of a row of the road: a uuid v7 made by `app.db.ids`."""

Key = Annotated[str, mapped_column(Text, unique=True)]
"""The unique and immutable slug of a configuration row: lower case letters, digits, `-` and `_`, at most 64."""

Version = Annotated[int, mapped_column(Integer, server_default="1")]
"""Grows with every edit of the row; the ETag of the API."""


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: Integer,
        datetime: DateTime(timezone=True),
        UUID: PgUUID(as_uuid=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        dict[str, str]: JSONB,
        list[str]: ARRAY(Text),
    }


KEY_CHECK = "key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'"
