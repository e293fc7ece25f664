"""Type whole columns of a block at once: integers, business days, codes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from providers.readers.lines import Block

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
EPOCH = date(1970, 1, 1).toordinal()
MOST_DIGITS = 18
FLOAT_DIGITS = 15
ZERO, MINUS, POINT, DASH = 48, 45, 46, 45


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of integers, and where there was none: ``empty`` fields, ``bad`` text, ``inexact`` after scaling."""

    values: Ints
    empty: Flags
    bad: Flags
    inexact: Flags


def numbers(block: Block, column: int, scale: int = 1) -> Numbers:
    """Read ASCII digits with an optional minus; with a scale also a decimal point, times the scale, exactly."""
    return _integers(block, column) if scale == 1 else _decimals(block, column, scale)


def _integers(block: Block, column: int) -> Numbers:
    """Lay the digits out right-aligned and weigh them; floats are exact up to 15 digits."""
    starts, ends = block.starts[:, column], block.ends[:, column]
    length = ends - starts
    empty = length == 0
    negative = (block.data[np.minimum(starts, len(block.data) - 1)] == MINUS) & ~empty
    width = min(int(length.max(initial=0)), MOST_DIGITS + 1)
    at = ends[:, None] - np.arange(width, 0, -1)
    digits = block.data[np.maximum(at, 0)] - np.uint8(ZERO)
    inside = at >= starts[:, None]
    other = inside & (digits > 9)
    bad = (other.sum(axis=1) != negative) | (length - negative > MOST_DIGITS) | (negative & (length == 1))
    digits[other | ~inside] = 0
    weights = 10 ** np.arange(width - 1, -1, -1)
    if width <= FLOAT_DIGITS:
        values = (digits.astype(np.float64) @ weights.astype(np.float64)).astype(np.int64)
    else:
        values = digits.astype(np.int64) @ weights
    for row in np.flatnonzero(length - negative > MOST_DIGITS).tolist():
        digits_only = block.text(row, column).removeprefix("-").lstrip("0") or "0"
        if len(digits_only) <= MOST_DIGITS and digits_only.isascii() and digits_only.isdigit():
            values[row], bad[row] = int(digits_only), False
    return Numbers(np.where(negative, -values, values), empty, bad & ~empty, np.zeros(len(starts), dtype=np.bool_))


def _decimals(block: Block, column: int, scale: int) -> Numbers:
    starts, ends = block.starts[:, column], block.ends[:, column]
    length = ends - starts
    last = len(block.data) - 1
    n = len(starts)
    values = np.zeros(n, dtype=np.int64)
    decimals = np.zeros(n, dtype=np.int64)
    point = np.zeros(n, dtype=np.bool_)
    empty = length == 0
    negative = (block.data[np.minimum(starts, last)] == MINUS) & ~empty
    most = MOST_DIGITS - len(str(scale))
    bad = (length - negative > most + 1) | (negative & (length == 1))
    for k in range(min(int(length.max(initial=0)), most + 2)):
        inside = k < length
        if k == 0:
            inside &= ~negative
        char = block.data[np.minimum(starts + k, last)]
        digit = char - np.uint8(ZERO)
        is_digit = inside & (digit <= 9)
        at_point = inside & (char == POINT) & ~point
        decimals += is_digit & point
        point |= at_point
        bad |= inside & ~is_digit & ~at_point
        values = np.where(is_digit & ~bad, values * 10 + digit, values)
    bad |= point & ((decimals == 0) | (length - negative == decimals + 1))
    bad &= ~empty
    divisor = 10 ** np.where(bad, 0, decimals)
    scaled = np.where(bad, 0, values) * scale
    values = scaled // divisor
    return Numbers(np.where(negative, -values, values), empty, bad, scaled % divisor != 0)


def days(block: Block, column: int) -> tuple[Ints, Flags]:
    """Read ISO days (2021-07-31) as days since 1970-01-01; the second array marks what is none."""
    starts, ends = block.starts[:, column], block.ends[:, column]
    bad = ends - starts != 10
    at = np.minimum(np.where(bad, 0, starts)[:, None] + np.arange(10), len(block.data) - 1)
    chars = block.data[at]
    bad |= (chars[:, 4] != DASH) | (chars[:, 7] != DASH)
    digits = (chars[:, [0, 1, 2, 3, 5, 6, 8, 9]] - np.uint8(ZERO)).astype(np.int64)
    bad |= (digits > 9).any(axis=1)
    stamp = np.where(bad, 0, digits @ (10 ** np.arange(7, -1, -1)))
    found, inverse = np.unique(stamp, return_inverse=True)
    known = np.array([_day_number(int(value)) for value in found], dtype=np.int64)
    result = known[inverse]
    bad |= result == NO_DAY
    return result, bad


