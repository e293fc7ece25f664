"""Rationals as vectors; only logarithms, roots and geometric means are rounded, to 34 significant digits."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.core.numbers import Bools, Doubles, Integers

DIGITS = 34
_PUBLIC = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)
_GUARDED = Context(prec=2 * DIGITS, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)


def text(value: Fraction) -> str:
    """Print a rational with 34 significant digits in plain notation."""
    quotient = _PUBLIC.divide(Decimal(value.numerator), Decimal(value.denominator))
    return _plain(quotient)


def _plain(value: Decimal) -> str:
    written = format(value, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """Rationals as two arrays of Python integers; denominators are positive."""

    numerator: Integers
    denominator: Integers

    def __add__(self, other: "Exact") -> "Exact":
        return Exact(
            self.numerator * other.denominator + other.numerator * self.denominator,
            self.denominator * other.denominator,
        )

    def __sub__(self, other: "Exact") -> "Exact":
        return self + -other

    def __mul__(self, other: "Exact") -> "Exact":
        return Exact(self.numerator * other.numerator, self.denominator * other.denominator)

    def __truediv__(self, other: "Exact") -> "Exact":
        sign = np.where(other.numerator < 0, -1, 1).astype(object)
        return Exact(self.numerator * other.denominator * sign, self.denominator * other.numerator * sign)

    def __neg__(self) -> "Exact":
        return Exact(-self.numerator, self.denominator)

    def magnitude(self) -> "Exact":
        """The numbers without their signs."""
        return Exact(abs(self.numerator), self.denominator)

    def below(self, other: "Exact") -> Bools:
        """Where this is less than the other."""
        return np.asarray(self.numerator * other.denominator < other.numerator * self.denominator, dtype=bool)

    def minimum(self, other: "Exact") -> "Exact":
        """The smaller of two, number by number."""
        return self.where(self.below(other), other)

    def maximum(self, other: "Exact") -> "Exact":
        """The larger of two, number by number."""
        return other.where(self.below(other), self)

    def clip(self, low: Fraction | None, high: Fraction | None) -> "Exact":
        """Hold the numbers between two bounds; None leaves a side open."""
        clipped = self if low is None else self.maximum(rational(low))
        return clipped if high is None else clipped.minimum(rational(high))

    def where(self, mask: Bools, other: "Exact") -> "Exact":
        """These numbers where the mask is true, else the others."""
        return Exact(
            np.where(mask, self.numerator, other.numerator), np.where(mask, self.denominator, other.denominator)
        )

    def ln(self) -> "Exact":
        """Natural logarithms of positive numbers."""
        return self._each(lambda value: value.ln(_GUARDED))

    def log10(self) -> "Exact":
        """Decimal logarithms of positive numbers."""
        return self._each(lambda value: value.log10(_GUARDED))

    def sqrt(self) -> "Exact":
        """Square roots of numbers that are not negative."""
        return self._each(lambda value: value.sqrt(_GUARDED))

    def log_share(self, start: Fraction, end: Fraction) -> "Exact":
        """The share ln(value ÷ start) ÷ ln(end ÷ start); start and end are positive."""
        origin = _quotient(start.numerator, start.denominator)
        span = _GUARDED.divide(_quotient(end.numerator, end.denominator), origin).ln(_GUARDED)
        return self._each(lambda value: _GUARDED.divide(_GUARDED.divide(value, origin).ln(_GUARDED), span))

    def reduced(self) -> "Exact":
        """The same numbers in lowest terms."""
        common = np.gcd(self.numerator, self.denominator)
        return Exact(self.numerator // common, self.denominator // common)

    def floats(self) -> Doubles:
        """The nearest binary floats."""
        return np.array([_float(over, under) for over, under in self._pairs()], dtype=np.float64)

    def fractions(self) -> list[Fraction]:
        """The numbers as a list of fractions."""
        return [Fraction(over, under) for over, under in self._pairs()]

    def texts(self) -> list[str]:
        """The numbers with 34 significant digits, plain notation."""
        divide = _PUBLIC.divide
        return [_plain(divide(Decimal(over), Decimal(under))) for over, under in self._pairs()]

    def _each(self, function: Callable[[Decimal], Decimal]) -> "Exact":
        """Apply a function of positive numbers and round its results to 34 significant digits."""
        return _rationals([_PUBLIC.plus(function(_quotient(over, under))) for over, under in self._pairs()])

    def _pairs(self) -> Iterator[tuple[int, int]]:
        """List numerators with their denominators; either may be one for all."""
        return zip(*(array.flat for array in np.broadcast_arrays(self.numerator, self.denominator)), strict=True)


def _quotient(over: int, under: int) -> Decimal:
    return _GUARDED.divide(Decimal(over), Decimal(under))


def _float(over: int, under: int) -> float:
    try:
        return over / under
    except OverflowError:
        return float("inf") if over > 0 else float("-inf")


def _rationals(values: Sequence[Decimal]) -> Exact:
    ratios = [value.as_integer_ratio() for value in values]
    return Exact(_objects([over for over, _ in ratios]), _objects([under for _, under in ratios]))


def _objects(values: Sequence[int]) -> Integers:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def rational(value: Fraction) -> Exact:
    """One rational, to be broadcast over a vector."""
    return Exact(_objects([value.numerator]), _objects([value.denominator]))


@dataclass(slots=True)
class ExactField:
    """Rationals; nothing is ever in doubt."""

    size: int

    def constant(self, value: Fraction) -> Exact:
        """One number, to be broadcast over a vector."""
        return rational(value)

    def integers(self, values: Integers) -> Exact:
        """Whole numbers."""
        return Exact(values.astype(object), _objects([1]))

    def quotients(self, numerator: Integers, divisor: Integers | None) -> Exact:
        """Whole numbers over positive divisors; None divides by 1."""
        under = _objects([1]) if divisor is None else divisor.astype(object)
        return Exact(numerator.astype(object), under)

    def less(self, left: Exact, right: Exact) -> Bools:
        """Where the left is less than the right."""
        return left.below(right)

    def equal(self, left: Exact, right: Exact) -> Bools:
        """Where both are equal."""
        return np.asarray(left.numerator * right.denominator == right.numerator * left.denominator, dtype=bool)

    def positions(self, values: Exact, members: Sequence[Fraction]) -> Integers:
        """Twice the number of members below each value plus the number equal to it; members are sorted."""
        return _objects([bisect_left(members, value) + bisect_right(members, value) for value in values.fractions()])

    def geometric_mean(self, values: Sequence[Exact], weights: Sequence[Integers]) -> Exact:
        """The product of positive values to the power of their share of weight; a weight of 0 takes no part."""
        factors = [
            zip(*np.broadcast_arrays(value.numerator, value.denominator, weight, np.empty(self.size)), strict=True)
            for value, weight in zip(values, weights, strict=True)
        ]
        return _rationals([_geometric(row) for row in zip(*factors, strict=True)])

    def rounded(self, values: Exact, decimals: int) -> NDArray[np.int64]:
        """Quantise half-up (away from zero on a tie) to whole units of 10**-decimals."""
        magnitude = (abs(values.numerator) * (2 * 10**decimals) + values.denominator) // (2 * values.denominator)
        return np.asarray(np.where(values.numerator < 0, -magnitude, magnitude), dtype=np.int64)


def _geometric(factors: Sequence[tuple[Any, ...]]) -> Decimal:
    """A weighted geometric mean of (numerator, denominator, weight, …), to 34 significant digits."""
    logarithms, total = Decimal(0), 0
    for over, under, weight, *_ in factors:
        if weight:
            logarithms = _GUARDED.fma(Decimal(int(weight)), _quotient(over, under).ln(_GUARDED), logarithms)
            total += int(weight)
    return _PUBLIC.plus(_GUARDED.divide(logarithms, Decimal(total or 1)).exp(_GUARDED))
