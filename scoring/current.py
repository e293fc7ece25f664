"""Which numbers stand now: the current provisional run, the latest official one, and a provider's history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Max
from django.utils.translation import get_language

from scoring.models import Plan, Progress, Run, Score, Standing

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Point:
    """One score of a provider's history; ``through`` is the last day of its data, ``rated_of`` the providers rated."""

    run_id: int
    score_id: int
    as_of: date
    through: date
    value: Decimal | None
    grade: str
    rank: int | None
    rated_of: int
    is_official: bool


def current_run() -> Run | None:
    """Return the newest provisional run that has scores, with its rubric version."""
    return Run.objects.provisional().newest_first().select_related("rubric_version").first()


def published_run() -> Run | None:
    """Return the newest official run whose numbers stand, with its rubric version and publication."""
    return Run.objects.published().newest_first().select_related("rubric_version", "publication").first()


def score_of(provider_id: int, run: Run | None) -> Score | None:
    """Return a provider's score in a run, with all that its card needs; None where there is none."""
    if run is None:
        return None
    return Score.objects.of(run).filter(provider=provider_id).select_related("run__rubric_version", "provider").first()


def history(provider_id: int, *, limit: int = 400) -> list[Point]:
    """Return a provider's newest scores, oldest first; an official score hides the provisional one of its day."""
    rows = (
        Score.objects.filter(provider=provider_id, run__in=Run.objects.provisional() | Run.objects.published())
        .select_related("run")
        .order_by("-run__as_of", "run__kind")[: 2 * limit]
    )
    points: dict[date, Point] = {}
    for score in rows:  # "official" sorts before "provisional": the first of a day stands
        run = score.run
        points.setdefault(
            run.as_of,
            Point(
                run_id=run.pk,
                score_id=score.pk,
                as_of=run.as_of,
                through=run.as_of - ONE_DAY,
                value=score.published,
                grade=score.grade,
                rank=score.rank,
                rated_of=run.rated,
                is_official=run.kind == Run.Kind.OFFICIAL,
            ),
        )
    return sorted(points.values(), key=lambda point: point.as_of)[-limit:]


def capabilities(run: Run) -> list[tuple[str, str]]:
    """Return code and name, in the active language, of the capabilities a run was scored by."""
    language = get_language() or "zh-hans"
    return [
        (item.code, name_in(item.name, language) or item.code) for item in run.rubric_version.as_core().capabilities
    ]


def grades(run: Run) -> list[str]:
    """Return the grades a run could give, best first."""
    return [grade.code for grade in run.rubric_version.as_core().grades]


def standings_day(plan: Plan) -> date | None:
    """Return the newest day a plan has standings for."""
    day: date | None = Standing.objects.filter(plan=plan).aggregate(day=Max("as_of"))["day"]
    return day


def standing_of(provider_id: int) -> list[Standing]:
    """Return a provider's newest standing in every open plan, with its bands."""
    return list(
        Standing.objects.filter(provider=provider_id, plan__is_closed=False)
        .order_by("plan_id", "-as_of")
        .distinct("plan_id")
        .select_related("plan", "band", "next_band")
    )


def progress_of(plan: Plan) -> list[Progress]:
    """Return the newest progress of every target of a plan, in the plan's order; targets without any are left out."""
    newest = (
        Progress.objects.filter(target__plan=plan)
        .order_by("target_id", "-as_of")
        .distinct("target_id")
        .select_related("target__plan")
    )
    return sorted(newest, key=lambda progress: (progress.target.position, progress.target.code))


def name_in(names: object, language: str) -> str:
    """Choose from {zh-hans, en}: Chinese unless English is asked for; the other where one is missing."""
    if not isinstance(names, dict):
        return str(names or "")
    first, second = ("en", "zh-hans") if language.startswith("en") else ("zh-hans", "en")
    return str(names.get(first) or names.get(second) or "")