NO_DAY = np.iinfo(np.int64).min


def _day_number(stamp: int) -> int:
    try:
        return date(stamp // 10000, stamp // 100 % 100, stamp % 100).toordinal() - EPOCH
    except ValueError:
        return int(NO_DAY)


def iso_day(text: str) -> date:
    """Return the day of a text like 2021-07-31; ValueError for anything else, other ISO forms included."""
    if not ISO_DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def as_date(number: int) -> date:
    """Return the date of a number of days since 1970-01-01."""
    return date.fromordinal(number + EPOCH)


def as_number(day: date) -> int:
    """Return the days since 1970-01-01."""
    return day.toordinal() - EPOCH


def words(data: NDArray[np.uint8], starts: Ints, ends: Ints, width: int) -> NDArray[np.uint64]:
    """Return texts as rows of 64-bit words, zero-padded; longer texts are cut at ``width`` words."""
    length = int(ends[0] - starts[0]) if len(starts) else 0
    if length <= width * 8 and (ends - starts == length).all() and (starts[1:] == ends[:-1]).all():
        padded = np.zeros((len(starts), width * 8), dtype=np.uint8)
        if length:
            padded[:, :length] = data[starts[0] : ends[-1]].reshape(-1, length)
        return padded.view(np.uint64)
    at = starts[:, None] + np.arange(width * 8)
    inside = at < ends[:, None]
    padded = np.where(inside, data[np.minimum(at, len(data) - 1)], np.uint8(0))
    return np.ascontiguousarray(padded).view(np.uint64)


class Codes:
    """Registered codes and their row ids, found a column at a time by hash and then compared byte by byte."""

    def __init__(self, data: bytes, lengths: Ints, ids: Ints) -> None:
        """Take the codes end to end in UTF-8, with the bytes each of them has."""
        self._width = int(lengths.max(initial=1)) // 8 + 1
        ends = np.cumsum(lengths)
        known = words(np.frombuffer(data, dtype=np.uint8), ends - lengths, ends, self._width)
        self._seed = 0
        while True:
            hashes = self._hash(known)
            order = np.argsort(hashes)
            self._hashes = hashes[order]
            if not (self._hashes[1:] == self._hashes[:-1]).any():
                break
            self._seed += 1
        self._known = np.ascontiguousarray(known[order].T)
        self._ids, self._lengths = ids[order], lengths[order]
        # Few codes have the same first bits of their hash, so a code is looked for from where these begin.
        bits = (4 * len(ids) + 1).bit_length()
        self._shift = np.uint64(64 - bits)
        alike = np.bincount((self._hashes >> self._shift).astype(np.int64), minlength=1 << bits)
        self._begins = np.cumsum(alike) - alike

    @classmethod
    def of(cls, ids_by_code: dict[str, int]) -> Codes:
        """Take codes one by one."""
        encoded = [code.encode() for code in ids_by_code]
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        ids = np.fromiter(ids_by_code.values(), dtype=np.int64, count=len(encoded))
        return cls(b"".join(encoded), lengths, ids)

    def _hash(self, rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
        mixed = np.full(len(rows), 0x9E3779B97F4A7C15 + self._seed, dtype=np.uint64)
        for k in range(rows.shape[1]):
            mixed = (mixed ^ rows[:, k]) * np.uint64(0xFF51AFD7ED558CCD)
            mixed ^= mixed >> np.uint64(29)
        return mixed

    def find(self, data: NDArray[np.uint8], starts: Ints, ends: Ints) -> Ints:
        """Return the row id of every code, which lie in some bytes, −1 where it is not registered."""
        if not len(self._ids):
            return np.full(len(starts), -1, dtype=np.int64)
        found = words(data, starts, ends, self._width)
        hashes = self._hash(found)
        last = len(self._hashes) - 1
        at = np.minimum(self._begins[hashes >> self._shift], last)
        later = np.flatnonzero((self._hashes[at] < hashes) & (at < last))
        while len(later):
            at[later] += 1
            later = later[(self._hashes[at[later]] < hashes[later]) & (at[later] < last)]
        same = self._lengths[at] == ends - starts
        for k, word in enumerate(self._known):
            same &= word[at] == found[:, k]
        return np.where(same, self._ids[at], -1)
