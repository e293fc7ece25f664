"""What a reviewer looks at before signing an official run."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from scoring.models import Run, Score

if TYPE_CHECKING:
    from collections.abc import Sequence

MOVERS = 10
OUTLIER_POINTS = Decimal(10)


@dataclass(frozen=True, slots=True)
class Mover:
    """A provider whose total changed since the run before; change in points."""

    provider_id: int
    provider_name: str
    before: Decimal
    after: Decimal
    change: Decimal
    grade_before: str
    grade_after: str


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """Coverage, movers and grades of a run beside the official run before it.

    outliers: those whose total moved by 10 points or more. grades: (code, now, before) best first. gained, lost: rated
    now and not before, and the other way round. blocked: providers for whom some gate could not be evaluated.
    """

    rated: int
    not_rated: int
    before: Run | None
    rated_before: int
    gained: int
    lost: int
    movers: tuple[Mover, ...]
    outliers: tuple[Mover, ...]
    grades: tuple[tuple[str, int, int], ...]
    blocked: int


def review_facts(run: Run) -> ReviewFacts:
    """Compare a computed run with the newest official run published for an earlier day, or for the same one."""
    before = (
        Run.objects.published()
        .exclude(pk=run.pk)
        .filter(as_of__lte=run.as_of)
        .newest_first()
        .select_related("rubric_version")
        .first()
    )
    now = list(Score.objects.of(run).select_related("provider").order_by("provider_id"))
    then = {} if before is None else {score.provider_id: score for score in Score.objects.of(before)}
    movers = sorted(_movers(now, then), key=lambda mover: (-abs(mover.change), mover.provider_id))
    rated = {score.provider_id for score in now if score.published is not None}
    rated_before = {provider_id for provider_id, score in then.items() if score.published is not None}
    codes = [grade.code for grade in run.rubric_version.as_core().grades]
    return ReviewFacts(
        rated=len(rated),
        not_rated=len(now) - len(rated),
        before=before,
        rated_before=len(rated_before),
        gained=len(rated - rated_before),
        lost=len(rated_before - rated),
        movers=tuple(movers[:MOVERS]),
        outliers=tuple(mover for mover in movers if abs(mover.change) >= OUTLIER_POINTS),
        grades=tuple(
            (
                code,
                sum(score.grade == code for score in now),
                sum(score.grade == code for score in then.values()),
            )
            for code in codes
        ),
        blocked=sum(is_blocked(score.flags) for score in now),
    )


def is_blocked(flags: Sequence[str]) -> bool:
    """Tell whether some gate could not be evaluated for a score."""
    return any(flag.startswith("gate_unknown:") for flag in flags)


def _movers(now: Sequence[Score], then: dict[int, Score]) -> list[Mover]:
    found = []
    for score in now:
        earlier = then.get(score.provider_id)
        if earlier is None or earlier.published is None or score.published is None:
            continue
        change = score.published - earlier.published
        if change:
            found.append(
                Mover(
                    score.provider_id,
                    score.provider.name,
                    earlier.published,
                    score.published,
                    change,
                    earlier.grade,
                    score.grade,
                )
            )
    return found
