"""Daily values of flows on their way to running totals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scoring.steps.rolling.arrays import Ints
from scoring.steps.rolling.coverage import Carriers
from scoring.steps.rolling.shared import Shared


@dataclass(frozen=True, slots=True)
class Days:
    """Daily values of flows for some providers over the days [lo, hi); absent codes are zero."""

    providers: Ints  # sorted
    lo: int
    hi: int
    carriers: Carriers
    shared: Shared
    values: dict[str, Ints] = field(default_factory=dict)

    @classmethod
    def between(cls, providers: Ints, lo: int, hi: int) -> Days:
        """Have no values yet for the providers and the days [lo, hi)."""
        return cls(providers, lo, hi, Carriers(providers), Shared.load(providers))

    @property
    def shape(self) -> tuple[int, int]:
        """Providers × days."""
        return len(self.providers), self.hi - self.lo

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
