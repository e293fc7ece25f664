"""Tier: where every provider stands against a plan's bands, and where the plan's promises stand.

Pace is a projection to the plan's last day: what of today's window will still be inside it then, plus the mean day of
the last 30 for each day to come. For a window of n days and r days to go that is

    sum over [as_of − (n − r), as_of)  +  min(r, n) × sum over [as_of − 30, as_of) ÷ 30   (no first part where r ≥ n)

so days that leave the window are taken off exactly, and only what is to come is assumed. It is worked out for values
that are one flow over one window; other values have no pace.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection, transaction
from django.db.models import Q

from ecosystem.clock import business_today
from ecosystem.ledger import Done
from ecosystem.models import AuditEntry
from ecosystem.models.audit import Verb
from scoring.core.calculate import gather, numbers
from scoring.core.exact import ExactField
from scoring.core.formula import Operand, Reading
from scoring.models import BudgetPool, Plan, PlanTarget, Progress, Score, Standing
from scoring.models.runs import Run
from scoring.steps.band_changes import tell_band_changes
from scoring.steps.plans import formula_of
from scoring.steps.windows import window_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoring.core.formula import Formula

PACE_DAYS = 30
QUALITY_GRADE = "B"

_INCOMING = """
CREATE TEMP TABLE incoming_standing (
    provider_id bigint, value bigint, rank integer, band_id bigint, next_band_id bigint, gap bigint, pace bigint
) ON COMMIT DROP
"""
_WRITE = """
INSERT INTO scoring_standing AS known (plan_id, as_of, provider_id, value, rank, band_id, next_band_id, gap, pace)
SELECT %s, %s, provider_id, value, rank, band_id, next_band_id, gap, pace FROM incoming_standing ORDER BY provider_id
ON CONFLICT (plan_id, provider_id, as_of) DO UPDATE SET
    value = excluded.value, rank = excluded.rank, band_id = excluded.band_id, next_band_id = excluded.next_band_id,
    gap = excluded.gap, pace = excluded.pace
WHERE (known.value, known.rank, known.band_id, known.next_band_id, known.gap, known.pace) IS DISTINCT FROM
      (excluded.value, excluded.rank, excluded.band_id, excluded.next_band_id, excluded.gap, excluded.pace)
"""
_FORGET = """
DELETE FROM scoring_standing WHERE plan_id = %s AND as_of = %s AND NOT EXISTS
    (SELECT FROM incoming_standing incoming WHERE incoming.provider_id = scoring_standing.provider_id)
"""


@dataclass(frozen=True, slots=True)
class Value:
    """One provider's value of a plan and its projection to the plan's end, rounded down to whole units."""

    provider_id: int
    value: int
    pace: int | None


def handle(scopes: Mapping[str, date | None]) -> Done:
    """Work out standings and progress of every open plan as of today, for the ledger."""
    return Done(tier_plans(business_today(), notify_members=True))


@transaction.atomic
def tier_plans(as_of: date, *, notify_members: bool = False) -> int:
    """Work out standings and progress of every plan that runs on a day; return the rows changed.

    A plan is counted for the last time as of its end: what sells later is not its doing.
    """
    running = Q(ends_before=None) | Q(ends_before__gte=as_of)
    plans = (
        Plan.objects.filter(running, is_closed=False, starts_on__lte=as_of).order_by("pk").prefetch_related("targets")
    )
    return sum(tier_plan(plan, as_of, notify_members=notify_members) for plan in plans.order_by("pk"))


@transaction.atomic
def tier_plan(plan: Plan, as_of: date, *, notify_members: bool = False) -> int:
    """Work out one plan's standings and progress as of a day; return the rows changed."""
    targets = list(plan.targets.all())
    bands = sorted((target for target in targets if target.counts_providers), key=lambda band: band.at_least or 0)
    changed = 0
    values: list[Value] = []
    if bands:
        values = _values(bands[0], plan, as_of)
        before = _bands_before(plan, as_of) if notify_members else {}
        changed += _write_standings(plan, as_of, values, bands)
        if notify_members:
            tell_band_changes(plan, as_of, before)
    for target in targets:
        changed += _write_progress(target, as_of, values)
    if not AuditEntry.objects.about(plan).filter(action="tier_plan", detail__as_of=as_of.isoformat()).exists():
        AuditEntry.objects.record(
            Verb.TIER, "tier_plan", plan, detail={"as_of": as_of.isoformat(), "standings": len(values)}
        )
    return changed


def band_of(value: int, bands: Sequence[PlanTarget]) -> PlanTarget | None:
    """Return the band that holds a value; None below the lowest and in gaps between bands."""
    return next(
        (band for band in bands if (band.at_least or 0) <= value and (band.below is None or value < band.below)), None
    )


def next_band(value: int, bands: Sequence[PlanTarget]) -> PlanTarget | None:
    """Return the lowest band that begins above a value; ``bands`` ascend."""
    return next((band for band in bands if band.at_least is not None and band.at_least > value), None)


