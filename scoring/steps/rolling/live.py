"""Live facts of rooms, whoever they were bound to."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from scoring.steps.rolling.arrays import Ints, day_of, fetch

_DAILY = (
    "SELECT streamer_id, (day - DATE '2000-01-01')::bigint, coalesce(valid_sessions, 0), coalesce(live_seconds, 0),"
    " coalesce(uv_private, 0) + coalesce(uv_public_organic, 0) + coalesce(uv_public_paid, 0) + coalesce(uv_unknown, 0)"
    " FROM {facts} AS fact"
)


def daily(facts: sql.Composable) -> Ints:
    """Return (room, day, valid sessions, live seconds, viewers) of the live facts in a relation."""
    return fetch(sql.SQL(_DAILY).format(facts=facts), 5)


def first_sessions(rooms: Iterable[int], until: int) -> Ints:
    """Return (room, day of its first valid session) of the rooms that have one before the day."""
    query = sql.SQL(
        "SELECT streamer_id, (min(first_session) - DATE '2000-01-01')::bigint FROM room_month"
        " WHERE streamer_id = ANY(%(rooms)s) AND first_session < %(until)s GROUP BY 1"
    )
    return fetch(query, 2, {"rooms": [int(room) for room in rooms], "until": day_of(until)})
