"""Whole numbers between PostgreSQL and NumPy as binary COPY: one read, no object per value."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg import sql

type Ints = NDArray[np.int64]

EPOCH = date(2000, 1, 1)  # PostgreSQL's own
NEVER = 1_000_000  # a day after every other: the end of an open period
UNKNOWN = -(2**63)  # stands for NULL where a column may be empty
_BIGINT = 20  # the type's number in PostgreSQL
_CELL = np.dtype([("length", ">i4"), ("value", ">i8")])
_BARE = sql.SQL("")
_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)


def number(day: date) -> int:
    """Return the day as days since 2000-01-01."""
    return (day - EPOCH).days


def day_of(day: int) -> date:
    """Return the date of a day number."""
    return EPOCH + timedelta(days=day)


def _layout(width: int) -> np.dtype[np.void]:
    return np.dtype([("fields", ">i2"), ("cells", _CELL, (width,))])


def fetch(query: sql.Composable, width: int, params: dict[str, Any] | None = None) -> Ints:
    """Return the rows of a query of ``width`` bigint columns, none NULL, as an (n, width) array."""
    (found,) = fetch_all([(query, width)], params)
    return found


def fetch_all(
    queries: Sequence[tuple[sql.Composable, int]],
    params: dict[str, Any] | None = None,
    *,
    given: sql.Composable = _BARE,
) -> list[Ints]:
    """Return the rows of several queries, each with its width, asked in one statement; ``given`` goes before it.

    The columns come as one array each: row by row, the driver's own work per row cost more than the query.
    """
    widest = max(width for _, width in queries)
    parts = [_in_arrays(width, place, widest).format(query=query) for place, (query, width) in enumerate(queries)]
    statement = sql.SQL("COPY ({given} {parts}) TO STDOUT (FORMAT binary)").format(
        given=given, parts=sql.SQL(" UNION ALL ").join(parts)
    )
    # The inner cursor, because the wrapper that counts queries takes no parameters here.
    with connection.cursor() as cursor, cursor.cursor.copy(statement, _quick(params or {})) as copy:
        content = b"".join(bytes(block) for block in copy)
    found = dict(_rows(content, [width for _, width in queries]))
    return [found[place] for place in range(len(queries))]


@cache  # a step asks some dozens of times
def _in_arrays(width: int, place: int, widest: int) -> sql.SQL:
    names = [sql.Identifier(f"column_{number}") for number in range(width)]
    arrays = [sql.SQL("array_agg({})").format(name) for name in names] + [sql.SQL("NULL::bigint[]")] * (widest - width)
    composed = sql.SQL("SELECT {}::bigint, {} FROM ({{query}}) AS found({})").format(
        sql.Literal(place), sql.SQL(", ").join(arrays), sql.SQL(", ").join(names)
    )
    return sql.SQL(composed.as_string())


def execute(statement: sql.Composable, params: dict[str, Any]) -> int:
    """Run a statement and return how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, _quick(params))
        return int(cursor.rowcount)


def literal(values: Ints) -> sql.Composable:
    """Return whole numbers as a bigint array of PostgreSQL."""
    return sql.SQL("{}::bigint[]").format(sql.Literal("{" + str(values.tolist())[1:-1] + "}"))


def among(column: sql.Composable, ids: Ints) -> sql.Composable:
    """Ask for some ids, which are ordered; where they fill half of a range for all in it, which costs less."""
    if len(ids) and ids[-1] - ids[0] < 2 * len(ids):
        return sql.SQL("{} BETWEEN {} AND {}").format(column, *(sql.Literal(int(one)) for one in ids[[0, -1]]))
    return sql.SQL("{} = ANY({})").format(column, literal(ids))


def _quick(params: dict[str, Any]) -> dict[str, Any]:
    """Write lists of whole numbers as array literals; the driver's general way asks each element for its type."""
    return {
        name: "{" + str(value)[1:-1] + "}" if isinstance(value, list) and value and isinstance(value[0], int) else value
        for name, value in params.items()
    }


def _rows(content: bytes, widths: Sequence[int]) -> Iterator[tuple[int, Ints]]:
    """Read a binary COPY of (place, arrays…): bigint arrays of one length, each NULL when there are no rows."""
    at = len(_SIGNATURE)
    for _ in widths:
        fields, _, place = struct.unpack_from("!hiq", content, at)
        at += 14
        columns = []
        for _ in range(fields - 1):
            (size,) = struct.unpack_from("!i", content, at)
            if size != -1:
                columns.append(_cells(content, at + 4))
            at += 4 + max(size, 0)
        width = widths[place]
        yield place, np.stack(columns, axis=1) if columns else np.zeros((0, width), dtype=np.int64)


def _cells(content: bytes, at: int) -> Ints:
    _, _, element, count, _ = struct.unpack_from("!5i", content, at)
    cells = np.frombuffer(content, dtype=_CELL, count=count, offset=at + 20) if element == _BIGINT else None
    if cells is None or not bool(np.all(cells["length"] == 8)):
        raise ValueError("a column is empty or not a bigint")
    return cells["value"].astype(np.int64)


def append(table: str, columns: Sequence[str], rows: Ints) -> int:
    """Write (day, provider, values…) rows whose keys are not in the table; no value is UNKNOWN."""
    if not len(rows):
        return 0
    day = np.dtype([("length", ">i4"), ("value", ">i4")])
    filled = np.zeros(len(rows), np.dtype([("fields", ">i2"), ("day", day), ("cells", _CELL, (rows.shape[1] - 1,))]))
    filled["fields"] = rows.shape[1]
    filled["day"]["length"], filled["day"]["value"] = 4, rows[:, 0]
    filled["cells"]["length"], filled["cells"]["value"] = 8, rows[:, 1:]
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, ("day", "provider_id", *columns)))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for part in (_SIGNATURE, filled.view(np.uint8).data, b"\xff\xff"):
            copy.write(part)
    return len(rows)


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
        cursor.execute(sql.SQL("TRUNCATE {}").format(staging))
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
