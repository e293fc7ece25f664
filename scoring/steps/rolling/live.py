"""Live facts of rooms, whoever they were bound to."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from scoring.steps.rolling.arrays import Ints, day_of, fetch

_LIVE = (
    "SELECT fact.streamer_id, {values} FROM unnest(%(rooms)s::bigint[]) AS room(id), LATERAL (SELECT *"
    " FROM {facts} found WHERE found.streamer_id = room.id OFFSET 0) AS fact"
)
_DAILY = (
    "(fact.day - DATE '2000-01-01')::bigint, coalesce(fact.valid_sessions, 0), coalesce(fact.live_seconds, 0),"
    " coalesce(fact.uv_private, 0) + coalesce(fact.uv_public_organic, 0) + coalesce(fact.uv_public_paid, 0)"
    " + coalesce(fact.uv_unknown, 0)"
)


def daily(rooms: Iterable[int], facts: sql.Composable) -> Ints:
    """Return (room, day, valid sessions, live seconds, viewers) of the live facts in a relation."""
    query = sql.SQL(_LIVE).format(values=sql.SQL(_DAILY), facts=facts)
    return fetch(query, 5, {"rooms": sorted(int(room) for room in rooms)})


def first_sessions(rooms: Iterable[int], until: int) -> Ints:
    """Return (room, day of its first valid session) of the rooms that have one before the day."""
    query = sql.SQL(
        "SELECT streamer_id, (min(first_session) - DATE '2000-01-01')::bigint FROM room_month"
        " WHERE streamer_id = ANY(%(rooms)s) AND first_session < %(until)s GROUP BY 1"
    )
    return fetch(query, 2, {"rooms": [int(room) for room in rooms], "until": day_of(until)})
