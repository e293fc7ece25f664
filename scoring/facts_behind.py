"""From an indicator back to the facts it rests on, their batches, and the merchants and streamers they are about.

What is listed is what the run could read: facts of the days on which the provider was bound to their subject, inside
the indicator's window, as they stood at the run's knowledge cut-off.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from django.utils.translation import get_language
from psycopg import sql

from providers.measures import PORTAL_FEED, Subject, catalogue
from providers.models import FACTS, HISTORY, Batch, Merchant, Provider, Streamer
from providers.models.facts import key_columns
from scoring import wording
from scoring.steps.rolling.arrays import number
from scoring.steps.rolling.coverage import Carriers
from scoring.steps.windows import STALE_AFTER_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from scoring.cards import IndicatorCard
    from scoring.models import Score

BATCHES_SHOWN = 20
SUBJECTS_SHOWN = 20
SUBJECTS: Mapping[str, type[Merchant] | type[Streamer] | type[Provider]] = {
    "merchant": Merchant,
    "streamer": Streamer,
    "provider": Provider,
}

# What stood at the cut-off: rows of batches known then, and those replaced or undone only since.
_STOOD = """
SELECT {columns} FROM {table} fact JOIN providers_batch batch ON batch.id = fact.batch_id
WHERE fact.day >= %(since)s AND fact.day < %(until)s AND batch.received_at <= %(cut_off)s
UNION ALL
SELECT {columns} FROM {history} fact JOIN providers_batch batch ON batch.id = fact.batch_id
JOIN providers_batch later ON later.id = fact.superseded_by
WHERE fact.day >= %(since)s AND fact.day < %(until)s AND batch.received_at <= %(cut_off)s
    AND (CASE WHEN later.id = batch.id THEN batch.undone_at ELSE later.received_at END) > %(cut_off)s
"""
_CARRIED = (
    "EXISTS (SELECT FROM unnest(%({prefix}_subject)s::bigint[], %({prefix}_lo)s::int[], %({prefix}_hi)s::int[])"
    " AS span(subject_id, lo, hi) WHERE span.subject_id = fact.{key}"
    " AND fact.day >= DATE '2000-01-01' + span.lo AND fact.day < DATE '2000-01-01' + span.hi)"
)


@dataclass(frozen=True, slots=True)
class FactBatch:
    """A delivery, and what of it reached this indicator of this provider."""

    feed: str
    key: str
    received_at: datetime
    rows: int
    subjects: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """What one merchant, streamer or the provider itself brought: sums over the window in words, by measure."""

    kind: str
    code: str
    name: str
    rows: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One feed's facts behind an indicator."""

    feed: str
    measures: tuple[str, ...]
    names: tuple[str, ...]
    subjects: tuple[SubjectFacts, ...]
    subjects_in_all: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that stands behind an indicator; learnt: when the first and the last of the batches arrived."""

    tables: tuple[Table, ...]
    batches: tuple[FactBatch, ...]
    batches_in_all: int
    rows: int
    first_day: date | None
    last_day: date | None
    learnt_first: datetime | None
    learnt_last: datetime | None
    from_registers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The facts of one table that an indicator reads: measures carried by the same roles, days [since, until)."""

    feed: str
    subject: Subject
    roles: tuple[str, ...]
    measures: tuple[str, ...]
    since: date
    until: date


def facts_behind(score: Score, leaf: IndicatorCard) -> Facts:
    """Return the batches and subjects behind an indicator of a score."""
    language = get_language() or "zh-hans"
    batches: dict[int, list[FactGroup]] = defaultdict(list)
    tables = []
    for wanted in wanted_facts(leaf, score.run.as_of):
        groups = fact_groups(score.provider_id, wanted, score.cut_off)
        for group in groups:
            batches[group.batch_id].append(group)
        if groups:
            tables.append(_table(wanted, groups, language))
    known = Batch.objects.in_bulk(list(batches))
    found = sorted(
        (_batch(known[batch_id], groups) for batch_id, groups in batches.items()),
        key=lambda one: (one.received_at, one.feed, one.key),
        reverse=True,
    )
    return Facts(
        tables=tuple(tables),
        batches=tuple(found[:BATCHES_SHOWN]),
        batches_in_all=len(found),
        rows=sum(one.rows for one in found),
        first_day=min((one.first_day for one in found), default=None),
        last_day=max((one.last_day for one in found), default=None),
        learnt_first=found[-1].received_at if found else None,
        learnt_last=found[0].received_at if found else None,
        from_registers=tuple(
            dict.fromkeys(reading.name for reading in leaf.readings if not delivering_feeds([reading.measure]))
        ),
    )


