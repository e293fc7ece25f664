"""Freeze what one unit of exposure yields at the median member of a goods category in a month."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import numpy as np
from django.db import connection, transaction
from psycopg import sql

from ecosystem import ledger
from providers.choices import GoodsCategory
from providers.models import Provider
from providers.partitions import next_month
from providers.steps.copy_in import copy_in
from scoring.models import Benchmark
from scoring.steps.rolling.arrays import Ints, fetch
from scoring.steps.rolling.expected import EXPECTATIONS, GRANTED, Expectation

SMALLEST_COHORT = 20
ALL = "all"
LARGEST_BIGINT = 2**63 - 1
NEAR = 1e-12  # relative; the error of a ratio of two bigints in binary floats is below 4e-16


@dataclass(frozen=True, slots=True)
class Rates:
    """The benchmarks that hold for each month and category of a span, as aligned columns."""

    months: list[date]
    categories: list[str]
    fractions: list[list[tuple[int, int] | None]]  # per expectation, its factor in the numerator

    @property
    def width(self) -> int:
        """How many expectations it holds."""
        return len(self.fractions)

    def parameters(self) -> dict[str, object]:
        """Return the columns as query parameters."""
        parameters: dict[str, object] = {"r_month": self.months, "r_category": self.categories}
        for number, column in enumerate(self.fractions):
            exact = [found or (None, None) for found in column]
            quick = [(None, None, None) if found is None else _in_bigints(*found) for found in column]
            names = ("numerator", "denominator", "times", "over", "limit")
            for name, values in zip(names, (*zip(*exact, strict=True), *zip(*quick, strict=True)), strict=True):
                parameters[f"r_{name}_{number}"] = list(values)
        return parameters


def _in_bigints(numerator: int, denominator: int) -> tuple[int, int, int]:
    """Return t, o and the largest exposure e of which (e·t + o/2) / o stays within 64 bits; −1 where none does."""
    if 2 * max(numerator, denominator) > LARGEST_BIGINT:
        return 0, 1, -1
    return 2 * numerator, 2 * denominator, (LARGEST_BIGINT - denominator) // max(2 * numerator, 1)


def months(first: date, last: date) -> list[date]:
    """Return the first days of the months that [first, last) touches."""
    found, month = [], first.replace(day=1)
    while month < last:
        found.append(month)
        month = next_month(month)
    return found


def rates(expectations: Sequence[Expectation], first: date, last: date) -> Rates:
    """Return the benchmark of every month and category in [first, last).

    A month without benchmarks of its own is provisional and uses the last one frozen before it; a category without
    one uses that of all categories.
    """
    frozen: dict[str, dict[date, dict[str, tuple[int, int]]]] = defaultdict(lambda: defaultdict(dict))
    rows = Benchmark.objects.filter(measure__in=[each.code for each in expectations], month__lt=last)
    # Without its members: every step of the roll-up asks for these, and a benchmark has as many as there are merchants.
    for measure, month, category, *rate in rows.values_list("measure", "month", "category", "numerator", "denominator"):
        frozen[measure][month][category] = (int(rate[0]), int(rate[1]))
    categories = sorted({category for by_month in frozen.values() for found in by_month.values() for category in found})
    categories = sorted({*categories, *GoodsCategory.values} - {ALL})
    wanted = months(first, last)
    fractions = []
    for each in expectations:
        by_month = frozen[each.code]
        column: list[tuple[int, int] | None] = []
        for month in wanted:
            known = max((found for found in by_month if found <= month), default=None)
            here = by_month[known] if known else {}
            found = [here.get(category, here.get(ALL)) for category in categories]
            column += [rate and (rate[0] * each.factor, rate[1]) for rate in found]
        fractions.append(column)
    return Rates([month for month in wanted for _ in categories], categories * len(wanted), fractions)


def granted_rates(first: date, last: date) -> list[tuple[date, Fraction]]:
    """Return (first day it holds for, GMV per granted impression) covering [first, last); empty before any is frozen.

    Days before the first official run read its benchmark too, so that numerator and expectation cover the same days.
    """
    rows = Benchmark.objects.filter(measure=GRANTED, category=ALL).order_by("month")
    frozen = [
        (month, Fraction(int(numerator), int(denominator)))
        for month, numerator, denominator in rows.values_list("month", "numerator", "denominator")
    ]
    if not frozen:
        return []
    frozen[0] = (min(first, frozen[0][0]), frozen[0][1])
    return [found for found in frozen if found[0] < last]


@transaction.atomic
def freeze_month(month: date) -> list[Benchmark]:
    """Freeze the benchmarks of a closed month that are not frozen yet, and mark what is measured against them."""
    known = set(Benchmark.objects.filter(month=month).values_list("measure", flat=True).distinct())
    frozen = [found for each in EXPECTATIONS if each.code not in known for found in _benchmarks(each, month)]
    copy_in(frozen)
    if frozen:
        _mark_working(month, cause=f"benchmarks of {month:%Y-%m}")
    return frozen


@transaction.atomic
def freeze_granted(as_of: date, *, window_days: int = 90) -> Benchmark | None:
    """Freeze GMV per granted impression at an official run: the median over at least 20 providers of its window."""
    month = as_of.replace(day=1)
    if Benchmark.objects.filter(measure=GRANTED, month=month).exists():
        return None
    is_first = not Benchmark.objects.filter(measure=GRANTED).exists()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ends.provider_id, ends.granted_gmv_strict - coalesce(starts.granted_gmv_strict, 0),"
            " ends.granted_impressions_used - coalesce(starts.granted_impressions_used, 0)"
            " FROM provider_cum ends LEFT JOIN provider_cum starts"
            " ON starts.provider_id = ends.provider_id AND starts.day = %(as_of)s::date - 1 - %(window)s"
            " WHERE ends.day = (SELECT max(day) FROM provider_cum WHERE day < %(as_of)s)"
            " AND ends.granted_impressions_used > coalesce(starts.granted_impressions_used, 0)",
            {"as_of": as_of, "window": window_days},
        )
        members = np.array(sorted(cursor.fetchall()), dtype=np.int64).reshape(-1, 3)
    if len(members) < SMALLEST_COHORT:
        return None
    frozen = _benchmark(GRANTED, month, ALL, members)
    frozen.save(force_insert=True)
    with connection.cursor() as cursor:
        # Only whose traffic was used or lapsed is measured against it, and only from then on; days before the first
        # benchmark read the first.
        cursor.execute(
            "SELECT holder.provider_id, greatest(used.day, %(from)s) FROM provider_cum holder,"
            " LATERAL (SELECT day FROM provider_cum WHERE provider_id = holder.provider_id"
            " AND (granted_impressions_used > 0 OR granted_impressions_expired > 0) ORDER BY day LIMIT 1) AS used"
            " WHERE holder.day = (SELECT max(day) FROM provider_cum)"
            " AND (holder.granted_impressions_used > 0 OR holder.granted_impressions_expired > 0) ORDER BY 1",
            {"from": None if is_first else month},
        )
        holders = [(str(provider), day) for provider, day in cursor.fetchall()]
    ledger.mark("roll_up", holders, cause=f"granted traffic at the run of {as_of}")
    return frozen


def _mark_working(from_day: date | None, *, cause: str) -> None:
    working = Provider.objects.filter(approved_on__isnull=False).order_by("pk").values_list("pk", flat=True)
    ledger.mark("roll_up", [(str(provider), from_day) for provider in working], cause=cause)


def _benchmarks(each: Expectation, month: date) -> list[Benchmark]:
    category, members = _members(each, month)
    groups = {ALL: members} if len(members) else {}
    for number, code in enumerate(GoodsCategory.values, start=1):
        found = members[category == number]
        if len(found) >= SMALLEST_COHORT:
            groups[code] = found
    return [_benchmark(each.code, month, code, found) for code, found in sorted(groups.items())]


def _members(each: Expectation, month: date) -> tuple[Ints, Ints]:
    """Return the numbers of categories, and (member, numerator, exposure) of those with any exposure in the month."""
    query = sql.SQL(
        "SELECT array_position(%(categories)s::text[], about.category::text)::bigint, about.id,"
        " sum(coalesce(fact.{numerator}, 0))::bigint, sum({exposure})::bigint"
        " FROM {table} fact JOIN {subjects} about ON about.id = fact.{key}"
        " WHERE fact.day >= %(first)s AND fact.day < %(last)s GROUP BY 1, 2 HAVING sum({exposure}) > 0 ORDER BY 2"
    ).format(
        numerator=sql.Identifier(each.numerator),
        exposure=sql.SQL(" + ").join(
            sql.SQL("coalesce(fact.{}, 0)").format(sql.Identifier(code)) for code in each.exposure
        ),
        table=sql.Identifier(f"fact_{each.feed}_{each.subject}"),
        subjects=sql.Identifier(f"providers_{each.subject}"),
        key=sql.Identifier(f"{each.subject}_id"),
    )
    rows = fetch(query, 4, {"categories": GoodsCategory.values, "first": month, "last": next_month(month)})
    return rows[:, 0], rows[:, 1:]


def _benchmark(code: str, month: date, category: str, members: Ints) -> Benchmark:
    """Freeze the median ratio of members, sorted by id; the digest is of their numbers, line by line."""
    ids, numerators, exposures = members.T.tolist()
    median = max(exact_median(members[:, 1], members[:, 2]), Fraction(0))  # a negative median expects nothing
    lines = map("%d %d/%d".__mod__, zip(ids, numerators, exposures, strict=True))
    return Benchmark(
        measure=code,
        month=month,
        category=category,
        numerator=median.numerator,
        denominator=median.denominator,
        members=ids,
        digest=hashlib.sha256("\n".join(lines).encode()).hexdigest(),
    )


def exact_median(numerators: Ints, exposures: Ints) -> Fraction:
    """Return the middle ratio, or the mean of the middle two, exactly: only those near the middle are compared so."""
    rough = numerators / exposures
    order = np.sort(rough)
    places = (len(order) - 1) // 2, len(order) // 2
    least, most = (float(order[place]) for place in places)
    if least == most == 0:
        return Fraction(0)  # as with rare refunds, where most members have none
    near = (rough >= least - abs(least) * NEAR) & (rough <= most + abs(most) * NEAR)
    below = int((rough < least - abs(least) * NEAR).sum())
    middle = sorted(Fraction(a, b) for a, b in zip(numerators[near].tolist(), exposures[near].tolist(), strict=True))
    return (middle[places[0] - below] + middle[places[1] - below]) / 2
