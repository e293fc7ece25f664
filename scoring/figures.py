"""A provider's own figures by day, read from the running totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils.translation import get_language

from providers.measures import Measure, catalogue
from scoring.models import ProviderCum

# What a provider looks at first; every other flow can be chosen.
FIRST_MEASURES = (
    "gmv_paid",
    "gmv_strict",
    "gmv_settled",
    "gmv_settled_once",
    "paid_orders",
    "valid_sessions",
    "live_uv",
    "ad_spend",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of the table: its code, name in the reader's language and unit."""

    code: str
    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class DayRow:
    """One business day's values, in the order of the figures."""

    day: date
    values: tuple[int, ...]


def figures(codes: Sequence[str]) -> tuple[Figure, ...]:
    """Return the measures to show; unknown codes are left out."""
    language = get_language() or "zh-hans"
    flows = {measure.code: measure for measure in catalogue().flows()}
    return tuple(Figure(code, flows[code].name(language), flows[code].unit) for code in codes if code in flows)


def choices() -> tuple[Measure, ...]:
    """Return every measure that can be chosen."""
    return catalogue().flows()


def days(provider_id: int, codes: Sequence[str], *, first: date, last: date) -> tuple[DayRow, ...]:
    """Return one row per day of [first, last], newest first; values in the measures' units."""
    table: Any = ProviderCum
    totals = list(
        table.objects.filter(provider_id=provider_id, day__gte=first - timedelta(days=1), day__lte=last)
        .order_by("day")
        .values_list("day", *codes)
    )
    zero: tuple[int, ...] = (0,) * len(codes)
    before = zero
    rows = []
    for day, *values in totals:
        if day >= first:
            rows.append(DayRow(day, tuple(now - then for now, then in zip(values, before, strict=True))))
        before = tuple(values)
    return tuple(reversed(rows))
