"""Registers as they were known: which rows reach a provider, and from which day a correction reads differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from scoring.steps.known.aside import Moment, Relations


@dataclass(frozen=True, slots=True)
class Register:
    """A table whose rows change, and what the roll-up reads of it.

    columns: read, and kept before they change; others: read, and never change.
    reach: SQL of the ids of rows that the provider's figures may be made of, now or as known since a moment.
    moved: SQL of the first day that reads differently between a row as known ``old`` and ``new``, NULL if none does.
    """

    table: str
    columns: tuple[str, ...]
    reach: str
    moved: str
    others: tuple[str, ...] = ()


# Rows of the provider, whoever's they were called before.
_OWN = (
    "SELECT id FROM {schema}.{table} WHERE provider_id = %(provider)s UNION SELECT row_id"
    " FROM {schema}.providers_registerversion WHERE register = {name} AND recorded_to > %(cut_off)s"
    " AND (known ->> 'provider_id')::bigint = %(provider)s"
)
# A person's certificates count for the provider of the latest one, so other providers' are read as well.
_OF_PERSONS = (
    "WITH said AS (SELECT id, person, provider_id FROM {schema}.{table} UNION ALL SELECT row_id, known ->> 'person',"
    " (known ->> 'provider_id')::bigint FROM {schema}.providers_registerversion"
    " WHERE register = {name} AND known IS NOT NULL AND recorded_to > %(cut_off)s)"
    " SELECT DISTINCT id FROM said WHERE person IN (SELECT person FROM said WHERE provider_id = %(provider)s)"
)
# What a subject is holds for all its days.
_ALL_DAYS = "CASE WHEN old IS DISTINCT FROM new THEN '-infinity'::date END"

REGISTERS = (
    Register(
        "providers_violation",
        ("provider_id", "kind", "severity", "status", "opened_on", "decided_on", "closed_on"),
        _OWN,
        # Annulled it never was; that it was decided or closed is news of that day.
        "CASE WHEN (old.provider_id, old.kind, old.severity, old.opened_on, old.status = 'annulled')"
        " IS DISTINCT FROM (new.provider_id, new.kind, new.severity, new.opened_on, new.status = 'annulled')"
        " THEN least(old.opened_on, new.opened_on) ELSE least("
        "CASE WHEN (old.status, old.decided_on) IS DISTINCT FROM (new.status, new.decided_on)"
        " THEN coalesce(least(old.decided_on, new.decided_on), new.opened_on) END,"
        " CASE WHEN old.closed_on IS DISTINCT FROM new.closed_on THEN least(old.closed_on, new.closed_on) END) END",
    ),
    Register(
        "providers_operatorcertificate",
        ("provider_id", "person", "level", "period"),
        _OF_PERSONS,
        "CASE WHEN (old.provider_id, old.person, old.level, lower(old.period))"
        " IS DISTINCT FROM (new.provider_id, new.person, new.level, lower(new.period))"
        " THEN least(lower(old.period), lower(new.period))"
        " WHEN old.period IS DISTINCT FROM new.period THEN least(upper(old.period), upper(new.period)) END",
    ),
    Register(
        "providers_operatedsession",
        (
            "provider_id",
            "operator",
            "day",
            "registered_hours_ahead",
            "gmv_strict_fen",
            "baseline_fen",
            "baseline_sessions",
            "day_index_bp",
            "fell_below_after",
        ),
        _OWN,
        "CASE WHEN old IS DISTINCT FROM new THEN least(old.day, new.day) END",
    ),
    Register(
        "scoring_grant",
        ("provider_id", "amount", "status", "granted_on", "expires_on", "settled_amount"),
        _OWN,
        # What was granted is news of its day, and what lapsed of its last.
        "CASE WHEN (old.provider_id, old.amount, old.granted_on) IS DISTINCT FROM"
        " (new.provider_id, new.amount, new.granted_on) THEN least(old.granted_on, new.granted_on)"
        " WHEN old IS DISTINCT FROM new THEN least(old.expires_on, new.expires_on) END",
        ("pool_id",),
    ),
    Register(
        "providers_provider",
        ("approved_on", "distribution_declared"),
        "SELECT %(provider)s::bigint",
        _ALL_DAYS,
    ),
    Register("providers_merchant", ("category",), "SELECT unnest(%(merchants)s::bigint[])", _ALL_DAYS),
    Register(
        "providers_streamer", ("person", "merchant_id", "category"), "SELECT unnest(%(rooms)s::bigint[])", _ALL_DAYS
    ),
)
# The registers with rows that said something else since the earlier score, those rows, and when they did last.
_SINCE = (
    "SELECT {name}, array_agg(reached.id), max(version.recorded_to) FROM ({reach}) AS reached(id),"
    " LATERAL (SELECT max(recorded_to) AS recorded_to FROM {schema}.providers_registerversion"
    " WHERE register = {name} AND row_id = reached.id AND recorded_to > %(cut_off)s) AS version"
    " HAVING max(version.recorded_to) IS NOT NULL"
)
# A row as known at a moment is its first version since, or else itself; it was not there if that version is empty.
_KNOWN = (
    "SELECT {columns} FROM {schema}.{table} AS standing LEFT JOIN LATERAL (SELECT row_id, known"
    " FROM {schema}.providers_registerversion WHERE register = {name} AND row_id = standing.id"
    " AND recorded_to > {cut_off} ORDER BY recorded_to, id LIMIT 1) AS version ON true,"
    " LATERAL jsonb_populate_record(standing, version.known) AS stood"
    " WHERE (version.row_id IS NULL OR version.known IS NOT NULL) AND {only}"
)
# As the earlier score knew it, but news of days from that score on are the later one's.
_TURNED = (
    "CREATE TEMP VIEW {then} AS SELECT new.* FROM {now} new LEFT JOIN {known} old USING (id)"
    " WHERE coalesce({moved} >= {first}, true)"
    " UNION ALL SELECT old.* FROM {known} old LEFT JOIN {now} new USING (id) WHERE {moved} < {first}"
)


# Rows about which something before the earlier score's day was corrected.
_CORRECTED = "SELECT id FROM ({known}) AS old FULL JOIN ({now}) AS new USING (id) WHERE {moved} < {first} ORDER BY 1"


def known_rows(schema: str, table: str, columns: Sequence[str], only: str, cut_off: datetime | str) -> sql.Composable:
    """Return the query of a table's rows as known at a cut-off: those that ``standing`` and ``stood`` allow."""
    return sql.SQL(_KNOWN).format(
        schema=sql.Identifier(schema),
        table=sql.Identifier(table),
        name=sql.Literal(table),
        columns=sql.SQL(", ").join(sql.SQL("stood.{}").format(sql.Identifier(name)) for name in ("id", *columns)),
        only=sql.SQL(only),
        cut_off=sql.Literal(cut_off),
    )


