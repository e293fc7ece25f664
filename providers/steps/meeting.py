"""Hold rows of days delivered before against what stands for them, and write only what differs.

As soon as the rows read are so many that all of their days is wanted, it is asked for, and comes while the file is read
on. A file that brings a day in several stretches, or a key twice, is read again with ``trusting`` off: then all rows
are held, and every double is named.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from providers.readers.facts import name_doubles
from providers.readers.fields import as_number
from providers.readers.rows import different, join_rows
from providers.steps.standing import Question, compare, merge, remove, stage_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from providers.models import Batch, FactTable
    from providers.readers.faults import Faults
    from providers.readers.fields import Ints
    from providers.readers.rows import FactRows
    from providers.steps.apply_facts import Difference
    from providers.steps.copying import FactCopy
    from providers.steps.standing import Comparison, Standing

# Rows asked for at a time: enough that a question costs little, few enough that the next one is soon under way.
ASKED_ROWS = 30_000
# Rows compared at a time where all are held, and changes held at most: bounds the memory of a large restatement.
COMPARED_ROWS = 500_000
# A correction of fewer than a tenth of its days' rows asks for its own keys, a larger one for the days.
SMALL_PART = 10


class NotAsTrusted(Exception):
    """A key stands twice, or a day comes back: all rows must be held before any is compared."""


class Meeting:
    """Takes rows of days delivered before as they are read; ``finish`` writes what differs."""

    def __init__(
        self,
        tables: tuple[type[FactTable], type[FactTable]],
        batch: Batch,
        measures: Sequence[str],
        flows: Sequence[str],
        delivered: Mapping[int, int],
        copy: FactCopy,
        difference: Difference,
        *,
        trusting: bool,
    ) -> None:
        self._table, self._history = tables
        self._batch, self._measures, self._flows = batch, measures, flows
        self._delivered, self._trusting = delivered, trusting
        self._copy, self._difference = copy, difference
        self._held: list[FactRows] = []
        self._days: set[int] = set()
        self._settled: set[int] = set()
        self._asking = ThreadPoolExecutor(1)
        self._answer: Future[Standing] | None = None
        self._added: list[FactRows] = []
        self._changed: list[FactRows] = []
        self._removed: list[dict[str, Ints]] = []

    def take(self, rows: FactRows) -> None:
        """Hold rows; compare those of the days asked for once another day begins."""
        days = different(rows.keys["day"]).tolist()
        if not self._settled.isdisjoint(days):
            raise NotAsTrusted
        if self._answer is not None and not self._days.issuperset(days):
            asked = np.isin(rows.keys["day"], list(self._days))
            days = [day for day in days if day not in self._days]
            self._held.append(rows.only(asked))
            self._compare_asked()
            rows = rows.only(~asked)
        self._held.append(rows)
        self._days.update(days)
        if self._trusting and self._answer is None and self._stands(self._days) >= ASKED_ROWS and self._many():
            self._copy.end()
            question = Question(self._table, self._batch, self._measures, sorted(self._days))
            self._answer = self._asking.submit(question.answer)

    def _stands(self, days: set[int]) -> int:
        return sum(self._delivered.get(day, 0) for day in days)

    def _many(self) -> bool:
        """Tell whether the rows held are so many that all of their days is wanted."""
        return self._batch.replaces or sum(map(len, self._held)) * SMALL_PART >= self._stands(self._days)

    def _compare_asked(self) -> None:
        assert self._answer is not None
        rows = join_rows(self._held).sorted()
        if len(rows.doubled()):
            raise NotAsTrusted
        standing, self._answer = self._answer.result(), None
        self._settle(compare(rows, standing, self._measures, self._flows), rows)
        self._settled |= self._days
        self._held, self._days = [], set()

    def close(self) -> None:
        """Wait for an answer that nobody needs any more: the connection is free again."""
        self._asking.shutdown()

    def finish(self, faults: Faults) -> None:
        """Compare the rest and write what differs; of a restatement's days, rows of its source left out go."""
        if self._answer is not None:
            self._compare_asked()
        rows = join_rows(self._held).sorted() if self._held else None
        self._held = []
        if rows is not None:
            name_doubles(rows, faults)
        if faults:
            return
        restated = {as_number(day) for day in self._batch.days if self._batch.replaces}
        for days, part in self._portions(rows, (restated & self._delivered.keys()) - self._settled):
            self._settle(compare(part, self._standing(days, part), self._measures, self._flows), part)
        self._write()

    def _portions(self, rows: FactRows | None, restated: set[int]) -> Iterator[tuple[list[int], FactRows | None]]:
        """Yield days and the rows about them, so many days at a time that what stands can be held."""
        days: list[int] = []
        size = 0
        for day in sorted(restated.union(different(rows.keys["day"]).tolist() if rows is not None else ())):
            if days and size + self._delivered.get(day, 0) > COMPARED_ROWS:
                yield days, _within(rows, days)
                days, size = [], 0
            days.append(day)
            size += self._delivered.get(day, 0)
        if days:
            yield days, _within(rows, days)

    def _standing(self, days: Sequence[int], rows: FactRows | None) -> Standing:
        """Return all rows of the days for a large part of them or a restatement, else those of the keys."""
        few = rows is not None and len(rows) * SMALL_PART < self._stands(set(days)) and not self._batch.replaces
        among = stage_keys(self._table, self._batch, rows) if rows is not None and few else ""
        return Question(self._table, self._batch, self._measures, days, among).answer()

    def _settle(self, found: Comparison, rows: FactRows | None) -> None:
        """Note one comparison: added, changed, removed."""
        difference = self._difference
        if rows is not None and len(found.changed):
            self._changed.append(rows.only(found.changed))
            keys = self._changed[-1].keys
            difference.changed += len(found.changed)
            difference.add(keys, 0, found.flow_changes)
        if found.removed is not None:
            self._removed.append(found.removed)
            difference.removed += len(found.removed["day"])
            difference.add(found.removed, -1, found.flow_losses)
        if rows is not None and len(found.added):
            self._added.append(rows.only(found.added))
            keys, measures = self._added[-1].keys, self._added[-1].measures
            difference.added += len(found.added)
            difference.add(keys, 1, {name: measures[name] for name in self._flows})
        if sum(len(part["day"]) for part in self._removed) + sum(map(len, self._added + self._changed)) > COMPARED_ROWS:
            self._write()

    def _write(self) -> None:
        """Write what is noted."""
        self._copy.end()
        if self._changed:
            merge(self._table, self._history, self._batch, join_rows(self._changed))
        if self._removed:
            gone = {name: np.concatenate([part[name] for part in self._removed]) for name in self._removed[0]}
            remove(self._table, self._history, self._batch, gone)
        if self._added:
            self._copy.take(join_rows(self._added).sorted())
            self._copy.finish()
        self._changed, self._removed, self._added = [], [], []


def _within(rows: FactRows | None, days: Sequence[int]) -> FactRows | None:
    """Return the sorted rows from the first to the last of the days."""
    if rows is None:
        return None
    first, end = np.searchsorted(rows.keys["day"], [days[0], days[-1] + 1])
    return rows.only(slice(int(first), int(end))) if end > first else None
