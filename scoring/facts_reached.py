"""Facts as they stood at a moment and as they reach a provider: by merchant, room or itself, to its share of each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from psycopg import sql

from providers.measures import Subject, catalogue
from providers.models import FACTS, HISTORY
from providers.models.facts import key_columns
from providers.partitions import newest_months, rows_within
from providers.shares import WHOLE
from scoring.own_parts import OwnParts
from scoring.steps.rolling.arrays import number
from scoring.steps.rolling.coverage import Carriers, Cover

if TYPE_CHECKING:
    from datetime import datetime


# What stood at the cut-off: rows of batches known then, and those replaced or undone only since.
_STOOD = """
SELECT {columns} FROM {facts} fact JOIN providers_batch batch ON batch.id = fact.batch_id
WHERE batch.received_at <= %(cut_off)s
UNION ALL
SELECT {columns} FROM {history} fact JOIN providers_batch batch ON batch.id = fact.batch_id
JOIN providers_batch later ON later.id = fact.superseded_by
WHERE fact.day >= %(since)s AND fact.day < %(until)s AND batch.received_at <= %(cut_off)s
    AND (CASE WHEN later.id = batch.id THEN batch.undone_at ELSE later.received_at END) > %(cut_off)s
"""
_CARRIED = (
    "fact.{key} = ANY(%({prefix}_subject)s::bigint[]) {bound}"
    " AND EXISTS (SELECT FROM unnest(%({prefix}_subject)s::bigint[], %({prefix}_lo)s::int[], %({prefix}_hi)s::int[])"
    " AS span(subject_id, lo, hi) WHERE span.subject_id = fact.{key}"
    " AND fact.day >= DATE '2000-01-01' + span.lo AND fact.day < DATE '2000-01-01' + span.hi)"
)
_OF_ROOMS = "AND fact.streamer_id <> 0"  # names the key of rows that have a room
_GROUPED = sql.SQL(
    "SELECT fact.{key}, fact.batch_id, count(*), min(fact.day), max(fact.day), {values}"
    " FROM ({stood}) AS fact WHERE {carried} GROUP BY 1, 2 ORDER BY 1, 2"
)
_SINGLE = sql.SQL(
    "SELECT fact.day, fact.{key}, {room}, fact.batch_id, {values} FROM ({stood}) AS fact WHERE {carried}"
    " ORDER BY fact.day, fact.{key}, fact.batch_id"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The facts of one table that an indicator reads: measures carried by the same roles, days [since, until).

    batches: those of these deliveries only; None = of all.
    """

    feed: str
    subject: Subject
    roles: tuple[str, ...]
    measures: tuple[str, ...]
    since: date
    until: date
    batches: tuple[int, ...] | None = None


def subject_sums(provider_id: int, wanted: Wanted, cut_off: datetime) -> dict[int, tuple[int, ...]]:
    """Return per subject the sums of the wanted measures."""
    sums: dict[int, list[int]] = {}
    for group in fact_groups(provider_id, wanted, cut_off):
        known = sums.setdefault(group.subject_id, [0] * len(wanted.measures))
        for place, value in enumerate(group.values):
            known[place] += value
    return {subject: tuple(values) for subject, values in sums.items()}


@dataclass(frozen=True, slots=True)
class FactGroup:
    """The facts of one subject in one batch."""

    subject_id: int
    batch_id: int
    rows: int
    first_day: date
    last_day: date
    values: tuple[int, ...]
    shares: tuple[int, ...]  # in basis points; none where the provider has all of it


@dataclass(frozen=True, slots=True)
class SingleFact:
    """One row of facts, as delivered and as it falls to the provider, whose share is in basis points."""

    day: date
    subject_id: int
    batch_id: int
    values: tuple[int | None, ...]
    own: tuple[int, ...]
    share_bp: int


def fact_groups(provider_id: int, wanted: Wanted, cut_off: datetime) -> list[FactGroup]:
    """Return the provider's part of the facts as they stood at the cut-off, by subject and batch."""
    reach = _Reach.of(provider_id, wanted)
    others: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * len(wanted.measures))
    shares: dict[int, set[int]] = defaultdict(set)
    for fact in _single(reach, wanted, cut_off, shared_only=True) if any(reach.parts.subjects) else ():
        shares[fact.subject_id].add(fact.share_bp)
        left = others[fact.subject_id, fact.batch_id]
        for place, (value, own) in enumerate(zip(fact.values, fact.own, strict=True)):
            left[place] += (value or 0) - own
    return [
        FactGroup(
            subject,
            batch,
            count,
            first,
            last,
            tuple(int(value) - left for value, left in zip(values, others[subject, batch], strict=True)),
            () if shares[subject] <= {WHOLE} else tuple(sorted(shares[subject], reverse=True)),
        )
        for subject, batch, count, first, last, *values in _fetch(_GROUPED, wanted, reach, cut_off, summed=True)
    ]


def single_facts(provider_id: int, wanted: Wanted, cut_off: datetime) -> list[SingleFact]:
    """Return every fact of the provider as it stood at the cut-off, and the part that falls to it."""
    return _single(_Reach.of(provider_id, wanted), wanted, cut_off)


