"""Geometry of the charts that pages draw as SVG on the server, without scripts or styles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ecosystem import numerals

Value = Decimal | float | int | None

WIDTH, HEIGHT = 960, 240
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 12, 28
# Room that labels need in the drawing's units: a Latin letter, a Chinese one, a day and its distance to the next.
LATIN, HAN, DAY_LABEL = 7, 13, 150
RADAR_SIZE, RADAR_RADIUS = 320, 104


@dataclass(frozen=True, slots=True)
class Mark:
    """One point of a line: place in the drawing, and what it says."""

    x: float
    y: float
    day: date
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A grid line or label: place and text."""

    place: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Line:
    """A history: ``paths`` are its unbroken stretches, ``rows`` its data table (newest first)."""

    width: int
    height: int
    left: int
    right: int
    bottom: int
    paths: tuple[str, ...]
    marks: tuple[Mark, ...]
    levels: tuple[Rule, ...]
    days: tuple[Rule, ...]
    rows: tuple[tuple[date, str | None], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of 100 units' length; ``length`` None where nothing was measured."""

    name: str
    length: float | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Petal:
    """One axis of the radar: its end, its label, its value."""

    name: str
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Radar:
    """The five capabilities around a centre."""

    size: int
    centre: int
    petals: tuple[Petal, ...]
    rings: tuple[str, ...]
    shape: str
    dots: tuple[tuple[float, float], ...]


def writer(unit: str, decimals: int) -> Callable[[Value], str]:
    """Return how values of a unit (points, money, count, percent) are written."""
    match unit:
        case "money":
            return lambda value: numerals.money_text(int(value or 0))
        case "count":
            return lambda value: numerals.count_text(int(value or 0))
        case "percent":
            return lambda value: numerals.percent_text(value or 0, decimals)
        case _:
            return lambda value: numerals.decimal_text(value or 0, decimals)


def step(span: float) -> float:
    """Return a round distance (1, 2, 5 × a power of ten) that cuts a span into four or five."""
    size: float = 10.0 ** math.floor(math.log10(span / 4))
    return next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 5)


def bounds(values: Sequence[float], low: int | None, high: int | None) -> tuple[float, float, float]:
    """Return the axis: lowest, highest and distance of the grid lines."""
    bottom = min(values) if low is None else float(low)
    top = max(values) if high is None else float(high)
    if top <= bottom:
        bottom, top = (bottom - 1, bottom + 1) if bottom else (0.0, 1.0)
    distance = step(top - bottom)
    return math.floor(bottom / distance) * distance, math.ceil(top / distance) * distance, distance


def line(
    series: Sequence[tuple[date, Value]], *, low: int | None, high: int | None, unit: str, decimals: int
) -> Line | None:
    """Lay a history out; days without a value break the line. None when there is nothing to draw."""
    values = [float(value) for _, value in series if value is not None]
    if not values:
        return None
    write = writer(unit, decimals)
    bottom, top, distance = bounds(values, low, high)
    first, last = series[0][0].toordinal(), series[-1][0].toordinal()
    heights = [bottom + number * distance for number in range(round((top - bottom) / distance) + 1)]
    levels = [(height, write(Decimal(str(round(height, 6))))) for height in heights]
    left = max(LEFT, *(room(text) + 12 for _, text in levels))
    wide, tall = WIDTH - left - RIGHT, HEIGHT - TOP - BOTTOM

    def across(day: date) -> float:
        return round(left + wide * ((day.toordinal() - first) / (last - first) if last > first else 0.5), 1)

    def down(value: float) -> float:
        return round(TOP + tall * (1 - (value - bottom) / (top - bottom)), 1)

    stretches: list[list[str]] = [[]]
    marks = []
    for day, value in series:
        if value is None:
            stretches.append([])
            continue
        marks.append(Mark(across(day), down(float(value)), day, write(value)))
        stretches[-1].append(f"{marks[-1].x},{marks[-1].y}")
    return Line(
        width=WIDTH,
        height=HEIGHT,
        left=left,
        right=WIDTH - RIGHT,
        bottom=HEIGHT - BOTTOM,
        paths=tuple(" ".join(stretch) for stretch in stretches if len(stretch) > 1),
        marks=tuple(marks),
        levels=tuple(Rule(down(height), text) for height, text in levels),
        days=day_labels([(across(day), day) for day, _ in series]),
        rows=tuple((day, None if value is None else write(value)) for day, value in reversed(series)),
    )


def room(text: str) -> int:
    """Return the width of a label."""
    return sum(HAN if letter > "\u2e7f" else LATIN for letter in text)


def day_labels(places: Sequence[tuple[float, date]]) -> tuple[Rule, ...]:
    """Name the first and the last day, and days between that leave each other room; the ends stay inside."""
    (start, first), (end, last) = places[0], places[-1]
    if len(places) == 1:
        return (Rule(start, f"{first:%Y-%m-%d}"),)
    rules, free = [Rule(start, f"{first:%Y-%m-%d}", "start")], start + DAY_LABEL
    for place, day in places[1:-1]:
        if free <= place <= end - DAY_LABEL:
            rules.append(Rule(place, f"{day:%Y-%m-%d}"))
            free = place + DAY_LABEL
    return (*rules, Rule(end, f"{last:%Y-%m-%d}", "end"))


def bars(items: Sequence[tuple[str, Value]]) -> tuple[Bar, ...]:
    """Lay points out as bars."""
    return tuple(
        Bar(name, None, None)
        if value is None
        else Bar(name, min(max(float(value), 0.0), 100.0), numerals.decimal_text(value, 1))
        for name, value in items
    )


def radar(items: Sequence[tuple[str, Value]]) -> Radar:
    """Lay points out around a centre, first axis up, clockwise; what was not measured stays at the centre."""
    centre = RADAR_SIZE // 2
    angles = [2 * math.pi * number / len(items) - math.pi / 2 for number in range(len(items))]

    def at(angle: float, radius: float) -> tuple[float, float]:
        return round(centre + radius * math.cos(angle), 1), round(centre + radius * math.sin(angle), 1)

    def outline(radii: Sequence[float]) -> str:
        places = (at(angle, radius) for angle, radius in zip(angles, radii, strict=True))
        return " ".join(f"{x},{y}" for x, y in places)

    lengths = [RADAR_RADIUS * min(max(float(value or 0), 0.0), 100.0) / 100 for _, value in items]
    petals = []
    for (name, value), angle in zip(items, angles, strict=True):
        x, y = at(angle, RADAR_RADIUS)
        label_x, label_y = at(angle, RADAR_RADIUS + 16)
        side = math.cos(angle)
        petals.append(
            Petal(
                name,
                x,
                y,
                label_x,
                label_y,
                "middle" if abs(side) < 0.2 else "start" if side > 0 else "end",
                None if value is None else numerals.decimal_text(value, 1),
            )
        )
    return Radar(
        size=RADAR_SIZE,
        centre=centre,
        petals=tuple(petals),
        rings=tuple(outline([RADAR_RADIUS * part / 4] * len(items)) for part in range(1, 5)),
        shape=outline(lengths),
        dots=tuple(at(angle, length) for angle, length in zip(angles, lengths, strict=True)),
    )
