"""Facts, deliveries and benchmarks as they were known: current rows, and those replaced only since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from psycopg import sql

from providers.models import FACTS, HISTORY
from providers.models.facts import key_columns
from scoring.steps.known.aside import Moment, Relations

_FACTS = {f"fact_{feed}_{subject}": (feed, subject) for feed, subject in FACTS}
TABLES = ("providers_deliveredday", "scoring_benchmark", *_FACTS)  # that a world's relations stand before
ABOUT_ROOMS = ("fact_live_streamer", "fact_sales_merchant")  # what the months of rooms are made of

type Unknown = tuple[Sequence[int], Sequence[int]]  # batches not known yet, and those undone since
NOTHING: Unknown = ((), ())

_DELIVERED = """
SELECT delivered.* FROM {schema}.providers_deliveredday delivered JOIN (
    SELECT feed, subject, unnest(days) AS day, min(received_at) AS known_from FROM {schema}.providers_batch
    WHERE status = 'applied' AND subject <> '' GROUP BY 1, 2, 3) first USING (feed, subject, day)
WHERE delivered.day < %(until)s AND known_from <= %(cut_off)s
"""
# Per table of facts the batches about days before a moment's that were not known yet, and those undone since.
_UNKNOWN = """
SELECT feed, subject, coalesce(array_agg(id ORDER BY id) FILTER (WHERE received_at > %(cut_off)s), '{}'),
    coalesce(array_agg(id ORDER BY id) FILTER (WHERE received_at <= %(cut_off)s), '{}')
FROM providers_batch WHERE subject <> '' AND status <> 'refused' AND first_day < %(until)s
    AND (received_at > %(cut_off)s OR undone_at > %(cut_off)s)
GROUP BY 1, 2
"""
_VIEW = "CREATE TEMP VIEW {name} AS SELECT * FROM {source}"
_STANDING = "SELECT {columns} FROM {schema}.{table} WHERE day < %(until)s AND ({reached})"
_STOOD = """
SELECT {columns} FROM (SELECT DISTINCT ON ({key}) {columns} FROM (
    SELECT {columns}, 0 AS replaced FROM {schema}.{table} WHERE day < %(until)s AND ({reached})
        AND batch_id <> ALL(%(late)s)
    UNION ALL SELECT {columns}, 1 FROM {schema}.{history} WHERE day < %(until)s AND ({reached})
        AND batch_id <> ALL(%(late)s) AND (superseded_by = ANY(%(late)s)
            OR superseded_by = batch_id AND batch_id = ANY(%(undone)s))
) AS version ORDER BY {key}, replaced DESC, batch_id DESC) AS stood
"""
_STANDS = "CREATE TEMP VIEW {name} AS SELECT {columns} FROM {schema}.{table} WHERE {day} < {until}"
# What was known, and of the days from the earlier score on what the later one knew.
_TURNED = (
    "CREATE TEMP VIEW {then} AS SELECT * FROM {known} WHERE day < {first}"
    " UNION ALL SELECT * FROM {now} WHERE day >= {first}"
)
_BENCHMARKS = (
    "CREATE TEMP VIEW scoring_benchmark_now AS SELECT * FROM {schema}.scoring_benchmark WHERE frozen_at <= {after}",
    "CREATE TEMP VIEW scoring_benchmark_then AS SELECT * FROM {schema}.scoring_benchmark"
    " WHERE frozen_at <= CASE WHEN month < {first} THEN {before} ELSE {after} END",
)


@dataclass(frozen=True, slots=True)
class Laid:
    """Per table the batches that the later and the earlier score did not know as they stand; whether that differs."""

    late: Mapping[str, Unknown]
    early: Mapping[str, Unknown]
    restated: bool

    def rooms_differ(self, knows: str) -> bool:
        """Tell whether facts about rooms were known otherwise than the tables say, ``now`` or ``then``."""
        return any(name in (self.late if knows == "now" else self.early) for name in ABOUT_ROOMS)


def lay_aside(relations: Relations) -> Laid:
    """Lay facts, delivered days and benchmarks aside as both scores knew them."""
    late, early = _unknown(relations.after), _unknown(relations.before)
    restated = [_fact(relations, name, late, early) for name in _differing(relations, {*late, *early})]
    _delivered(relations, bool(late), bool(early))
    return Laid(late, early, any([*restated, _benchmarks(relations)]))


def _unknown(moment: Moment) -> dict[str, Unknown]:
    with connection.cursor() as cursor:
        cursor.execute(_UNKNOWN, {"cut_off": moment.cut_off, "until": moment.as_of})
        return {f"fact_{feed}_{subject}": (late, undone) for feed, subject, late, undone in cursor.fetchall()}


def _differing(relations: Relations, known_otherwise: set[str]) -> list[str]:
    """Show the tables of facts that both scores knew as they stand, and name the others."""
    views, others = [], []
    for name in _FACTS:
        together = ABOUT_ROOMS if name in ABOUT_ROOMS else (name,)
        if known_otherwise.intersection(together):
            others.append(name)
        else:
            views.append(stands(relations, f"{name}_now", name, columns=_columns(name)))
            views.append(relations.made(_VIEW, name=f"{name}_then", source=f"{name}_now"))
    relations.run(*views)
    return others


def _fact(relations: Relations, name: str, late: Mapping[str, Unknown], early: Mapping[str, Unknown]) -> bool:
    """Lay one table's facts aside as known at both cut-offs; tell whether those of the days before differ."""
    now, known, then = (f"{name}_{when}" for when in ("now", "known", "then"))
    _known(relations, now, name, relations.after, *late.get(name, NOTHING))
    _known(relations, known, name, relations.before, *early.get(name, NOTHING))
    relations.run(relations.made(_TURNED, then=then, known=known, now=now))
    return relations.differ(now, then)


