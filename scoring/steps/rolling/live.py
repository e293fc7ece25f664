"""Live facts of rooms, whoever they were bound to."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from scoring.steps.rolling.arrays import Ints, day_of, fetch

_LIVE = (
    "SELECT fact.streamer_id, {values} FROM unnest(%(rooms)s::bigint[]) AS room(id), LATERAL (SELECT *"
    " FROM fact_live_streamer found WHERE found.streamer_id = room.id"
    " AND found.day >= %(first)s AND found.day < %(last)s OFFSET 0) AS fact"
)
_DAILY = (
    "(fact.day - DATE '2000-01-01')::bigint, coalesce(fact.valid_sessions, 0), coalesce(fact.live_seconds, 0),"
    " coalesce(fact.uv_private, 0) + coalesce(fact.uv_public_organic, 0) + coalesce(fact.uv_public_paid, 0)"
    " + coalesce(fact.uv_unknown, 0)"
)


def daily(rooms: Iterable[int], lo: int, hi: int) -> Ints:
    """Return (room, day, valid sessions, live seconds, viewers) of [lo, hi)."""
    parameters = {"rooms": sorted(int(room) for room in rooms), "first": day_of(lo), "last": day_of(hi)}
    return fetch(sql.SQL(_LIVE).format(values=sql.SQL(_DAILY)), 5, parameters)


def first_sessions(rooms: Iterable[int], until: int) -> Ints:
    """Return (room, day of its first valid session) of the rooms that have one before the day."""
    query = sql.SQL(
        "SELECT streamer_id, (min(first_session) - DATE '2000-01-01')::bigint FROM room_month"
        " WHERE streamer_id = ANY(%(rooms)s) AND first_session < %(until)s GROUP BY 1"
    )
    return fetch(query, 2, {"rooms": [int(room) for room in rooms], "until": day_of(until)})
