"""What one provider's windows would hold in worlds between two scores: other days, bindings or facts as known before.

Each world is rolled up by the same code as the real one. Inside a transaction that is always rolled back, temporary
relations stand in front of the tables of the same name, holding only what reaches the provider; nothing is written.
A world's causes: with ``data`` the window is the later one, with ``bindings`` those of the later score hold, with
``restatements`` facts about days before the earlier score are as the later one knew them.

Without ``bindings``, whoever was bound when the earlier score was made stays bound as long as they really did, and
nobody is added: facts of a merchant that left belong to others and are never read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations
from typing import Any

import numpy as np
from django.db import connection, transaction
from psycopg import sql

from providers.models import FACTS, HISTORY
from providers.models.facts import key_columns
from scoring.core.formula import Operand
from scoring.core.inputs import Inputs
from scoring.steps.roll_up import rebuild
from scoring.steps.room_months import delivered_months, refresh
from scoring.steps.windows import window_table

DATA, BINDINGS, RESTATEMENTS = "data", "bindings", "restatements"
ROLLED = ("provider_cum", "provider_stock", "provider_person_cum")

type Worlds = Mapping[frozenset[str], Inputs]

# A binding as known at a moment: its first version recorded over since, else as it stands.
_BINDINGS_KNOWN = """
SELECT binding.id, binding.provider_id, binding.merchant_id, binding.streamer_id, binding.role,
    coalesce(version.period, binding.period) AS period, 'confirmed'::varchar AS status,
    binding.term_ends_on, binding.renewed_on, binding.related_party, binding.lead_id, binding.share_bp
FROM {schema}.providers_binding binding
LEFT JOIN LATERAL (SELECT period FROM {schema}.providers_bindingversion WHERE binding_id = binding.id
    AND recorded_to > %(cut_off)s ORDER BY recorded_to LIMIT 1) version ON true
WHERE binding.confirmed_at <= %(cut_off)s AND (binding.status = 'confirmed' OR version.period IS NOT NULL)
    AND (binding.merchant_id = ANY(%(merchants)s) OR binding.streamer_id = ANY(%(rooms)s))
    AND lower(coalesce(version.period, binding.period)) < %(until)s
"""
# Who was bound on the last day before: until the day on which it really ended, if that is later.
_BINDINGS_THEN = """
SELECT old.id, old.provider_id, old.merchant_id, old.streamer_id, old.role,
    CASE WHEN upper(old.period) <= %(as_of)s THEN old.period ELSE daterange(lower(old.period),
        CASE WHEN new.id IS NULL THEN %(as_of)s WHEN upper(new.period) IS NULL THEN NULL
        ELSE greatest(%(as_of)s, upper(new.period)) END)
    END AS period,
    old.status, coalesce(new.term_ends_on, old.term_ends_on) AS term_ends_on,
    coalesce(new.renewed_on, old.renewed_on) AS renewed_on, old.related_party,
    old.lead_id, old.share_bp
FROM bindings_known old LEFT JOIN bindings_now new USING (id) WHERE lower(old.period) < %(as_of)s
"""
_DELIVERED = """
SELECT delivered.* FROM {schema}.providers_deliveredday delivered JOIN (
    SELECT feed, subject, unnest(days) AS day, min(received_at) AS known_from FROM {schema}.providers_batch
    WHERE status = 'applied' AND subject <> '' GROUP BY 1, 2, 3) first USING (feed, subject, day)
