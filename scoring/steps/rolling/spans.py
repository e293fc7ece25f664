"""Half-open spans of days as pairs of whole numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from scoring.steps.rolling.arrays import day_of, number

type Span = tuple[int, int]


def union(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order, touching and overlapping ones merged."""
    merged: list[Span] = []
    for lo, hi in sorted(spans):
        if merged and lo <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
        elif lo < hi:
            merged.append((lo, hi))
    return merged


def less(span: Span, taken: Iterable[Span]) -> list[Span]:
    """Return what is left of a span without those taken, which are in order and do not overlap."""
    left: list[Span] = []
    lo, hi = span
    for start, end in taken:
        if lo < min(start, hi):
            left.append((lo, min(start, hi)))
        lo = max(lo, end)
    return [*left, (lo, hi)] if lo < hi else left


def month_end(day: int) -> int:
    """Return the last day of the day's month."""
    found = day_of(day)
    return number(date(found.year + found.month // 12, found.month % 12 + 1, 1)) - 1


def month_ends(lo: int, hi: int) -> list[int]:
    """Return the last days of months in [lo, hi)."""
    found, day = [], month_end(lo)
    while day < hi:
        found.append(day)
        day = month_end(day + 1)
    return found