def _values(target: PlanTarget, plan: Plan, as_of: date) -> list[Value]:
    """Return what every provider with known days has, and would have at the plan's end."""
    formula = formula_of(target)
    days = (as_of - plan.starts_on).days
    wanted = set(formula.operands(days).values())
    pace = _pace_operands(formula, days, as_of, plan.ends_before)
    table = window_table(tuple(sorted(wanted | set(pace.operands if pace else ()))), as_of=as_of)
    size = len(table.subjects)
    cells = numbers(formula, gather(formula.operands(days), table), ExactField(size))
    known, over, under = (
        np.broadcast_to(part, size) for part in (cells.known, cells.number.numerator, cells.number.denominator)
    )
    rows = []
    for row, subject in enumerate(table.subjects):
        if not known[row]:
            continue
        ahead = None
        if pace is not None:
            parts = [table.columns[operand].fraction(row) for operand in pace.operands]
            if all(part is not None for part in parts):
                ahead = pace.projected([part or Fraction(0) for part in parts])
        rows.append(Value(int(subject), int(over[row]) // int(under[row]), None if ahead is None else _whole(ahead)))
    return rows


@dataclass(frozen=True, slots=True)
class _Pace:
    """Which sums a projection needs: what stays in the window (if anything does), then the last 30 days."""

    operands: tuple[Operand, ...]
    days_ahead: int

    def projected(self, parts: Sequence[Fraction]) -> Fraction:
        return sum(parts[:-1], Fraction(0)) + self.days_ahead * parts[-1] / PACE_DAYS


def _pace_operands(formula: Formula, days: int, as_of: date, ends_before: date | None) -> _Pace | None:
    if not isinstance(formula.tree, Reading) or formula.tree.read != "sum" or ends_before is None:
        return None
    (operand,) = formula.operands(days).values()
    to_go = max(0, (ends_before - as_of).days)
    # A value counted over the plan's own period loses no day; a trailing window loses one for each day to come.
    stays = operand.days if formula.tree.days is None else operand.days - to_go
    last = Operand(operand.measure, "sum", PACE_DAYS)
    staying = (Operand(operand.measure, "sum", stays),) if stays > 0 else ()
    ahead = to_go if formula.tree.days is None else min(to_go, operand.days)
    return _Pace((*staying, last), ahead)


def _whole(value: Fraction) -> int:
    return value.numerator // value.denominator


def _write_standings(plan: Plan, as_of: date, values: Sequence[Value], bands: Sequence[PlanTarget]) -> int:
    """Write the standings that differ, by COPY and one statement; return how many."""
    ordered = sorted((value.value for value in values), reverse=True)
    ranks = {value: rank for rank, value in reversed(list(enumerate(ordered, start=1)))}
    with connection.cursor() as cursor:
        cursor.execute(_INCOMING)
        with cursor.copy("COPY incoming_standing FROM STDIN") as copy:
            for value in values:
                band, upper = band_of(value.value, bands), next_band(value.value, bands)
                copy.write_row(
                    (
                        value.provider_id,
                        value.value,
                        ranks[value.value],
                        None if band is None else band.pk,
                        None if upper is None else upper.pk,
                        None if upper is None else (upper.at_least or 0) - value.value,
                        value.pace,
                    )
                )
        cursor.execute(_WRITE, [plan.pk, as_of])
        changed = int(cursor.rowcount)
        cursor.execute(_FORGET, [plan.pk, as_of])
        changed += int(cursor.rowcount)
        cursor.execute("DROP TABLE incoming_standing")
    return changed


def _bands_before(plan: Plan, as_of: date) -> dict[int, int | None]:
    """Return each provider's band on the newest day known before this pass."""
    newest = Standing.objects.filter(plan=plan, as_of__lte=as_of).order_by("-as_of").values("as_of")[:1]
    return dict(Standing.objects.filter(plan=plan, as_of__in=newest).values_list("provider_id", "band_id"))


def _write_progress(target: PlanTarget, as_of: date, values: Sequence[Value]) -> int:
    """Write where one promise stands, if it differs; return 1 if it did. An imported figure of the day stands."""
    known = Progress.objects.filter(target=target, is_baseline=True)
    if known.filter(as_of=as_of).exists():
        return 0
    measured = _measured(target, as_of, values)
    if measured is None or (target.cap is not None and not measured["value"] and known.exists()):
        return 0  # kept elsewhere so far: a pool without grants says nothing against an imported figure
    if Progress.objects.filter(target=target, as_of=as_of, **measured).exists():
        return 0
    Progress.objects.update_or_create(target=target, as_of=as_of, defaults=measured)
    return 1


def _measured(target: PlanTarget, as_of: date, values: Sequence[Value]) -> dict[str, int | None] | None:
    """Count providers in a band, read a pool's ledger under a cap, or add a value up; None where nothing is known."""
    if target.counts_providers:
        inside = [value.provider_id for value in values if band_of(value.value, [target]) is not None]
        graded = _good_grades(as_of)
        paces = [value.pace for value in values]
        count = len(inside)
        return {
            "value": count,
            "quality_value": sum(1 for provider_id in inside if provider_id in graded),
            "gap": None if target.target is None else max(0, target.target - count),
            "pace": None
            if any(pace is None for pace in paces) or not paces
            else sum(1 for pace in paces if pace is not None and band_of(pace, [target]) is not None),
        }
    if target.cap is not None:
        pool = BudgetPool.objects.filter(plan=target.plan_id, code=target.pool_code).first()
        if pool is None:
            return None
        return {"value": pool.committed, "quality_value": None, "gap": pool.available, "pace": None}
    added = _values(target, target.plan, as_of)
    total = sum(value.value for value in added)
    ahead = [value.pace for value in added if value.pace is not None]
    return {
        "value": total,
        "quality_value": None,
        "gap": None if target.target is None else max(0, target.target - total),
        "pace": sum(ahead) if added and len(ahead) == len(added) else None,
    }


def _good_grades(as_of: date) -> set[int]:
    """Return the providers graded B or better in the provisional run of the day."""
    run = Run.objects.provisional().filter(as_of=as_of).select_related("rubric_version").first()
    if run is None:
        return set()
    codes = [grade.code for grade in run.rubric_version.as_core().grades]
    good = codes[: codes.index(QUALITY_GRADE) + 1] if QUALITY_GRADE in codes else []
    return set(Score.objects.of(run).filter(grade__in=good).values_list("provider_id", flat=True))
