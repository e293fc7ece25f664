"""Roll facts up to providers: running totals per provider and day, states at day's end, totals per person.

A scope is a provider with the first day that may have changed. Everything from that day to the newest delivered day is
computed again from facts and the bindings in force, and only rows that differ are written, so a step may be repeated,
doubled or come late. Providers whose rows do not reach the newest delivered day are marked in passing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from psycopg import sql

from ecosystem.ledger import Done, Mark
from providers.measures import catalogue
from scoring.steps.rolling import facts
from scoring.steps.rolling.arrays import UNKNOWN, Ints, among, append, day_of, fetch, number, upsert
from scoring.steps.rolling.days import Days
from scoring.steps.rolling.registered import add_registered, add_sums
from scoring.steps.rolling.settled import add_settled
from scoring.steps.rolling.streamers import add_streamers

# A provider's days begin with its approval or, if earlier, its first confirmed binding.
_BEGINNINGS = (
    "SELECT provider.id, (least(provider.approved_on, bound.since) - DATE '2000-01-01')::bigint AS began"
    " FROM providers_provider provider LEFT JOIN (SELECT provider_id, min(lower(period)) AS since"
    " FROM providers_binding WHERE status = 'confirmed' AND {bound} GROUP BY 1) AS bound ON bound.provider_id = id"
    " WHERE {provider} AND least(provider.approved_on, bound.since) IS NOT NULL"
)
_EXTENTS = (
    "SELECT wanted.id, (earliest.day - DATE '2000-01-01')::bigint, (latest.day - DATE '2000-01-01')::bigint"
    " FROM unnest(%(providers)s::bigint[]) AS wanted(id),"
    " LATERAL (SELECT day FROM provider_cum WHERE provider_id = wanted.id ORDER BY day LIMIT 1) AS earliest,"
    " LATERAL (SELECT day FROM provider_cum WHERE provider_id = wanted.id ORDER BY day DESC LIMIT 1) AS latest"
)
# Whoever's rows do not span its beginning to the newest delivered day, and has no mark yet.
_BEHIND = (
    "SELECT began.id FROM ({beginnings}) AS began WHERE began.began <= %(newest)s"
    " AND (NOT EXISTS (SELECT FROM provider_cum WHERE provider_id = began.id AND day = DATE '2000-01-01' + %(newest)s)"
    " OR NOT EXISTS (SELECT FROM provider_cum WHERE provider_id = began.id"
    " AND day = DATE '2000-01-01' + greatest(began.began, %(oldest)s)::int)"
    " OR EXISTS (SELECT FROM provider_cum WHERE provider_id = began.id AND day > DATE '2000-01-01' + %(newest)s))"
    " AND NOT EXISTS (SELECT FROM ecosystem_workmark mark WHERE mark.kind = 'roll_up' AND mark.scope = began.id::text)"
)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The first and the newest day any feed has delivered."""

    first: int
    newest: int

    @classmethod
    def load(cls) -> Delivered | None:
        """Return the days, or None before the first delivery."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT min(day), max(day) FROM providers_deliveredday")
            first, newest = cursor.fetchone()
        return None if first is None else cls(number(first), number(newest))


@transaction.atomic
def roll_up(scopes: Mapping[str, date | None]) -> Done:
    """Redo the days of providers from their first marked day on; the score of the population follows."""
    providers = np.array(sorted(int(scope) for scope in scopes), dtype=np.int64)
    delivered = Delivered.load()
    if delivered is None:
        changed = _clear(providers)
        return Done(changed, [Mark("score", "current")] if changed else [])
    beginnings = _beginnings(providers, delivered)
    known = providers[np.isin(providers, list(beginnings))]
    began = np.array([beginnings[int(one)] for one in known], dtype=np.int64)
    reach = _Reach.load(known)
    # Whoever else may be behind is found by the first step after the delivered days or somebody's beginning changed.
    moved = len(known) < len(providers) or not _stands(delivered) or reach.moved(began, delivered.newest)
    changed = _clear(providers[~np.isin(providers, known)])
    if len(known):
        marked = np.array([_day(scopes[str(provider)], delivered) for provider in known.tolist()], dtype=np.int64)
        changed += _redo(known, began, reach.needed(began, marked), delivered)
        changed += _trim(known, began, delivered.newest) if moved else 0
    behind = _behind(delivered, set(providers.tolist())) if moved else []
    return Done(changed, [Mark("score", "current"), *behind])


def rebuild(providers: Ints) -> None:
    """Compute all days of some providers (sorted ids) from what the tables say; nobody else is marked or touched."""
    delivered = Delivered.load()
    beginnings = {} if delivered is None else _beginnings(providers, delivered)
    if delivered is None or not beginnings:
        return
    known = np.array(sorted(beginnings), dtype=np.int64)
    began = np.array([beginnings[int(one)] for one in known], dtype=np.int64)
    _redo(known, began, began, delivered)


def _day(from_day: date | None, delivered: Delivered) -> int:
    return delivered.first if from_day is None else number(from_day)


def provider_beginnings(providers: Ints) -> dict[int, int]:
    """Return each provider's first day: its approval or, if earlier, its first confirmed binding."""
    query = sql.SQL(_BEGINNINGS).format(
        bound=among(sql.Identifier("provider_id"), providers),
        provider=among(sql.Identifier("provider", "id"), providers),
    )
    found = fetch(query, 2)
    return dict(found[np.isin(found[:, 0], providers)].tolist())


