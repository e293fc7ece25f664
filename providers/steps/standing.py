"""Compare rows with the facts that stand for their days, and write only what differs; what it replaces is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from django.db import connection
from psycopg import sql

from providers.readers.fields import as_date
from providers.readers.rows import FactRows, key_order, pack_keys
from providers.steps.copying import Layout, RunningCopy, key_columns, names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from providers.models import Batch, FactTable
    from providers.readers.fields import Flags, Ints

# NULL on its way through an array; no measure can be that small.
NOT_KNOWN = int(np.iinfo(np.int64).min)


@dataclass(slots=True)
class Standing:
    """Rows that stand: keys, the delivered measures, and whether they are of the batch's source; sorted by key."""

    keys: dict[str, Ints]
    measures: dict[str, Ints]
    own: Ints

    def __len__(self) -> int:
        return len(self.own)


@dataclass(slots=True)
class Comparison:
    """Places of rows to add and to change, keys to remove, and what these do to the flows."""

    added: Ints
    changed: Ints
    flow_changes: dict[str, Ints]
    removed: dict[str, Ints] | None = None
    flow_losses: dict[str, Ints] = field(default_factory=dict)


class Question:
    """Asks for all rows that stand on some days; the answer may be waited for in another thread."""

    def __init__(
        self, table: type[FactTable], batch: Batch, measures: Sequence[str], days: Sequence[int], among: str = ""
    ) -> None:
        """Take delivered days in order; ``among`` names a table of the only keys wanted."""
        self._key, self._measures, self._whole = key_columns(table), list(measures), batch.replaces
        self._asked: psycopg.Connection[tuple[bytes | None, ...]] = connection.connection
        source = sql.SQL(
            "(batch_id IN (SELECT id FROM providers_batch WHERE feed = {feed} AND source = {source}))::int::bigint"
        ).format(feed=sql.Literal(batch.feed), source=sql.Literal(batch.source))
        fields = [
            sql.SQL("(f.day - DATE '1970-01-01')::bigint"),
            *(sql.Identifier("f", name) for name in self._key[1:]),
            *(
                sql.SQL("coalesce({}, {})").format(sql.Identifier("f", name), sql.Literal(NOT_KNOWN))
                for name in measures
            ),
            *([source] if self._whole else []),
        ]
        self._query = sql.SQL(
            "SELECT string_agg({sent}, '') FROM {table} f {among}"
            " WHERE f.day = ANY({days}) AND f.day BETWEEN {first} AND {last}"
        ).format(
            sent=sql.SQL(" || ").join(sql.SQL("int8send({})").format(part) for part in fields),
            table=sql.Identifier(table._meta.db_table),
            among=sql.SQL("JOIN {} USING ({})").format(sql.Identifier(among), names(self._key))
            if among
            else sql.SQL(""),
            days=sql.Literal([as_date(day) for day in days]),
            first=sql.Literal(as_date(days[0])),
            last=sql.Literal(as_date(days[-1])),
        )

    def answer(self) -> Standing:
        """Return what stands."""
        names_of_columns = [*self._key, *self._measures, *(["own"] if self._whole else [])]
        (value,) = row_of(self._asked, self._query)
        found = np.frombuffer(value, dtype=">i8").reshape(-1, len(names_of_columns))
        columns = {name: found[:, place].astype(np.int64) for place, name in enumerate(names_of_columns)}
        (packed,) = pack_keys({name: columns[name] for name in self._key})
        if not (packed[1:] >= packed[:-1]).all():
            order = key_order(packed)
            columns = {name: values[order] for name, values in columns.items()}
        return Standing(
            {name: columns[name] for name in self._key},
            {name: columns[name] for name in self._measures},
            columns["own"] if self._whole else np.zeros(len(packed), dtype=np.int64),
        )


def stage_keys(table: type[FactTable], batch: Batch, rows: FactRows) -> str:
    """Copy the keys of rows into a temporary table, and return its name."""
    _stage("wanted", table, batch, FactRows(rows.subject, rows.keys, {}, {}, rows.lines))
    return "wanted"


def one_value(query: sql.Composed) -> bytes:
    """Return the one bytea a query gives."""
    (value,) = one_row(query)
    return value


def one_row(query: sql.Composed) -> list[bytes]:
    """Return the bytea values of the one row a query gives."""
    return row_of(connection.connection, query)


def row_of(asked: psycopg.Connection[tuple[bytes | None, ...]], query: sql.Composed) -> list[bytes]:
    """Return the bytea values of the one row a query gives, in binary: as text they would be twice as long."""
    with psycopg.Cursor(asked) as cursor:
        cursor.execute(query, binary=True)
        row = cursor.fetchone()
    assert row is not None
    return [b"" if value is None else bytes(value) for value in row]


