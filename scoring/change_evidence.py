"""What happened between two scores of a provider, to be read beside the parts: bindings, corrected facts, merchants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.apps import apps
from django.db.models import Q
from django.utils.translation import get_language

from providers.choices import BindingRole
from providers.measures import catalogue
from providers.models import FACTS, Batch, Binding, RegisterVersion
from scoring import wording
from scoring.facts_behind import named_subjects, wanted_facts
from scoring.facts_reached import Wanted, fact_groups, subject_sums
from scoring.steps.known import registers
from scoring.steps.known.aside import Relations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from scoring.cards import IndicatorCard
    from scoring.models import Score
    from scoring.steps.known.aside import Moment

SUBJECTS_SHOWN = 12
MEASURES_SHOWN = 4
LONGEST_WINDOW = 365


@dataclass(frozen=True, slots=True)
class BindingChange:
    """A binding that began, ended or was corrected between two scores; ``day``: its first day, or its last."""

    kind: str
    subject: str
    role: str
    day: date


@dataclass(frozen=True, slots=True)
class BatchChange:
    """A delivery after the earlier score that told of days before it: how many of its rows are this provider's."""

    feed: str
    key: str
    received_at: datetime
    rows: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class SubjectChange:
    """One merchant or streamer: sums over both windows, in words, measure by measure."""

    kind: str
    code: str
    name: str
    cells: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class FeedChange:
    """The merchants and streamers behind one indicator's facts of one feed, the largest change first."""

    feed: str
    measures: tuple[str, ...]
    subjects: tuple[SubjectChange, ...]
    subjects_in_all: int


def binding_changes(provider_id: int, before: Moment, after: Moment) -> tuple[BindingChange, ...]:
    """List the provider's bindings that began, ended or were corrected between the two scores."""
    own = Binding.objects.filter(provider=provider_id).select_related("merchant", "streamer")
    learnt = {"gt": before.cut_off, "lte": after.cut_off}
    begun = own.confirmed().filter(period__startswith__gte=before.as_of, period__startswith__lt=after.as_of)
    ended = own.confirmed().filter(period__endswith__gt=before.as_of, period__endswith__lte=after.as_of)
    late = Q(confirmed_at__gt=learnt["gt"], confirmed_at__lte=learnt["lte"], status=Binding.Status.CONFIRMED)
    said = RegisterVersion.objects.filter(register=Binding._meta.db_table, known__status=Binding.Status.CONFIRMED)
    moved = said.filter(recorded_to__gt=learnt["gt"], recorded_to__lte=learnt["lte"]).values("row_id")
    corrected = own.filter(late | Q(pk__in=moved), period__startswith__lt=before.as_of)
    found = [_binding("begun", one, one.period.lower) for one in begun]
    found += [_binding("ended", one, one.period.upper - timedelta(days=1)) for one in ended]
    told = {one.pk for one in ended}
    found += [_binding("corrected", one, one.period.lower) for one in corrected if one.pk not in told]
    return tuple(sorted(found, key=lambda one: (one.kind, one.day, one.subject)))


def _binding(kind: str, binding: Binding, day: date) -> BindingChange:
    return BindingChange(kind, str(binding.merchant or binding.streamer), str(BindingRole(binding.role).label), day)


def restating_batches(provider_id: int, before: Moment, after: Moment) -> tuple[BatchChange, ...]:
    """List the batches received between the two scores that told of this provider's earlier days, newest first."""
    late = Batch.objects.filter(
        received_at__gt=before.cut_off,
        received_at__lte=after.cut_off,
        first_day__lt=before.as_of,
        status=Batch.Status.APPLIED,
    ).exclude(subject="")
    known = {batch.pk: batch for batch in late}
    wanted = {(batch.feed, batch.subject) for batch in known.values()}
    found: list[BatchChange] = []
    for feed, subject in FACTS:
        if (feed, subject) not in wanted:
            continue
        measures = tuple(measure.code for measure in catalogue().delivered(feed, subject))
        since = before.as_of - timedelta(days=LONGEST_WINDOW)
        roles = catalogue().feed_roles[feed]
        asked = Wanted(feed, subject, tuple(roles), measures, since, before.as_of, tuple(known))
        rows: dict[int, list[tuple[int, date, date]]] = {}
        for group in fact_groups(provider_id, asked, after.cut_off):
            rows.setdefault(group.batch_id, []).append((group.rows, group.first_day, group.last_day))
        for batch_id, parts in rows.items():
            batch = known[batch_id]
            found.append(
                BatchChange(
                    feed=feed,
                    key=batch.key,
                    received_at=batch.received_at,
                    rows=sum(count for count, _, _ in parts),
                    first_day=min(first for _, first, _ in parts),
                    last_day=max(last for _, _, last in parts),
                )
            )
    return tuple(sorted(found, key=lambda one: (one.received_at, one.feed, one.key), reverse=True))


def corrected_rows(provider_id: int, before: Moment, after: Moment) -> tuple[str, ...]:
    """Name the rows of registers about earlier days that were corrected between the two scores: kind and name."""
    found: dict[str, list[int]] = {}
    for table, row in registers.corrected(Relations.about(provider_id, before, after)):
        found.setdefault(table, []).append(row)
    models = {model._meta.db_table: model for model in apps.get_models()}
    return tuple(
        f"{models[table]._meta.verbose_name} {row}"
        for table, ids in found.items()
        for row in models[table]._default_manager.filter(pk__in=ids).order_by("pk")
    )


def subject_changes(before: Score, after: Score, leaf: IndicatorCard) -> tuple[FeedChange, ...]:
    """Put the merchants and streamers behind an indicator's flows side by side, as each score could read them."""
    language = get_language() or "zh-hans"
    flows = {measure.code for measure in catalogue().flows()}
    changes = []
    for now in wanted_facts(leaf, after.run.as_of):
        measures = tuple(code for code in now.measures if code in flows)[:MEASURES_SHOWN]
        if not measures:
            continue
        span = now.until - now.since
        now = replace(now, measures=measures)
        then = replace(now, since=before.run.as_of - span, until=before.run.as_of)
        old = subject_sums(before.provider_id, then, before.cut_off)
        new = subject_sums(after.provider_id, now, after.cut_off)
        changes.append(_feed(now, old, new, language))
    return tuple(changes)


def _feed(now: Wanted, old: dict[int, tuple[int, ...]], new: dict[int, tuple[int, ...]], language: str) -> FeedChange:
    zero = (0,) * len(now.measures)
    subjects: Sequence[int] = sorted(
        {*old, *new},
        key=lambda one: max(abs(b - a) for a, b in zip(old.get(one, zero), new.get(one, zero), strict=True)),
        reverse=True,
    )
    named = named_subjects(now.subject, subjects[:SUBJECTS_SHOWN])
    rows = [
        SubjectChange(
            now.subject,
            *named[one],
            tuple(
                (wording.measure_text(code, a), wording.measure_text(code, b), _difference(code, b - a))
                for code, a, b in zip(now.measures, old.get(one, zero), new.get(one, zero), strict=True)
            ),
        )
        for one in subjects[:SUBJECTS_SHOWN]
        if one in named
    ]
    names = tuple(wording.measure_name(code, language) for code in now.measures)
    return FeedChange(now.feed, names, tuple(rows), len(subjects))


def _difference(code: str, value: int) -> str:
    return wording.measure_text(code, value) if value <= 0 else f"+{wording.measure_text(code, value)}"
