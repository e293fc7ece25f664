"""Who carries what: the spans of days in which a merchant's or room's facts reach a provider.

Spans of one provider and subject never overlap, whatever roles made them, so a join with them counts a fact once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from psycopg import sql

from providers.measures import Subject
from scoring.steps.rolling.arrays import NEVER, Ints, fetch


@dataclass(frozen=True, slots=True)
class Cover:
    """Spans [lo, hi) of days, aligned arrays."""

    provider: Ints
    subject: Ints
    lo: Ints
    hi: Ints

    @classmethod
    def flagged(cls, covers: Sequence[Cover]) -> tuple[Cover, Ints]:
        """Return the spans of all covers and in which of them each stands: bit n for the n-th cover."""
        spans = np.concatenate([np.column_stack([one.provider, one.subject, one.lo, one.hi]) for one in covers])
        flags = np.repeat(1 << np.arange(len(covers)), [len(one.provider) for one in covers])
        order = np.lexsort(spans.T[::-1])
        spans, flags = spans[order], flags[order]
        first = np.flatnonzero(np.append(True, np.any(spans[1:] != spans[:-1], axis=1))[: len(spans)])
        return cls(*spans[first].T), np.bitwise_or.reduceat(flags, first) if len(first) else flags

    def without(self, subjects: Iterable[int]) -> Cover:
        """Leave out the spans of some subjects."""
        keep = ~np.isin(self.subject, list(subjects))
        return Cover(self.provider[keep], self.subject[keep], self.lo[keep], self.hi[keep])

    def within(self, lo: int, hi: int) -> Cover:
        """Keep what lies in [lo, hi)."""
        start, end = np.maximum(self.lo, lo), np.minimum(self.hi, hi)
        keep = start < end
        return Cover(self.provider[keep], self.subject[keep], start[keep], end[keep])

    def on(self, day: int) -> Cover:
        """Keep the spans that hold the day."""
        return self.within(day, day + 1)

    def join(self, subject: Ints, day: Ints) -> tuple[Ints, Ints]:
        """Return which rows (subject, day) lie in which spans, as aligned places of rows and of spans."""
        order = np.argsort(self.subject, kind="stable")
        first, last = (np.searchsorted(self.subject[order], subject, side) for side in ("left", "right"))
        count = last - first
        rows = np.repeat(np.arange(len(subject)), count)
        spans = order[np.arange(len(rows)) + np.repeat(first - np.cumsum(count) + count, count)]
        held = (self.lo[spans] <= day[rows]) & (day[rows] < self.hi[spans])
        return rows[held], spans[held]

    def parameters(self, prefix: str = "") -> dict[str, list[int]]:
        """Return the arrays as query parameters."""
        return {
            f"{prefix}provider": self.provider.tolist(),
            f"{prefix}subject": self.subject.tolist(),
            f"{prefix}lo": self.lo.tolist(),
            f"{prefix}hi": self.hi.tolist(),
        }


def _cover(rows: Ints) -> Cover:
    return Cover(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3])


_SPANS = (
    "SELECT provider_id, subject_id, (lower(span) - DATE '2000-01-01')::bigint,"
    " coalesce(upper(span) - DATE '2000-01-01', {never})::bigint"
    " FROM (SELECT provider_id, subject_id, unnest(range_agg(spans)) AS span FROM ({source}) AS found"
    " GROUP BY provider_id, subject_id) AS carried ORDER BY 1, 2, 3"
)

_MERCHANTS = (
    "SELECT provider_id, merchant_id AS subject_id, range_agg(period) AS spans FROM providers_binding"
    " WHERE status = 'confirmed' AND merchant_id IS NOT NULL AND role = ANY(%(roles)s)"
    " AND provider_id = ANY(%(providers)s) GROUP BY 1, 2"
)

# The days on which no role that goes before holds the merchant; shares are parts of what their leads hold.
_MERCHANTS_FIRST = (
    "SELECT found.provider_id, found.merchant_id AS subject_id,"
    " datemultirange(found.period) - coalesce(range_agg(prior.period), '{{}}'::datemultirange) AS spans"
    " FROM providers_binding found LEFT JOIN providers_binding prior ON prior.merchant_id = found.merchant_id"
    " AND prior.status = 'confirmed' AND prior.lead_id IS NULL"
    " AND array_position(%(roles)s::text[], prior.role::text) < array_position(%(roles)s::text[], found.role::text)"
    " WHERE found.status = 'confirmed' AND found.lead_id IS NULL AND found.merchant_id IS NOT NULL"
    " AND found.role = ANY(%(roles)s) AND found.provider_id = ANY(%(providers)s)"
    " GROUP BY found.provider_id, found.merchant_id, found.id, found.period"
)

# A store's own room follows its merchant on the days on which it has no binding of its own, in whatever role.
_ROOMS = (
    "SELECT provider_id, streamer_id AS subject_id, range_agg(period) AS spans FROM providers_binding"
    " WHERE status = 'confirmed' AND streamer_id IS NOT NULL AND role = ANY(%(roles)s)"
    " AND provider_id = ANY(%(providers)s) GROUP BY 1, 2"
    " UNION ALL"
    " SELECT followed.provider_id, followed.room_id, followed.spans - coalesce((SELECT range_agg(own.period)"
    " FROM providers_binding own WHERE own.streamer_id = followed.room_id AND own.status = 'confirmed'),"
    " '{{}}'::datemultirange) FROM ("
    " SELECT binding.provider_id, room.id AS room_id, range_agg(binding.period) AS spans"
    " FROM providers_binding binding JOIN providers_streamer room ON room.merchant_id = binding.merchant_id"
    " WHERE binding.status = 'confirmed' AND binding.role = ANY(%(roles)s)"
    " AND binding.provider_id = ANY(%(providers)s) GROUP BY 1, 2) AS followed"
)


def _spans(source: str, providers: Iterable[int], roles: Sequence[str]) -> Cover:
    query = sql.SQL(_SPANS).format(source=sql.SQL(source).format(), never=sql.Literal(NEVER))
    return _cover(fetch(query, 4, {"roles": list(roles), "providers": [int(provider) for provider in providers]}))


@dataclass(frozen=True, slots=True)
class Part:
    """A derived sum: the value each fact row of some spans adds to it."""

    code: str
    value: str  # SQL of a row named fact
    cover: Cover


@dataclass(frozen=True, slots=True)
class Carriers:
    """What some providers carry; each set of roles is looked up once."""

    providers: Ints
    found: dict[tuple[str, tuple[str, ...]], Cover] = field(default_factory=dict)

    def merchants(self, roles: Sequence[str]) -> Cover:
        """Return the spans in which merchants are bound in any of the roles."""
        return self._cover(_MERCHANTS, roles)

    def merchants_first(self, roles: Sequence[str]) -> Cover:
        """Return the spans in which merchants are bound in the first of the roles that anybody holds."""
        return self._cover(_MERCHANTS_FIRST, roles)

    def rooms(self, roles: Sequence[str]) -> Cover:
        """Return the spans in which rooms are bound in any of the roles, directly or by following their merchant."""
        return self._cover(_ROOMS, roles)

    def of(self, subject: Subject, roles: Sequence[str]) -> Cover:
        """Return the spans of merchants or of rooms."""
        return self.merchants(roles) if subject == "merchant" else self.rooms(roles)

    def _cover(self, source: str, roles: Sequence[str]) -> Cover:
        key = (source, tuple(sorted(roles)))
        if key not in self.found:
            self.found[key] = _spans(source, self.providers, roles)
        return self.found[key]
