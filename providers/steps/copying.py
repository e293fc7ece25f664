"""COPY fact rows in binary: straight into the table, or beside it where the month is new.

A month that no batch has delivered yet is filled without a key, then gets its key in one sort and is attached: half
the cost of feeding the key row by row. The bytes are sent by a thread of the driver while the next part is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from django.db import connection
from psycopg import sql
from psycopg.copy import QueuedLibpqWriter

from providers.partitions import attach_month, missing_months, month_of, new_month
from providers.readers.fields import as_date, as_number
from providers.readers.rows import different

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from psycopg import Copy, Cursor

    from providers.models import FactTable
    from providers.readers.fields import Ints
    from providers.readers.rows import FactRows

# Rows laid out at a time: they stay in the processor's cache, and the thousand pieces the driver may queue in memory.
LAID_OUT = 512
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
POSTGRES_EPOCH = 10957  # days from 1970-01-01 to 2000-01-01


def names(columns: Sequence[str], prefix: str = "") -> sql.Composed:
    """Return a list of column names."""
    lead = [sql.Identifier(prefix, name) if prefix else sql.Identifier(name) for name in columns]
    return sql.SQL(", ").join(lead)


def key_columns(table: type[FactTable]) -> list[str]:
    """Return the key columns of a fact table, the day first."""
    return [str(field.column) for field in table._meta.pk_fields]


class Layout:
    """Lays rows out as binary COPY data, the batch first, then the key, then the measures."""

    def __init__(self, batch_id: int, measures: Sequence[str], keys: int) -> None:
        kinds = [">i8", ">i4", *[">i8"] * (keys - 1 + len(measures))]
        fields = [("fields", ">i2")]
        for place, kind in enumerate(kinds):
            fields += [(f"length {place}", ">i4"), (str(place), kind)]
        self._measures = list(measures)
        self._record = np.zeros(LAID_OUT, dtype=np.dtype(fields))
        self._record["fields"] = len(kinds)
        for place, kind in enumerate(kinds):
            self._record[f"length {place}"] = int(kind[-1])
        self._record["0"] = batch_id

    def pieces(self, rows: FactRows) -> Iterator[bytes]:
        """Yield the rows as COPY data; unknown states are NULL."""
        columns = [*rows.keys.values(), *(rows.measures[name] for name in self._measures)]
        columns[0] = columns[0] - POSTGRES_EPOCH
        for start in range(0, len(rows), LAID_OUT):
            yield self._piece(rows, columns, slice(start, min(start + LAID_OUT, len(rows))))

    def _piece(self, rows: FactRows, columns: list[Ints], part: slice) -> bytes:
        record = self._record[: part.stop - part.start]
        for place, values in enumerate(columns, start=1):
            record[str(place)] = values[part]
        unknown = {name: flags[part] for name, flags in rows.unknown.items() if flags[part].any()}
        if not unknown:
            return record.tobytes()
        record = record.copy()
        kept = np.ones((len(record), record.itemsize), dtype=np.bool_)
        for name, flags in unknown.items():
            place = 1 + len(rows.keys) + self._measures.index(name)
            record[f"length {place}"][flags] = -1
            offset = record.dtype.fields[str(place)][1]  # type: ignore[index]
            kept[flags, offset : offset + 8] = False
        return record.view(np.uint8).reshape(len(record), record.itemsize)[kept].tobytes()


class RunningCopy:
    """A COPY into one table, fed from another thread."""

    def __init__(self, table: str, columns: sql.Composed) -> None:
        cursor: Cursor[tuple[object, ...]] = connection.connection.cursor()
        statement = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)")
        self._context = cursor.copy(
            statement.format(table=sql.Identifier(table), columns=columns), writer=QueuedLibpqWriter(cursor)
        )
        self._copy: Copy = self._context.__enter__()
        self._copy.write(COPY_HEADER)

    def write(self, data: bytes) -> None:
        """Queue some rows."""
        self._copy.write(data)

    def end(self) -> None:
        """Send the rest and hear whether all of it was taken."""
        try:
            self._copy.write(COPY_TRAILER)
        except BaseException as error:
            self._context.__exit__(type(error), error, error.__traceback__)
            raise
        self._context.__exit__(None, None, None)

    def abandon(self) -> None:
        """Stop; the transaction is rolled back anyhow."""
        error = Abandoned()
        try:
            self._context.__exit__(type(error), error, None)
        except Exception:
            return


class Abandoned(Exception):
    """The rows sent so far do not count."""


class FactCopy:
    """COPY of one batch's new rows, part by part."""

    def __init__(self, table: type[FactTable], batch_id: int, measures: Sequence[str]) -> None:
        key = key_columns(table)
        self._table = table._meta.db_table
        self._columns = names(["batch_id", *key, *measures])
        self._layout = Layout(batch_id, measures, len(key))
        self._new_months: dict[date, str] = {}
        self._seen: set[date] = set()
        self._target = ""
        self._running: RunningCopy | None = None

    def take(self, rows: FactRows) -> None:
        """Send rows sorted by day."""
        days = rows.keys["day"]
        months = sorted({month_of(as_date(day)) for day in different(days).tolist()})
        self._prepare([month for month in months if month not in self._seen])
        cuts = [0]
        targets = [self._new_months.get(month, self._table) for month in months]
        for before, after, month in zip(targets, targets[1:], months[1:], strict=False):
            if before != after:
                cuts.append(int(np.searchsorted(days, as_number(month))))
        wanted = [target for i, target in enumerate(targets) if i == 0 or target != targets[i - 1]]
        for target, start, end in zip(wanted, cuts, [*cuts[1:], len(rows)], strict=True):
            self._send(target, rows if end - start == len(rows) else rows.only(slice(start, end)))

    def _prepare(self, months: Sequence[date]) -> None:
        """Make the months' tables that are missing, between two COPYs."""
        if not months:
            return
        self._seen.update(months)
        self.end()
        for month in missing_months(self._table, months):
            self._new_months[month] = new_month(self._table, month)

    def _send(self, target: str, rows: FactRows) -> None:
        if self._running is None or self._target != target:
            self.end()
            self._running, self._target = RunningCopy(target, self._columns), target
        for piece in self._layout.pieces(rows):
            self._running.write(piece)

    def end(self) -> None:
        """End the COPY, so that the connection can be asked again."""
        if self._running is not None:
            running, self._running = self._running, None
            running.end()

    def finish(self) -> None:
        """End the COPY, give new months their key and attach them; a key twice raises IntegrityError."""
        self.end()
        for month, part in sorted(self._new_months.items()):
            attach_month(self._table, part, month)
        self._new_months = {}

    def close(self) -> None:
        """Let go of a COPY that was not finished."""
        if self._running is not None:
            running, self._running = self._running, None
            running.abandon()
