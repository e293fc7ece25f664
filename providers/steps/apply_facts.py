"""Write fact rows: a COPY for days never delivered, arrays compared with what stands for the others.

Every day with a row is a delivered day, so rows of undelivered days cannot meet an older version: they are copied while
the file is read, and only a key that stands twice in it can refuse them. The caller holds the feed's ingest lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from providers.measures import SUBJECTS, Subject, catalogue
from providers.models import FACTS, HISTORY, Batch, DeliveredDay
from providers.readers.fields import as_date, as_number
from providers.readers.rows import different, join_rows
from providers.steps.copy_in import copy_in
from providers.steps.copying import FactCopy, key_columns
from providers.steps.meeting import Meeting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from providers.models import FactTable
    from providers.readers.faults import Faults
    from providers.readers.fields import Ints
    from providers.readers.rows import FactRows

# New rows held at most until their day is read whole, because rows in the order of the key cost the key the least. The
# first go at once, and later ones as soon as they are half as many as went before: the database never waits.
HELD_ROWS = 500_000


@dataclass(slots=True)
class Difference:
    """What a delivery changes: rows and, per day, the change of its rows and of each flow's total; the keys touched."""

    rows: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    rows_by_day: dict[date, int] = field(default_factory=dict)
    totals: dict[date, dict[str, int]] = field(default_factory=dict)
    days: set[date] = field(default_factory=set)
    touched: list[list[Ints]] = field(default_factory=list)

    def add(self, keys: Mapping[str, Ints], rows: int, flows: Mapping[str, Ints]) -> None:
        """Count rows of these sorted keys, ``rows`` (1, 0 or −1) each, with what they add to the flows."""
        self.touched.append(list(keys.values()))
        days = keys["day"]
        starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
        counts = np.diff(np.append(starts, len(days)))
        sums = {name: np.add.reduceat(values, starts) for name, values in flows.items()}
        for i, number in enumerate(days[starts].tolist()):
            day = as_date(number)
            self.days.add(day)
            self.rows_by_day[day] = self.rows_by_day.get(day, 0) + rows * int(counts[i])
            totals = self.totals.setdefault(day, {})
            for name, values in sums.items():
                totals[name] = totals.get(name, 0) + int(values[i])


def fact_tables(feed: str, subject: str) -> tuple[type[FactTable], type[FactTable]]:
    """Return the table of a feed's facts about a kind of subject, and its history."""
    kind: Subject = next(known for known in SUBJECTS if known == subject)
    return FACTS[feed, kind], HISTORY[feed, kind]


def flows(delivered: Sequence[str]) -> list[str]:
    """Return the delivered measures that add up."""
    kinds = catalogue().measures
    return [name for name in delivered if kinds[name].kind == "flow"]


class FactWriter:
    """Takes the parts of one file as they are read; ``finish`` tells what is different now."""

    def __init__(self, batch: Batch, measures: Sequence[str], *, trusting: bool = True) -> None:
        self._flows = flows(measures)
        tables = fact_tables(batch.feed, batch.subject)
        delivered = {
            as_number(day): rows
            for day, rows in DeliveredDay.objects.filter(feed=batch.feed, subject=batch.subject).values_list(
                "day", "rows"
            )
        }
        self._known = np.array(sorted(delivered), dtype=np.int64)
        self._trusting = trusting
        self._key = key_columns(tables[0])
        self._copy = FactCopy(tables[0], batch.pk, measures)
        self._held: list[FactRows] = []
        self._sent = 0
        self._newest = -1
        self._days: set[int] = set()
        self.difference = Difference()
        self._meeting = Meeting(
            tables, batch, measures, self._flows, delivered, self._copy, self.difference, trusting=trusting
        )

    def days(self) -> list[date]:
        """Return the days that have rows."""
        return [as_date(number) for number in sorted(self._days)]

    def take(self, rows: FactRows) -> None:
        """Copy the rows of new days once a later day begins, keep those of days delivered before."""
        days = different(rows.keys["day"])
        self._days.update(days.tolist())
        self.difference.rows += len(rows)
        known = np.isin(days, self._known) if self._trusting else np.ones(len(days), dtype=np.bool_)
        if known.all():
            self._meeting.take(rows)
        elif not known.any():
            self._hold(rows)
        else:
            met = np.isin(rows.keys["day"], days[known])
            self._meeting.take(rows.only(met))
            self._hold(rows.only(~met))

    def _hold(self, rows: FactRows) -> None:
        """Hold rows until a later day begins or they are many; a file in another order of days is only slower."""
        days = rows.keys["day"]
        newest = int(days.max())
        if newest > self._newest:
            self._newest = newest
            self._held.append(rows.only(days < newest))
            self._send()
            rows = rows.only(days == newest)
        self._held.append(rows)
        if sum(map(len, self._held)) >= min(HELD_ROWS, self._sent / 2):
            self._send()

    def _send(self) -> None:
        """Copy the rows held, in the order of their key."""
        held, self._held = [part for part in self._held if len(part)], []
        if held:
            rows = join_rows(held).sorted()
            self._copy.take(rows)
            self._sent += len(rows)
            self.difference.added += len(rows)
            self.difference.add(rows.keys, 1, {name: rows.measures[name] for name in self._flows})

    def end(self) -> None:
        """End the COPY: all parts are taken."""
        self._send()
        self._copy.end()

    def close(self) -> None:
        """Leave the connection idle, whatever becomes of the rows."""
        self._meeting.close()
        self._copy.close()

    def finish(self, faults: Faults) -> None:
        """Give new months their key, and write what differs from what stands."""
        self._copy.finish()
        self._meeting.finish(faults)

    def touched(self) -> dict[str, Ints]:
        """Return the keys of all rows added, changed or removed."""
        touched = self.difference.touched
        return {name: np.concatenate([keys[place] for keys in touched]) for place, name in enumerate(self._key)}


def add_delivered(batch: Batch, difference: Difference) -> None:
    """Note the batch's days as delivered, with the measures it carried and the totals as they are now."""
    known = {
        row.day: row for row in DeliveredDay.objects.filter(feed=batch.feed, subject=batch.subject, day__in=batch.days)
    }
    new: list[DeliveredDay] = []
    changed: list[DeliveredDay] = []
    for day in batch.days:
        before = known.get(day)
        totals = dict(before.totals) if before else {}
        for name, change in difference.totals.get(day, {}).items():
            totals[name] = totals.get(name, 0) + change
        measures = sorted({*batch.measures, *(before.measures if before else ())})
        count = (before.rows if before else 0) + difference.rows_by_day.get(day, 0)
        if before and (before.measures, before.rows, before.totals) == (measures, count, totals):
            continue
        (changed if before else new).append(
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
    copy_in(new)
    DeliveredDay.objects.bulk_create(
        changed,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["feed", "subject", "day"],
        update_fields=["measures", "rows", "totals", "batch"],
    )
