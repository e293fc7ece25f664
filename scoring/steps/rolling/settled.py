"""Settled GMV seen four ways: goods of bound merchants, sales of bound rooms, per person, and counted once.

What a row adds by its merchant alone is summed with the feed's own measures, in one pass. Rows sold through rooms, and
those of shared merchants, are set aside once per step; each view of them is one join with spans of bindings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.db import connection
from psycopg import sql

from providers.choices import ROLE_PRIORITY
from providers.measures import Subject, catalogue
from providers.shares import divided
from scoring.steps.rolling.arrays import Ints, day_of, fetch
from scoring.steps.rolling.coverage import Cover, Part
from scoring.steps.rolling.days import Days
from scoring.steps.rolling.shared import excess

FEED = ("sales", "merchant")
_STAGE = """
INSERT INTO staged_settled
SELECT fact.merchant_id, fact.streamer_id, fact.day, fact.gmv_settled
FROM unnest(%(merchants)s::bigint[]) AS merchant(id), LATERAL (SELECT * FROM fact_sales_merchant found
  WHERE found.merchant_id = merchant.id AND found.streamer_id <> 0
  AND found.day >= %(first)s AND found.day < %(last)s OFFSET 0) AS fact
WHERE fact.gmv_settled <> 0
UNION ALL
SELECT fact.merchant_id, fact.streamer_id, fact.day, fact.gmv_settled
FROM unnest(%(shared)s::bigint[]) AS merchant(id), LATERAL (SELECT * FROM fact_sales_merchant found
  WHERE found.merchant_id = merchant.id AND found.streamer_id = 0
  AND found.day >= %(first)s AND found.day < %(last)s OFFSET 0) AS fact
WHERE fact.gmv_settled <> 0
UNION ALL
SELECT fact.merchant_id, fact.streamer_id, fact.day, fact.gmv_settled
FROM unnest(%(rooms)s::bigint[]) AS room(id), LATERAL (SELECT * FROM fact_sales_merchant found
  WHERE found.streamer_id = room.id AND found.streamer_id <> 0
  AND found.day >= %(first)s AND found.day < %(last)s OFFSET 0) AS fact
WHERE fact.gmv_settled <> 0
  AND NOT EXISTS (SELECT FROM unnest(%(merchants)s::bigint[]) AS merchant(id) WHERE merchant.id = fact.merchant_id)
