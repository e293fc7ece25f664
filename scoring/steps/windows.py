"""Window values: what a rubric reads of every provider as of a day, each cell with its state.

A sum over [as_of − n days, as_of) is the difference of two running totals. A state is read on the latest day on which
all states of its formula are known. What a feed has not delivered is no data, never zero.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import repeat

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg import sql

from providers.measures import PORTAL_FEED, Measure, catalogue
from providers.models import Provider
from scoring.core.carried import Owed, laid_before, owed
from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs, State
from scoring.core.rubric import Rubric
from scoring.models import Benchmark
from scoring.steps.roll_up import Delivered, provider_beginnings
from scoring.steps.rolling.arrays import NEVER, UNKNOWN, Ints, day_of, fetch, number
from scoring.steps.rolling.coverage import Carriers
from scoring.steps.rolling.expected import GRANTED
from scoring.steps.rolling.stocks import derived
from scoring.steps.window_sums import window_sums

# At least this share of a window's days must be delivered (docs/decisions/0007-no-data-below-four-fifths.md).
DELIVERED_SHARE = (4, 5)
STALE_AFTER_DAYS = 3
# Derived states that depend on registers alone, neither on bindings nor on facts.
OF_REGISTERS = frozenset(
    {
        "certified_operators",
        "distribution_declared",
        "open_grave_violations",
        "operated_uplift_bp",
        "operator_points",
        "proven_integrity_violations",
    }
)

_DELIVERED = (
    "SELECT feed, subject, measures, array_agg(day - DATE '2000-01-01') FROM providers_deliveredday GROUP BY 1, 2, 3"
)
_WORKING = (
    "SELECT id FROM providers_provider"
    " WHERE approved_on < %(as_of)s AND (ended_on IS NULL OR ended_on >= %(as_of)s) ORDER BY id"
)
# The persons are walked along the key: a total stands for every day on which any of them sold.
_LARGEST = """
WITH RECURSIVE person AS (
  SELECT wanted.id AS provider_id, first.person FROM unnest(%(providers)s::bigint[]) AS wanted(id)
  CROSS JOIN LATERAL (SELECT person FROM provider_person_cum total
    WHERE total.provider_id = wanted.id ORDER BY person LIMIT 1) AS first
  UNION ALL
  SELECT person.provider_id, next.person FROM person CROSS JOIN LATERAL (SELECT person FROM provider_person_cum total
    WHERE total.provider_id = person.provider_id AND total.person > person.person ORDER BY person LIMIT 1) AS next
)
SELECT person.provider_id, max(upto.room_gmv_settled - coalesce(before.room_gmv_settled, 0))::bigint FROM person
CROSS JOIN LATERAL (SELECT room_gmv_settled FROM provider_person_cum total
  WHERE total.provider_id = person.provider_id AND total.person = person.person AND total.day < %(end)s
  ORDER BY total.day DESC LIMIT 1) AS upto
LEFT JOIN LATERAL (SELECT room_gmv_settled FROM provider_person_cum total
  WHERE total.provider_id = person.provider_id AND total.person = person.person AND total.day < %(start)s
  ORDER BY total.day DESC LIMIT 1) AS before ON true
