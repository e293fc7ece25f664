"""Month partitions of the fact tables; they come with the first batch of a month.

Every month is keyed with the day first, as feeds arrive. A second key by subject, whose entries lie everywhere, would
more than double what a new row costs, so a month is given it, all at once, when the next one begins: the newest month
has none, and ``rows_within`` tells the planner to look there day by day.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.db import connection
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

# Room for a correction of a day to stay on its page.
FILLFACTOR = 95
BY_SUBJECT, IN_ROOMS = "_by_subject", "_in_rooms"


def month_of(day: date) -> date:
    """Return the first day of the month."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """Return the first day of the following month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def newest_months() -> dict[str, date]:
    """Return the first day of each fact table's newest month, which is not keyed by subject."""
    with connection.cursor() as cursor:
        # By name, because other relations may stand in front of the tables (what a window would have held).
        cursor.execute(
            "SELECT parent.relname, to_date(right(max(part.relname), 7), 'YYYY_MM') FROM pg_inherits"
            " JOIN pg_class parent ON parent.oid = inhparent JOIN pg_class part ON part.oid = inhrelid"
            r" WHERE parent.relkind = 'p' AND parent.relname LIKE 'fact\_%' GROUP BY 1"
        )
        return dict(cursor.fetchall())


def rows_within(table: str, first: date, last: date, newest: dict[str, date]) -> sql.Composable:
    """Return, as a relation, a table's rows of the days [first, last), a subject's found by keys."""
    until = max(first, min(last, newest.get(table, last)))
    days = [until + timedelta(days=place) for place in range((last - until).days)]
    keyed = sql.SQL("SELECT * FROM {} WHERE day >= {} AND day < {}").format(
        sql.Identifier(table), sql.Literal(first), sql.Literal(until)
    )
    by_day = sql.SQL("SELECT * FROM {} WHERE day = ANY({}::date[])").format(
        sql.Identifier(table), sql.Literal("{" + ",".join(map(str, days)) + "}")
    )
    parts = [part for part, needed in ((keyed, first < until), (by_day, until < last or first == last)) if needed]
    return sql.SQL("({})").format(sql.SQL(" UNION ALL ").join(parts))


def missing_months(table: str, months: Iterable[date]) -> list[date]:
    """Return those of the months that have no partition, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [f'"{table}"']
        )
        present = {name.strip('"') for (name,) in cursor.fetchall()}
    return [month for month in sorted(set(months)) if _part(table, month) not in present]


def new_month(table: str, month: date) -> str:
    """Make a month's table beside the partitioned one, still without a key, and return its name.

    The caller holds the table's ingest lock, fills it, and attaches it in the same transaction.
    """
    part = _part(table, month)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
                " CONSTRAINT whole_month CHECK (day >= {first} AND day < {end})) WITH (fillfactor = {fill})"
            ).format(
                part=sql.Identifier(part),
                table=sql.Identifier(table),
                first=sql.Literal(month),
                end=sql.Literal(next_month(month)),
                fill=sql.Literal(FILLFACTOR),
            )
        )
    return part


def attach_month(table: str, part: str, month: date) -> None:
    """Give a month's table its key, make it a partition, and key by subject the months that are not the newest.

    Its check spares the attachment a scan, and attaching asks for a lock that readers of the table can live with.
    """
    names = {"part": sql.Identifier(part), "table": sql.Identifier(table)}
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("ALTER TABLE {part} ADD PRIMARY KEY ({key})").format(
                key=sql.SQL(", ").join(map(sql.Identifier, _key(table))), **names
            )
        )
        cursor.execute(
            sql.SQL("ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({first}) TO ({end})").format(
                first=sql.Literal(month), end=sql.Literal(next_month(month)), **names
            )
        )
        cursor.execute(sql.SQL("ALTER TABLE {part} DROP CONSTRAINT whole_month").format(**names))
    key_by_subject(table)


def key_by_subject(table: str) -> None:
    """Give every month but the newest its second key, and one of the rows sold through rooms."""
    _, subject, *room = _key(table)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM (SELECT part.relname AS name, max(part.relname) OVER () AS newest FROM pg_inherits"
            " JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = %s::regclass) AS month"
            " WHERE name < newest AND to_regclass(quote_ident(name || %s)) IS NULL ORDER BY 1",
            [f'"{table}"', BY_SUBJECT],
        )
        for (part,) in cursor.fetchall():
            for suffix, rows in ((BY_SUBJECT, ""), *((IN_ROOMS, f"WHERE {name} <> 0") for name in room)):
                cursor.execute(
                    sql.SQL("CREATE INDEX {name} ON {part} ({subject}, day) {rows}").format(
                        name=sql.Identifier(part + suffix),
                        part=sql.Identifier(part),
                        subject=sql.Identifier(subject),
                        rows=sql.SQL(rows),
                    )
                )


def _key(table: str) -> list[str]:
    """Return the columns of a fact table's key: the day, its subject, and the selling room where rows have one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)"
            " WHERE indrelid = %s::regclass AND indisprimary ORDER BY array_position(indkey::int2[], attnum)",
            [f'"{table}"'],
        )
        return [name for (name,) in cursor.fetchall()]


def _part(table: str, month: date) -> str:
    return f"{table}_{month:%Y_%m}"
