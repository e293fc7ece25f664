"""Write proven fact rows: a keyed COPY for days never delivered, stage and compare for the others.

Every day with a row is a delivered day, so rows of undelivered days cannot meet an older version. The caller holds
the ingest lock of the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection
from psycopg import sql

from providers.measures import SUBJECTS, Subject, catalogue
from providers.models import FACTS, HISTORY, Batch, DeliveredDay
from providers.partitions import ensure_months, month_of
from providers.readers.fields import as_date, as_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

    from providers.models import FactTable
    from providers.readers.facts import FactRows

COPY_ROWS = 100_000
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
POSTGRES_EPOCH = 10957  # days from 1970-01-01 to 2000-01-01


@dataclass(slots=True)
class Difference:
    """What a delivery adds to the days: rows and, per flow, the change of the day's total."""

    added: int = 0
    changed: int = 0
    rows: dict[date, int] = field(default_factory=dict)
    totals: dict[date, dict[str, int]] = field(default_factory=dict)


def fact_tables(feed: str, subject: str) -> tuple[type[FactTable], type[FactTable]]:
    """Return the table of a feed's facts about a kind of subject, and its history."""
    kind: Subject = next(known for known in SUBJECTS if known == subject)
    return FACTS[feed, kind], HISTORY[feed, kind]


def flows(table: type[FactTable], delivered: Sequence[str]) -> list[str]:
    """Return the delivered measures that add up."""
    kinds = catalogue().measures
    return [name for name in delivered if kinds[name].kind == "flow"]


def names(columns: Sequence[str], prefix: str = "") -> sql.Composed:
    """Return a list of column names."""
    lead = [sql.Identifier(prefix, name) if prefix else sql.Identifier(name) for name in columns]
    return sql.SQL(", ").join(lead)


def key_columns(table: type[FactTable]) -> list[str]:
    """Return the key columns of a fact table, the day first."""
    return [str(field.column) for field in table._meta.pk_fields]


def write(batch: Batch, rows: FactRows, delivered: set[date]) -> Difference:
    """Write the rows under the batch; return what is different now."""
    table, history = fact_tables(batch.feed, batch.subject)
    known = np.array([as_number(day) for day in delivered], dtype=np.int64)
    met = np.isin(rows.keys["day"], known)
    ensure_months(table._meta.db_table, {month_of(as_date(day)) for day in present_days(rows)})
    difference = Difference()
    if not met.all():
        new = rows if not met.any() else rows.only(~met)
        copy_rows(table._meta.db_table, batch, new, key_columns(table))
        _add_new(difference, new, flows(table, list(rows.measures)))
    if met.any():
        _stage(table, batch, rows if met.all() else rows.only(met))
        _compare(difference, table, flows(table, list(rows.measures)), list(rows.measures))
        if difference.added or difference.changed:
            _merge(table, history, batch, list(rows.measures))
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE incoming")
    if not met.all():
        difference.added += int((~met).sum())
    return difference


def present_days(rows: FactRows) -> list[int]:
    """Return the days that have rows; the rows are sorted by day."""
    days = rows.keys["day"]
    return [int(day) for day in days[np.flatnonzero(np.diff(days, prepend=days[0] - 1))]]


def _record(rows: FactRows, batch: Batch, part: slice) -> bytes:
    """Lay a part of the rows out as binary COPY data; unknown states are NULL."""
    key = list(rows.keys)
    columns: list[tuple[str, str, NDArray[np.int64]]] = [("batch_id", ">i8", np.full(1, batch.pk))]
    columns += [(name, ">i4" if name == "day" else ">i8", rows.keys[name][part]) for name in key]
    columns += [(name, ">i8", values[part]) for name, values in rows.measures.items()]
    layout = [("fields", ">i2")]
    for name, kind, _values in columns:
        layout += [(f"{name} length", ">i4"), (name, kind)]
    count = len(rows.keys["day"][part])
    record = np.zeros(count, dtype=np.dtype(layout))
    record["fields"] = len(columns)
    for name, kind, values in columns:
        record[f"{name} length"] = int(kind[-1])
        record[name] = values if name != "day" else values - POSTGRES_EPOCH
    if not rows.unknown:
        return record.tobytes()
    kept = np.ones((count, record.itemsize), dtype=np.bool_)
    for name, flags in rows.unknown.items():
        record[f"{name} length"][flags[part]] = -1
        offset = record.dtype.fields[name][1]  # type: ignore[index]
        kept[flags[part], offset : offset + 8] = False
    return record.view(np.uint8).reshape(count, record.itemsize)[kept].tobytes()


def copy_rows(target: str, batch: Batch, rows: FactRows, key: list[str]) -> None:
    """COPY the rows into a table."""
    statement = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)").format(
        table=sql.Identifier(target), columns=names(["batch_id", *key, *rows.measures])
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(COPY_HEADER)
        for start in range(0, len(rows), COPY_ROWS):
            copy.write(_record(rows, batch, slice(start, start + COPY_ROWS)))
        copy.write(COPY_TRAILER)


