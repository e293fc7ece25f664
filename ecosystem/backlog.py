"""What the work ledger has before it: the staff page and the health page read this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q, Sum
from django.utils import timezone

from ecosystem import ledger
from ecosystem.models import WorkMark, WorkRun, WorkScope

SPAN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Backlog:
    """One kind of work: what waits, since when, what is parked, and what the last hour did."""

    kind: str
    waiting: int
    oldest: datetime | None
    parked: int
    retrying: int
    last_run: datetime | None
    steps_last_hour: int
    rows_last_hour: int


def backlog() -> list[Backlog]:
    """Return one line per kind of work, in the order of the flow."""
    marks = _by_kind(WorkMark.objects.values("kind").annotate(n=Count("pk"), oldest=Min("created_at")))
    scopes = _by_kind(
        WorkScope.objects.values("kind").annotate(
            parked=Count("pk", filter=Q(state=WorkScope.State.PARKED)),
            retrying=Count("pk", filter=Q(state=WorkScope.State.RETRY)),
        )
    )
    since = timezone.now() - SPAN
    runs = _by_kind(WorkRun.objects.values("kind").annotate(last=Max("ended_at")))
    recent = _by_kind(
        WorkRun.objects.filter(ended_at__gte=since).values("kind").annotate(n=Count("pk"), rows=Sum("rows_changed"))
    )
    return [
        Backlog(
            kind=kind,
            waiting=marks.get(kind, {}).get("n", 0),
            oldest=marks.get(kind, {}).get("oldest"),
            parked=scopes.get(kind, {}).get("parked", 0),
            retrying=scopes.get(kind, {}).get("retrying", 0),
            last_run=runs.get(kind, {}).get("last"),
            steps_last_hour=recent.get(kind, {}).get("n", 0),
            rows_last_hour=recent.get(kind, {}).get("rows") or 0,
        )
        for kind in ledger.kinds()
    ]


def _by_kind(rows: Iterable[Any]) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in rows}
