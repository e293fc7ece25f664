"""What the work ledger has before it and behind it: the staff page and ``/healthz/work/`` read this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, Sum
from django.utils import timezone

from ecosystem import ledger
from ecosystem.models import ScheduleSlot, WorkMark, WorkRun, WorkScope

SPAN = timedelta(minutes=10)
CAUSES = 5


@dataclass(frozen=True, slots=True)
class Backlog:
    """One kind of work: what waits and since when, what is parked, and how fast the last minutes went."""

    kind: str
    label: str
    waiting: int  # scopes with marks that are not parked
    oldest: datetime | None
    parked: int
    retrying: int
    last_run: datetime | None
    scopes_per_minute: float
    rows_per_minute: float

    @property
    def minutes_left(self) -> float | None:
        """Return how long what waits will take at the present pace; None where nothing was done of late."""
        return self.waiting / self.scopes_per_minute if self.scopes_per_minute else None

    @property
    def oldest_seconds(self) -> float:
        """Return how long the oldest mark waits."""
        return 0.0 if self.oldest is None else max(0.0, (timezone.now() - self.oldest).total_seconds())


def backlog() -> list[Backlog]:
    """Return one line per kind of work, in the order of the flow."""
    is_parked = WorkScope.objects.filter(state=WorkScope.State.PARKED, kind=OuterRef("kind"), scope=OuterRef("scope"))
    marks = _by_kind(
        WorkMark.objects.filter(~Exists(is_parked))
        .values("kind")
        .annotate(scopes=Count("scope", distinct=True), oldest=Min("created_at"))
    )
    scopes = _by_kind(
        WorkScope.objects.values("kind").annotate(
            parked=Count("pk", filter=Q(state=WorkScope.State.PARKED)),
            retrying=Count("pk", filter=Q(state=WorkScope.State.RETRY)),
        )
    )
    recent = _by_kind(
        WorkRun.objects.filter(ended_at__gte=timezone.now() - SPAN)
        .values("kind")
        .annotate(done=Sum("scopes"), rows=Sum("rows_changed"))
    )
    runs = _by_kind(WorkRun.objects.values("kind").annotate(last=Max("ended_at")))
    minutes = SPAN.total_seconds() / 60
    return [
        Backlog(
            kind=kind,
            label=ledger.label(kind),
            waiting=marks.get(kind, {}).get("scopes", 0),
            oldest=marks.get(kind, {}).get("oldest"),
            parked=scopes.get(kind, {}).get("parked", 0),
            retrying=scopes.get(kind, {}).get("retrying", 0),
            last_run=runs.get(kind, {}).get("last"),
            scopes_per_minute=recent.get(kind, {}).get("done", 0) / minutes,
            rows_per_minute=recent.get(kind, {}).get("rows", 0) / minutes,
        )
        for kind in ledger.kinds()
    ]


def last_slots() -> list[ScheduleSlot]:
    """Return the last slot that every scheduled job took, last first."""
    slots = ScheduleSlot.objects.order_by("job", "-taken_at", "slot").distinct("job")
    return sorted(slots, key=lambda slot: slot.taken_at, reverse=True)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One scope in words: what it is about, what waits for it and why, and how it stands."""

    label: str
    about: str
    marks: int
    oldest: datetime | None
    causes: tuple[str, ...]


def explain(scope: WorkScope) -> Explanation:
    """Say what a scope is about and what waits for it."""
    marks = WorkMark.objects.filter(kind=scope.kind, scope=scope.scope)
    found = marks.aggregate(count=Count("pk"), oldest=Min("created_at"))
    newest = marks.order_by("-pk").values_list("cause", flat=True)[:100]
    return Explanation(
        label=ledger.label(scope.kind),
        about=ledger.about([scope])[scope.pk],
        marks=found["count"],
        oldest=found["oldest"],
        causes=tuple(dict.fromkeys(newest))[:CAUSES],
    )


def _by_kind(rows: Iterable[Any]) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in rows}
