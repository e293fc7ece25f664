"""Which providers a fact can reach: those bound to its merchant or room that day, in a role that carries the feed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from django.db import connection
from psycopg import sql

from ecosystem import ledger
from providers.choices import ROLE_PRIORITY, BindingRole
from providers.measures import SUBJECTS, catalogue

if TYPE_CHECKING:
    from datetime import date

    from providers.models import Batch, FactTable


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


# One branch per way: itself, the merchant's binding, the room's, and that of the merchant whose own room it is.
_ITSELF = sql.SQL("SELECT t.provider_id, t.day FROM touched t")
_BY_MERCHANT = sql.SQL(
    "SELECT b.provider_id, t.day FROM touched t"
    " JOIN providers_binding b ON b.merchant_id = t.merchant_id AND b.status = 'confirmed'"
    " AND b.role = ANY({roles}) AND b.period @> t.day"
)
_BY_ROOM = sql.SQL(
    "SELECT b.provider_id, t.day FROM touched t"
    " JOIN providers_binding b ON b.streamer_id = t.streamer_id AND b.status = 'confirmed'"
    " AND b.role = ANY({roles}) AND b.period @> t.day"
)
_BY_OWN_ROOM = sql.SQL(
    "SELECT b.provider_id, t.day FROM touched t JOIN providers_streamer s ON s.id = t.streamer_id"
    " JOIN providers_binding b ON b.merchant_id = s.merchant_id AND b.status = 'confirmed'"
    " AND b.role = ANY({roles}) AND b.period @> t.day"
)
# Activity, survival and tiers of a person count whatever sister account is bound, also long after the signing.
_BY_PERSON = sql.SQL(
    "SELECT b.provider_id, t.day FROM (SELECT streamer_id, min(day) AS day FROM touched GROUP BY streamer_id) t"
    " JOIN providers_streamer s ON s.id = t.streamer_id JOIN providers_streamer sister ON sister.person = s.person"
    " JOIN providers_binding b ON b.streamer_id = sister.id AND b.status = 'confirmed'"
)
_FEEDS_ABOUT_PERSONS = frozenset({"sales", "live"})


def mark_reached(batch: Batch, table: type[FactTable], first: date, last: date) -> int:
    """Mark the providers that the rows standing under this batch reach, each from its earliest day; return how many."""
    columns = {field.column for field in table._meta.fields}
    branches = [_ITSELF] if "provider_id" in columns else []
    branches += [_BY_MERCHANT] if "merchant_id" in columns else []
    branches += [_BY_ROOM, _BY_OWN_ROOM] if "streamer_id" in columns else []
    branches += [_BY_PERSON] if "streamer_id" in columns and batch.feed in _FEEDS_ABOUT_PERSONS else []
    query = sql.SQL(
        "WITH touched AS (SELECT * FROM {table} WHERE batch_id = {batch} AND day BETWEEN {first} AND {last})"
        " SELECT provider_id, min(day) FROM ({ways}) AS reached GROUP BY provider_id"
    ).format(
        table=sql.Identifier(table._meta.db_table),
        batch=sql.Literal(batch.pk),
        first=sql.Literal(first),
        last=sql.Literal(last),
        ways=sql.SQL(" UNION ALL ").join(
            branch.format(roles=sql.Literal(list(carrying_roles(batch.feed)))) for branch in branches
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        reached = [(str(provider), day) for provider, day in cursor.fetchall()]
    ledger.mark("roll_up", reached, cause=f"batch:{batch.pk}")
    return len(reached)
