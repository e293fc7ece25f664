"""The platform's year: months as reported, days by festival, goods by season."""

from __future__ import annotations

import json
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]

_FILE = Path(__file__).with_name("seasonality.json")
_NEW_YEAR = {2021: date(2021, 2, 12), 2022: date(2022, 2, 1)}

# Half-open spans of a year as (month, day); later ones overrule earlier ones.
_SPANS: tuple[tuple[tuple[int, int], tuple[int, int], float], ...] = (
    ((3, 1), (3, 9), 1.15),
    ((5, 20), (6, 1), 1.05),
    ((6, 1), (6, 15), 1.15),
    ((6, 15), (6, 17), 1.8),
    ((6, 17), (6, 21), 1.4),
    ((6, 21), (6, 25), 0.8),
    ((10, 20), (11, 1), 1.1),
    ((11, 1), (11, 5), 1.6),
    ((11, 5), (11, 7), 3.2),
    ((11, 7), (11, 10), 1.5),
    ((11, 10), (11, 12), 2.8),
    ((11, 12), (11, 17), 0.85),
    ((12, 25), (12, 32), 1.05),
)


def _on(year: int, month_day: tuple[int, int]) -> date:
    month, day = month_day
    return date(year, month, 1) + timedelta(days=day - 1)


@cache
def _day_factor(day: date) -> float:
    factor = 1.06 if day.weekday() >= 4 else 1.0
    for start, end, level in _SPANS:
        if _on(day.year, start) <= day < _on(day.year, end):
            factor *= level
    until = (_NEW_YEAR[day.year] - day).days if day.year in _NEW_YEAR else 99
    if 9 <= until < 30:
        factor *= 1.2
    elif -6 <= until <= 1:
        factor *= 0.45
    elif -12 <= until < -6:
        factor *= 0.75
    return factor


@cache
def platform(first_day: date, days: int) -> Floats:
    """Return placed GMV per day relative to the mean day; months add up to the reported ones."""
    monthly = json.loads(_FILE.read_text(encoding="utf-8"))["monthly"]
    level = np.empty(days)
    months: dict[tuple[int, int], float] = {}
    for index in range(days):
        day = first_day + timedelta(days=index)
        key = (day.year, day.month)
        if key not in months:
            months[key] = sum(_day_factor(date(*key, 1) + timedelta(days=k)) for k in range(_month_length(*key)))
        level[index] = monthly[str(day.year)][day.month - 1] * _day_factor(day) / months[key]
    scaled: Floats = level / level.mean()
    return scaled


def _month_length(year: int, month: int) -> int:
    return (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days


@cache
def tilt(category: str, first_day: date, days: int) -> Floats:
    """Return how far one goods category departs from the platform's year, day by day."""
    level = np.ones(days)
    for index in range(days):
        day = first_day + timedelta(days=index)
        until = (_NEW_YEAR[day.year] - day).days if day.year in _NEW_YEAR else 99
        if category in {"food", "tea_liquor"} and 9 <= until < 30:
            level[index] *= 1.5
        if category == "beauty" and day.month == 3 and day.day <= 8:
            level[index] *= 1.3
        if category == "apparel" and day.month in {3, 4, 9, 10, 11}:
            level[index] *= 1.12
        if category == "baby_toys" and day.month in {6, 9}:
            level[index] *= 1.15
        if category == "tea_liquor" and day.month in {1, 9}:
            level[index] *= 1.2
        if category in {"electronics", "beauty"} and _day_factor(day) > 1.3:
            level[index] *= 1.3
    return level


@cache
def shipping(first_day: date, days: int) -> Floats:
    """Return the share of parcels picked up in time that the New-Year stop leaves."""
    level = np.ones(days)
    for index in range(days):
        day = first_day + timedelta(days=index)
        until = (_NEW_YEAR[day.year] - day).days if day.year in _NEW_YEAR else 99
        if -6 <= until <= 1:
            level[index] = 0.85
    return level


@cache
def lockdown(province: str, first_day: date, days: int) -> Floats:
    """Return 1 on ordinary days and 0.5 in the spring of 2022 for the provinces that stood still."""
    level = np.ones(days)
    if province in {"31", "22"}:
        start = (date(2022, 3, 14) - first_day).days
        level[max(start, 0) : max(start + 70, 0)] = 0.5
    return level
