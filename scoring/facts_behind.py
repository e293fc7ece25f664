"""From an indicator back to the facts it rests on, their batches, and the merchants and streamers they are about.

What is listed is what the run could read: facts of the days on which the provider was bound to their subject, inside
the indicator's window, as they stood at the run's knowledge cut-off. Of a flow of a merchant or room that the provider
shares, its part is shown.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.utils.translation import get_language

from providers.measures import PORTAL_FEED, Subject, catalogue
from providers.models import Batch, Merchant, Provider, Streamer
from providers.shares import percent_text
from scoring import wording
from scoring.facts_reached import FactGroup, Wanted, fact_groups, single_facts
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
    """What one merchant, streamer or the provider itself brought: sums over the window in words, by measure.

    shares: the provider's parts of it, as percentages, where it has it not alone; the values are those parts.
    """

    kind: str
    code: str
    name: str
    rows: int
    values: tuple[str, ...]
    shares: tuple[str, ...]


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
    """Yield every fact behind an indicator, to the provider's share of it.

    Feed, day, about, code, name, measure, value in its unit, batch; the share and the value as delivered.
    """
    for wanted in wanted_facts(leaf, score.run.as_of):
        facts = single_facts(score.provider_id, wanted, score.cut_off)
        named = named_subjects(wanted.subject, {fact.subject_id for fact in facts})
        keys = dict(Batch.objects.filter(pk__in={fact.batch_id for fact in facts}).values_list("pk", "key"))
        for fact in facts:
            code, name = named.get(fact.subject_id, (str(fact.subject_id), ""))
            for measure, value, own in zip(wanted.measures, fact.values, fact.own, strict=True):
                if value is not None:
                    about = (wanted.feed, fact.day, wanted.subject, code, name, measure)
                    yield *about, own, keys[fact.batch_id], percent_text(fact.share_bp), value


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
    shares = {group.subject_id: group.shares for group in groups}
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
                shares=tuple(map(percent_text, shares[subject])),
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