def wanted_facts(leaf: IndicatorCard, as_of: date) -> list[Wanted]:
    """Return what an indicator reads of each table: states of the latest days, flows of their windows."""
    days: dict[tuple[str, Subject, tuple[str, ...]], dict[str, int]] = defaultdict(dict)
    for reading in leaf.readings:
        for code in delivered_sources(reading.measure):
            measure = catalogue().measures[code]
            measures = days[measure.feed, measure.subject, catalogue().roles(measure)]
            span = reading.days or (leaf.window_days if catalogue().measures[reading.measure].derived else 0)
            measures[code] = max(measures.get(code, 0), span or STALE_AFTER_DAYS)
    return [
        Wanted(feed, subject, roles, tuple(measures), as_of - timedelta(days=max(measures.values())), as_of)
        for (feed, subject, roles), measures in days.items()
    ]


def delivered_sources(measure: str) -> tuple[str, ...]:
    """Return the delivered measures a measure is computed from, itself when it is one."""
    known = catalogue().measures
    found: dict[str, None] = {}
    seen: set[str] = set()
    waiting = [measure] if measure in known else []
    while waiting:
        code = waiting.pop(0)
        if code in seen:
            continue
        seen.add(code)
        if not known[code].derived and known[code].feed != PORTAL_FEED:
            found[code] = None
        waiting.extend(source for source in known[code].inputs if source in known)
    return tuple(found)


def delivering_feeds(measures: Iterable[str]) -> set[str]:
    """Return the feeds that deliver measures, or what they are derived from."""
    return {catalogue().measures[source].feed for code in measures for source in delivered_sources(code)}


def fact_rows(score: Score, leaf: IndicatorCard) -> Iterator[tuple[object, ...]]:
    """Yield every fact behind an indicator: feed, day, about, code, name, measure, value in its unit, batch."""
    for wanted in wanted_facts(leaf, score.run.as_of):
        query = sql.SQL(
            "SELECT fact.day, fact.{key}, fact.batch_id, {values} FROM ({stood}) AS fact WHERE {carried}"
            " ORDER BY fact.day, fact.{key}, fact.batch_id"
        )
        rows = _fetch(query, wanted, score.provider_id, score.cut_off, summed=False)
        named = named_subjects(wanted.subject, {row[1] for row in rows})
        keys = dict(Batch.objects.filter(pk__in={row[2] for row in rows}).values_list("pk", "key"))
        for day, subject, batch, *values in rows:
            code, name = named.get(subject, (str(subject), ""))
            for measure, value in zip(wanted.measures, values, strict=True):
                if value is not None:
                    yield wanted.feed, day, wanted.subject, code, name, measure, value, keys[batch]


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


def fact_groups(provider_id: int, wanted: Wanted, cut_off: datetime) -> list[FactGroup]:
    """Return the provider's facts as they stood at the cut-off, by subject and batch."""
    query = sql.SQL(
        "SELECT fact.{key}, fact.batch_id, count(*), min(fact.day), max(fact.day), {values}"
        " FROM ({stood}) AS fact WHERE {carried} GROUP BY 1, 2 ORDER BY 1, 2"
    )
    rows = _fetch(query, wanted, provider_id, cut_off, summed=True)
    return [
        FactGroup(subject, batch, count, first, last, tuple(map(int, values)))
        for subject, batch, count, first, last, *values in rows
    ]