def _add_new(difference: Difference, rows: FactRows, flow_names: list[str]) -> None:
    """Sum new rows per day; they are sorted by day."""
    found, starts, counts = np.unique(rows.keys["day"], return_index=True, return_counts=True)
    sums = {name: np.add.reduceat(rows.measures[name], starts) for name in flow_names}
    for i, number in enumerate(found):
        day = as_date(int(number))
        difference.rows[day] = int(counts[i])
        difference.totals[day] = {name: int(values[i]) for name, values in sums.items()}


def _stage(table: type[FactTable], batch: Batch, rows: FactRows) -> None:
    key = key_columns(table)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA").format(
                columns=names(["batch_id", *key, *rows.measures]), table=sql.Identifier(table._meta.db_table)
            )
        )
    copy_rows("incoming", batch, rows, key)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE incoming")


def _parts(table: type[FactTable], measures: list[str]) -> dict[str, sql.Composable]:
    """Return the pieces the statements share; the day range lets the planner leave other months alone."""
    key = key_columns(table)
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(day), max(day) FROM incoming")
        first, last = cursor.fetchone()
    return {
        "table": sql.Identifier(table._meta.db_table),
        "key": names(key),
        "within": sql.SQL("f.day BETWEEN {first} AND {last}").format(first=sql.Literal(first), last=sql.Literal(last)),
        "differs": sql.SQL("(({old}) IS DISTINCT FROM ({new}))").format(
            old=sql.SQL("ROW({})").format(names(measures, "f")), new=sql.SQL("ROW({})").format(names(measures, "i"))
        ),
    }


def _compare(difference: Difference, table: type[FactTable], flow_names: list[str], measures: list[str]) -> None:
    """Count new and different rows, and sum what they change, before anything is written."""
    sums = [
        sql.SQL("coalesce(sum(i.{name}), 0) - coalesce(sum(f.{name}), 0)").format(name=sql.Identifier(name))
        for name in flow_names
    ]
    query = sql.SQL(
        "SELECT {columns} FROM incoming i"
        " LEFT JOIN (SELECT * FROM {table} f WHERE {within}) f USING ({key}) GROUP BY day"
    ).format(
        columns=sql.SQL(", ").join(
            [
                sql.SQL("day"),
                sql.SQL("count(*) FILTER (WHERE f.batch_id IS NULL)"),
                sql.SQL("count(*) FILTER (WHERE f.batch_id IS NOT NULL AND {differs})").format(
                    **_parts(table, measures)
                ),
                *sums,
            ]
        ),
        **_parts(table, measures),
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        for day, added, changed, *changes in cursor.fetchall():
            difference.added += added
            difference.changed += changed
            difference.rows[day] = added
            difference.totals[day] = {name: int(value) for name, value in zip(flow_names, changes, strict=True)}


def _merge(table: type[FactTable], history: type[FactTable], batch: Batch, measures: list[str]) -> None:
    """Insert new rows, replace different ones, and keep what was replaced: one statement."""
    whole = ["batch_id", *key_columns(table), *(measure.code for measure in table.measures)]
    delivered = ["batch_id", *key_columns(table), *measures]
    query = sql.SQL(
        "WITH changed AS (SELECT {whole} FROM {table} f JOIN incoming i USING ({key}) WHERE {within} AND {differs}),"
        " kept AS (INSERT INTO {history} ({columns}, superseded_by, recorded_to)"
        " SELECT {columns}, {batch}, now() FROM changed)"
        " INSERT INTO {table} AS f ({delivered}) SELECT {delivered} FROM incoming i"
        " ON CONFLICT ({key}) DO UPDATE SET {assigned} WHERE {differs_excluded}"
    ).format(
        history=sql.Identifier(history._meta.db_table),
        whole=names(whole, "f"),
        columns=names(whole),
        delivered=names(delivered),
        batch=sql.Literal(batch.pk),
        assigned=sql.SQL(", ").join(
            sql.SQL("{name} = EXCLUDED.{name}").format(name=sql.Identifier(name)) for name in ["batch_id", *measures]
        ),
        differs_excluded=sql.SQL("(ROW({old}) IS DISTINCT FROM ROW({new}))").format(
            old=names(measures, "f"), new=names(measures, "excluded")
        ),
        **_parts(table, measures),
    )
    with connection.cursor() as cursor:
        cursor.execute(query)


def add_delivered(batch: Batch, difference: Difference) -> None:
    """Note the batch's days as delivered, with the measures it carried and the totals as they are now."""
    known = {
        row.day: row for row in DeliveredDay.objects.filter(feed=batch.feed, subject=batch.subject, day__in=batch.days)
    }
    rows = []
    for day in batch.days:
        before = known.get(day)
        totals = dict(before.totals) if before else {}
        for name, change in difference.totals.get(day, {}).items():
            totals[name] = totals.get(name, 0) + change
        measures = sorted({*batch.measures, *(before.measures if before else ())})
        count = (before.rows if before else 0) + difference.rows.get(day, 0)
        if before and (before.measures, before.rows, before.totals) == (measures, count, totals):
            continue
        rows.append(
            DeliveredDay(
                feed=batch.feed,
                subject=batch.subject,
                day=day,
                measures=measures,
                rows=count,
                totals=totals,
                batch=batch,
            )
        )
    DeliveredDay.objects.bulk_create(
        rows,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["feed", "subject", "day"],
        update_fields=["measures", "rows", "totals", "batch"],
    )
