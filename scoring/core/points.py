"""Place raw values on the scale: anchors, steps, identity, and positions within a frozen cohort."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from scoring.core.calculate import Cells
from scoring.core.exact import rational
from scoring.core.inputs import Cohort
from scoring.core.numbers import Bools, Field, Number

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Piecewise linear through (value, points), values ascending; with `log`, linear in ln(value), values positive."""

    anchors: tuple[tuple[Fraction, Fraction], ...]
    log: bool = False
    clamp: bool = True


@dataclass(frozen=True, slots=True)
class Steps:
    """The points of the highest lower bound reached (bounds ascending, inclusive); 0 below the first."""

    steps: tuple[tuple[Fraction, Fraction], ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """The value is already points."""

    clamp: bool = True


@dataclass(frozen=True, slots=True)
class Percentile:
    """The mid-rank within a frozen cohort, as a share of the scale."""


@dataclass(frozen=True, slots=True)
class ZScore:
    """Standard deviations from the mean of a frozen cohort, placed by anchors."""

    anchors: Anchors


type Points = Anchors | Steps | Identity | Percentile | ZScore


def place[N: Number](value: Cells[N], points: Points, scale: Fraction, field: Field[N]) -> Cells[N]:
    """Turn values into points; unknown where the value is, or where a logarithm does not exist."""
    match points:
        case Anchors(log=True):
            return _logarithmic(value, points, field)
        case Anchors():
            return Cells(_linear(value.number, points, field), value.known)
        case Steps():
            return Cells(_stepped(value.number, points, field), value.known)
        case Identity(clamp):
            return Cells(value.number.clip(ZERO, scale) if clamp else value.number, value.known)
        case Percentile() | ZScore():
            raise ValueError("a percentile or z-score is placed within a cohort")


def place_within[N: Number](
    value: Cells[N], points: Percentile | ZScore, scale: Fraction, cohort: Cohort, field: Field[N]
) -> Cells[N]:
    """Turn values into points by their position in a frozen cohort of at least 20 members that are not all equal."""
    if isinstance(points, Percentile):
        share = field.integers(field.positions(value.number, cohort.members)) / field.constant(
            Fraction(2 * len(cohort.members))
        )
        return Cells(share * field.constant(scale), value.known)
    mean, deviation = moments(cohort)
    scored = (value.number - field.constant(mean)) / field.constant(deviation)
    return Cells(_linear(scored, points.anchors, field), value.known)


def moments(cohort: Cohort) -> tuple[Fraction, Fraction]:
    """Mean and population standard deviation of a cohort, the latter to 34 significant digits."""
    mean = sum(cohort.members, ZERO) / len(cohort.members)
    variance = sum(((member - mean) ** 2 for member in cohort.members), ZERO) / len(cohort.members)
    return mean, rational(variance).sqrt().fractions()[0]


def _linear[N: Number](value: N, points: Anchors, field: Field[N]) -> N:
    """Add up, segment by segment, the part of the segment that lies below the value times its slope.

    One expression serves rising and falling scales, and being continuous it needs no choice of segment.
    """
    result = field.constant(points.anchors[0][1])
    last = len(points.anchors) - 2
    for index, ((x0, y0), (x1, y1)) in enumerate(pairwise(points.anchors)):
        if y0 == y1:
            continue
        low = None if index == 0 and not points.clamp else x0
        high = None if index == last and not points.clamp else x1
        result = result + (value.clip(low, high) - field.constant(x0)) * field.constant((y1 - y0) / (x1 - x0))
    return result


def _logarithmic[N: Number](value: Cells[N], points: Anchors, field: Field[N]) -> Cells[N]:
    """The same with ln(value): clamped first, so that with clamping any value has points."""
    known = value.known
    number = value.number
    if not points.clamp:
        positive = field.less(field.constant(ZERO), number)
        number, known = number.where(positive, field.constant(ONE)), known & positive
    result = field.constant(points.anchors[0][1])
    last = len(points.anchors) - 2
    for index, ((x0, y0), (x1, y1)) in enumerate(pairwise(points.anchors)):
        low = None if index == 0 and not points.clamp else x0
        high = None if index == last and not points.clamp else x1
        result = result + number.clip(low, high).log_share(x0, x1) * field.constant(y1 - y0)
    return Cells(result, known)


def _stepped[N: Number](value: N, points: Steps, field: Field[N]) -> N:
    result = field.constant(ZERO)
    for bound, worth in points.steps:
        reached: Bools = ~field.less(value, field.constant(bound))
        result = field.constant(worth).where(reached, result)
    return result


def usable(points: Percentile | ZScore, cohort: Cohort | None) -> bool:
    """Tell whether a cohort can be read: at least 20 members, and for a z-score not all equal."""
    if cohort is None or not cohort.usable:
        return False
    return isinstance(points, Percentile) or cohort.members[0] != cohort.members[-1]