GROUP BY 1
"""


def windows(
    rubric: Rubric,
    *,
    as_of: date,
    providers: Sequence[int] | None = None,
    profiles: bool = False,
    previous: bool = True,
) -> Inputs:
    """Return all a rubric reads; ``previous`` adds the cycle before, where values may be carried from it.

    With ``profiles`` every provider is weighed by the profile of its category.
    """
    operands = rubric.operands()
    ids = sorted(working_as_of(as_of) if providers is None else providers)
    known = Known.load(ids)
    inputs = window_table(operands, as_of=as_of, providers=ids, known=known)
    if profiles:
        categories = dict(Provider.objects.filter(pk__in=ids).values_list("pk", "category"))
        inputs = replace(inputs, profiles=tuple(str(categories[one]) for one in ids))
    if previous:
        inputs = laid_before(inputs, cycle_of(inputs, owed(rubric.leaves(), inputs), as_of=as_of, known=known))
    return inputs


def cycle_of(inputs: Inputs, wanted: Owed, *, as_of: date, known: Known | None = None) -> Inputs:
    """Read for those whose data are owed the columns that are wanted, as of the cycle before."""
    ids = [int(inputs.subjects[row]) for row in np.flatnonzero(wanted.whose).tolist()]
    if not ids:
        return Inputs((), {})
    return window_table(
        wanted.operands, as_of=cycle_before(as_of), providers=ids, known=None if known is None else known.of(ids)
    )


def window_table(
    operands: Iterable[Operand], *, as_of: date, providers: Sequence[int] | None = None, known: Known | None = None
) -> Inputs:
    """Return the value and state of each operand for each provider (those working as of the day unless given)."""
    ids = np.array(sorted(working_as_of(as_of) if providers is None else providers), dtype=np.int64)
    reader = _Reader(ids, number(as_of), known or Known.load(ids.tolist()))
    wanted = sorted(set(operands))
    columns: dict[Operand, Column] = {}
    columns |= reader.sums([operand for operand in wanted if operand.read == "sum"])
    columns |= {operand: reader.largest(operand) for operand in wanted if operand.read == "largest"}
    columns |= {operand: reader.mean(operand) for operand in wanted if operand.read == "mean"}
    columns |= reader.last([operand for operand in wanted if operand.read == "last"])
    return Inputs(tuple(map(str, ids.tolist())), {operand: columns[operand] for operand in wanted})


def working_as_of(as_of: date) -> list[int]:
    """Return the ids of providers approved before the day and not ended before it."""
    ids: list[int] = fetch(sql.SQL(_WORKING), 1, {"as_of": as_of})[:, 0].tolist()
    return ids


def cycle_before(as_of: date) -> date:
    """Return the same day of the month before, or its last day."""
    last = as_of.replace(day=1) - timedelta(days=1)
    return last.replace(day=min(as_of.day, monthrange(last.year, last.month)[1]))


def sources(measure: Measure) -> frozenset[Measure]:
    """Return the delivered measures a measure is computed from; none when the portal's own records suffice."""
    if not measure.derived:
        return frozenset() if measure.feed == PORTAL_FEED else frozenset({measure})
    return frozenset(found for code in measure.inputs for found in sources(catalogue().measures[code]))


@dataclass(slots=True)
class Known:
    """What windows of any day are read against: what providers carry since when, and what was delivered when."""

    carriers: Carriers
    beginnings: dict[int, int]
    first_day: int
    newest: int
    has_granted: bool
    delivered: dict[tuple[str, str], list[tuple[frozenset[str], list[int]]]]
    days: dict[frozenset[Measure], Ints | None] = field(default_factory=dict)
    registered: dict[tuple[str, int], Ints] = field(default_factory=dict)  # states of registers by code and day

    @classmethod
    def load(cls, providers: Sequence[int]) -> Known:
        """Read both."""
        delivered: dict[tuple[str, str], list[tuple[frozenset[str], list[int]]]] = defaultdict(list)
        with connection.cursor() as cursor:
            cursor.execute(_DELIVERED)
            for feed, subject, measures, days in cursor.fetchall():
                delivered[feed, subject].append((frozenset(measures), days))
        extent = Delivered.load()
        first, newest = (extent.first, extent.newest) if extent else (NEVER, -NEVER)
        granted = Benchmark.objects.filter(measure=GRANTED).exists()
        ids = np.array(sorted(providers), dtype=np.int64)
        return cls(Carriers(ids), provider_beginnings(ids), first, newest, granted, delivered)

    def of(self, providers: Sequence[int]) -> Known:
        """Return the same for some of the providers, in order."""
        if len(providers) == len(self.carriers.providers):
            return self
        return replace(self, carriers=Carriers(np.array(providers, dtype=np.int64)), registered={})

    def rebound(self) -> Known:
        """Read the same deliveries and registers, with what providers carry as bindings stand now."""
        ids = self.carriers.providers
        return replace(self, carriers=Carriers(ids), beginnings=provider_beginnings(ids))

    def days_delivered(self, measure: Measure) -> Ints | None:
        """Return the ordered days on which all sources of a measure were delivered; None: it needs no feed."""
        wanted = sources(measure)
        if wanted not in self.days:
            found: set[int] | None = None
            for source in wanted:
                groups = self.delivered[source.feed, source.subject]
                days = {day for codes, group in groups if source.code in codes for day in group}
                found = days if found is None else found & days
            self.days[wanted] = None if found is None else np.array(sorted(found), dtype=np.int64)
        return self.days[wanted]


