"""Month partitions of the fact tables; they come with the first batch of a month."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from django.db import connection
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

# Room for a correction of a day to stay on its page.
FILLFACTOR = 95


def month_of(day: date) -> date:
    """Return the first day of the month."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """Return the first day of the following month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def ensure_months(table: str, months: Iterable[date]) -> int:
    """Create the partitions that are missing; return how many were.

    The caller holds the table's ingest lock. A partition is made apart and then attached: that asks for a lock
    readers of the table can live with.
    """
    wanted = {f"{table}_{month:%Y_%m}": month for month in months}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [f'"{table}"']
        )
        present = {name.strip('"') for (name,) in cursor.fetchall()}
        missing = {name: month for name, month in sorted(wanted.items()) if name not in present}
        for name, month in missing.items():
            names = {"part": sql.Identifier(name), "table": sql.Identifier(table)}
            cursor.execute(
                sql.SQL(
                    "CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)"
                    " WITH (fillfactor = {fill})"
                ).format(fill=sql.Literal(FILLFACTOR), **names)
            )
            cursor.execute(
                sql.SQL("ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({first}) TO ({end})").format(
                    first=sql.Literal(month), end=sql.Literal(next_month(month)), **names
                )
            )
    return len(missing)
