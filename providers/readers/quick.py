"""Type a whole chunk at the speed of a copy, or not at all.

Only what is right beyond doubt is taken: plain columns, every cell readable, every check passed. At anything else the
chunk is left to ``exact``, which reads the same values and names the faults. So nothing here reports, and no rule
stands only here.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from providers.readers.exact import OLDEST_YEAR
from providers.readers.fields import as_number, iso_day
from providers.readers.rows import FactRows

if TYPE_CHECKING:
    import pyarrow as pa

    from providers.readers.columns import Column
    from providers.readers.fields import Flags, Ints
    from providers.readers.lines import Chunk
    from providers.readers.plan import Plan

# Below this the library's import costs more than it saves.
LEAST_BYTES = 1 << 18
# Bytes that the library passes over, or reads as a line end or a text's end, and the exact reader does not.
DOUBTFUL_CSV = b"\r \t\x0b\x0c\x00"
DOUBTFUL_JSON = b"\r\\\x00"
OPEN, CLOSE, NEWLINE = b"{}\n"


class Quick:
    """Reads chunks of one file, where its mapping lets it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._least = LEAST_BYTES
        columns = [plan.layout[name] for name in plan.layout.key if name in plan.found.at]
        self._names = {column.name: plan.header[plan.found.at[column.name]] for column in (*columns, *plan.delivered)}
        scaled = any(source.scale != 1 or source.values is not None for source in plan.mapping.columns.values())
        self._able = not (scaled or plan.filters or plan.found.constants)
        self._able &= len(set(plan.header)) == len(plan.header)
        self._first_day = as_number(date(OLDEST_YEAR, 1, 1))
        self._last_day = as_number(plan.rules.today)

    def rows(self, chunk: Chunk) -> FactRows | None:
        """Return the chunk's rows; None: somebody has to look closely."""
        if not self._able or (chunk.table is None and len(chunk.data) < self._least):
            return None
        self._least = 0  # imported now
        table = chunk.table if chunk.table is not None else self._table(chunk)
        if table is None or not table.num_rows:
            return None
        keys = self._keys(table)
        measures: dict[str, Ints] = {}
        unknown: dict[str, Flags] = {}
        for column in self._plan.delivered:
            found = self._numbers(table, column)
            if found is None:
                return None
            measures[column.name], missing = found
            if missing is not None:
                unknown[column.name] = missing
        if keys is None or not self._passes(measures, unknown):
            return None
        return FactRows(self._plan.layout.subject, keys, measures, unknown, chunk.first + np.arange(table.num_rows))

    def _table(self, chunk: Chunk) -> pa.Table | None:
        """Parse lines of CSV or JSON into the columns needed; None at the first doubt."""
        import pyarrow as pa

        data = chunk.data
        json = data[0] == OPEN
        if any(mark in data for mark in (DOUBTFUL_JSON if json else DOUBTFUL_CSV)):
            return None
        if not (_one_object_a_line(data) if json else _no_hexadecimals(data)):
            return None
        try:
            if not data.isascii():
                data.decode()
            table = self._from_json(data) if json else self._from_csv(data)
        except (pa.ArrowException, UnicodeDecodeError):
            return None
        return table if table.num_rows == chunk.lines else None

    def _types(self, day: pa.DataType) -> dict[str, pa.DataType]:
        import pyarrow as pa

        kinds = {"integer": pa.int64(), "day": day}
        return {theirs: kinds.get(self._plan.layout[ours].kind, pa.string()) for ours, theirs in self._names.items()}

    def _from_csv(self, data: bytes) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv

        return csv.read_csv(
            pa.py_buffer(data),
            csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=list(self._plan.header)),
            csv.ParseOptions(quote_char=False, escape_char=False, newlines_in_values=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                include_columns=list(self._names.values()),
                column_types=self._types(pa.date32()),
                null_values=[""],
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )

    def _from_json(self, data: bytes) -> pa.Table:
        import pyarrow as pa
        from pyarrow import json

        types = self._types(pa.string())
        schema = [(name, types.get(name, pa.string())) for name in self._plan.header]
        return json.read_json(
            pa.py_buffer(data),
            json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            json.ParseOptions(pa.schema(schema), newlines_in_values=False, unexpected_field_behavior="error"),
        )

    def _keys(self, table: pa.Table) -> dict[str, Ints] | None:
        keys: dict[str, Ints] = {}
        for name in self._plan.layout.key:
            column = self._plan.layout[name]
            if name not in self._names:
                found: Ints | None = np.zeros(table.num_rows, dtype=np.int64)
            elif column.kind == "day":
                found = self._days(table[self._names[name]])
            else:
                found = self._ids(table[self._names[name]], column)
            if found is None:
                return None
            keys[name] = found
        return keys

    def _days(self, values: pa.ChunkedArray) -> Ints | None:
        import pyarrow as pa

        if pa.types.is_date32(values.type) and not values.null_count:
            days = values.cast(pa.int32()).to_numpy().astype(np.int64)
        else:
            words = _words(values)
            if words is None:
                return None
            try:
                known = [as_number(iso_day(text)) for text in words[0]]
            except ValueError:
                return None
            days = np.array(known, dtype=np.int64)[words[1]]
        inside = self._first_day <= int(days.min()) <= int(days.max()) <= self._last_day
        return days if inside else None

    def _ids(self, values: pa.ChunkedArray, column: Column) -> Ints | None:
        texts = _texts(values)
        if texts is None:
            return None
        _, offsets, content = texts.buffers()
        width = np.dtype(np.int64 if str(texts.type).startswith("large") else np.int32)
        at = np.frombuffer(offsets, width, len(texts) + 1, texts.offset * width.itemsize).astype(np.int64)
        data = np.frombuffer(b"" if content is None else content, dtype=np.uint8)
        ids = self._plan.rules.registers[column.refers].find(data, at[:-1], at[1:])
        if not column.required:
            ids[at[:-1] == at[1:]] = 0
        return ids if int(ids.min()) >= 0 else None

    def _numbers(self, table: pa.Table, column: Column) -> tuple[Ints, Flags | None] | None:
        """Return a measure's values and where a state is not known; None unless all are in range."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values = table[self._names[column.name]]
        if not pa.types.is_integer(values.type) or pa.types.is_uint64(values.type):
            return None
        missing = None
        if values.null_count:
            if column.name not in self._plan.rules.states:
                return None
            missing = values.is_null().to_numpy()
            values = pc.fill_null(values, column.minimum)
        numbers = values.cast(pa.int64()).to_numpy()
        if int(numbers.min()) < column.minimum or int(numbers.max()) > column.maximum:
            return None
        return (numbers if missing is None else np.where(missing, 0, numbers)), missing

    def _passes(self, measures: dict[str, Ints], unknown: dict[str, Flags]) -> bool:
        for check in self._plan.checks:
            fails = check.fails(measures)
            for name in check.operands & set(unknown):
                fails &= ~unknown[name]
            if fails.any():
                return False
        return True


def _no_hexadecimals(data: bytes) -> bool:
    """Tell whether no number can be hexadecimal, which the library would read."""
    return not ((b"x" in data and b"0x" in data) or (b"X" in data and b"0X" in data))


def _one_object_a_line(data: bytes) -> bool:
    """Tell whether every line opens one brace and ends in its closing one."""
    buffer = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(buffer == NEWLINE)
    return bool((buffer[ends - 1] == CLOSE).all()) and int(np.count_nonzero(buffer == OPEN)) == len(ends)


def _texts(values: pa.ChunkedArray) -> pa.Array | None:
    """Return a text column in one piece; None if it is something else."""
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)) or values.null_count:
        return None
    texts = values.combine_chunks()
    return texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts


def _words(values: pa.ChunkedArray) -> tuple[list[str], Ints] | None:
    """Return a text column's different values and each row's place among them; None if it is something else."""
    texts = _texts(values)
    if texts is None:
        return None
    coded = texts.dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)
