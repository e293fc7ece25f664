"""Whole numbers between PostgreSQL and NumPy as binary COPY: one read, no object per value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg import sql

type Ints = NDArray[np.int64]

EPOCH = date(2000, 1, 1)  # PostgreSQL's own
NEVER = 1_000_000  # a day after every other: the end of an open period
LOOK_UPS = 20_000  # days of subjects up to which looking each up beats reading all rows of the days
UNKNOWN = -(2**63)  # stands for NULL where a column may be empty
_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)


def number(day: date) -> int:
    """Return the day as days since 2000-01-01."""
    return (day - EPOCH).days


def day_of(day: int) -> date:
    """Return the date of a day number."""
    return EPOCH + timedelta(days=day)


def _layout(width: int) -> np.dtype[np.void]:
    return np.dtype([("fields", ">i2"), ("cells", [("length", ">i4"), ("value", ">i8")], (width,))])


def fetch(query: sql.Composable, width: int, params: dict[str, Any] | None = None) -> Ints:
    """Return the rows of a query of ``width`` bigint columns, none NULL, as an (n, width) array."""
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)
    # The inner cursor, because the wrapper that counts queries takes no parameters here.
    with connection.cursor() as cursor, cursor.cursor.copy(statement, params or {}) as copy:
        content = b"".join(bytes(block) for block in copy)
    rows = np.frombuffer(content[len(_SIGNATURE) : -2], dtype=_layout(width))
    if not bool(np.all(rows["cells"]["length"] == 8)):
        raise ValueError("a column is empty or not a bigint")
    return rows["cells"]["value"].astype(np.int64)


def upsert(table: str, columns: Sequence[str], rows: Ints) -> int:
    """Write (day, provider, values…) rows into a table keyed by day and provider; UNKNOWN becomes NULL."""
    if not len(rows):
        return 0
    staging = sql.Identifier(f"staged_{table}")
    names = [sql.Identifier(name) for name in columns]
    filled = np.zeros(len(rows), dtype=_layout(rows.shape[1]))
    filled["fields"] = rows.shape[1]
    filled["cells"]["length"] = 8
    filled["cells"]["value"] = rows
    with connection.cursor() as cursor:
        bigints = sql.SQL(", ").join(sql.SQL("{} bigint").format(name) for name in names)
        cursor.execute(
            sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (day bigint, provider_id bigint, {})").format(staging, bigints)
        )
        cursor.execute(sql.SQL("DELETE FROM {}").format(staging))
        with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(staging)) as copy:
            copy.write(_SIGNATURE + filled.tobytes() + b"\xff\xff")
        cursor.execute(
            sql.SQL(
                "INSERT INTO {table} (day, provider_id, {names})"
                " SELECT DATE '2000-01-01' + day::int, provider_id, {values} FROM {staging}"
                " ON CONFLICT (day, provider_id) DO UPDATE SET ({names}) = ROW({excluded})"
            ).format(
                table=sql.Identifier(table),
                names=sql.SQL(", ").join(names),
                values=sql.SQL(", ").join(
                    sql.SQL("NULLIF({}, {})").format(name, sql.Literal(UNKNOWN)) for name in names
                ),
                staging=staging,
                excluded=sql.SQL(", ").join(sql.SQL("EXCLUDED.{}").format(name) for name in names),
            )
        )
    return len(rows)