class _Reader:
    """Reads operands of one as-of day for some providers."""

    def __init__(self, providers: Ints, as_of: int, known: Known) -> None:
        self.providers, self.as_of, self.known = providers, as_of, known
        self.began = np.fromiter(map(known.beginnings.get, providers.tolist(), repeat(as_of)), np.int64, len(providers))
        self.stocks: dict[tuple[str, int], Ints] = {}
        self.flow_states: dict[tuple[bytes | None, int], NDArray[np.int8]] = {}  # by days delivered, and the window's
        self.read_together: frozenset[str] = frozenset()  # delivered states of which a day is read in one query

    def days_delivered(self, measure: Measure) -> Ints | None:
        """Return the days before as_of on which all sources of a measure were delivered; None: they need no feed."""
        days = self.known.days_delivered(measure)
        return None if days is None else days[: np.searchsorted(days, self.as_of)]

    def flow_state(self, code: str, days: int) -> NDArray[np.int8]:
        """Return VALUE where enough of the window was delivered since the provider's first day, else NO_DATA."""
        states = np.full(len(self.providers), State.NO_DATA, dtype=np.int8)
        measure = catalogue().measures.get(code)
        if measure is None or (measure.derived and not measure.computed):
            return states
        if code == GRANTED and not self.known.has_granted:
            states[:] = State.NOT_APPLICABLE
            return states
        known = self.days_delivered(measure)
        key = None if known is None else known.tobytes(), days
        if key not in self.flow_states:
            self.flow_states[key] = self._flow_state(known, days)
        return self.flow_states[key]

    def _flow_state(self, known: Ints | None, days: int) -> NDArray[np.int8]:
        states = np.full(len(self.providers), State.NO_DATA, dtype=np.int8)
        if known is None:
            states[:] = State.VALUE
            return states
        counted = np.zeros(days + 1, dtype=np.int64)  # days delivered from the n-th day of the window on
        there = np.isin(np.arange(self.as_of - days, self.as_of), known)
        counted[:-1] = np.cumsum(there[::-1])[::-1]
        skipped = np.clip(self.began - (self.as_of - days), 0, days)
        share, whole = DELIVERED_SHARE
        enough = (counted[skipped] > 0) & (whole * counted[skipped] >= share * (days - skipped))
        states[enough] = State.VALUE
        return states

    def sums(self, operands: Sequence[Operand]) -> dict[Operand, Column]:
        """Read flows: the total at the window's end less the total before its start."""
        flows = {measure.code for measure in catalogue().flows()}
        found = window_sums([operand for operand in operands if operand.measure in flows], self.providers, self.as_of)
        nothing = np.zeros(len(self.providers), dtype=np.int64)
        return {
            operand: Column.of(found.get(operand, nothing), self.flow_state(operand.measure, operand.days))
            for operand in operands
        }

    def largest(self, operand: Operand) -> Column:
        """Read the largest person's sum over the window."""
        start = day_of(self.as_of - operand.days)
        parameters = {"providers": self.providers.tolist(), "start": start, "end": day_of(self.as_of)}
        rows = fetch(sql.SQL(_LARGEST), 2, parameters)
        values = np.zeros(len(self.providers), dtype=np.int64)
        values[np.searchsorted(self.providers, rows[:, 0])] = rows[:, 1]
        return Column.of(values, self.flow_state(operand.measure, operand.days))

    def mean(self, operand: Operand) -> Column:
        """Read a state's mean over the days of the window on which it is known."""
        total = np.zeros(len(self.providers), dtype=np.int64)
        count = np.zeros(len(self.providers), dtype=np.int64)
        for day in range(max(self.as_of - operand.days, self.known.first_day), min(self.as_of, self.known.newest + 1)):
            values = self.stock(operand.measure, day)
            known = values != UNKNOWN
            total[known] += values[known]
            count[known] += 1
        return Column.of(total, np.where(count > 0, State.VALUE, State.NO_DATA), np.maximum(count, 1))

    def last(self, operands: Sequence[Operand]) -> dict[Operand, Column]:
        """Read states on the latest day on which all states of the same formula are known."""
        groups: dict[tuple[str, ...], list[Operand]] = defaultdict(list)
        for operand in operands:
            groups[operand.together or (operand.measure,)].append(operand)
        stocks = {measure.code for measure in catalogue().stocks() if not measure.derived}
        self.read_together = frozenset(code for together in groups for code in together if code in stocks)
        columns: dict[Operand, Column] = {}
        for together, members in groups.items():
            states = np.full(len(self.providers), State.NO_DATA, dtype=np.int8)
            values = {member: np.zeros(len(self.providers), dtype=np.int64) for member in members}
            for day in range(self.as_of - 1, self.as_of - 1 - STALE_AFTER_DAYS, -1):
                waiting = states != State.VALUE
                if not waiting.any():
                    break
                here = waiting & np.all([self.stock(code, day) != UNKNOWN for code in together], axis=0)
                for member in members:
                    values[member][here] = self.stock(member.measure, day)[here]
                states[here] = State.VALUE
            if not np.all(states == State.VALUE):
                states[(states != State.VALUE) & self._known_before(together)] = State.STALE
            columns |= {member: Column.of(values[member], states) for member in members}
        return columns

    def _known_before(self, together: Sequence[str]) -> NDArray[np.bool_]:
        """Tell whose states were all known on some day that is too old now."""
        limit = self.as_of - STALE_AFTER_DAYS
        nobody = np.zeros(len(self.providers), dtype=np.bool_)
        if any(code not in _stock_codes() for code in together):
            return nobody
        fed = [days for code in together if (days := self.days_delivered(catalogue().measures[code])) is not None]
        if not fed or any(not len(days) or days[0] >= limit for days in fed):
            return nobody
        delivered = [code for code in together if not catalogue().measures[code].derived]
        if not delivered:
            return ~nobody
        query = sql.SQL(
            "SELECT DISTINCT provider_id FROM provider_stock WHERE provider_id = ANY(%(providers)s)"
            " AND day < %(limit)s AND {}"
        ).format(sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(code)) for code in delivered))
        rows = fetch(query, 1, {"providers": self.providers.tolist(), "limit": day_of(limit)})
        return np.isin(self.providers, rows[:, 0])

    def stock(self, code: str, day: int) -> Ints:
        """Return a state of every provider at a day's end, UNKNOWN where it is not known."""
        if (code, day) not in self.stocks:
            self.stocks[code, day] = self._stock(code, day)
        return self.stocks[code, day]

    def _stock(self, code: str, day: int) -> Ints:
        values = np.full(len(self.providers), UNKNOWN, dtype=np.int64)
        if code not in _stock_codes():
            return values
        measure = catalogue().measures[code]
        if measure.derived:
            known = self.days_delivered(measure)
            if known is None or day in known:
                kept = self.known.registered if code in OF_REGISTERS else {}
                if (code, day) not in kept:
                    kept[code, day] = derived(code, self.known.carriers, day)
                return kept[code, day]
            return values
        codes = sorted(self.read_together | {code})
        columns = [sql.SQL("coalesce({}, {})").format(sql.Identifier(one), sql.Literal(UNKNOWN)) for one in codes]
        query = sql.SQL(
            "SELECT provider_id, {} FROM provider_stock WHERE provider_id = ANY(%(providers)s) AND day = %(day)s"
        ).format(sql.SQL(", ").join(columns))
        rows = fetch(query, 1 + len(codes), {"providers": self.providers.tolist(), "day": day_of(day)})
        for column, one in enumerate(codes, start=1):
            found = self.stocks[one, day] = np.full(len(self.providers), UNKNOWN, dtype=np.int64)
            found[np.searchsorted(self.providers, rows[:, 0])] = rows[:, column]
        return self.stocks[code, day]


def _stock_codes() -> frozenset[str]:
    return frozenset(measure.code for measure in catalogue().stocks())