WHERE delivered.day < %(until)s AND known_from <= %(cut_off)s
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a score stands on: its as-of day and its knowledge cut-off."""

    as_of: date
    cut_off: datetime


def worlds(provider_id: int, operands: Iterable[Operand], before: Moment, after: Moment) -> Worlds:
    """Return the provider's window values for every set of the three causes; ``before`` is not after ``after``."""
    wanted = sorted(set(operands))
    found: dict[frozenset[str], Inputs] = {}
    with _aside() as schema:
        stage = _Stage(schema, provider_id, before, after)
        stage.fill()
        rolled: dict[frozenset[str], tuple[Inputs, Inputs]] = {}
        for happened in _subsets((BINDINGS, RESTATEMENTS)):
            same = happened - stage.idle
            if same not in rolled:
                stage.show(same)
                rebuild(np.array([provider_id], dtype=np.int64))
                rolled[same] = (
                    window_table(wanted, as_of=before.as_of, providers=[provider_id]),
                    window_table(wanted, as_of=after.as_of, providers=[provider_id]),
                )
            found[happened], found[happened | {DATA}] = rolled[same]
    return found


def _subsets(causes: tuple[str, ...]) -> Iterator[frozenset[str]]:
    for size in range(len(causes) + 1):
        yield from map(frozenset, combinations(causes, size))


