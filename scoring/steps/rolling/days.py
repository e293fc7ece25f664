"""Daily values of flows on their way to running totals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
from psycopg import sql

from providers.measures import Subject
from providers.models import FACTS
from providers.partitions import newest_months, rows_within
from scoring.steps.rolling.arrays import Ints, day_of
from scoring.steps.rolling.coverage import Carriers
from scoring.steps.rolling.shared import Shared

EVERY = sql.SQL("")
IN_ROOMS = sql.SQL("AND streamer_id <> 0")  # names the keys of rows that have a room
OUTSIDE_ROOMS = sql.SQL("AND streamer_id = 0")


@dataclass(frozen=True, slots=True)
class Days:
    """Daily values of flows for some providers over the days [lo, hi); absent codes are zero."""

    providers: Ints  # sorted
    lo: int
    hi: int
    carriers: Carriers
    shared: Shared
    newest: dict[str, date]  # months
    values: dict[str, Ints] = field(default_factory=dict)

    @classmethod
    def between(cls, providers: Ints, lo: int, hi: int) -> Days:
        """Have no values yet for the providers and the days [lo, hi)."""
        return cls(providers, lo, hi, Carriers(providers), Shared.load(providers), newest_months())

    @property
    def shape(self) -> tuple[int, int]:
        """Providers × days."""
        return len(self.providers), self.hi - self.lo

    def facts(
        self,
        feed: str,
        subject: Subject,
        ids: sql.Composable,
        *,
        by: Subject | None = None,
        only: sql.Composable = EVERY,
        lead: int = 0,
    ) -> sql.Composable:
        """Return, as a relation, the facts of some subjects from ``lead`` days before the first day on.

        Those sold through rooms are also found ``by`` streamer. The array of ids is looked up as a whole: a key is
        walked along instead of searched from its root for each. OFFSET 0 keeps the planner from undoing that.
        """
        table = FACTS[feed, subject]._meta.db_table
        return sql.SQL("(SELECT * FROM {rows} AS found WHERE {key} = ANY({ids}) {only} OFFSET 0)").format(
            rows=rows_within(table, day_of(self.lo - lead), day_of(self.hi), self.newest),
            key=sql.Identifier(f"{by or subject}_id"),
            ids=ids,
            only=only,
        )

    def of(self, code: str) -> Ints:
        """Return the (providers, days) array of a flow."""
        if code not in self.values:
            self.values[code] = np.zeros(self.shape, dtype=np.int64)
        return self.values[code]

    def add(self, code: str, provider: Ints, day: Ints, value: Ints | int) -> None:
        """Add values; those of days outside [lo, hi) are left out."""
        keep = (day >= self.lo) & (day < self.hi)
        rows = np.searchsorted(self.providers, provider[keep])
        np.add.at(self.of(code), (rows, day[keep] - self.lo), value if isinstance(value, int) else value[keep])

    def add_spans(self, code: str, provider: Ints, lo: Ints, hi: Ints) -> None:
        """Add one for each day of each half-open span."""
        starts, ends = np.clip(lo, self.lo, self.hi) - self.lo, np.clip(hi, self.lo, self.hi) - self.lo
        keep = starts < ends
        rows = np.searchsorted(self.providers, provider[keep])
        steps = np.zeros((len(self.providers), self.hi - self.lo + 1), dtype=np.int64)
        np.add.at(steps, (rows, starts[keep]), 1)
        np.add.at(steps, (rows, ends[keep]), -1)
        self.of(code)[:] += np.cumsum(steps, axis=1)[:, :-1]
