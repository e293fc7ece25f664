"""Settled GMV seen four ways: goods of bound merchants, sales of bound rooms, per person, and counted once.

What a row adds by its merchant alone is summed with the feed's own measures, in one pass. Rows sold through rooms, and
those of shared merchants, are fetched once per step; each view of them is one join of arrays with spans of bindings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import sql

from providers.choices import ROLE_PRIORITY
from providers.measures import Subject, catalogue
from providers.shares import divided
from scoring.steps.rolling.arrays import NEVER, Ints, fetch, literal
from scoring.steps.rolling.coverage import Cover, Part
from scoring.steps.rolling.days import IN_ROOMS, OUTSIDE_ROOMS, Days
from scoring.steps.rolling.persons import rewrite_persons
from scoring.steps.rolling.shared import excess

FEED: tuple[str, Subject] = ("sales", "merchant")
_NOBODY = len(ROLE_PRIORITY) + 1  # a place behind every role's

_ROWS = """
SELECT merchant_id, streamer_id, (day - DATE '2000-01-01')::bigint, gmv_settled FROM {by_merchant} AS fact
WHERE gmv_settled <> 0
UNION ALL
SELECT merchant_id, streamer_id, (day - DATE '2000-01-01')::bigint, gmv_settled FROM {shared} AS fact
WHERE gmv_settled <> 0
UNION ALL
SELECT merchant_id, streamer_id, (day - DATE '2000-01-01')::bigint, gmv_settled FROM {by_room} AS fact
WHERE gmv_settled <> 0 AND merchant_id <> ALL(%(merchants)s::bigint[])
"""
# Per subject the leads' spans of each role, less the spans of roles that come first: on any day at most one is left.
_FIRST = """
WITH held AS MATERIALIZED (
  SELECT merchant_id AS subject_id, true AS by_merchant, id, provider_id,
    array_position(%(priority)s::text[], role::text) AS place, period
  FROM providers_binding
  WHERE status = 'confirmed' AND lead_id IS NULL AND role = ANY(%(priority)s) AND merchant_id = ANY(%(merchants)s)
  UNION ALL
  SELECT streamer_id, false, id, provider_id, array_position(%(priority)s::text[], role::text), period
  FROM providers_binding
  WHERE status = 'confirmed' AND lead_id IS NULL AND role = ANY(%(priority)s) AND streamer_id = ANY(%(rooms)s)
  UNION ALL
  SELECT room.id, false, binding.id, binding.provider_id, array_position(%(priority)s::text[], binding.role::text),
    unnest(datemultirange(binding.period) - coalesce((SELECT range_agg(own.period) FROM providers_binding own
      WHERE own.streamer_id = room.id AND own.status = 'confirmed'), '{{}}'))
  FROM providers_streamer room JOIN providers_binding binding ON binding.merchant_id = room.merchant_id
  WHERE binding.status = 'confirmed' AND binding.lead_id IS NULL AND binding.role = ANY(%(priority)s)
    AND room.id = ANY(%(rooms)s)
)
SELECT by_merchant::int::bigint, subject_id, id, provider_id, place::bigint,
  (lower(span) - DATE '2000-01-01')::bigint, coalesce(upper(span) - DATE '2000-01-01', {never})::bigint
