"""Which providers a fact can reach: those bound to its merchant or room that day, in a role that carries the feed.

Found table by table: as a join, the planner took minutes over fresh tables it had no statistics of, or wrong ones.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection
from psycopg import sql

from ecosystem import ledger
from providers.choices import ROLE_PRIORITY, BindingRole
from providers.measures import SUBJECTS, catalogue
from providers.models import Provider
from providers.models.facts import key_columns as key_names
from providers.partitions import next_month
from providers.readers.fields import as_date
from providers.readers.rows import different
from providers.steps.standing import one_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from numpy.typing import NDArray

    from providers.models import Batch, FactTable

    type Ints = NDArray[np.int64]

# Subject and day in one sortable number: days since 1970-01-01 stay below this for 2,800 years.
DAYS = 1 << 20
ROOM_MONTH = "room_month"  # the kind of mark on a month whose rooms sold or streamed otherwise than known
TIER_DAYS = 30  # a room's tier at a month's end reads its settled GMV of so many days
# Activity, survival and tiers of a person count whatever sister account is bound, also long after the signing.
FEEDS_ABOUT_PERSONS = frozenset({"sales", "live"})


@cache
def carrying_roles(feed: str) -> tuple[str, ...]:
    """Return the binding roles through which a fact of the feed may reach a provider, derived measures included."""
    known = catalogue()
    roles = set(known.feed_roles[feed])
    names = {measure.code for subject in SUBJECTS for measure in known.delivered(feed, subject)}
    for measure in known.measures.values():
        if measure.code in names:
            roles.update(measure.roles)
        elif measure.computed and names & set(measure.inputs):
            roles.update(measure.roles)
            if measure.code == "gmv_settled_once":
                roles.update(ROLE_PRIORITY)
    return tuple(role for role in BindingRole.values if role in roles)


def mark_reached(batch: Batch, keys: Mapping[str, Ints]) -> int:
    """Mark the providers that the rows of these keys reach, each from its earliest day; return how many."""
    reached: dict[int, int] = {}
    days = keys["day"]
    if "provider_id" in keys:
        _note(reached, keys["provider_id"], days)
    if "merchant_id" in keys:
        _by_binding(reached, batch.feed, "merchant_id", keys["merchant_id"], days)
    if "streamer_id" in keys:
        by_room = keys["streamer_id"] > 0
        rooms, room_days = keys["streamer_id"][by_room], days[by_room]
        if len(rooms):
            _by_binding(reached, batch.feed, "streamer_id", rooms, room_days)
            _by_own_store(reached, batch.feed, rooms, room_days)
            if batch.feed in FEEDS_ABOUT_PERSONS:
                _by_person(reached, rooms, room_days)
                _mark_room_months(room_days, cause=f"batch:{batch.pk}")
    ledger.mark(
        "roll_up", [(str(provider), as_date(day)) for provider, day in reached.items()], cause=f"batch:{batch.pk}"
    )
    return len(reached)


def _mark_room_months(days: Ints, *, cause: str) -> None:
    """Mark the months of the days, and the next one where its last 30 days begin earlier."""
    months: set[date] = set()
    for day in map(as_date, different(days).tolist()):
        months.add(day.replace(day=1))
        following = next_month(day)
        if day >= next_month(following) - timedelta(days=TIER_DAYS):
            months.add(following)
    ledger.mark(ROOM_MONTH, [(f"{month:%Y-%m}", month) for month in months], cause=cause)


def mark_anyone(batch: Batch, day: date) -> None:
    """Mark one working provider where the days delivered change but no row reaches anybody.

    Its roll-up finds the newest delivered day, and marks whoever's totals do not end there.
    """
    provider = Provider.objects.active().order_by("pk").values_list("pk", flat=True).first()
    if provider is not None:
        ledger.mark("roll_up", [(str(provider), day)], cause=f"batch:{batch.pk}")


def standing_keys(
    batch: Batch, table: type[FactTable], first: date, last: date, *, superseded: bool = False
) -> dict[str, Ints]:
    """Return the keys of the rows that stand under the batch or, of a history table, that it superseded."""
    key = list(key_names(batch.feed, table.subject))
    days = sql.SQL("(day - DATE '1970-01-01')::bigint")
    fields = [days, *map(sql.Identifier, key[1:])]
    query = sql.SQL(
        "SELECT string_agg({sent}, '') FROM {table} WHERE {column} = {batch} AND day BETWEEN {first} AND {last}"
    ).format(
        sent=sql.SQL(" || ").join(sql.SQL("int8send({})").format(part) for part in fields),
        table=sql.Identifier(table._meta.db_table),
        column=sql.Identifier("superseded_by" if superseded else "batch_id"),
        batch=sql.Literal(batch.pk),
        first=sql.Literal(first),
        last=sql.Literal(last),
    )
    found = np.frombuffer(one_value(query), dtype=">i8").reshape(-1, len(key)).astype(np.int64)
    return dict(zip(key, found.T, strict=True))


def _note(reached: dict[int, int], providers: Ints, days: Ints) -> None:
    """Keep the earliest day of every provider."""
    order = np.lexsort((days, providers))
    found, first = np.unique(providers[order], return_index=True)
    for provider, day in zip(found.tolist(), days[order][first].tolist(), strict=True):
        reached[provider] = min(day, reached.get(provider, day))


def bindings(feed: str, column: str, least: int, most: int) -> Ints:
    """Return subject, provider, first day and day after the last of what carries the feed, as four rows of numbers."""
    subject = sql.Identifier(column)
    fields = [
        subject,
        sql.Identifier("provider_id"),
        sql.SQL("greatest(lower(period) - DATE '1970-01-01', 0)"),
        sql.SQL("coalesce(upper(period) - DATE '1970-01-01', {days} - 1)").format(days=sql.Literal(DAYS)),
    ]
    query = sql.SQL(
        "SELECT string_agg({sent}, '') FROM providers_binding"
        " WHERE status = 'confirmed' AND role = ANY({roles}) AND {subject} BETWEEN {least} AND {most}"
    ).format(
        sent=sql.SQL(" || ").join(sql.SQL("int8send({})").format(part) for part in fields),
        roles=sql.Literal(list(carrying_roles(feed))),
        subject=subject,
        least=sql.Literal(least),
        most=sql.Literal(most),
    )
    return np.frombuffer(one_value(query), dtype=">i8").reshape(-1, len(fields)).T.astype(np.int64)


def _by_binding(reached: dict[int, int], feed: str, column: str, subjects: Ints, days: Ints) -> None:
    """Note the providers bound to a subject on a day it has a row of."""
    spots = np.sort(subjects * DAYS + days)
    bound, providers, starts, ends = bindings(feed, column, int(spots[0]) // DAYS, int(spots[-1]) // DAYS)
    block = bound * DAYS
    at = np.searchsorted(spots, block + starts)
    found = spots[np.minimum(at, len(spots) - 1)]
    inside = (at < len(spots)) & (found < block + ends)
    _note(reached, providers[inside], (found - block)[inside])


def _by_own_store(reached: dict[int, int], feed: str, rooms: Ints, days: Ints) -> None:
    """Note the providers bound to the merchant whose own room it is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, merchant_id FROM providers_streamer WHERE merchant_id IS NOT NULL AND id = ANY(%s) ORDER BY id",
            [np.unique(rooms).tolist()],
        )
        stores = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
    own = np.isin(rooms, stores[:, 0])
    if own.any():
        merchants = stores[np.searchsorted(stores[:, 0], rooms[own]), 1]
        _by_binding(reached, feed, "merchant_id", merchants, days[own])


def _by_person(reached: dict[int, int], rooms: Ints, days: Ints) -> None:
    """Note every provider that ever signed an account of the same person."""
    first: dict[int, int] = {}
    _note(first, rooms, days)
    by_person: dict[str, int] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, person FROM providers_streamer WHERE id = ANY(%s)", [list(first)])
        for room, person in cursor.fetchall():
            by_person[person] = min(first[room], by_person.get(person, first[room]))
        cursor.execute("SELECT id, person FROM providers_streamer WHERE person = ANY(%s)", [list(by_person)])
        by_sister = {room: by_person[person] for room, person in cursor.fetchall()}
        cursor.execute(
            "SELECT streamer_id, provider_id FROM providers_binding"
            " WHERE status = 'confirmed' AND streamer_id = ANY(%s)",
            [list(by_sister)],
        )
        for room, provider in cursor.fetchall():
            reached[provider] = min(by_sister[room], reached.get(provider, by_sister[room]))