@contextmanager
def _aside() -> Iterator[str]:
    """Work in a transaction that leaves nothing behind; give the schema of the real tables."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit TO off")
            cursor.execute("SELECT current_schema()")
            schema: str = cursor.fetchone()[0]
        try:
            yield schema
        finally:
            transaction.set_rollback(True)


@dataclass(slots=True)
class _Stage:
    """The temporary relations: ``…_now`` as the later score knew them, ``…_then`` as the earlier one did."""

    schema: str
    provider_id: int
    before: Moment
    after: Moment
    merchants: tuple[int, ...] = ()
    rooms: tuple[int, ...] = ()
    idle: frozenset[str] = frozenset()
    knows: str = ""

    def fill(self) -> None:
        """Set aside what reaches the provider, and note the causes that changed nothing."""
        self._find_subjects()
        idle = set()
        if not self._bindings():
            idle.add(BINDINGS)
        if not self._facts():
            idle.add(RESTATEMENTS)
        for table in ("room_month", *ROLLED):
            self._run(
                "CREATE TEMP TABLE {table} (LIKE {schema}.{table} INCLUDING DEFAULTS INCLUDING INDEXES) ON COMMIT DROP",
                table=sql.Identifier(table),
            )
        self.idle = frozenset(idle)

    def show(self, happened: frozenset[str]) -> None:
        """Put the relations of a world in front of the tables."""
        views = {"providers_binding": "bindings_now" if BINDINGS in happened else "bindings_then"}
        knows = "now" if RESTATEMENTS in happened or RESTATEMENTS in self.idle else "then"
        views |= {name: f"{name}_{knows}" for name in ("providers_deliveredday", "scoring_benchmark", *_fact_tables())}
        for name, source in views.items():
            self._run(
                "CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {source}",
                name=sql.Identifier(name),
                source=sql.Identifier(source),
            )
        for table in ROLLED:
            self._run("DELETE FROM pg_temp.{table}", table=sql.Identifier(table))
        if knows != self.knows:
            self._run("DELETE FROM pg_temp.room_month")
            refresh(date.fromisoformat(f"{month}-01") for month in delivered_months())
            self.knows = knows

    def _find_subjects(self) -> None:
        """Find the merchants and rooms ever bound to the provider, their merchants' rooms and sister rooms."""
        own = {"provider": self.provider_id}
        merchants = self._ids(
            "SELECT DISTINCT merchant_id FROM providers_binding WHERE provider_id = %(provider)s"
            " AND merchant_id IS NOT NULL",
            own,
        )
        rooms = self._ids(
            "SELECT id FROM providers_streamer WHERE merchant_id = ANY(%(merchants)s) OR person IN (SELECT room.person"
            " FROM providers_binding binding JOIN providers_streamer room ON room.id = binding.streamer_id"
            " WHERE binding.provider_id = %(provider)s)",
            own | {"merchants": list(merchants)},
        )
        beside = self._ids(
            "SELECT DISTINCT merchant_id FROM providers_streamer WHERE id = ANY(%(rooms)s) AND merchant_id IS NOT NULL",
            {"rooms": list(rooms)},
        )
        self.merchants, self.rooms = tuple(sorted({*merchants, *beside})), rooms

    def _bindings(self) -> bool:
        """Set the bindings aside; tell whether the two scores stand on different ones."""
        subjects = {"merchants": list(self.merchants), "rooms": list(self.rooms), "until": self.after.as_of}
        self._keep("bindings_now", _BINDINGS_KNOWN, subjects | {"cut_off": self.after.cut_off})
        self._keep("bindings_known", _BINDINGS_KNOWN, subjects | {"cut_off": self.before.cut_off})
        self._keep("bindings_then", _BINDINGS_THEN, {"as_of": self.before.as_of})
        return self._differ("bindings_now", "bindings_then")

    def _facts(self) -> bool:
        """Set facts, delivered days and benchmarks aside; tell whether facts of the days before were restated."""
        changed = [self._fact(name) for name in _fact_tables()]
        delivered = self._twice("providers_deliveredday", _DELIVERED, "day", {"until": self.after.as_of})
        frozen = "SELECT * FROM {schema}.scoring_benchmark WHERE frozen_at <= %(cut_off)s"
        return any([*changed, delivered, self._twice("scoring_benchmark", frozen, None, {})])

    def _twice(self, name: str, query: str, day: str | None, parameters: Mapping[str, Any]) -> bool:
        """Set a query aside as known at both cut-offs; days from the earlier score on are always the later one's."""
        now, then = sql.Identifier(f"{name}_now"), f"{name}_known"
        self._keep(f"{name}_now", query, {**parameters, "cut_off": self.after.cut_off})
        self._keep(then, query, {**parameters, "cut_off": self.before.cut_off})
        within = sql.SQL("true") if day is None else sql.SQL("{} < {}").format(sql.Identifier(day), self._first)
        since = sql.SQL("false") if day is None else sql.SQL("{} >= {}").format(sql.Identifier(day), self._first)
        self._run(
            "CREATE TEMP VIEW {view} AS SELECT * FROM {then} WHERE {within}"
            " UNION ALL SELECT * FROM {now} WHERE {since}",
            view=sql.Identifier(f"{name}_then"),
            then=sql.Identifier(then),
            now=now,
            within=within,
            since=since,
        )
        return day is None and self._differ(f"{name}_now", f"{name}_then", "id")

    def _fact(self, name: str) -> bool:
        """Set one table's facts aside as known at both cut-offs."""
        feed, subject = _fact_tables()[name]
        key = key_columns(feed, subject)
        reached = {
            "merchant": "merchant_id = ANY(%(merchants)s)"
            + (" OR streamer_id = ANY(%(rooms)s)" if "streamer_id" in key else ""),
            "streamer": "streamer_id = ANY(%(rooms)s)",
            "provider": "provider_id = %(provider)s",
        }[subject]
        before, after = (self._unknown(feed, subject, moment.cut_off) for moment in (self.before, self.after))
        self._known(name, f"{name}_now", key, reached, self.after.as_of, *after)
        restated = before != after
        if restated:
            self._known(name, f"{name}_known", key, reached, self.before.as_of, *before)
            then = sql.SQL("SELECT * FROM {known} UNION ALL SELECT * FROM {now} WHERE day >= {first}").format(
                known=sql.Identifier(f"{name}_known"), now=sql.Identifier(f"{name}_now"), first=self._first
            )
        else:
            then = sql.SQL("SELECT * FROM {}").format(sql.Identifier(f"{name}_now"))
        self._run("CREATE TEMP VIEW {view} AS {then}", view=sql.Identifier(f"{name}_then"), then=then)
        return restated and self._differ(f"{name}_now", f"{name}_then")

    def _unknown(self, feed: str, subject: str, cut_off: datetime) -> tuple[list[int], list[int]]:
        """Return the batches not known yet at a moment, and those known then that were undone since."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(array_agg(id ORDER BY id) FILTER (WHERE received_at > %(cut_off)s), '{}'),"
                " coalesce(array_agg(id ORDER BY id) FILTER (WHERE received_at <= %(cut_off)s"
                " AND undone_at > %(cut_off)s), '{}') FROM providers_batch"
                " WHERE feed = %(feed)s AND subject = %(subject)s AND status <> 'refused'",
                {"cut_off": cut_off, "feed": feed, "subject": subject},
            )
            late, undone = cursor.fetchone()
        return late, undone

    def _known(
        self, table: str, into: str, key: tuple[str, ...], reached: str, until: date, late: list[int], undone: list[int]
    ) -> None:
        """Keep the rows that stood at a moment: those in force of batches known, and those replaced only since."""
        columns = sql.SQL(", ").join(
            map(sql.Identifier, [*key, "batch_id", *(one.code for one in FACTS[_fact_tables()[table]].measures)])
        )
        query = (
            "SELECT {columns} FROM {schema}.{table} WHERE day < %(until)s AND ({reached})"
            if not late and not undone
            else "SELECT {columns} FROM (SELECT DISTINCT ON ({key}) {columns} FROM ("
            "SELECT {columns}, 0 AS replaced FROM {schema}.{table} WHERE day < %(until)s AND ({reached})"
            " AND batch_id <> ALL(%(late)s) UNION ALL"
            " SELECT {columns}, 1 FROM {schema}.{history} WHERE day < %(until)s AND ({reached})"
            " AND batch_id <> ALL(%(late)s) AND (superseded_by = ANY(%(late)s)"
            " OR superseded_by = batch_id AND batch_id = ANY(%(undone)s))"
            ") AS version ORDER BY {key}, replaced DESC, batch_id DESC) AS stood"
        )
        composed = sql.SQL(query).format(
            columns=columns,
            key=sql.SQL(", ").join(map(sql.Identifier, key)),
            schema=sql.Identifier(self.schema),
            table=sql.Identifier(table),
            history=sql.Identifier(HISTORY[_fact_tables()[table]]._meta.db_table),
            reached=sql.SQL(reached),
        )
        parameters = {
            "until": until,
            "merchants": list(self.merchants),
            "rooms": list(self.rooms),
            "provider": self.provider_id,
            "late": late,
            "undone": undone,
        }
        self._keep(into, composed, parameters)
        for column in key[1:]:  # as the fact tables have it: the roll-up looks up subjects
            self._run(
                "CREATE INDEX ON {table} ({column}, day)", table=sql.Identifier(into), column=sql.Identifier(column)
            )

    @property
    def _first(self) -> sql.Literal:
        return sql.Literal(self.before.as_of)

    def _keep(self, name: str, query: str | sql.Composable, parameters: Mapping[str, Any]) -> None:
        composed = sql.SQL(query).format(schema=sql.Identifier(self.schema)) if isinstance(query, str) else query
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS {}").format(sql.Identifier(name), composed), parameters
            )
            if name.startswith("fact_"):
                cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(name)))

    def _run(self, statement: str, **parts: sql.Composable) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(schema=sql.Identifier(self.schema), **parts))

    def _differ(self, one: str, other: str, column: str = "") -> bool:
        """Tell whether two relations hold different rows."""
        query = sql.SQL(
            "SELECT EXISTS ((SELECT {what} FROM {one} EXCEPT SELECT {what} FROM {other})"
            " UNION ALL (SELECT {what} FROM {other} EXCEPT SELECT {what} FROM {one}))"
        ).format(
            what=sql.Identifier(column) if column else sql.SQL("*"),
            one=sql.Identifier(one),
            other=sql.Identifier(other),
        )
        with connection.cursor() as cursor:
            cursor.execute(query)
            return bool(cursor.fetchone()[0])

    def _ids(self, query: str, parameters: Mapping[str, Any]) -> tuple[int, ...]:
        with connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return tuple(sorted(row[0] for row in cursor.fetchall()))


def _fact_tables() -> dict[str, Any]:
    return {f"fact_{feed}_{subject}": (feed, subject) for feed, subject in FACTS}