def compare(rows: FactRows | None, standing: Standing, measures: Sequence[str], flows: Sequence[str]) -> Comparison:
    """Hold rows against what stands; both are sorted by key."""
    nothing = np.zeros(0, dtype=np.int64)
    if rows is None:
        return Comparison(nothing, nothing, {}, *_left_out(standing, np.ones(len(standing), dtype=np.bool_), flows))
    names_of_keys = dict(zip(standing.keys, rows.keys.values(), strict=True))
    ours, theirs = pack_keys(names_of_keys, standing.keys)
    at = np.minimum(np.searchsorted(theirs, ours), max(len(theirs) - 1, 0))
    found = theirs[at] == ours if len(theirs) else np.zeros(len(rows), dtype=np.bool_)
    differs = np.zeros(len(rows), dtype=np.bool_)
    new = {name: _with_unknown(rows, name) for name in measures}
    old = {name: standing.measures[name][at] if len(theirs) else new[name] for name in measures}
    for name in measures:
        differs |= new[name] != old[name]
    changed = np.flatnonzero(found & differs)
    left_out = np.ones(len(standing), dtype=np.bool_)
    left_out[at[found]] = False
    return Comparison(
        np.flatnonzero(~found),
        changed,
        {name: _known(new[name][changed]) - _known(old[name][changed]) for name in flows},
        *_left_out(standing, left_out, flows),
    )


def _with_unknown(rows: FactRows, name: str) -> Ints:
    flags = rows.unknown.get(name)
    return rows.measures[name] if flags is None else np.where(flags, NOT_KNOWN, rows.measures[name])


def _known(values: Ints) -> Ints:
    return np.where(values == NOT_KNOWN, 0, values)


def _left_out(
    standing: Standing, left_out: Flags, flows: Sequence[str]
) -> tuple[dict[str, Ints] | None, dict[str, Ints]]:
    """Return keys and lost flows of standing rows of the same source that the batch leaves out."""
    gone = np.flatnonzero(left_out & (standing.own == 1))
    if not len(gone):
        return None, {}
    return (
        {name: values[gone] for name, values in standing.keys.items()},
        {name: -_known(standing.measures[name][gone]) for name in flows},
    )


def _stage(name: str, table: type[FactTable], batch: Batch, rows: FactRows) -> None:
    """Copy rows into a temporary table that the planner knows the size of."""
    key = key_columns(table)
    columns = names(["batch_id", *key, *rows.measures])
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{}").format(sql.Identifier(name)))
        cursor.execute(
            sql.SQL("CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA").format(
                name=sql.Identifier(name), columns=columns, table=sql.Identifier(table._meta.db_table)
            )
        )
    copy = RunningCopy(name, columns)
    for piece in Layout(batch.pk, list(rows.measures), len(key)).pieces(rows):
        copy.write(piece)
    copy.end()
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(name)))


def _pieces(table: type[FactTable], history: type[FactTable], batch: Batch, days: Ints) -> dict[str, sql.Composable]:
    """Return what the statements share; the day range lets the planner leave other months alone."""
    key = key_columns(table)
    whole = ["batch_id", *key, *(measure.code for measure in table.measures)]
    return {
        "table": sql.Identifier(table._meta.db_table),
        "history": sql.Identifier(history._meta.db_table),
        "whole": names(whole),
        "standing": names(whole, "f"),
        "batch": sql.Literal(batch.pk),
        "now": sql.Literal(batch.received_at),
        "same_key": sql.SQL(" AND ").join(
            sql.SQL("f.{name} = i.{name}").format(name=sql.Identifier(name)) for name in key
        ),
        "within": sql.SQL("f.day BETWEEN {first} AND {last}").format(
            first=sql.Literal(as_date(int(days.min()))), last=sql.Literal(as_date(int(days.max())))
        ),
    }


_KEEP = (
    "INSERT INTO {history} ({whole}, superseded_by, recorded_to)"
    " SELECT {standing}, {batch}, {now} FROM {table} f JOIN incoming i ON {same_key} AND {within}"
)


def merge(table: type[FactTable], history: type[FactTable], batch: Batch, rows: FactRows) -> None:
    """Replace rows that stand, and keep what is replaced in the history until the moment this batch came."""
    _stage("incoming", table, batch, rows)
    pieces = _pieces(table, history, batch, rows.keys["day"])
    assigned = sql.SQL(", ").join(
        sql.SQL("{name} = i.{name}").format(name=sql.Identifier(name)) for name in ["batch_id", *rows.measures]
    )
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(_KEEP).format(**pieces))
        cursor.execute(
            sql.SQL("UPDATE {table} f SET {assigned} FROM incoming i WHERE {same_key} AND {within}").format(
                assigned=assigned, **pieces
            )
        )


def remove(table: type[FactTable], history: type[FactTable], batch: Batch, keys: Mapping[str, Ints]) -> None:
    """Take rows away that a restatement leaves out; the history keeps them."""
    count = len(keys["day"])
    _stage("incoming", table, batch, FactRows(batch.subject, dict(keys), {}, {}, np.zeros(count, dtype=np.int64)))
    pieces = _pieces(table, history, batch, keys["day"])
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(_KEEP).format(**pieces))
        cursor.execute(sql.SQL("DELETE FROM {table} f USING incoming i WHERE {same_key} AND {within}").format(**pieces))
