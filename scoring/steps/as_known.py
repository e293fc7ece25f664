"""What one provider's windows would hold in worlds between two scores: other days, bindings or facts as known before.

Each world is rolled up by the same code as the real one. Inside a transaction that is always rolled back, temporary
relations stand in front of the tables of the same name, holding only what reaches the provider; nothing is written.
A world's causes: with ``data`` the window is the later one, with ``bindings`` those of the later score hold, with
``restatements`` facts about days before the earlier score are as the later one knew them.

Without ``bindings``, whoever was bound when the earlier score was made stays bound as long as they really did, and
nobody is added: facts of a merchant that left belong to others and are never read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from scoring.steps.windows import Known, window_table

DATA, BINDINGS, RESTATEMENTS = "data", "bindings", "restatements"
ROLLED = ("provider_cum", "provider_stock", "provider_person_cum")
ABOUT_ROOMS = ("fact_live_streamer", "fact_sales_merchant")  # what the months of rooms are made of

type Worlds = Mapping[frozenset[str], Inputs]
type Unknown = tuple[Sequence[int], Sequence[int]]  # batches not known yet, and those undone since
NOTHING: Unknown = ((), ())

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
    CASE WHEN upper(old.period) <= %(until)s THEN old.period ELSE daterange(lower(old.period),
        CASE WHEN new.id IS NULL THEN %(until)s WHEN upper(new.period) IS NULL THEN NULL
        ELSE greatest(%(until)s, upper(new.period)) END)
    END AS period,
    old.status, coalesce(new.term_ends_on, old.term_ends_on) AS term_ends_on,
    coalesce(new.renewed_on, old.renewed_on) AS renewed_on, old.related_party,
    old.lead_id, old.share_bp
FROM bindings_known old LEFT JOIN bindings_now new USING (id) WHERE lower(old.period) < %(until)s
"""
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
_SUBJECTS = """
WITH own AS (SELECT DISTINCT merchant_id AS id FROM providers_binding WHERE provider_id = %(provider)s),
rooms AS (SELECT id, merchant_id FROM providers_streamer WHERE merchant_id IN (SELECT id FROM own) OR person IN (
    SELECT room.person FROM providers_binding binding JOIN providers_streamer room ON room.id = binding.streamer_id
    WHERE binding.provider_id = %(provider)s))
SELECT ARRAY(SELECT id FROM own WHERE id IS NOT NULL UNION SELECT merchant_id FROM rooms WHERE merchant_id IS NOT NULL
    ORDER BY 1), ARRAY(SELECT id FROM rooms ORDER BY 1)
"""
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
# Whether benchmarks were frozen after a moment, or something about the provider waits to be rolled up.
_LEARNT_SINCE = """
SELECT EXISTS (SELECT FROM scoring_benchmark WHERE frozen_at > %(cut_off)s)
    OR EXISTS (SELECT FROM ecosystem_workmark WHERE kind IN ('beside', 'room_month')
        OR kind = 'roll_up' AND scope = %(provider)s::text)
"""
_VIEW = "CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {source}"
_STANDS = "CREATE TEMP VIEW {name} AS SELECT {columns} FROM {schema}.{table} WHERE {day} < {until}"
_EMPTY = "CREATE TEMP TABLE {name} (LIKE {schema}.{name} INCLUDING DEFAULTS INCLUDING INDEXES) ON COMMIT DROP"
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
_DIFFER = (
    "SELECT EXISTS ((SELECT {what} FROM {one} EXCEPT SELECT {what} FROM {other})"
    " UNION ALL (SELECT {what} FROM {other} EXCEPT SELECT {what} FROM {one}))"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a score stands on: its as-of day and its knowledge cut-off."""

    as_of: date
    cut_off: datetime


def worlds(provider_id: int, operands: Iterable[Operand], before: Moment, after: Moment) -> Worlds:
    """Return the provider's window values for every set of the three causes; ``before`` is not after ``after``.

    Sets that differ only by a cause that changed nothing share their values.
    """
    wanted = sorted(set(operands))
    found: dict[frozenset[str], Inputs] = {}
    with _aside() as schema:
        stage = _Stage(schema, provider_id, before, after)
        stage.fill()
        rolled: dict[frozenset[str], tuple[Inputs, Inputs]] = {}
        known: dict[bool, Known] = {}  # what was delivered, by whether the restatements happened
        for happened in sorted(_subsets((BINDINGS, RESTATEMENTS)), key=len, reverse=True):
            same = happened - stage.idle
            if same not in rolled:
                if rolled or not stage.stands:
                    stage.show(same)
                    rebuild(np.array([provider_id], dtype=np.int64))
                knows = RESTATEMENTS in same
                known[knows] = known[knows].rebound() if knows in known else Known.load([provider_id])
                rolled[same] = (
                    window_table(wanted, as_of=before.as_of, providers=[provider_id], known=known[knows]),
                    window_table(wanted, as_of=after.as_of, providers=[provider_id], known=known[knows]),
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
    """The temporary relations: ``…_now`` as the later score knew them, ``…_then`` as the earlier one did.

    idle: causes that changed nothing; stands: the later score knew all that the portal knows and has rolled up.
    """

    schema: str
    provider_id: int
    before: Moment
    after: Moment
    merchants: tuple[int, ...] = ()
    rooms: tuple[int, ...] = ()
    late: Mapping[str, Unknown] = field(default_factory=dict)
    early: Mapping[str, Unknown] = field(default_factory=dict)
    idle: frozenset[str] = frozenset()
    stands: bool = False
    shown: set[str] = field(default_factory=set)

    def fill(self) -> None:
        """Set aside what the scores knew otherwise than the tables say; note the causes that changed nothing."""
        self._find_subjects()
        self.late, self.early = self._unknown(self.after), self._unknown(self.before)
        bound, bound_since = self._bindings()
        stands, aside = self._unchanged()
        self._run(*stands)
        restated = any([*map(self._fact, aside), self._benchmarks()])
        self._delivered()
        self.idle = frozenset(cause for cause, moved in ((BINDINGS, bound), (RESTATEMENTS, restated)) if not moved)
        self.stands = not (self.late or bound_since or self._true(_LEARNT_SINCE, **self._parameters(self.after)))

    def show(self, happened: frozenset[str]) -> None:
        """Put the relations of a world in front of the tables."""
        knows = "now" if RESTATEMENTS in happened or RESTATEMENTS in self.idle else "then"
        views = {name: f"{name}_{knows}" for name in ("providers_deliveredday", "scoring_benchmark", *_fact_tables())}
        self._run(*(self._made(_VIEW, name=name, source=source) for name, source in views.items()))
        if knows not in self.shown:
            self._room_months(knows)
        bound = "bindings_now" if BINDINGS in happened else "bindings_then"
        self._run(
            self._made(_VIEW, name="providers_binding", source=bound),
            self._made(_VIEW, name="room_month", source=f"room_month_{knows}"),
            *(self._made("DELETE FROM pg_temp.{name}" if self.shown else _EMPTY, name=name) for name in ROLLED),
        )
        self.shown.add(knows)

    def _room_months(self, knows: str) -> None:
        """Lay the months of rooms aside: as they stand, or refreshed where facts about rooms were known otherwise."""
        aside = f"room_month_{knows}"
        if not any(name in (self.late if knows == "now" else self.early) for name in ABOUT_ROOMS):
            self._run(self._stands(aside, "room_month", day="month"))
            return
        self._run(sql.SQL("DROP VIEW IF EXISTS pg_temp.room_month"), self._made(_EMPTY, name="room_month"))
        refresh(date.fromisoformat(f"{month}-01") for month in delivered_months())
        self._run(self._made("ALTER TABLE pg_temp.room_month RENAME TO {aside}", aside=aside))

    def _find_subjects(self) -> None:
        """Find the merchants and rooms ever bound to the provider, their merchants' rooms and sister rooms."""
        with connection.cursor() as cursor:
            cursor.execute(_SUBJECTS, {"provider": self.provider_id})
            self.merchants, self.rooms = map(tuple, cursor.fetchone())

    def _unknown(self, moment: Moment) -> dict[str, Unknown]:
        with connection.cursor() as cursor:
            cursor.execute(_UNKNOWN, self._parameters(moment))
            return {f"fact_{feed}_{subject}": (late, undone) for feed, subject, late, undone in cursor.fetchall()}

    def _bindings(self) -> tuple[bool, bool]:
        """Set the bindings aside; tell whether the two scores stand on different ones, and the later and today's."""
        self._keep("bindings_now", _BINDINGS_KNOWN, self.after)
        self._keep("bindings_known", _BINDINGS_KNOWN, self.before)
        self._keep("bindings_then", _BINDINGS_THEN, self.before)
        self._keep("bindings_today", _BINDINGS_KNOWN, self.after, cut_off="infinity")
        return self._differ("bindings_now", "bindings_then"), self._differ("bindings_now", "bindings_today")

    def _benchmarks(self) -> bool:
        """Set benchmarks aside; those of months since the earlier score are always the later one's."""
        self._run(*map(self._made, _BENCHMARKS))
        return self._differ("scoring_benchmark_now", "scoring_benchmark_then", "id")

    def _delivered(self) -> None:
        """Set delivered days aside; those from the earlier score on are always the later one's."""
        now, then = "providers_deliveredday_now", "providers_deliveredday_then"
        if self.late:
            self._keep(now, _DELIVERED, self.after)
        else:
            self._run(self._stands(now, "providers_deliveredday"))
        if self.early:
            self._keep("providers_deliveredday_known", _DELIVERED, self.before)
        known = "providers_deliveredday_known" if self.early else now
        self._run(self._made(_TURNED, then=then, known=known, now=now))

    def _unchanged(self) -> tuple[list[sql.Composable], list[str]]:
        """Return views of the tables of facts that both scores knew as they stand, and the names of the others."""
        views, others = [], []
        for name in _fact_tables():
            together = ABOUT_ROOMS if name in ABOUT_ROOMS else (name,)
            if any(table in self.late or table in self.early for table in together):
                others.append(name)
            else:
                views.append(self._stands(f"{name}_now", name, columns=_columns(name)))
                views.append(self._made(_VIEW, name=f"{name}_then", source=f"{name}_now"))
        return views, others

    def _fact(self, name: str) -> bool:
        """Set one table's facts aside as known at both cut-offs; tell whether those of the days before differ."""
        now, known, then = (f"{name}_{when}" for when in ("now", "known", "then"))
        self._known(now, name, self.after, *self.late.get(name, NOTHING))
        self._known(known, name, self.before, *self.early.get(name, NOTHING))
        self._run(self._made(_TURNED, then=then, known=known, now=now))
        return self._differ(now, then)

    def _known(self, into: str, table: str, moment: Moment, late: Sequence[int], undone: Sequence[int]) -> None:
        """Keep the rows that stood at a moment: those in force of batches known, and those replaced only since."""
        feed, subject = _fact_tables()[table]
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
            schema=sql.Identifier(self.schema),
            table=sql.Identifier(table),
            history=sql.Identifier(HISTORY[feed, subject]._meta.db_table),
            reached=sql.SQL(reached),
        )
        self._keep(into, query, moment, late=list(late), undone=list(undone))
        # As the fact tables have it: the roll-up looks up subjects.
        self._run(
            *(self._made("CREATE INDEX ON {into} ({column}, day)", into=into, column=column) for column in key[1:]),
            self._made("ANALYZE {into}", into=into),
        )

    def _parameters(self, moment: Moment) -> dict[str, Any]:
        return {
            "provider": self.provider_id,
            "merchants": list(self.merchants),
            "rooms": list(self.rooms),
            "until": moment.as_of,
            "cut_off": moment.cut_off,
        }

    def _keep(self, name: str, query: str | sql.Composable, moment: Moment, **parameters: Any) -> None:
        composed = sql.SQL(query).format(schema=sql.Identifier(self.schema)) if isinstance(query, str) else query
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS {}").format(sql.Identifier(name), composed),
                self._parameters(moment) | parameters,
            )

    def _stands(
        self, name: str, table: str, *, day: str = "day", columns: sql.Composable | None = None
    ) -> sql.Composable:
        """Show a table as it stands, of the days before the later score's."""
        return self._made(_STANDS, name=name, table=table, day=day, columns=columns or sql.SQL("*"))

    def _made(self, statement: str, **parts: str | sql.Composable) -> sql.Composable:
        """Fill in names, and the two scores' days and cut-offs."""
        names = {name: sql.Identifier(part) if isinstance(part, str) else part for name, part in parts.items()}
        return sql.SQL(statement).format(
            schema=sql.Identifier(self.schema),
            first=sql.Literal(self.before.as_of),
            until=sql.Literal(self.after.as_of),
            before=sql.Literal(self.before.cut_off),
            after=sql.Literal(self.after.cut_off),
            **names,
        )

    def _run(self, *statements: sql.Composable) -> None:
        """Run statements as one."""
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("; ").join(statements))

    def _differ(self, one: str, other: str, what: str = "*") -> bool:
        """Tell whether two relations hold different rows."""
        return self._true(self._made(_DIFFER, one=one, other=other, what=sql.SQL(what)))

    def _true(self, query: str | sql.Composable, **parameters: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return bool(cursor.fetchone()[0])


def _columns(table: str) -> sql.Composable:
    """Name what the roll-up reads of a table of facts, in one order for tables and their histories."""
    feed, subject = _fact_tables()[table]
    names = [*key_columns(feed, subject), "batch_id", *(one.code for one in FACTS[feed, subject].measures)]
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _fact_tables() -> dict[str, Any]:
    return {f"fact_{feed}_{subject}": (feed, subject) for feed, subject in FACTS}
