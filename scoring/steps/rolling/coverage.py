"""Who carries what: the spans of days in which a merchant's or room's facts reach a provider.

Spans of one provider and subject never overlap, whatever roles made them, so a join with them counts a fact once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from psycopg import sql

from providers.choices import ROLE_PRIORITY, BindingRole
from providers.measures import Subject
from scoring.steps.rolling.arrays import NEVER, Ints, fetch

_ROLES = [*ROLE_PRIORITY, *(role for role in BindingRole.values if role not in ROLE_PRIORITY)]


@dataclass(frozen=True, slots=True)
class Cover:
    """Spans [lo, hi) of days, aligned arrays."""

    provider: Ints
    subject: Ints
    lo: Ints
    hi: Ints

    @classmethod
    def nothing(cls) -> Cover:
        """Hold no spans."""
        return cls(*np.zeros((4, 0), dtype=np.int64))

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


# Each source gives (provider, subject, place of the role, first day, day after) of single bindings.
_MERCHANTS = (
    "SELECT provider_id, merchant_id, array_position(%(roles)s::text[], role::text)::bigint,"
    " (lower(period) - DATE '2000-01-01')::bigint, coalesce(upper(period) - DATE '2000-01-01', {never})::bigint"
    " FROM providers_binding WHERE status = 'confirmed' AND merchant_id IS NOT NULL"
    " AND provider_id = ANY(%(providers)s)"
)

# The days on which no role that goes before holds the merchant; shares are parts of what their leads hold.
_MERCHANTS_FIRST = (
    "SELECT provider_id, merchant_id, place, (lower(span) - DATE '2000-01-01')::bigint,"
    " coalesce(upper(span) - DATE '2000-01-01', {never})::bigint FROM (SELECT found.provider_id, found.merchant_id,"
    " array_position(%(roles)s::text[], found.role::text)::bigint AS place,"
    " unnest(datemultirange(found.period) - coalesce(range_agg(prior.period), '{{}}'::datemultirange)) AS span"
    " FROM providers_binding found LEFT JOIN providers_binding prior ON prior.merchant_id = found.merchant_id"
    " AND prior.status = 'confirmed' AND prior.lead_id IS NULL"
    " AND array_position(%(roles)s::text[], prior.role::text) < array_position(%(roles)s::text[], found.role::text)"
    " WHERE found.status = 'confirmed' AND found.lead_id IS NULL AND found.merchant_id IS NOT NULL"
    " AND found.role = ANY(%(roles)s) AND found.provider_id = ANY(%(providers)s)"
    " GROUP BY found.provider_id, found.merchant_id, found.id, found.role, found.period) AS left_over"
)

# A store's own room follows its merchant on the days on which it has no binding of its own, in whatever role.
_ROOMS = (
    "SELECT provider_id, room_id, array_position(%(roles)s::text[], role::text)::bigint,"
    " (lower(span) - DATE '2000-01-01')::bigint, coalesce(upper(span) - DATE '2000-01-01', {never})::bigint FROM ("
    " SELECT provider_id, streamer_id AS room_id, role, period AS span FROM providers_binding"
    " WHERE status = 'confirmed' AND streamer_id IS NOT NULL AND provider_id = ANY(%(providers)s)"
    " UNION ALL"
    " SELECT binding.provider_id, room.id, binding.role, unnest(datemultirange(binding.period) - coalesce("
    "(SELECT range_agg(own.period) FROM providers_binding own WHERE own.streamer_id = room.id"
    " AND own.status = 'confirmed'), '{{}}'::datemultirange))"
    " FROM providers_binding binding JOIN providers_streamer room ON room.merchant_id = binding.merchant_id"
    " WHERE binding.status = 'confirmed' AND binding.provider_id = ANY(%(providers)s)) AS carried"
)


def _united(spans: Ints) -> Cover:
    """Unite (provider, subject, lo, hi) rows that overlap or touch, for each provider and subject."""
    spans = spans[np.lexsort(spans.T[::-1])]
    group = np.cumsum(np.any(np.diff(spans[:, :2], axis=0, prepend=-1) != 0, axis=1))
    apart = group * 4 * NEVER  # days of different groups never meet
    reach = np.maximum.accumulate(spans[:, 3] + apart)
    first = np.flatnonzero(np.append(True, (spans[:, 2] + apart)[1:] > reach[:-1])[: len(spans)])
    last = np.append(first[1:], len(spans)) - 1 if len(first) else first
    return Cover(spans[first, 0], spans[first, 1], spans[first, 2], (reach - apart)[last])


@dataclass(frozen=True, slots=True)
class Part:
    """A derived sum: the value each fact row of some spans adds to it."""

    code: str
    value: str  # SQL of a row named fact
    cover: Cover


@dataclass(frozen=True, slots=True)
class Carriers:
    """What some providers carry; bindings are looked up once, and each set of roles is united once."""

    providers: Ints
    bound: dict[str, Ints] = field(default_factory=dict)
    found: dict[tuple[str, tuple[str, ...]], Cover] = field(default_factory=dict)

    def merchants(self, roles: Sequence[str]) -> Cover:
        """Return the spans in which merchants are bound in any of the roles."""
        return self._cover(_MERCHANTS, roles)

    def merchants_first(self) -> Cover:
        """Return the spans in which merchants are bound in the first of the roles, by priority, that anybody holds."""
        return self._cover(_MERCHANTS_FIRST, ROLE_PRIORITY)

    def rooms(self, roles: Sequence[str]) -> Cover:
        """Return the spans in which rooms are bound in any of the roles, directly or by following their merchant."""
        return self._cover(_ROOMS, roles)

    def of(self, subject: Subject, roles: Sequence[str]) -> Cover:
        """Return the spans of merchants or of rooms."""
        return self.merchants(roles) if subject == "merchant" else self.rooms(roles)

    def _cover(self, source: str, roles: Sequence[str]) -> Cover:
        key = (source, tuple(sorted(roles)))
        if key not in self.found:
            bound = self._bound(source)
            chosen = np.isin(bound[:, 2], [_ROLES.index(role) + 1 for role in roles])
            self.found[key] = _united(bound[chosen][:, [0, 1, 3, 4]])
        return self.found[key]

    def _bound(self, source: str) -> Ints:
        if source not in self.bound:
            query = sql.SQL(source).format(never=sql.Literal(NEVER))
            self.bound[source] = fetch(query, 5, {"roles": _ROLES, "providers": self.providers.tolist()})
        return self.bound[source]