FROM (
  SELECT found.subject_id, found.by_merchant, found.id, found.provider_id, found.place,
    unnest(datemultirange(found.period) - coalesce(range_agg(prior.period), '{{}}')) AS span
  FROM held found LEFT JOIN held prior ON prior.subject_id = found.subject_id
    AND prior.by_merchant = found.by_merchant AND prior.place < found.place
  GROUP BY found.subject_id, found.by_merchant, found.id, found.provider_id, found.place, found.period
) AS left_over
"""


@dataclass(frozen=True, slots=True)
class _Sold:
    """Rows of sales that more than their merchant's bindings are asked about, aligned arrays."""

    merchant: Ints
    room: Ints  # 0: sold through none
    day: Ints
    value: Ints  # fen

    @classmethod
    def load(cls, days: Days) -> _Sold:
        """Load the rows that reach the providers, of rooms and of shared merchants."""
        sales = tuple(dict.fromkeys((*catalogue().feed_roles["sales"], *ROLE_PRIORITY)))
        merchants = np.unique(days.carriers.merchants(sales).within(days.lo, days.hi).subject)
        rooms = days.carriers.rooms(sales).within(days.lo, days.hi).subject
        shared = np.array(days.shared.merchants(), dtype=np.int64)
        query = sql.SQL(_ROWS).format(
            by_merchant=days.facts(*FEED, literal(merchants), only=IN_ROOMS),
            shared=days.facts(*FEED, literal(shared), only=OUTSIDE_ROOMS),
            by_room=days.facts(*FEED, literal(rooms), by="streamer", only=IN_ROOMS),
        )
        return cls(*fetch(query, 4, {"merchants": merchants.tolist()}).T)

    def owners(self) -> tuple[Ints, Ints]:
        """Return the provider that counts each row, and its lead binding; 0 where nobody does."""
        parameters = {
            "priority": list(ROLE_PRIORITY),
            "merchants": np.unique(self.merchant).tolist(),
            "rooms": np.unique(self.room).tolist(),
        }
        spans = fetch(sql.SQL(_FIRST).format(never=sql.Literal(NEVER)), 7, parameters)
        provider, lead = np.zeros((2, len(self.day)), dtype=np.int64)
        best = np.full(len(self.day), _NOBODY, dtype=np.int64)
        # The merchant's goes before the room's where both have the same place.
        for by_merchant, subjects in ((1, self.merchant), (0, self.room)):
            _, subject, binding, holder, place, lo, hi = spans[spans[:, 0] == by_merchant].T
            rows, found = Cover(holder, subject, lo, hi).join(subjects, self.day)
            better = place[found] < best[rows]
            rows, found = rows[better], found[better]
            best[rows], provider[rows], lead[rows] = place[found], holder[found], binding[found]
        return provider, lead


def room_roles() -> tuple[str, ...]:
    """Return the roles whose bindings carry what a room does."""
    return catalogue().feed_roles["live"]


def settled_parts(days: Days) -> list[Part]:
    """Return what each row adds by its merchant alone: the goods, and once where no room and no share is concerned."""
    goods = catalogue().measures["gmv_settled_goods"]
    merchants = days.carriers.merchants(catalogue().roles(goods)).within(days.lo, days.hi)
    first = days.carriers.merchants_first().within(days.lo, days.hi)
    alone = "CASE WHEN fact.streamer_id = 0 THEN fact.gmv_settled END"
    return [
        Part(goods.code, "fact.gmv_settled", merchants),
        Part("gmv_settled_once", alone, first.without(days.shared.merchants())),
    ]


def add_settled(days: Days) -> int:
    """Add the rest of the derived settled GMV and rewrite the totals per person; return how many of these changed."""
    sold = _Sold.load(days)
    goods = catalogue().measures["gmv_settled_goods"]
    _add(days, goods.code, _excess(days, "merchant", catalogue().roles(goods), sold))
    rooms = days.carriers.rooms(room_roles()).within(days.lo, days.hi)
    rows, spans = rooms.join(sold.room, sold.day)
    in_full = np.column_stack([rooms.provider[spans], sold.day[rows], sold.room[rows], sold.value[rows]])
    by_room = np.concatenate([in_full, _excess(days, "streamer", room_roles(), sold)])
    _add(days, "room_gmv_settled", by_room)
    provider, lead = sold.owners()
    mine = np.isin(provider, days.providers)
    days.add("gmv_settled_once", provider[mine], sold.day[mine], sold.value[mine])
    _add_parts(days, sold, lead)
    return rewrite_persons(days, by_room)


def _excess(days: Days, kind: Subject, roles: Sequence[str], sold: _Sold) -> Ints:
    """Return (provider, day, subject, −what falls to others) of the settled GMV of shared merchants or rooms."""
    pieces = days.shared.pieces(kind, roles)
    if not pieces:
        return np.zeros((0, 4), dtype=np.int64)
    subject = sold.merchant if kind == "merchant" else sold.room
    return excess(pieces, np.column_stack([subject, np.zeros_like(subject), sold.day, sold.value]))


def _add_parts(days: Days, sold: _Sold, lead: Ints) -> None:
    """Divide what counts once for a lead binding among its parties."""
    for split in (one for splits in days.shared.leads().values() for one in splits):
        mine = (lead == split.lead) & (sold.day >= split.lo) & (sold.day < split.hi)
        day, value = sold.day[mine], sold.value[mine]
        parts = divided(value, split.shares)
        parts[0] -= value  # the lead has been given all of it
        for (provider, _), part in zip(split.parties, parts, strict=True):
            if provider in days.shared.providers:
                days.add("gmv_settled_once", np.full(len(day), provider, dtype=np.int64), day, part)


def _add(days: Days, code: str, rows: Ints) -> None:
    days.add(code, rows[:, 0], rows[:, 1], rows[:, 3])
