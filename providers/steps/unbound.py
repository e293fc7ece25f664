"""Name rows that reach no provider although their merchant or streamer has one: the day lies outside its bindings.

A row of a subject that nobody ever served is no news; the platform's feeds are full of them. These rows count for the
platform and for whoever is bound later, so they are warnings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from django.utils.translation import gettext as _

from providers.readers.fields import as_date
from providers.steps.reach import DAYS, bindings

if TYPE_CHECKING:
    from providers.readers.faults import Faults
    from providers.readers.fields import Flags, Ints
    from providers.readers.rows import FactRows

ANY = int(np.iinfo(np.int64).max)


class Bound:
    """The days on which subjects are bound in a role that carries the feed."""

    def __init__(self, feed: str, column: str) -> None:
        subjects, _providers, starts, ends = bindings(feed, column, 0, ANY)
        self._subjects = np.unique(subjects)
        order = np.argsort(subjects * DAYS + starts)
        self._starts = (subjects * DAYS + starts)[order]
        # The latest end of all that began before: bindings may hold beside each other.
        self._ends = np.maximum.accumulate((subjects * DAYS + ends)[order])

    def __bool__(self) -> bool:
        return len(self._subjects) > 0

    def served(self, subjects: Ints) -> Flags:
        """Mark subjects that have a binding on any day."""
        return np.isin(subjects, self._subjects)

    def on(self, subjects: Ints, days: Ints) -> Flags:
        """Mark rows whose subject is bound that day."""
        spots = subjects * DAYS + days
        at = np.searchsorted(self._starts, spots, side="right") - 1
        return np.asarray((at >= 0) & (spots < self._ends[np.maximum(at, 0)]))


class Unbound:
    """Looks through the rows of one file."""

    def __init__(self, feed: str, subject: str, warnings: Faults) -> None:
        self._warnings = warnings
        self._subject = subject
        self._bound = Bound(feed, f"{subject}_id") if subject != "provider" else None
        self._rooms = Bound(feed, "streamer_id") if subject == "merchant" else None

    def look(self, rows: FactRows) -> None:
        """Warn of rows outside their subject's bindings; a row sold in a bound room is inside."""
        if not self._bound:
            return
        days, subjects = rows.keys["day"], rows.keys[self._subject]
        outside = self._bound.served(subjects)
        outside[outside] = ~self._bound.on(subjects[outside], days[outside])
        if self._rooms and "streamer" in rows.keys and outside.any():
            outside &= ~self._rooms.on(rows.keys["streamer"], days)
        self._warnings.add_where(
            outside,
            rows.lines,
            "day",
            lambda i: str(as_date(int(days[i]))),
            _("No binding of the %(what)s holds on this day: the row reaches no provider.")
            % {"what": _(self._subject)},
        )
