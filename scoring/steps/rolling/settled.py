"""Settled GMV seen four ways: goods of bound merchants, sales of bound rooms, per person, and counted once.

What a row adds by its merchant alone is summed with the feed's own measures, in one pass. Rows sold through rooms, and
those of shared merchants, are fetched once per step; each view of them is one join of arrays with spans of bindings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection
from psycopg import sql

from providers.choices import ROLE_PRIORITY
from providers.measures import Subject, catalogue
from providers.shares import divided
from scoring.steps.rolling.arrays import NEVER, Ints, day_of, execute, fetch
from scoring.steps.rolling.coverage import Cover, Part
from scoring.steps.rolling.days import Days
from scoring.steps.rolling.shared import excess

FEED = ("sales", "merchant")
_NOBODY = len(ROLE_PRIORITY) + 1  # a place behind every role's

_ROWS = """
SELECT fact.merchant_id, fact.streamer_id, (fact.day - DATE '2000-01-01')::bigint, fact.gmv_settled
FROM unnest(%(merchants)s::bigint[]) AS merchant(id), LATERAL (SELECT * FROM fact_sales_merchant found
  WHERE found.merchant_id = merchant.id AND found.streamer_id <> 0
  AND found.day >= %(first)s AND found.day < %(last)s OFFSET 0) AS fact
WHERE fact.gmv_settled <> 0
UNION ALL
SELECT fact.merchant_id, fact.streamer_id, (fact.day - DATE '2000-01-01')::bigint, fact.gmv_settled
FROM unnest(%(shared)s::bigint[]) AS merchant(id), LATERAL (SELECT * FROM fact_sales_merchant found
  WHERE found.merchant_id = merchant.id AND found.streamer_id = 0
  AND found.day >= %(first)s AND found.day < %(last)s OFFSET 0) AS fact
WHERE fact.gmv_settled <> 0
UNION ALL
SELECT fact.merchant_id, fact.streamer_id, (fact.day - DATE '2000-01-01')::bigint, fact.gmv_settled
FROM unnest(%(rooms)s::bigint[]) AS room(id), LATERAL (SELECT * FROM fact_sales_merchant found
  WHERE found.streamer_id = room.id AND found.streamer_id <> 0
  AND found.day >= %(first)s AND found.day < %(last)s OFFSET 0) AS fact
WHERE fact.gmv_settled <> 0
  AND NOT EXISTS (SELECT FROM unnest(%(merchants)s::bigint[]) AS merchant(id) WHERE merchant.id = fact.merchant_id)
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
_PERSONS = "SELECT id, person FROM providers_streamer WHERE id = ANY(%(rooms)s)"
_BEFORE = (
    "SELECT known.provider_id, known.number, before.room_gmv_settled"
    " FROM unnest(%(provider)s::bigint[], %(number)s::bigint[], %(person)s::text[]) AS known(provider_id, number,"
    " person), LATERAL (SELECT room_gmv_settled FROM provider_person_cum old WHERE old.provider_id = known.provider_id"
    " AND old.person = known.person AND old.day < %(first)s ORDER BY old.day DESC LIMIT 1) AS before"
)
_FRESH = (
    "SELECT provider_id, named.person, DATE '2000-01-01' + day AS day, room_gmv_settled"
    " FROM unnest(%(provider)s::bigint[], %(number)s::bigint[], %(day)s::int[], %(value)s::bigint[])"
    " AS total(provider_id, number, day, room_gmv_settled)"
    " JOIN unnest(%(persons)s::text[]) WITH ORDINALITY AS named(person, number) ON named.number = total.number + 1"
)
_FORGET = (
    "WITH fresh AS MATERIALIZED ({fresh}) DELETE FROM provider_person_cum old"
    " WHERE provider_id = ANY(%(providers)s) AND day >= %(first)s"
    " AND NOT EXISTS (SELECT FROM fresh WHERE fresh.provider_id = old.provider_id"
    " AND fresh.person = old.person AND fresh.day = old.day)"
)
_REMEMBER = (
    "INSERT INTO provider_person_cum AS old (provider_id, person, day, room_gmv_settled) {fresh}"
    " ON CONFLICT (provider_id, person, day) DO UPDATE SET room_gmv_settled = EXCLUDED.room_gmv_settled"
    " WHERE old.room_gmv_settled IS DISTINCT FROM EXCLUDED.room_gmv_settled"
)


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
        by_merchant = days.carriers.merchants(sales).within(days.lo, days.hi)
        by_room = days.carriers.rooms(sales).within(days.lo, days.hi)
        parameters = {
            "first": day_of(days.lo),
            "last": day_of(days.hi),
            "merchants": np.unique(by_merchant.subject).tolist(),
            "rooms": np.unique(by_room.subject).tolist(),
            "shared": days.shared.merchants(),
        }
        return cls(*fetch(sql.SQL(_ROWS), 4, parameters).T)

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
    first = days.carriers.merchants_first(ROLE_PRIORITY).within(days.lo, days.hi)
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
    return _rewrite_persons(days, by_room)


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


def _rewrite_persons(days: Days, by_room: Ints) -> int:
    """Write the running totals of persons from (provider, day, room, value) rows; return rows changed."""
    with connection.cursor() as cursor:
        cursor.execute(_PERSONS, {"rooms": np.unique(by_room[:, 2]).tolist()})
        person_of = dict(cursor.fetchall())
    persons = sorted(set(person_of.values()))
    numbers = {person: number for number, person in enumerate(persons)}
    rooms, places = np.unique(by_room[:, 2], return_inverse=True)
    number = np.array([numbers[person_of[room]] for room in rooms.tolist()], dtype=np.int64)[places]
    daily, value = _summed(np.column_stack([by_room[:, 0], number, by_room[:, 1]]), by_room[:, 3])
    daily, value = daily[value != 0], value[value != 0]
    first = np.flatnonzero(np.append(True, np.any(daily[1:, :2] != daily[:-1, :2], axis=1))[: len(daily)])
    known = daily[first]
    parameters: dict[str, object] = {
        "provider": known[:, 0].tolist(),
        "number": known[:, 1].tolist(),
        "person": [persons[one] for one in known[:, 1].tolist()],
        "first": day_of(days.lo),
    }
    before = {(provider, one): total for provider, one, total in fetch(sql.SQL(_BEFORE), 3, parameters).tolist()}
    value[first] += np.array([before.get((provider, one), 0) for provider, one, _ in known.tolist()], dtype=np.int64)
    totals = np.cumsum(value)
    if len(first):
        behind = totals[first] - value[first]  # what the persons before have added up to
        totals -= np.repeat(behind, np.diff(np.append(first, len(totals))))
    parameters = {
        "provider": daily[:, 0].tolist(),
        "number": daily[:, 1].tolist(),
        "day": daily[:, 2].tolist(),
        "value": totals.tolist(),
        "persons": persons,
        "providers": days.providers.tolist(),
        "first": day_of(days.lo),
    }
    return sum(
        execute(sql.SQL(statement).format(fresh=sql.SQL(_FRESH)), parameters) for statement in (_FORGET, _REMEMBER)
    )


def _summed(keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Return the distinct rows of keys in order, and the sum of the values of each."""
    order = np.lexsort(keys.T[::-1])
    keys, values = keys[order], values[order]
    first = np.flatnonzero(np.append(True, np.any(keys[1:] != keys[:-1], axis=1))[: len(keys)])
    return keys[first], np.add.reduceat(values, first) if len(first) else values