def _fetch(
    query: sql.SQL, wanted: Wanted, provider_id: int, cut_off: datetime, *, summed: bool
) -> list[tuple[Any, ...]]:
    """Run a query over the facts that stood at the cut-off and reach the provider."""
    keys = key_columns(wanted.feed, wanted.subject)
    parameters: dict[str, Any] = {"since": wanted.since, "until": wanted.until, "cut_off": cut_off}
    columns = [*keys, "batch_id", *wanted.measures]
    measured = [sql.SQL("fact.{}").format(sql.Identifier(code)) for code in wanted.measures]
    values = [sql.SQL("coalesce(sum({}), 0)").format(one) if summed else one for one in measured]
    stood = sql.SQL(_STOOD).format(
        columns=sql.SQL(", ").join(sql.SQL("fact.{}").format(sql.Identifier(name)) for name in columns),
        table=sql.Identifier(FACTS[wanted.feed, wanted.subject]._meta.db_table),
        history=sql.Identifier(HISTORY[wanted.feed, wanted.subject]._meta.db_table),
    )
    told = sql.SQL(" OR ").join(sql.SQL("{} IS NOT NULL").format(one) for one in measured)
    composed = query.format(
        key=sql.Identifier(f"{wanted.subject}_id"),
        values=sql.SQL(", ").join(values),
        stood=stood,
        carried=sql.SQL("({}) AND ({})").format(told, _carried(wanted, keys, provider_id, parameters)),
    )
    with connection.cursor() as cursor:
        cursor.execute(composed, parameters)
        return list(cursor.fetchall())


def _carried(wanted: Wanted, keys: Sequence[str], provider_id: int, parameters: dict[str, Any]) -> sql.Composable:
    """Say which facts reach the provider, as the roll-up has it: by the subject, or by the room that sold."""
    if wanted.subject == "provider":
        parameters["provider"] = provider_id
        return sql.SQL("fact.provider_id = %(provider)s")
    carriers = Carriers(np.array([provider_id], dtype=np.int64))
    paths: list[Subject] = [wanted.subject]
    if wanted.subject == "merchant" and "streamer_id" in keys:
        paths.append("streamer")
    ways = []
    for path in paths:
        cover = carriers.of(path, wanted.roles).within(number(wanted.since), number(wanted.until))
        parameters |= {f"{path}_{name}": values for name, values in cover.parameters().items()}
        ways.append(sql.SQL(_CARRIED.format(prefix=path, key=f"{path}_id")))
    return sql.SQL(" OR ").join(ways)


def _batch(batch: Batch, groups: Sequence[FactGroup]) -> FactBatch:
    return FactBatch(
        feed=batch.feed,
        key=batch.key,
        received_at=batch.received_at,
        rows=sum(group.rows for group in groups),
        subjects=len({group.subject_id for group in groups}),
        first_day=min(group.first_day for group in groups),
        last_day=max(group.last_day for group in groups),
    )


def _table(wanted: Wanted, groups: Sequence[FactGroup], language: str) -> Table:
    rows: dict[int, int] = defaultdict(int)
    sums: dict[int, list[int]] = defaultdict(lambda: [0] * len(wanted.measures))
    for group in groups:
        rows[group.subject_id] += group.rows
        for place, value in enumerate(group.values):
            sums[group.subject_id][place] += value
    largest = sorted(sums, key=lambda subject: (sums[subject], subject), reverse=True)
    named = named_subjects(wanted.subject, largest[:SUBJECTS_SHOWN])
    flows = {measure.code for measure in catalogue().flows()}
    return Table(
        feed=wanted.feed,
        measures=wanted.measures,
        names=tuple(wording.measure_name(code, language) for code in wanted.measures),
        subjects=tuple(
            SubjectFacts(
                kind=wanted.subject,
                code=named[subject][0],
                name=named[subject][1],
                rows=rows[subject],
                # States of several days do not add up.
                values=tuple(
                    wording.measure_text(code, value) if code in flows else ""
                    for code, value in zip(wanted.measures, sums[subject], strict=True)
                ),
            )
            for subject in largest[:SUBJECTS_SHOWN]
            if subject in named
        ),
        subjects_in_all=len(sums),
    )


def named_subjects(subject: str, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Return code and name of merchants, streamers or providers."""
    rows = SUBJECTS[subject]._default_manager.filter(pk__in=list(ids)).values_list("pk", "code", "name")
    return {pk: (code, name) for pk, code, name in rows}
