"""Running totals of settled GMV per provider and real person, on the days on which they change."""

from __future__ import annotations

import numpy as np
from django.db import connection
from psycopg import sql

from scoring.steps.rolling.arrays import Ints, day_of, execute, fetch
from scoring.steps.rolling.days import Days

_PERSONS = "SELECT id, person FROM providers_streamer WHERE id = ANY(%s)"
_BEFORE = (
    "SELECT known.provider_id, known.number, before.room_gmv_settled"
    " FROM unnest(%(provider)s::bigint[], %(number)s::bigint[], %(person)s::text[]) AS known(provider_id, number,"
    " person), LATERAL (SELECT room_gmv_settled FROM provider_person_cum old WHERE old.provider_id = known.provider_id"
    " AND old.person = known.person AND old.day < %(first)s ORDER BY old.day DESC LIMIT 1) AS before"
)
_NAMED = "unnest(%(persons)s::text[]) WITH ORDINALITY AS named(person, number)"
_STANDING = (
    "SELECT old.provider_id, named.number, (old.day - DATE '2000-01-01')::bigint, old.room_gmv_settled"
    " FROM provider_person_cum old JOIN {named} ON named.person = old.person"
    " WHERE old.provider_id = ANY(%(providers)s) AND old.day >= %(first)s"
)
_TOTALS = (
    "SELECT provider_id, named.person, DATE '2000-01-01' + day AS day, room_gmv_settled"
    " FROM unnest(%(provider)s::bigint[], %(number)s::bigint[], %(day)s::int[], %(value)s::bigint[])"
    " AS total(provider_id, number, day, room_gmv_settled) JOIN {named} ON named.number = total.number"
)
_INSERT = "INSERT INTO provider_person_cum (provider_id, person, day, room_gmv_settled) {totals}"
_UPDATE = (
    "UPDATE provider_person_cum old SET room_gmv_settled = fresh.room_gmv_settled FROM ({totals}) AS fresh"
    " WHERE old.provider_id = fresh.provider_id AND old.person = fresh.person AND old.day = fresh.day"
)
_DELETE = (
    "DELETE FROM provider_person_cum old USING ({totals}) AS gone"
    " WHERE old.provider_id = gone.provider_id AND old.person = gone.person AND old.day = gone.day"
)
_DELETE_STRANGERS = (
    "DELETE FROM provider_person_cum WHERE provider_id = ANY(%(providers)s) AND day >= %(first)s"
    " AND person <> ALL(%(persons)s::text[])"
)


def rewrite_persons(days: Days, sold: Ints) -> int:
    """Write what differs of the totals that (provider, day, room, value) rows add up to; return rows changed."""
    persons, numbers = _persons(sold[:, 2])
    about = {"persons": persons, "providers": days.providers.tolist(), "first": day_of(days.lo)}
    fresh = _totals(np.column_stack([sold[:, 0], numbers, sold[:, 1]]), sold[:, 3], about)
    named = sql.SQL(_NAMED)
    standing = fetch(sql.SQL(_STANDING).format(named=named), 4, about)
    keys, known = (
        (np.searchsorted(days.providers, rows[:, 0]) * (len(persons) + 1) + rows[:, 1]) * (days.hi - days.lo)
        + rows[:, 2]
        - days.lo
        for rows in (fresh, standing)
    )
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], keys), max(len(known) - 1, 0))
    there = known[order][place] == keys if len(known) else np.zeros(len(keys), dtype=bool)
    differs = there.copy()
    differs[there] = standing[order][place[there], 3] != fresh[there, 3]
    changed = execute(sql.SQL(_DELETE_STRANGERS), about)
    for statement, rows in (
        (_DELETE, standing[~np.isin(known, keys)]),
        (_UPDATE, fresh[differs]),
        (_INSERT, fresh[~there]),
    ):
        if len(rows):
            columns = dict(zip(("provider", "number", "day", "value"), rows.T.tolist(), strict=True))
            totals = sql.SQL(_TOTALS).format(named=named)
            changed += execute(sql.SQL(statement).format(totals=totals), about | columns)
    return changed


def _persons(rooms: Ints) -> tuple[list[str], Ints]:
    """Return the persons of some rooms in order, and of each room which of them it is, from 1."""
    known, places = np.unique(rooms, return_inverse=True)
    with connection.cursor() as cursor:
        cursor.execute(_PERSONS, [known.tolist()])
        person_of = dict(cursor.fetchall())
    persons = sorted(set(person_of.values()))
    numbers = {person: number for number, person in enumerate(persons, start=1)}
    return persons, np.array([numbers[person_of[room]] for room in known.tolist()], dtype=np.int64)[places]


def _totals(keys: Ints, values: Ints, about: dict[str, object]) -> Ints:
    """Return (provider, person, day, total) of each (provider, person, day) with a value, by persons and days."""
    order = np.lexsort(keys.T[::-1])
    keys, values = keys[order], values[order]
    starts = _changes(keys)
    keys, values = keys[starts], np.add.reduceat(values, starts) if len(starts) else values
    keys, values = keys[values != 0], values[values != 0]
    firsts = _changes(keys[:, :2])
    provider, number = keys[firsts, :2].T.tolist()
    persons = about["persons"]
    assert isinstance(persons, list)
    parameters = {
        "provider": provider,
        "number": number,
        "person": [persons[one - 1] for one in number],
        "first": about["first"],
    }
    before = {(who, one): total for who, one, total in fetch(sql.SQL(_BEFORE), 3, parameters).tolist()}
    values[firsts] += np.array([before.get(who, 0) for who in zip(provider, number, strict=True)], dtype=np.int64)
    totals = np.cumsum(values)
    others = totals[firsts] - values[firsts]  # what those before have added up to
    return np.column_stack([keys, totals - np.repeat(others, np.diff(np.append(firsts, len(totals))))])


def _changes(keys: Ints) -> Ints:
    """Return the places at which sorted rows differ from the row before."""
    return np.flatnonzero(np.append(True, np.any(keys[1:] != keys[:-1], axis=1))[: len(keys)])
