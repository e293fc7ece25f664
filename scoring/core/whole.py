"""Vectors of whole numbers: in 64 bits while the largest of them prove that nothing overflows, else Python integers."""

import numpy as np

from scoring.core.numbers import Integers

_WIDE = 2**63


def largest(values: Integers) -> int:
    """The largest magnitude; 0 of nothing."""
    if values.size == 1:  # a constant
        return abs(int(values.item()))
    return max(int(np.maximum.reduce(values, initial=0)), -int(np.minimum.reduce(values, initial=0)))


def times(left: Integers, right: Integers) -> Integers:
    """Multiply number by number."""
    fits = left.dtype != object and right.dtype != object and largest(left) * largest(right) < _WIDE
    product: Integers = left * right if fits else left.astype(object) * right.astype(object)
    return product


def plus(left: Integers, right: Integers) -> Integers:
    """Add number by number."""
    fits = left.dtype != object and right.dtype != object and largest(left) + largest(right) < _WIDE
    total: Integers = left + right if fits else left.astype(object) + right.astype(object)
    return total


def scaled(values: Integers, factor: int) -> Integers:
    """Multiply by one number."""
    if factor == 1:
        return values
    fits = values.dtype != object and max(largest(values), 1) * abs(factor) < _WIDE
    product: Integers = values * factor if fits else values.astype(object) * factor
    return product


def divided(values: Integers, factor: int) -> Integers:
    """Divide by a number that divides them all."""
    wide = values.dtype == object or factor >= _WIDE
    return values if factor == 1 else narrowed(values.astype(object) // factor) if wide else values // factor


def narrowed(values: Integers) -> Integers:
    """Go back to 64 bits where they hold all numbers."""
    return values if values.dtype != object or largest(values) >= _WIDE else values.astype(np.int64)


def opposable(values: Integers) -> Integers:
    """Leave 64 bits where the smallest of their numbers stands, which has no opposite among them."""
    return values.astype(object) if values.dtype != object and largest(values) >= _WIDE else values