@dataclass(frozen=True, slots=True)
class Laid:
    """The registers laid aside, whether the two scores knew them otherwise, and whether any changed after both."""

    tables: tuple[str, ...]
    restated: bool
    changed_since: bool


def lay_aside(relations: Relations) -> Laid:
    """Lay the registers aside that said something else since the earlier score."""
    changed = _changed(relations)
    restated = [_turned(relations, register, rows) for register, rows, _ in changed]
    return Laid(
        tuple(register.table for register, *_ in changed),
        any(restated),
        any(last > relations.after.cut_off for *_, last in changed),
    )


def _changed(relations: Relations) -> list[tuple[Register, list[int], datetime]]:
    """Find the registers, the rows of each that reach the provider, and when one of these changed last."""
    parts = []
    for register in REGISTERS:
        names = {"name": sql.Literal(register.table), "schema": sql.Identifier(relations.schema)}
        reach = sql.SQL(register.reach).format(table=sql.Identifier(register.table), **names)
        parts.append(sql.SQL(_SINCE).format(reach=reach, **names))
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(parts), relations.parameters(relations.before))
        found = {table: (rows, last) for table, rows, last in cursor.fetchall()}
    return [(register, *found[register.table]) for register in REGISTERS if register.table in found]


def corrected(relations: Relations) -> list[tuple[str, int]]:
    """List the rows (table, id) of registers whose earlier days the later score knew otherwise."""
    found = []
    with connection.cursor() as cursor:
        for register, rows, _ in _changed(relations):
            query = relations.made(
                _CORRECTED,
                known=_rows_of(relations, register, relations.before),
                now=_rows_of(relations, register, relations.after),
                moved=sql.SQL(register.moved),
            )
            cursor.execute(query, {"rows": rows})
            found += [(register.table, row) for (row,) in cursor.fetchall()]
    return found


def _rows_of(relations: Relations, register: Register, moment: Moment) -> sql.Composable:
    columns = (*register.columns, *register.others)
    return known_rows(relations.schema, register.table, columns, "standing.id = ANY(%(rows)s)", moment.cut_off)


def _turned(relations: Relations, register: Register, rows: list[int]) -> bool:
    """Lay one register aside as both scores knew it; tell whether that differs."""
    now, known, then = (f"{register.table}_{when}" for when in ("now", "known", "then"))
    relations.keep(now, _rows_of(relations, register, relations.after), relations.after, rows=rows)
    relations.keep(known, _rows_of(relations, register, relations.before), relations.before, rows=rows)
    relations.run(relations.made(_TURNED, then=then, known=known, now=now, moved=sql.SQL(register.moved)))
    return relations.differ(now, then)
