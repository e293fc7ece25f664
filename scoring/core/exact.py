"""Rationals as vectors; only logarithms, roots and geometric means are rounded, to 34 significant digits."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from scoring.core.numbers import Bools, Doubles, Integers
from scoring.core.whole import divided, narrowed, opposable, plus, scaled, times

DIGITS = 34
_PUBLIC = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)
_STEP = Context(prec=52, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)
_BITS = 176
_GUARDED = Context(prec=2 * DIGITS, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)


def text(value: Fraction) -> str:
    """Print a rational with 34 significant digits in plain notation."""
    quotient = _PUBLIC.divide(Decimal(value.numerator), Decimal(value.denominator))
    return _plain(str(quotient))


def _plain(written: str) -> str:
    """Rewrite a number without an exponent and without zeros at the end of its fraction."""
    if "E" in written:
        written = format(Decimal(written), "f")
    if written[-1] == "0" and "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """Rationals: numerator ÷ (own · common).

    numerator: whole numbers, in 64 bits while those are sure to hold them, else as Python integers.
    own: a positive denominator row by row, None = 1. common: a positive denominator of all rows.
    """

    numerator: Integers
    own: Integers | None = None
    common: int = 1

    @property
    def denominator(self) -> Integers:
        """The denominators; one stands for all where they are equal."""
        return scaled(np.array([1]) if self.own is None else self.own, self.common)

    def __add__(self, other: "Exact") -> "Exact":
        left, right, own, common = self._aligned(other)
        return Exact(plus(left, right), own, common)

    def __sub__(self, other: "Exact") -> "Exact":
        return self + -other

    def __mul__(self, other: "Exact") -> "Exact":
        own = _product(self.own, other.own)
        return Exact(times(self.numerator, other.numerator), own, self.common * other.common)

    def __truediv__(self, other: "Exact") -> "Exact":
        over = self.numerator if other.own is None else times(self.numerator, other.own)
        shared = math.gcd(self.common, other.common)
        factor, common = other.common // shared, self.common // shared
        if other.numerator.size == 1:
            divisor = int(other.numerator[0])
            return Exact(scaled(over, -factor if divisor < 0 else factor), self.own, common * abs(divisor))
        under = abs(other.numerator)
        signed = over if (other.numerator > 0).all() else np.where(other.numerator < 0, -over, over)
        return Exact(scaled(signed, factor), under if self.own is None else times(self.own, under), common)

    def __neg__(self) -> "Exact":
        return replace(self, numerator=-self.numerator)

    def magnitude(self) -> "Exact":
        """The numbers without their signs."""
        return replace(self, numerator=abs(self.numerator))

    def below(self, other: "Exact") -> Bools:
        """Where this is less than the other."""
        left, right, _, _ = self._aligned(other)
        return np.asarray(left < right, dtype=bool)

    def equal(self, other: "Exact") -> Bools:
        """Where both are equal."""
        left, right, _, _ = self._aligned(other)
        return np.asarray(left == right, dtype=bool)

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
        if mask.all():
            return self
        if self.own is None or other.own is None or self.own is other.own:
            left, right, own, common = self._aligned(other)
            return Exact(np.where(mask, left, right), own, common)
        own = np.where(mask, scaled(self.own, self.common), scaled(other.own, other.common))
        return Exact(np.where(mask, self.numerator, other.numerator), own)

    def ln(self) -> "Exact":
        """Natural logarithms of positive numbers."""
        return self._each(_ln)

    def log10(self) -> "Exact":
        """Decimal logarithms of positive numbers."""
        return self._each(lambda over, under: _quotient(over, under).log10(_GUARDED))

    def sqrt(self) -> "Exact":
        """Square roots of numbers that are not negative."""
        return self._each(lambda over, under: _quotient(over, under).sqrt(_GUARDED))

    def log_share(self, start: Fraction, end: Fraction) -> "Exact":
        """The share ln(value ÷ start) ÷ ln(end ÷ start); start and end are positive."""
        span = _ln(*(end / start).as_integer_ratio())
        # Most values lie beyond one end of a segment, and were clipped to it; others often come again.
        known = {start.as_integer_ratio(): Decimal(0), end.as_integer_ratio(): Decimal(1)}
        shares = []
        for over, under in self.pairs():
            shared = math.gcd(over, under)
            value = over // shared, under // shared
            if value not in known:
                known[value] = _PUBLIC.divide(_ln(over * start.denominator, under * start.numerator), span)
            shares.append(known[value])
        return _rationals(shares)

    def reduced(self) -> "Exact":
        """The same numbers with smaller numerators and denominators."""
        numerator, own = self.numerator, self.own
        if own is not None:
            shared = np.gcd(numerator, own)
            numerator, own = narrowed(numerator // shared), narrowed(own // shared)
        if self.common == 1:
            return Exact(numerator, own)
        factor = math.gcd(self.common, int(np.gcd.reduce(numerator, initial=0)))
        return Exact(divided(numerator, factor), own, self.common // factor)

    def units(self, decimals: int) -> Integers:
        """Quantise half-up (away from zero on a tie) to whole units of 10**-decimals, however large."""
        under = self.denominator
        magnitude = plus(scaled(abs(self.numerator), 2 * 10**decimals), under) // scaled(under, 2)
        return np.where(self.numerator < 0, -magnitude, magnitude)

    def take(self, rows: NDArray[np.intp], size: int) -> "Exact":
        """Keep some rows of a vector of `size` numbers."""
        own = None if self.own is None else np.broadcast_to(self.own, size)[rows]
        return Exact(np.broadcast_to(self.numerator, size)[rows], own, self.common)

    def floats(self) -> Doubles:
        """The nearest binary floats."""
        return np.array([_float(over, under) for over, under in self.pairs()], dtype=np.float64)

    def fractions(self) -> list[Fraction]:
        """The numbers as a list of fractions."""
        return [Fraction(over, under) for over, under in self.pairs()]

    def texts(self) -> list[str]:
        """The numbers with 34 significant digits, plain notation."""
        if self.own is None and self.numerator.dtype != object:
            # Clamped points and counts come again and again; what is equal is printed once.
            overs, places = np.unique(self.numerator, return_inverse=True)
            printed = _printed(overs, repeat(Decimal(self.common)))
            return [printed[place] for place in places.tolist()]
        overs, unders = np.broadcast_arrays(self.numerator, self.denominator)
        return _printed(overs, map(Decimal, unders.tolist()))

    def pairs(self) -> list[tuple[int, int]]:
        """List numerators with their denominators, as Python integers."""
        overs, unders = np.broadcast_arrays(self.numerator, self.denominator)
        return list(zip(overs.tolist(), unders.tolist(), strict=True))

    def _aligned(self, other: "Exact") -> tuple[Integers, Integers, Integers | None, int]:
        """Bring two vectors over the same denominators: both numerators, then own and common."""
        common = math.lcm(self.common, other.common)
        left = scaled(self.numerator, common // self.common)
        right = scaled(other.numerator, common // other.common)
        if self.own is other.own:
            return left, right, self.own, common
        left = left if other.own is None else times(left, other.own)
        right = right if self.own is None else times(right, self.own)
        return left, right, _product(self.own, other.own), common

    def _each(self, function: Callable[[int, int], Decimal]) -> "Exact":
        """Apply a function of numerator and denominator and round its results to 34 significant digits."""
        return _rationals([_PUBLIC.plus(function(over, under)) for over, under in self.pairs()])


def _printed(overs: Integers, unders: Iterable[Decimal]) -> list[str]:
    """Print quotients with 34 significant digits, plain notation."""
    quotients = map(str, map(_PUBLIC.divide, map(Decimal, overs.tolist()), unders))
    return [written if written[-1] != "0" and "E" not in written else _plain(written) for written in quotients]


def _product(left: Integers | None, right: Integers | None) -> Integers | None:
    """Multiply two vectors of denominators; None = 1."""
    return left if right is None else right if left is None else times(left, right)


def _quotient(over: int, under: int) -> Decimal:
    return _GUARDED.divide(Decimal(over), Decimal(under))


def _ln(over: int, under: int) -> Decimal:
    """The logarithm of a positive quotient, to at least 42 significant digits.

    The quotient is 2**power · step · (1 + t) ÷ (1 − t), the step being one of 256 from 1 to 2, so that t < 1/512: the
    logarithms of 2 and of the steps are kept, that of the rest is 2 · (t + t³/3 + t⁵/5 + …).
    """
    if 99 * under < 100 * over < 101 * under:
        return _ln_next_to_one(over, under)
    power = over.bit_length() - under.bit_length()
    over, under = over << max(0, _BITS - power), under << max(0, power - _BITS)
    mantissa = over // under
    if not mantissa >> _BITS:
        power, mantissa = power - 1, (over << 1) // under
    step = mantissa >> (_BITS - 8)
    start = step << (_BITS - 8)
    t = ((mantissa - start) << _BITS) // (mantissa + start)
    square, total, odd = t * t >> _BITS, 0, 1
    while t:
        total, t, odd = total + t // odd, t * square >> _BITS, odd + 2
    return _STEP.divide(Decimal(power * _ln_of_step(512) + _ln_of_step(step) + 2 * total), Decimal(1 << _BITS))


def _ln_next_to_one(over: int, under: int) -> Decimal:
    """The same series alone and in floating digits, of which none cancel however close to 1 the quotient is."""
    t = _quotient(2 * (over - under), over + under)
    square, total = _GUARDED.divide(_GUARDED.multiply(t, t), Decimal(4)), Decimal(0)
    for odd in range(1, 24, 2):
        total, t = _GUARDED.add(total, _GUARDED.divide(t, Decimal(odd))), _GUARDED.multiply(t, square)
    return total


@lru_cache(maxsize=257)
def _ln_of_step(step: int) -> int:
    """The logarithm of step ÷ 256, in units of 2**-_BITS."""
    return int(_GUARDED.multiply(_quotient(step, 256).ln(_GUARDED), Decimal(1 << _BITS)))


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


@lru_cache(maxsize=4096)
def rational(value: Fraction) -> Exact:
    """One rational, to be broadcast over a vector."""
    return Exact(narrowed(_objects([value.numerator])), None, value.denominator)


@dataclass(slots=True)
class ExactField:
    """Rationals; nothing is ever in doubt."""

    size: int

    def constant(self, value: Fraction) -> Exact:
        """One number, to be broadcast over a vector."""
        return rational(value)

    def integers(self, values: Integers) -> Exact:
        """Whole numbers."""
        return Exact(opposable(_one(values)))

    def quotients(self, numerator: Integers, divisor: Integers | None) -> Exact:
        """Whole numbers over positive divisors; None divides by 1."""
        if divisor is None:
            return Exact(opposable(numerator))
        under = _one(divisor)
        if under.size == 1:
            return Exact(opposable(numerator), None, int(under[0]))
        return Exact(opposable(numerator), opposable(under))

    def less(self, left: Exact, right: Exact) -> Bools:
        """Where the left is less than the right."""
        return left.below(right)

    def equal(self, left: Exact, right: Exact) -> Bools:
        """Where both are equal."""
        return left.equal(right)

    def positions(self, values: Exact, members: Sequence[Fraction]) -> Integers:
        """Twice the number of members below each value plus the number equal to it; members are sorted."""
        return _objects([bisect_left(members, value) + bisect_right(members, value) for value in values.fractions()])

    def weighted_mean(self, values: Sequence[Exact], weights: Sequence[Integers], total: Integers) -> Exact:
        """The sum of values times weights over the total weight that takes part; what takes no part is 0."""
        result = self.constant(Fraction(0))
        for value, weight in zip(values, weights, strict=True):
            result = result + value * self.integers(weight)
        return result / self.integers(total)

    def geometric_mean(self, values: Sequence[Exact], weights: Sequence[Integers]) -> Exact:
        """The product of positive values to the power of their share of weight; a weight of 0 takes no part."""
        rows = zip(*(np.broadcast_to(weight, self.size).tolist() for weight in weights), strict=True)
        whole = np.arange(self.size)
        factors = zip(*(value.take(whole, self.size).pairs() for value in values), strict=True)
        return _rationals([_geometric(pairs, row) for pairs, row in zip(factors, rows, strict=True)])

    def rounded(self, values: Exact, decimals: int) -> NDArray[np.int64]:
        """Quantise half-up (away from zero on a tie) to whole units of 10**-decimals; OverflowError beyond 64 bits."""
        return values.units(decimals).astype(np.int64)


def _one(values: Integers) -> Integers:
    """A single number for a vector of equals."""
    return values[:1] if values.size > 1 and (values == values[0]).all() else values


def _geometric(factors: Sequence[tuple[int, int]], weights: Sequence[int]) -> Decimal:
    """A weighted geometric mean of numerators and denominators, to 34 significant digits."""
    logarithms = Decimal(0)
    for (over, under), weight in zip(factors, weights, strict=True):
        if weight:
            logarithms = _GUARDED.fma(Decimal(weight), _ln(over, under), logarithms)
    return _PUBLIC.plus(_STEP.exp(_GUARDED.divide(logarithms, Decimal(sum(weights) or 1))))
