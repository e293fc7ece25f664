"""What a draft means for the plans: who counts as quality in their tiers, and what their pools would hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import Case, F, Sum, When

from ecosystem.numerals import rounded
from scoring.impact import Matrix, by_grade
from scoring.models import BudgetPool, Grant, Plan, PlanTarget, Standing
from scoring.steps.tier import QUALITY_GRADE

if TYPE_CHECKING:
    from scoring.core.score import Scores
    from scoring.impact import Impact
    from scoring.models import Run


@dataclass(frozen=True, slots=True)
class Cost:
    """A pool if every provider were granted what its grade's providers hold on average; in the pool's unit.

    by_grade: (grade, providers before, after, held on average). borrowed: grades nobody holds today, counted at the
    rate of the next lower grade that somebody holds.
    """

    pool: BudgetPool
    granted: int
    projected: int
    by_grade: tuple[tuple[str, int, int, int], ...]
    borrowed: tuple[str, ...]

    @property
    def change(self) -> int:
        """Return what the draft adds, in the pool's unit."""
        return self.projected - self.granted

    @property
    def over_cap(self) -> bool:
        """Tell whether the pool would not hold it."""
        return self.projected > self.pool.cap


def tier_moves(made: Impact) -> list[tuple[Plan, list[tuple[PlanTarget, Matrix]]]]:
    """Return for each open plan's bands how providers move between counted for quality and not, where any stood.

    The band itself is reached by volume, which no rubric changes; a grade decides whether it counts as quality.
    """
    good = [_good(scores) for scores in (made.before, made.after)]
    rows = _rows(made)
    plans = []
    for plan in Plan.objects.filter(is_closed=False).prefetch_related("targets").order_by("pk"):
        bands = [target for target in plan.targets.all() if target.counts_providers]
        reached: dict[int, list[int]] = defaultdict(list)
        for provider_id, band_id in _standings(plan, made.run):
            if provider_id in rows:
                reached[band_id].append(rows[provider_id])
        matrices = [(band, _quality(good[0], good[1], reached[band.pk])) for band in bands]
        if any(reached[band.pk] for band in bands):
            plans.append((plan, matrices))
    return plans


def costs(made: Impact) -> list[Cost]:
    """Return what the pools of open plans would hold if grants followed the draft's grades."""
    pools = list(BudgetPool.objects.filter(plan__is_closed=False).select_related("plan").order_by("code"))
    held: dict[int, dict[int, int]] = defaultdict(dict)
    for pool_id, provider_id, amount in _held(pools):
        held[pool_id][provider_id] = amount
    rows = _rows(made)
    return [_cost(made, pool, held[pool.pk], rows) for pool in pools if held[pool.pk]]


def _rows(made: Impact) -> dict[int, int]:
    return {int(subject): row for row, subject in enumerate(made.after.subjects)}


def _cost(made: Impact, pool: BudgetPool, held: Mapping[int, int], rows: Mapping[int, int]) -> Cost:
    granted: dict[str, int] = defaultdict(int)
    for provider_id, amount in held.items():
        if provider_id in rows:
            granted[made.before.grade_code(rows[provider_id]) or ""] += amount
    then, now = by_grade(made.before), by_grade(made.after)
    rates: dict[str, Fraction] = {}
    borrowed, rate = [], Fraction(0)
    for code in ("", *(grade.code for grade in reversed(made.after.rubric.grades))):
        if then.get(code):
            rate = Fraction(granted[code], then[code])
        elif now.get(code):
            borrowed.append(code)
        rates[code] = rate
    inside = sum(granted.values())
    projected = sum((rates.get(code, Fraction(0)) * count for code, count in now.items()), Fraction(0))
    return Cost(
        pool=pool,
        granted=inside,
        projected=int(rounded(projected, 0)),
        by_grade=tuple(
            (code, then.get(code, 0), now.get(code, 0), int(rounded(rates[code], 0)))
            for code in dict.fromkeys((*(grade.code for grade in made.after.rubric.grades), ""))
        ),
        borrowed=tuple(borrowed),
    )


def _standings(plan: Plan, run: Run) -> list[tuple[int, int]]:
    """Return provider and band of the newest standings up to the run's day."""
    newest = Standing.objects.filter(plan=plan, as_of__lte=run.as_of).order_by("-as_of").values("as_of")[:1]
    rows = Standing.objects.filter(plan=plan, as_of__in=newest, band__isnull=False)
    return list(rows.order_by("provider_id").values_list("provider_id", "band_id"))


def _held(pools: Sequence[BudgetPool]) -> list[tuple[int, int, int]]:
    """Return what each provider holds of each pool: approved amounts, and of settled grants what was paid or used."""
    amount = Case(When(status=Grant.Status.APPROVED, then=F("amount")), default=F("settled_amount"))
    rows = Grant.objects.filter(pool__in=pools).exclude(status__in=[Grant.Status.PROPOSED, Grant.Status.REFUSED])
    return list(
        rows.values("pool_id", "provider_id")
        .annotate(held=Sum(amount))
        .order_by("pool_id", "provider_id")
        .values_list("pool_id", "provider_id", "held")
    )


def _good(scores: Scores) -> np.ndarray:
    """Tell who has grade B or better."""
    codes = [grade.code for grade in scores.rubric.grades]
    if QUALITY_GRADE not in codes:
        return np.zeros(scores.grade.size, dtype=bool)
    return np.asarray((scores.grade >= 0) & (scores.grade <= codes.index(QUALITY_GRADE)), dtype=bool)


def _quality(before: np.ndarray, after: np.ndarray, rows: Sequence[int]) -> Matrix:
    names = (f"≥ {QUALITY_GRADE}", f"< {QUALITY_GRADE}")
    then, now = before[rows], after[rows]
    cells = tuple(
        tuple(int(((then == was) & (now == is_good)).sum()) for is_good in (True, False)) for was in (True, False)
    )
    return Matrix(names, names, cells)
