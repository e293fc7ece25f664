"""Read the cells of a table as exact numbers: a whole column at once where it is written plainly, else cell by cell."""

import re
from collections.abc import Sequence

import numpy as np

from scoring.core.inputs import Column, State, States
from scoring.core.numbers import Bools, Integers
from scoring.core.whole import narrowed, scaled

LONGEST_CELL = 60

# Possessive throughout: a table without faults is matched once, and one with a fault is given up at once.
_PLAIN = re.compile(r"(?:(?:-?+[0-9]++(?:\.[0-9]++)?+)?+,)*+")
_NUMBER = re.compile(r"(-?[0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,2}))?")
# So many characters are a whole number of 64 bits, whatever they are.
_SHORT = 18


class Numbers:
    """One column of numbers while it is read, piece by piece."""

    def __init__(self) -> None:
        self._digits: list[Integers] = []
        self._places: list[int] = []
        self._states: list[States] = []

    def append(self, cells: Sequence[str]) -> list[int]:
        """Read some more cells, empty ones as no data; list the places of those that are no numbers."""
        joined = ",".join(cells) + ","
        if joined.count(",") != len(cells) or not _PLAIN.fullmatch(joined):
            return self._one_by_one(cells)
        letters = np.frombuffer(joined.encode(), np.uint8)
        ends, points = np.flatnonzero(letters == ord(",")), np.flatnonzero(letters == ord("."))
        length = np.diff(ends, prepend=-1) - 1
        if length.max() > LONGEST_CELL:
            return self._one_by_one(cells)
        with_point = np.searchsorted(ends, points)
        places = np.zeros(len(cells), dtype=np.int64)
        places[with_point] = ends[with_point] - points - 1
        empty = length == 0
        written = (",".join(cell or "0" for cell in cells) if empty.any() else joined[:-1]).replace(".", "")
        if np.max(length - (places > 0)) <= _SHORT:
            digits = np.fromstring(written, np.int64, sep=",")
        else:
            digits = np.array([int(cell) for cell in written.split(",")], dtype=object)
        self._keep(digits, places, empty)
        return []

    def column(self) -> Column:
        """All that was read, over one power of ten."""
        most = max(self._places, default=0)
        pieces = [
            scaled(digits, 10 ** (most - places)) for digits, places in zip(self._digits, self._places, strict=True)
        ]
        numerator = np.concatenate(pieces)
        under = np.full(numerator.size, 10**most, dtype=np.int64 if most <= _SHORT else object) if most else None
        return Column.of(numerator, np.concatenate(self._states), under)

    def _one_by_one(self, cells: Sequence[str]) -> list[int]:
        digits: list[int] = []
        places: list[int] = []
        empty: list[bool] = []
        wrong: list[int] = []
        for place, cell in enumerate(cells):
            match = _NUMBER.fullmatch(cell.strip(" ")) if len(cell) <= LONGEST_CELL else None
            whole, fraction, exponent = match.groups("") if match else ("0", "", "")
            empty.append(not cell.strip(" "))
            if match is None and not empty[-1]:
                wrong.append(place)
            digits.append(int(whole + fraction))
            places.append(len(fraction) - int(exponent or 0))
        self._keep(np.array(digits, dtype=object), np.array(places), np.array(empty))
        return wrong

    def _keep(self, digits: Integers, places: Integers, empty: Bools) -> None:
        """Keep numbers with as many decimal places each, brought to the most of them."""
        most = max(0, int(places.max()))
        distinct = np.unique(places).tolist()
        for own in distinct if distinct != [most] else ():
            here = places == own
            brought = scaled(digits[here], 10 ** (most - own))
            digits = digits.astype(object) if brought.dtype == object else digits
            digits[here] = brought
        self._digits.append(narrowed(digits))
        self._places.append(most)
        self._states.append(np.where(empty, State.NO_DATA, State.VALUE).astype(np.int8))
