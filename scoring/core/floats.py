"""Binary floats as vectors, each with a bound on its distance from the exact value.

A `FloatField` remembers the rows in which a comparison or a rounding could not be decided within that bound, so that
those few can be computed again exactly. Source of the bounds: N. Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., section 2.2 (standard model of floating-point arithmetic).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from scoring.core.numbers import Bools, Doubles, Integers

type Bound = float | Doubles

# Twice the unit round-off of binary64: one rounding costs half of it, the rest covers second-order terms of the bounds.
ULP = 2.0**-52
# What a correctly implemented libm may lose in log, exp and sqrt, with room to spare.
LIBM = 8 * ULP


@dataclass(frozen=True, slots=True, eq=False)
class Floats:
    """Binary floats; the exact number lies within `relative`·|value| + `absolute` of each, and |value| ≤ `top`.

    The bound is kept in two parts because quotients of counts have a relative one and points an absolute one,
    both the same for all rows; so carrying it costs next to nothing.
    """

    value: Doubles
    relative: float = 0.0
    absolute: Bound = 0.0
    top: float = np.inf

    @property
    def spread(self) -> Bound:
        """An absolute bound on the error."""
        if self.relative == 0.0:
            return self.absolute
        magnitude: Bound = self.top if np.isfinite(self.top) else np.abs(self.value)
        return self.absolute + self.relative * magnitude

    def __add__(self, other: "Floats") -> "Floats":
        return Floats(self.value + other.value, ULP, self.spread + other.spread, self.top + other.top)

    def __sub__(self, other: "Floats") -> "Floats":
        return Floats(self.value - other.value, ULP, self.spread + other.spread, self.top + other.top)

    def __mul__(self, other: "Floats") -> "Floats":
        relative = self.relative + other.relative + self.relative * other.relative + ULP
        absolute: Bound = 0.0
        if np.any(self.absolute) or np.any(other.absolute):
            absolute = self.absolute * (_magnitude(other) + other.spread) + other.absolute * (
                _magnitude(self) + self.spread
            )
        return Floats(
            self.value * other.value, relative, absolute, self.top * other.top if self.top and other.top else 0.0
        )

    def __truediv__(self, other: "Floats") -> "Floats":
        value = self.value / other.value
        smallest = float(np.min(np.abs(other.value), initial=np.inf))
        top = self.top / smallest if smallest > 0 else np.inf
        if not np.any(other.absolute):
            scale: Bound = smallest if np.ndim(self.absolute) == 0 else np.abs(other.value)
            shrink = 1 - other.relative
            return Floats(value, (self.relative + other.relative) / shrink + ULP, self.absolute / (scale * shrink), top)
        room = np.abs(other.value) - other.spread
        safe = np.where(room > 0, room, 1.0)
        bound = np.where(room > 0, (self.spread + np.abs(value) * other.spread) / safe, np.inf)
        return Floats(value, ULP, bound, top)

    def __neg__(self) -> "Floats":
        return Floats(-self.value, self.relative, self.absolute, self.top)

    def magnitude(self) -> "Floats":
        """The numbers without their signs."""
        return Floats(np.abs(self.value), self.relative, self.absolute, self.top)

    def minimum(self, other: "Floats") -> "Floats":
        """The smaller of two, number by number."""
        return Floats(
            np.minimum(self.value, other.value), 0.0, np.maximum(self.spread, other.spread), max(self.top, other.top)
        )

    def maximum(self, other: "Floats") -> "Floats":
        """The larger of two, number by number."""
        return Floats(
            np.maximum(self.value, other.value), 0.0, np.maximum(self.spread, other.spread), max(self.top, other.top)
        )

    def clip(self, low: Fraction | None, high: Fraction | None) -> "Floats":
        """Hold the numbers between two bounds; None leaves a side open."""
        floor = None if low is None else float(low)
        ceiling = None if high is None else float(high)
        value = np.clip(self.value, floor, ceiling)
        if floor is None or ceiling is None:
            edge = max(abs(floor or 0.0), abs(ceiling or 0.0)) * ULP
            return Floats(
                value, self.relative, self.absolute + edge, max(self.top, abs(floor or 0.0), abs(ceiling or 0.0))
            )
        # A value beyond an edge by more than its error is exactly the edge, so only values near the range matter.
        edge = max(abs(floor), abs(ceiling))
        absolute = (self.relative * edge + self.absolute) / (1 - self.relative) + ULP * edge
        return Floats(value, 0.0, absolute, edge)

    def where(self, mask: Bools, other: "Floats") -> "Floats":
        """These numbers where the mask is true, else the others."""
        scalar = np.ndim(self.absolute) == 0 and np.ndim(other.absolute) == 0
        absolute: Bound = (
            np.maximum(self.absolute, other.absolute) if scalar else np.where(mask, self.absolute, other.absolute)
        )
        value = np.where(mask, self.value, other.value)
        return Floats(value, max(self.relative, other.relative), absolute, max(self.top, other.top))

    def ln(self) -> "Floats":
        """Natural logarithms of positive numbers."""
        return self._logarithm(np.log(self.value), 1.0)

    def log10(self) -> "Floats":
        """Decimal logarithms of positive numbers."""
        return self._logarithm(np.log10(self.value), 0.5)

    def _logarithm(self, value: Doubles, slope: float) -> "Floats":
        room = self.value - self.spread
        bound = np.where(room > 0, slope * self.spread / np.where(room > 0, room, 1.0), np.inf)
        return Floats(value, LIBM, bound if np.any(bound) else 0.0)

    def sqrt(self) -> "Floats":
        """Square roots of numbers that are not negative."""
        value = np.sqrt(self.value)
        if not np.any(self.absolute):
            return Floats(value, self.relative + LIBM, 0.0, float(np.sqrt(self.top)))
        return Floats(value, LIBM, np.sqrt(self.spread))

    def log_share(self, start: Fraction, end: Fraction) -> "Floats":
        """The share ln(value ÷ start) ÷ ln(end ÷ start); start and end are positive."""
        span = float(np.log(float(end / start)))
        ratio = self / Floats(np.array([float(start)]), ULP)
        return ratio.ln() / Floats(np.array([span]), LIBM + ULP / min(abs(span), 1.0))

    def reduced(self) -> "Floats":
        """Floats are never longer than they are."""
        return self

    def floats(self) -> Doubles:
        """The nearest binary floats."""
        return self.value


def _magnitude(number: Floats) -> Bound:
    return number.top if np.isfinite(number.top) else np.abs(number.value)


class FloatField:
    """Floats; `doubt` marks the rows whose comparisons or roundings the error bound leaves open."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.doubt: Bools = np.zeros(size, dtype=bool)

    def constant(self, value: Fraction) -> Floats:
        """One number, to be broadcast over a vector."""
        return _nearest(value)

    def integers(self, values: Integers) -> Floats:
        """Whole numbers."""
        return _counted(values)

    def quotients(self, numerator: Integers, divisor: Integers | None) -> Floats:
        """Whole numbers over positive divisors; None divides by 1."""
        made = _counted(numerator) if divisor is None else _counted(numerator) / _counted(divisor)
        # One subject may be a million times another: a bound by the largest would leave the small ones open.
        return replace(made, top=np.inf)

    def less(self, left: Floats, right: Floats) -> Bools:
        """Where the left is less than the right."""
        self._decide(left, right)
        return np.less(left.value, right.value)

    def equal(self, left: Floats, right: Floats) -> Bools:
        """Where both are equal."""
        self._decide(left, right)
        return np.equal(left.value, right.value)

    def positions(self, values: Floats, members: Sequence[Fraction]) -> Integers:
        """Twice the number of members below each value plus the number equal to it; members are sorted."""
        floats = np.array([float(member) for member in members])
        margin = values.spread + ULP * float(np.max(np.abs(floats), initial=0.0))
        first = np.searchsorted(floats, values.value - margin, side="left")
        last = np.searchsorted(floats, values.value + margin, side="right")
        self.doubt |= first != last
        return first + last

    def weighted_mean(self, values: Sequence[Floats], weights: Sequence[Integers], total: Integers) -> Floats:
        """The sum of values times weights over the total weight that takes part; what takes no part is 0.

        A mean lies no farther from the exact one than its worst part, but for the roundings on the way.
        """
        whole = total.astype(np.float64)
        result, part = np.zeros(self.size), np.empty(self.size)
        size: Bound = max(value.top for value in values)
        worst: Bound = 0.0
        if not np.isfinite(size):
            size = sum(np.abs(value.value) * weight for value, weight in zip(values, weights, strict=True)) / whole
        for value, weight in zip(values, weights, strict=True):
            np.multiply(value.value, weight.astype(np.float64), out=part)
            result += part
            worst = np.maximum(worst, value.spread)
        result /= whole
        return Floats(result, 0.0, worst + (len(values) + 3) * ULP * size, float(np.max(size, initial=0)))

    def geometric_mean(self, values: Sequence[Floats], weights: Sequence[Integers]) -> Floats:
        """The product of positive values to the power of their share of weight; a weight of 0 takes no part."""
        total = np.maximum(sum(weights), 1)
        logarithm = np.zeros(self.size)
        error = np.zeros(self.size)
        for value, weight in zip(values, weights, strict=True):
            room = value.value - value.spread
            share = weight / total
            part = share * np.log(value.value)
            logarithm = logarithm + part
            error = (
                error
                + np.abs(part) * LIBM
                + share * np.where(room > 0, value.spread / np.where(room > 0, room, 1.0), 1.0)
            )
        mean = np.exp(logarithm)
        return Floats(mean, LIBM, mean * np.expm1(np.minimum(error, 700.0)))

    def rounded(self, values: Floats, decimals: int) -> NDArray[np.int64]:
        """Quantise half-up (away from zero on a tie) to whole units of 10**-decimals."""
        scaled = np.abs(values.value) * 10.0**decimals
        whole = np.floor(scaled)
        margin = values.spread * 10.0**decimals + 2 * ULP * (scaled + 1)
        self.doubt |= ~(np.abs(scaled - whole - 0.5) > margin) | ~(margin < 0.25)
        units = whole + (scaled - whole >= 0.5)
        return np.where(values.value < 0, -units, units).astype(np.int64)

    def _decide(self, left: Floats, right: Floats) -> None:
        margin = left.spread + right.spread
        top = max(left.top, right.top)
        if np.ndim(margin) == 0 and np.isfinite(top):
            if margin > 0:
                self.doubt |= np.abs(left.value - right.value) <= margin + ULP * top
        elif np.any(margin):
            self.doubt |= (np.abs(left.value - right.value) <= margin + ULP * np.abs(left.value)) & (margin > 0)


@lru_cache(maxsize=4096)
def _nearest(value: Fraction) -> Floats:
    """One number, to be broadcast over a vector."""
    nearest = value.numerator / value.denominator
    return Floats(np.array([nearest]), 0.0 if Fraction(nearest) == value else ULP, 0.0, abs(nearest))


def _counted(values: Integers) -> Floats:
    """Whole numbers as floats; exact up to 2**53."""
    made = values.astype(np.float64)
    top = float(np.max(np.abs(made), initial=0.0))
    return Floats(made, 0.0 if top <= 2.0**53 else ULP, 0.0, top)
