"""Fact rows as columns: how the readers hand them on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.readers.fields import Flags, Ints

LARGEST_PACKED = 1 << 62


@dataclass(slots=True)
class FactRows:
    """Rows as columns: keys first (days since 1970-01-01, row ids), then the measures delivered, and their lines."""

    subject: str
    keys: dict[str, Ints]
    measures: dict[str, Ints]
    # Rows in which an end-of-day state was left empty: not known, so neither 0 nor an error.
    unknown: dict[str, Flags]
    lines: Ints

    def __len__(self) -> int:
        return len(self.lines)

    def only(self, rows: Flags | Ints | slice) -> FactRows:
        """Return the marked rows, or the rows in the order given."""
        return FactRows(
            self.subject,
            {name: values[rows] for name, values in self.keys.items()},
            {name: values[rows] for name, values in self.measures.items()},
            {name: flags[rows] for name, flags in self.unknown.items()},
            self.lines[rows],
        )

    def sorted(self) -> FactRows:
        """Return the rows in the order of their key, day first; equal keys stay in file order."""
        (packed,) = pack_keys(self.keys)
        if (packed[1:] >= packed[:-1]).all():
            return self
        return self.only(key_order(packed))

    def doubled(self) -> Ints:
        """Return the places of rows whose key the row before has too; the rows are sorted."""
        same = np.ones(max(len(self) - 1, 0), dtype=np.bool_)
        for values in self.keys.values():
            same &= values[1:] == values[:-1]
        return np.flatnonzero(same) + 1


def join_rows(parts: Sequence[FactRows]) -> FactRows:
    """Join parts of one file."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    unknown = {name for part in parts for name in part.unknown}
    return FactRows(
        first.subject,
        {name: np.concatenate([part.keys[name] for part in parts]) for name in first.keys},
        {name: np.concatenate([part.measures[name] for part in parts]) for name in first.measures},
        {
            name: np.concatenate([part.unknown.get(name, np.zeros(len(part), dtype=np.bool_)) for part in parts])
            for name in sorted(unknown)
        },
        np.concatenate([part.lines for part in parts]),
    )


def pack_keys(*tables: dict[str, Ints]) -> list[Ints]:
    """Return each table's keys as one sortable number per row, comparable between the tables."""
    names = list(tables[0])
    columns = [[table[name] for table in tables] for name in names]
    least = [min((int(values.min()) for values in column if len(values)), default=0) for column in columns]
    spans = [
        max((int(values.max()) for values in column if len(values)), default=0) - low + 1
        for column, low in zip(columns, least, strict=True)
    ]
    if _product(spans) > LARGEST_PACKED:
        columns, spans = _ranked(columns)
        least = [0] * len(names)
    packed = [np.zeros(len(values), dtype=np.int64) for values in columns[0]]
    for column, low, span in zip(columns, least, spans, strict=True):
        packed = [sums * span + (values - low) for sums, values in zip(packed, column, strict=True)]
    return packed


def key_order(packed: Ints) -> Ints:
    """Return the places of packed keys in their order, equal ones in the order they stand.

    With its place in its last bits each number is sorted by itself, several times faster than places are.
    """
    bits = len(packed).bit_length()
    if int(packed.max(initial=0)) >> (62 - bits):
        return np.argsort(packed, kind="stable")
    return np.sort((packed << bits) | np.arange(len(packed))) & ((1 << bits) - 1)


def different(days: Ints) -> Ints:
    """Return the different days among many, in order; they span some years at most."""
    least = int(days.min())
    return np.flatnonzero(np.bincount(days - least)) + least


def _ranked(columns: list[list[Ints]]) -> tuple[list[list[Ints]], list[int]]:
    """Replace values by their rank among all tables: as many numbers as there are different values."""
    ranked, spans = [], []
    for column in columns:
        values, ranks = np.unique(np.concatenate(column), return_inverse=True)
        cuts = np.cumsum([len(part) for part in column])[:-1]
        ranked.append(np.split(ranks.astype(np.int64), cuts))
        spans.append(len(values))
    return ranked, spans


def _product(spans: Sequence[int]) -> int:
    result = 1
    for span in spans:
        result *= span
    return result