def _known(
    relations: Relations, into: str, table: str, moment: Moment, late: Sequence[int], undone: Sequence[int]
) -> None:
    """Keep the rows that stood at a moment: those in force of batches known, and those replaced only since."""
    feed, subject = _FACTS[table]
    key = key_columns(feed, subject)
    reached = {
        "merchant": "merchant_id = ANY(%(merchants)s)"
        + (" OR streamer_id = ANY(%(rooms)s)" if "streamer_id" in key else ""),
        "streamer": "streamer_id = ANY(%(rooms)s)",
        "provider": "provider_id = %(provider)s",
    }[subject]
    query = sql.SQL(_STANDING if not late and not undone else _STOOD).format(
        columns=_columns(table),
        key=sql.SQL(", ").join(map(sql.Identifier, key)),
        schema=sql.Identifier(relations.schema),
        table=sql.Identifier(table),
        history=sql.Identifier(HISTORY[feed, subject]._meta.db_table),
        reached=sql.SQL(reached),
    )
    relations.keep(into, query, moment, late=list(late), undone=list(undone))
    # As the fact tables have it: the roll-up looks up subjects.
    relations.run(
        *(relations.made("CREATE INDEX ON {into} ({column}, day)", into=into, column=column) for column in key[1:]),
        relations.made("ANALYZE {into}", into=into),
    )


def _delivered(relations: Relations, late: bool, early: bool) -> None:
    """Lay delivered days aside; those from the earlier score on are always the later one's."""
    now, then = "providers_deliveredday_now", "providers_deliveredday_then"
    if late:
        relations.keep(now, _DELIVERED, relations.after)
    else:
        relations.run(stands(relations, now, "providers_deliveredday"))
    if early:
        relations.keep("providers_deliveredday_known", _DELIVERED, relations.before)
    known = "providers_deliveredday_known" if early else now
    relations.run(relations.made(_TURNED, then=then, known=known, now=now))


def _benchmarks(relations: Relations) -> bool:
    """Lay benchmarks aside; those of months since the earlier score are always the later one's."""
    relations.run(*map(relations.made, _BENCHMARKS))
    return relations.differ("scoring_benchmark_now", "scoring_benchmark_then", "id")


def stands(
    relations: Relations, name: str, table: str, *, day: str = "day", columns: sql.Composable | None = None
) -> sql.Composable:
    """Return the view of a table as it stands, of the days before the later score's."""
    return relations.made(_STANDS, name=name, table=table, day=day, columns=columns or sql.SQL("*"))


def _columns(table: str) -> sql.Composable:
    """Name what the roll-up reads of a table of facts, in one order for tables and their histories."""
    feed, subject = _FACTS[table]
    names = [*key_columns(feed, subject), "batch_id", *(one.code for one in FACTS[feed, subject].measures)]
    return sql.SQL(", ").join(map(sql.Identifier, names))