"""
_BY_ROOM = (
    "SELECT span.provider_id, (fact.day - DATE '2000-01-01')::bigint, whole_sum(fact.gmv_settled)"
    " FROM staged_settled fact"
    " JOIN unnest(%(provider)s::bigint[], %(subject)s::bigint[], %(lo)s::int[], %(hi)s::int[])"
    " AS span(provider_id, subject_id, lo, hi) ON span.subject_id = fact.streamer_id"
    " AND fact.day >= DATE '2000-01-01' + span.lo AND fact.day < DATE '2000-01-01' + span.hi GROUP BY 1, 2"
)
# Per subject the leads' spans of each role, less the spans of roles that come first: on any day at most one is left.
_OWNED = """
WITH merchant_role AS MATERIALIZED (
  SELECT merchant_id AS subject_id, id, provider_id, array_position(%(priority)s::text[], role::text) AS place, period
  FROM providers_binding
  WHERE status = 'confirmed' AND lead_id IS NULL AND role = ANY(%(priority)s)
    AND merchant_id IN (SELECT merchant_id FROM staged_settled)
), room_role AS MATERIALIZED (
  SELECT streamer_id AS subject_id, id, provider_id, array_position(%(priority)s::text[], role::text) AS place, period
  FROM providers_binding
  WHERE status = 'confirmed' AND lead_id IS NULL AND role = ANY(%(priority)s)
    AND streamer_id IN (SELECT streamer_id FROM staged_settled)
  UNION ALL
  SELECT room.id, binding.id, binding.provider_id, array_position(%(priority)s::text[], binding.role::text),
    unnest(datemultirange(binding.period) - coalesce((SELECT range_agg(own.period) FROM providers_binding own
      WHERE own.streamer_id = room.id AND own.status = 'confirmed'), '{{}}'))
  FROM providers_streamer room JOIN providers_binding binding ON binding.merchant_id = room.merchant_id
  WHERE binding.status = 'confirmed' AND binding.lead_id IS NULL AND binding.role = ANY(%(priority)s)
    AND room.id IN (SELECT streamer_id FROM staged_settled)
), merchant_first AS MATERIALIZED (
  SELECT found.subject_id, found.id, found.provider_id, found.place,
    unnest(datemultirange(found.period) - coalesce(range_agg(prior.period), '{{}}')) AS span
  FROM merchant_role found LEFT JOIN merchant_role prior
    ON prior.subject_id = found.subject_id AND prior.place < found.place
  GROUP BY found.subject_id, found.id, found.provider_id, found.place, found.period
), room_first AS MATERIALIZED (
  SELECT found.subject_id, found.id, found.provider_id, found.place,
    unnest(datemultirange(found.period) - coalesce(range_agg(prior.period), '{{}}')) AS span
  FROM room_role found LEFT JOIN room_role prior
    ON prior.subject_id = found.subject_id AND prior.place < found.place
  GROUP BY found.subject_id, found.id, found.provider_id, found.place, found.period
)
{wanted} FROM (
  SELECT fact.day, fact.gmv_settled, CASE WHEN by_merchant.place <= coalesce(by_room.place, by_merchant.place)
    THEN by_merchant.provider_id ELSE by_room.provider_id END AS provider_id,
    CASE WHEN by_merchant.place <= coalesce(by_room.place, by_merchant.place)
    THEN by_merchant.id ELSE by_room.id END AS lead_id
  FROM staged_settled fact
  LEFT JOIN merchant_first by_merchant ON by_merchant.subject_id = fact.merchant_id AND by_merchant.span @> fact.day
  LEFT JOIN room_first by_room ON by_room.subject_id = fact.streamer_id AND by_room.span @> fact.day
) AS owned {kept}
"""
_WHOLE = (
    "SELECT provider_id, (day - DATE '2000-01-01')::bigint, whole_sum(gmv_settled)",
    "WHERE provider_id = ANY(%(providers)s) GROUP BY 1, 2",
)
_OF_LEADS = (
    "SELECT lead_id, 0::bigint, (day - DATE '2000-01-01')::bigint, gmv_settled",
    "WHERE lead_id = ANY(%(leads)s)",
)
_STAGED = (
    "SELECT fact.{key}, 0::bigint, (fact.day - DATE '2000-01-01')::bigint, fact.gmv_settled FROM staged_settled fact"
    " WHERE fact.{key} = ANY(%(subjects)s)"
)
_PERSONS = (
    "CREATE TEMP TABLE fresh_person ON COMMIT DROP AS WITH daily AS ("
    "SELECT sold.provider_id, room.person, sold.day, whole_sum(sold.gmv_settled) AS value FROM ("
    "SELECT span.provider_id, fact.streamer_id, fact.day, fact.gmv_settled FROM staged_settled fact"
    " JOIN unnest(%(provider)s::bigint[], %(subject)s::bigint[], %(lo)s::int[], %(hi)s::int[])"
    " AS span(provider_id, subject_id, lo, hi) ON span.subject_id = fact.streamer_id"
    " AND fact.day >= DATE '2000-01-01' + span.lo AND fact.day < DATE '2000-01-01' + span.hi"
    " UNION ALL SELECT * FROM unnest(%(e_provider)s::bigint[], %(e_room)s::bigint[], %(e_day)s::date[],"
    " %(e_value)s::bigint[])) AS sold JOIN providers_streamer room ON room.id = sold.streamer_id"
    " GROUP BY 1, 2, 3 HAVING whole_sum(sold.gmv_settled) <> 0), base AS ("
    "SELECT known.provider_id, known.person, before.room_gmv_settled"
    " FROM (SELECT DISTINCT provider_id, person FROM daily) AS known, LATERAL (SELECT room_gmv_settled"
    " FROM provider_person_cum old WHERE old.provider_id = known.provider_id AND old.person = known.person"
    " AND old.day < %(first)s ORDER BY old.day DESC LIMIT 1) AS before)"
    " SELECT daily.provider_id, daily.person, daily.day, coalesce(base.room_gmv_settled, 0) + whole_sum(daily.value)"
    " OVER (PARTITION BY daily.provider_id, daily.person ORDER BY daily.day) AS room_gmv_settled"
    " FROM daily LEFT JOIN base USING (provider_id, person)"
)


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
    sales = tuple(dict.fromkeys((*catalogue().feed_roles["sales"], *ROLE_PRIORITY)))
    by_merchant = days.carriers.merchants(sales).within(days.lo, days.hi)
    by_room = days.carriers.rooms(sales).within(days.lo, days.hi)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE IF NOT EXISTS staged_settled"
            " (merchant_id bigint, streamer_id bigint, day date, gmv_settled bigint)"
        )
        cursor.execute("TRUNCATE staged_settled")  # a deletion would leave the rows of a rebuild to be read past
        cursor.execute(
            _STAGE,
            {
                "first": day_of(days.lo),
                "last": day_of(days.hi),
                "merchants": np.unique(by_merchant.subject).tolist(),
                "rooms": np.unique(by_room.subject).tolist(),
                "shared": days.shared.merchants(),
            },
        )
        cursor.execute("ANALYZE staged_settled")
    goods = catalogue().measures["gmv_settled_goods"]
    _add(days, goods.code, _excess(days, "merchant", catalogue().roles(goods))[:, [0, 1, 3]])
    rooms = days.carriers.rooms(room_roles()).within(days.lo, days.hi)
    _add(days, "room_gmv_settled", fetch(sql.SQL(_BY_ROOM), 3, dict(rooms.parameters())))
    excess_by_room = _excess(days, "streamer", room_roles())
    _add(days, "room_gmv_settled", excess_by_room[:, [0, 1, 3]])
    parameters = {"priority": list(ROLE_PRIORITY), "providers": days.providers.tolist()}
    _add(days, "gmv_settled_once", fetch(_owned(_WHOLE), 3, parameters))
    _add_parts(days)
    return _rewrite_persons(days, rooms, excess_by_room)


def _owned(tail: tuple[str, str]) -> sql.Composable:
    wanted, kept = tail
    return sql.SQL(_OWNED).format(wanted=sql.SQL(wanted), kept=sql.SQL(kept))


def _excess(days: Days, kind: Subject, roles: Sequence[str]) -> Ints:
    """Return (provider, day, subject, −what falls to others) of the settled GMV of shared merchants or rooms."""
    pieces = days.shared.pieces(kind, roles)
    if not pieces:
        return np.zeros((0, 4), dtype=np.int64)
    query = sql.SQL(_STAGED).format(key=sql.Identifier(f"{kind}_id"))
    return excess(pieces, fetch(query, 4, {"subjects": sorted({piece.subject for piece in pieces})}))


def _add_parts(days: Days) -> None:
    """Divide what counts once for a lead binding among its parties."""
    leads = days.shared.leads()
    if not leads:
        return
    rows = fetch(_owned(_OF_LEADS), 4, {"priority": list(ROLE_PRIORITY), "leads": sorted(leads)})
    for split in (one for splits in leads.values() for one in splits):
        mine = rows[(rows[:, 0] == split.lead) & (rows[:, 2] >= split.lo) & (rows[:, 2] < split.hi)]
        parts = divided(mine[:, 3], split.shares)
        parts[0] -= mine[:, 3]  # the lead has been given all of it
        for (provider, _), part in zip(split.parties, parts, strict=True):
            if provider in days.shared.providers:
                who = np.full(len(mine), provider, dtype=np.int64)
                _add(days, "gmv_settled_once", np.column_stack([who, mine[:, 2], part]))


def _add(days: Days, code: str, rows: Ints) -> None:
    days.add(code, rows[:, 0], rows[:, 1], rows[:, 2])


def _rewrite_persons(days: Days, rooms: Cover, excess_by_room: Ints) -> int:
    provider, day, room, value = excess_by_room.T.tolist()
    parameters = {
        "providers": days.providers.tolist(),
        "first": day_of(days.lo),
        **rooms.parameters(),
        "e_provider": provider,
        "e_room": room,
        "e_day": [day_of(one) for one in day],
        "e_value": value,
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS fresh_person")
        cursor.execute(_PERSONS, parameters)
        cursor.execute(
            "DELETE FROM provider_person_cum old WHERE provider_id = ANY(%(providers)s) AND day >= %(first)s"
            " AND NOT EXISTS (SELECT FROM fresh_person fresh WHERE fresh.provider_id = old.provider_id"
            " AND fresh.person = old.person AND fresh.day = old.day)",
            parameters,
        )
        changed: int = cursor.rowcount
        cursor.execute(
            "INSERT INTO provider_person_cum AS old (provider_id, person, day, room_gmv_settled)"
            " SELECT provider_id, person, day, room_gmv_settled FROM fresh_person"
            " ON CONFLICT (provider_id, person, day) DO UPDATE SET room_gmv_settled = EXCLUDED.room_gmv_settled"
            " WHERE old.room_gmv_settled IS DISTINCT FROM EXCLUDED.room_gmv_settled"
        )
        changed += cursor.rowcount
        cursor.execute("DROP TABLE fresh_person")
    return changed
