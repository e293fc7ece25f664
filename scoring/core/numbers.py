"""Two kinds of number vectors with the same face, so that every scoring rule is written once.

`Exact` holds rationals; only `ln`, `log10`, `sqrt`, the logarithmic share and the geometric mean are rounded, to 34 significant digits.
`Floats` holds binary floats together with a bound on their distance from the exact value; a `FloatField` remembers the rows
in which a comparison or a rounding could not be decided within that bound, so that those few can be computed again exactly.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

type Bools = NDArray[np.bool_]
type Integers = NDArray[Any]
type Doubles = NDArray[np.float64]
type Bound = float | Doubles

DIGITS = 34
_PUBLIC = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)
_GUARDED = Context(prec=2 * DIGITS, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)

# Twice the unit round-off of binary64: one rounding costs half of it, the rest covers the second-order terms of the bounds below.
ULP = 2.0**-52
# What a correctly implemented libm may lose in log, exp and sqrt, with room to spare.
LIBM = 8 * ULP


class Number(Protocol):
    """A vector of numbers; the arithmetic every scoring rule is written in."""

    def __add__(self, other: Self) -> Self: ...
    def __sub__(self, other: Self) -> Self: ...
    def __mul__(self, other: Self) -> Self: ...
    def __truediv__(self, other: Self) -> Self: ...
    def __neg__(self) -> Self: ...
    def __abs__(self) -> Self: ...
    def minimum(self, other: Self) -> Self: ...
    def maximum(self, other: Self) -> Self: ...
    def clip(self, low: Fraction | None, high: Fraction | None) -> Self: ...
    def where(self, mask: Bools, other: Self) -> Self: ...
    def ln(self) -> Self: ...
    def log10(self) -> Self: ...
    def sqrt(self) -> Self: ...
    def log_share(self, start: Fraction, end: Fraction) -> Self: ...
    def reduced(self) -> Self: ...
    def floats(self) -> Doubles: ...


class Field[N: Number](Protocol):
    """Makes number vectors of one kind and decides about them."""

    size: int

    def constant(self, value: Fraction) -> N: ...
    def integers(self, values: Integers) -> N: ...
    def quotients(self, numerator: Integers, divisor: Integers | None) -> N: ...
    def less(self, left: N, right: N) -> Bools: ...
    def equal(self, left: N, right: N) -> Bools: ...
    def positions(self, values: N, members: Sequence[Fraction]) -> Integers: ...
    def geometric_mean(self, values: Sequence[N], weights: Sequence[Integers]) -> N: ...
    def rounded(self, values: N, decimals: int) -> NDArray[np.int64]: ...


def text(value: Fraction) -> str:
    """Print a rational with 34 significant digits in plain notation."""
    quotient = _PUBLIC.divide(Decimal(value.numerator), Decimal(value.denominator))
    return _plain(quotient)


def _plain(value: Decimal) -> str:
    written = format(value, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


# --- rationals -----------------------------------------------------------------------------------------------------------------


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

    def __abs__(self) -> "Exact":
        return Exact(abs(self.numerator), self.denominator)

    def below(self, other: "Exact") -> Bools:
        """Where this is less than the other."""
        return np.asarray(self.numerator * other.denominator < other.numerator * self.denominator, dtype=bool)

    def minimum(self, other: "Exact") -> "Exact":
        return self.where(self.below(other), other)

    def maximum(self, other: "Exact") -> "Exact":
        return other.where(self.below(other), self)

    def clip(self, low: Fraction | None, high: Fraction | None) -> "Exact":
        clipped = self if low is None else self.maximum(rational(low))
        return clipped if high is None else clipped.minimum(rational(high))

    def where(self, mask: Bools, other: "Exact") -> "Exact":
        return Exact(
            np.where(mask, self.numerator, other.numerator), np.where(mask, self.denominator, other.denominator)
        )

    def ln(self) -> "Exact":
        return self._each(lambda value: value.ln(_GUARDED))

    def log10(self) -> "Exact":
        return self._each(lambda value: value.log10(_GUARDED))

    def sqrt(self) -> "Exact":
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
        pairs = zip(self.numerator.flat, self.denominator.flat, strict=True)
        return np.fromiter((_float(over, under) for over, under in pairs), dtype=np.float64, count=self.numerator.size)

    def fractions(self) -> list[Fraction]:
        """The numbers as a list of fractions."""
        return [Fraction(over, under) for over, under in zip(self.numerator.flat, self.denominator.flat, strict=True)]

    def texts(self) -> list[str]:
        """The numbers with 34 significant digits, plain notation."""
        divide = _PUBLIC.divide
        pairs = zip(self.numerator.flat, self.denominator.flat, strict=True)
        return [_plain(divide(Decimal(over), Decimal(under))) for over, under in pairs]

    def _each(self, function: Callable[[Decimal], Decimal]) -> "Exact":
        """Apply a function of positive numbers and round its results to 34 significant digits."""
        pairs = zip(self.numerator.flat, self.denominator.flat, strict=True)
        return _rationals([_PUBLIC.plus(function(_quotient(over, under))) for over, under in pairs])


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
        return rational(value)

    def integers(self, values: Integers) -> Exact:
        return Exact(values.astype(object), _objects([1]))

    def quotients(self, numerator: Integers, divisor: Integers | None) -> Exact:
        under = _objects([1]) if divisor is None else divisor.astype(object)
        return Exact(numerator.astype(object), under)

    def less(self, left: Exact, right: Exact) -> Bools:
        return left.below(right)

    def equal(self, left: Exact, right: Exact) -> Bools:
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
        return np.where(values.numerator < 0, -magnitude, magnitude).astype(np.int64)


def _geometric(factors: Sequence[tuple[Any, ...]]) -> Decimal:
    """A weighted geometric mean of (numerator, denominator, weight, …), to 34 significant digits."""
    logarithms, total = Decimal(0), 0
    for over, under, weight, *_ in factors:
        if weight:
            logarithms = _GUARDED.fma(Decimal(int(weight)), _quotient(over, under).ln(_GUARDED), logarithms)
            total += int(weight)
    return _PUBLIC.plus(_GUARDED.divide(logarithms, Decimal(total or 1)).exp(_GUARDED))


# --- floats with a bound -------------------------------------------------------------------------------------------------------


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

    def __abs__(self) -> "Floats":
        return Floats(np.abs(self.value), self.relative, self.absolute, self.top)

    def minimum(self, other: "Floats") -> "Floats":
        return Floats(
            np.minimum(self.value, other.value), 0.0, np.maximum(self.spread, other.spread), max(self.top, other.top)
        )

    def maximum(self, other: "Floats") -> "Floats":
        return Floats(
            np.maximum(self.value, other.value), 0.0, np.maximum(self.spread, other.spread), max(self.top, other.top)
        )

    def clip(self, low: Fraction | None, high: Fraction | None) -> "Floats":
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
        scalar = np.ndim(self.absolute) == 0 and np.ndim(other.absolute) == 0
        absolute: Bound = (
            np.maximum(self.absolute, other.absolute) if scalar else np.where(mask, self.absolute, other.absolute)
        )
        value = np.where(mask, self.value, other.value)
        return Floats(value, max(self.relative, other.relative), absolute, max(self.top, other.top))

    def ln(self) -> "Floats":
        return self._logarithm(np.log(self.value), 1.0)

    def log10(self) -> "Floats":
        return self._logarithm(np.log10(self.value), 0.5)

    def _logarithm(self, value: Doubles, slope: float) -> "Floats":
        room = self.value - self.spread
        bound = np.where(room > 0, slope * self.spread / np.where(room > 0, room, 1.0), np.inf)
        return Floats(value, LIBM, bound if np.any(bound) else 0.0)

    def sqrt(self) -> "Floats":
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
        return self.value


def _magnitude(number: Floats) -> Bound:
    return number.top if np.isfinite(number.top) else np.abs(number.value)


class FloatField:
    """Floats; `doubt` marks the rows whose comparisons or roundings the error bound leaves open."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.doubt: Bools = np.zeros(size, dtype=bool)

    def constant(self, value: Fraction) -> Floats:
        nearest = value.numerator / value.denominator
        return Floats(np.array([nearest]), 0.0 if Fraction(nearest) == value else ULP, 0.0, abs(nearest))

    def integers(self, values: Integers) -> Floats:
        return self.quotients(values, None)

    def quotients(self, numerator: Integers, divisor: Integers | None) -> Floats:
        made = _counted(numerator)
        return made if divisor is None else made / _counted(divisor)

    def less(self, left: Floats, right: Floats) -> Bools:
        self._decide(left, right)
        return left.value < right.value

    def equal(self, left: Floats, right: Floats) -> Bools:
        self._decide(left, right)
        return left.value == right.value

    def positions(self, values: Floats, members: Sequence[Fraction]) -> Integers:
        """Twice the number of members below each value plus the number equal to it; members are sorted."""
        floats = np.array([float(member) for member in members])
        margin = values.spread + ULP * float(np.max(np.abs(floats), initial=0.0))
        first = np.searchsorted(floats, values.value - margin, side="left")
        last = np.searchsorted(floats, values.value + margin, side="right")
        self.doubt |= first != last
        return first + last

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
        if np.any(margin):
            self.doubt |= (np.abs(left.value - right.value) <= margin + ULP * np.abs(left.value)) & (margin > 0)


def _counted(values: Integers) -> Floats:
    """Whole numbers as floats; exact up to 2**53."""
    made = values.astype(np.float64)
    top = float(np.max(np.abs(made), initial=0.0))
    return Floats(made, 0.0 if top <= 2.0**53 else ULP, 0.0, np.inf)