@dataclass(frozen=True, slots=True)
class _Reach:
    """How facts of one table reach a provider: by the merchant or room itself, by the room that sold, in which part."""

    provider_id: int
    keys: tuple[str, ...]
    covers: dict[Subject, Cover]
    parts: OwnParts

    @classmethod
    def of(cls, provider_id: int, wanted: Wanted) -> _Reach:
        keys = tuple(key_columns(wanted.feed, wanted.subject))
        if wanted.subject == "provider":
            return cls(provider_id, keys, {}, OwnParts(()))
        is_flow = any(catalogue().measures[code].kind == "flow" for code in wanted.measures)
        paths: list[Subject] = [wanted.subject]
        if wanted.subject == "merchant" and "streamer_id" in keys:
            paths.append("streamer")
        carriers = Carriers(np.array([provider_id], dtype=np.int64))
        since, until = number(wanted.since), number(wanted.until)
        covers = {path: carriers.of(path, wanted.roles).within(since, until) for path in paths}
        parts = OwnParts.of(carriers, paths, wanted.roles) if is_flow else OwnParts(())
        return cls(provider_id, keys, covers, parts)


def _single(reach: _Reach, wanted: Wanted, cut_off: datetime, *, shared_only: bool = False) -> list[SingleFact]:
    rows = _fetch(_SINGLE, wanted, reach, cut_off, summed=False, shared_only=shared_only)
    keys = np.array([row[1:3] for row in rows], dtype=np.int64).reshape(-1, 2)
    days = np.array([number(row[0]) for row in rows], dtype=np.int64)
    values = np.array([[value or 0 for value in row[4:]] for row in rows], dtype=np.int64)
    values = values.reshape(-1, len(wanted.measures))
    own, shares = reach.parts.divide(keys, days, values)
    states = [place for place, code in enumerate(wanted.measures) if catalogue().measures[code].kind != "flow"]
    own[:, states] = values[:, states]  # a state is not divided
    return [
        SingleFact(day, subject, batch, tuple(told), tuple(part), share)
        for (day, subject, _, batch, *told), part, share in zip(rows, own.tolist(), shares.tolist(), strict=True)
    ]


def _fetch(
    query: sql.SQL, wanted: Wanted, reach: _Reach, cut_off: datetime, *, summed: bool, shared_only: bool = False
) -> list[tuple[Any, ...]]:
    """Run a query over the facts that stood at the cut-off and reach the provider."""
    parameters: dict[str, Any] = {"since": wanted.since, "until": wanted.until, "cut_off": cut_off}
    columns = [*reach.keys, "batch_id", *wanted.measures]
    measured = [sql.SQL("fact.{}").format(sql.Identifier(code)) for code in wanted.measures]
    values = [sql.SQL("coalesce(sum({}), 0)").format(one) if summed else one for one in measured]
    stood = sql.SQL(_STOOD).format(
        columns=sql.SQL(", ").join(sql.SQL("fact.{}").format(sql.Identifier(name)) for name in columns),
        facts=rows_within(
            FACTS[wanted.feed, wanted.subject]._meta.db_table, wanted.since, wanted.until, newest_months()
        ),
        history=sql.Identifier(HISTORY[wanted.feed, wanted.subject]._meta.db_table),
    )
    told = sql.SQL(" OR ").join(sql.SQL("{} IS NOT NULL").format(one) for one in measured)
    carried = sql.SQL("({}) AND ({})").format(told, _carried(reach, parameters))
    if wanted.batches is not None:
        carried = sql.SQL("{} AND fact.batch_id = ANY({})").format(carried, sql.Literal(list(wanted.batches)))
    if shared_only:
        ways = [
            sql.SQL("fact.{} = ANY({})").format(sql.Identifier(f"{path}_id"), sql.Literal(shared))
            for path, shared in zip(reach.covers, reach.parts.subjects, strict=True)
        ]
        carried = sql.SQL("{} AND ({})").format(carried, sql.SQL(" OR ").join(ways))
    composed = query.format(
        key=sql.Identifier(f"{wanted.subject}_id"),
        room=sql.SQL("fact.streamer_id" if "streamer" in reach.covers else "0"),
        values=sql.SQL(", ").join(values),
        stood=stood,
        carried=carried,
    )
    with connection.cursor() as cursor:
        cursor.execute(composed, parameters)
        return list(cursor.fetchall())


def _carried(reach: _Reach, parameters: dict[str, Any]) -> sql.Composable:
    """Say which facts reach the provider, as the roll-up has it: by the subject, or by the room that sold."""
    if not reach.covers:
        parameters["provider"] = reach.provider_id
        return sql.SQL("fact.provider_id = %(provider)s")
    ways = []
    for path, cover in reach.covers.items():
        parameters |= {f"{path}_{name}": values for name, values in cover.parameters().items()}
        bound = _OF_ROOMS if path == "streamer" and "merchant_id" in reach.keys else ""
        ways.append(sql.SQL(_CARRIED.format(prefix=path, key=f"{path}_id", bound=bound)))
    return sql.SQL(" OR ").join(ways)