def _beginnings(providers: Ints, delivered: Delivered) -> dict[int, int]:
    """Return the first day to roll up of each provider; one that begins after the newest delivered day has none."""
    found = provider_beginnings(providers)
    return {one: max(began, delivered.first) for one, began in found.items() if began <= delivered.newest}


@dataclass(frozen=True, slots=True)
class _Reach:
    """The first and the last day of the providers' totals as they stand; −1 where there are none."""

    first: Ints
    last: Ints

    @classmethod
    def load(cls, providers: Ints) -> _Reach:
        found = fetch(sql.SQL(_EXTENTS), 3, {"providers": providers.tolist()})
        ends = np.full((2, len(providers)), -1, dtype=np.int64)
        ends[:, np.searchsorted(providers, found[:, 0])] = found[:, 1:].T
        return cls(*ends)

    def moved(self, began: Ints, newest: int) -> bool:
        """Tell whether any totals begin on another day than they should, or go on too long."""
        return bool(np.any((self.first >= 0) & (self.first != began)) or np.any(self.last > newest))

    def needed(self, began: Ints, marked: Ints) -> Ints:
        """Return the first day to redo of each provider."""
        return np.where(self.first == began, np.maximum(began, np.minimum(marked, self.last + 1)), began)


def _stands(delivered: Delivered) -> bool:
    """Tell whether anybody has totals of the first and of the newest delivered day."""
    query = (
        "SELECT EXISTS (SELECT FROM provider_cum WHERE day = %s) AND EXISTS (SELECT FROM provider_cum WHERE day = %s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [day_of(delivered.first), day_of(delivered.newest)])
        return bool(cursor.fetchone()[0])


def _redo(providers: Ints, began: Ints, needed: Ints, delivered: Delivered) -> int:
    """Compute and write the days from those needed on; return rows changed.

    Providers that need about as many days go together, so that a late fact of one redoes no long past of the others.
    """
    lateness = np.array([int(days).bit_length() for days in delivered.newest + 1 - needed])
    changed = 0
    for number_of_bits in np.unique(lateness):
        part = lateness == number_of_bits
        lo = min(int(needed[part].min()), delivered.newest)
        days = Days.between(providers[part], lo, delivered.newest + 1)
        facts.add_flows(days)
        add_sums(days)
        changed += add_settled(days)
        add_registered(days)
        add_streamers(days, delivered.first)
        changed += _write_totals(days, began[part])
        changed += _write_stocks(days, began[part])
    return changed


def _write_totals(days: Days, began: Ints) -> int:
    codes = [measure.code for measure in catalogue().flows()]
    columns = sql.SQL(", ").join(sql.Identifier(code) for code in codes)
    select = sql.SQL(
        "SELECT (day - DATE '2000-01-01')::bigint, provider_id, {} FROM provider_cum"
        " WHERE provider_id = ANY(%(providers)s) AND day >= %(first)s AND day < %(last)s"
    ).format(columns)
    parameters = {"providers": days.providers.tolist(), "first": day_of(days.lo - 1), "last": day_of(days.hi)}
    existing = fetch(select, 2 + len(codes), parameters)
    rows = np.searchsorted(days.providers, existing[:, 1])
    before = existing[:, 0] == days.lo - 1
    fresh = np.zeros((*days.shape, len(codes)), dtype=np.int64)
    for column, code in enumerate(codes):
        fresh[:, :, column] = days.of(code)
    wanted = np.arange(days.lo, days.hi) >= began[:, None]
    fresh[~wanted] = 0
    base = np.zeros((len(days.providers), len(codes)), dtype=np.int64)
    started = before & (existing[:, 0] >= began[rows])
    base[rows[started]] = existing[started, 2:]
    fresh[:, 0] += base
    np.cumsum(fresh, axis=1, out=fresh)
    same, absent = np.zeros(days.shape, dtype=bool), np.ones(days.shape, dtype=bool)
    here = existing[~before]
    places = rows[~before], here[:, 0] - days.lo
    absent[places] = False
    same[places] = np.all(fresh[places] == here[:, 2:], axis=1)

    def rows_of(chosen: NDArray[np.bool_]) -> Ints:
        provider, day = np.nonzero(wanted & chosen)
        return np.column_stack([day + days.lo, days.providers[provider], fresh[provider, day]])

    changed = append("provider_cum", codes, rows_of(absent))
    return changed + upsert("provider_cum", codes, rows_of(~absent & ~same))


def _write_stocks(days: Days, began: Ints) -> int:
    codes, states = facts.stocks(days)
    columns = sql.SQL(", ").join(
        sql.SQL("coalesce({}, {})").format(sql.Identifier(code), sql.Literal(UNKNOWN)) for code in codes
    )
    select = sql.SQL(
        "SELECT (day - DATE '2000-01-01')::bigint, provider_id, {} FROM provider_stock"
        " WHERE provider_id = ANY(%(providers)s) AND day >= %(first)s"
    ).format(columns)
    existing = fetch(select, 2 + len(codes), {"providers": days.providers.tolist(), "first": day_of(days.lo)})
    known = {(day, provider): values for day, provider, *values in existing.tolist()}
    fresh = [
        [day, provider, *values]
        for day, found in sorted(states.items())
        for provider, begin, values in zip(days.providers.tolist(), began.tolist(), found.tolist(), strict=True)
        if day >= begin
    ]
    differing = [row for row in fresh if known.get((row[0], row[1])) != row[2:]]
    gone = known.keys() - {(row[0], row[1]) for row in fresh}
    with connection.cursor() as cursor:
        if gone:
            cursor.execute(
                "DELETE FROM provider_stock USING unnest(%s::date[], %s::bigint[]) AS gone(day, provider_id)"
                " WHERE provider_stock.day = gone.day AND provider_stock.provider_id = gone.provider_id",
                [[day_of(day) for day, _ in sorted(gone)], [provider for _, provider in sorted(gone)]],
            )
    width = 2 + len(codes)
    return len(gone) + upsert("provider_stock", codes, np.array(differing, dtype=np.int64).reshape(-1, width))


def _trim(providers: Ints, began: Ints, newest: int) -> int:
    """Delete rows before a provider's first day or after the newest delivered one."""
    changed = 0
    with connection.cursor() as cursor:
        for table in ("provider_cum", "provider_stock", "provider_person_cum"):
            cursor.execute(
                sql.SQL(
                    "DELETE FROM {table} USING unnest(%s::bigint[], %s::date[]) AS span(provider_id, began)"
                    " WHERE {table}.provider_id = span.provider_id AND ({table}.day < span.began OR {table}.day > %s)"
                ).format(table=sql.Identifier(table)),
                [providers.tolist(), [day_of(day) for day in began.tolist()], day_of(newest)],
            )
            changed += cursor.rowcount
    return changed


def _clear(providers: Ints) -> int:
    """Delete the rows of providers that have no days."""
    changed = 0
    if len(providers):
        with connection.cursor() as cursor:
            for table in ("provider_cum", "provider_stock", "provider_person_cum"):
                cursor.execute(
                    sql.SQL("DELETE FROM {} WHERE provider_id = ANY(%s)").format(sql.Identifier(table)),
                    [providers.tolist()],
                )
                changed += cursor.rowcount
    return changed


def _behind(delivered: Delivered, done: set[int]) -> list[Mark]:
    """Return marks for providers whose rows do not reach from their beginning to the newest delivered day."""
    everybody = sql.SQL(_BEGINNINGS).format(bound=sql.SQL("true"), provider=sql.SQL("true"))
    query = sql.SQL(_BEHIND).format(beginnings=everybody)
    rows = fetch(query, 1, {"oldest": delivered.first, "newest": delivered.newest})
    # The newest day changes nothing that is there: the step itself finds where each provider's rows end.
    return [Mark("roll_up", str(one), day_of(delivered.newest)) for (one,) in rows.tolist() if one not in done]
