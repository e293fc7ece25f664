"""Split shares: whole numbers divided among the parties to a binding so that nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    type Ints = NDArray[np.int64]

WHOLE = 10_000  # basis points of all parties together


def divided(values: Ints, shares: Sequence[int]) -> Ints:
    """Divide every value by the shares (basis points, 10,000 in all): a row per party, by largest remainder.

    What is left after rounding down goes, one each, to the parties with the largest remainders, the first of equal
    ones. A negative value is divided as its positive twin, so that a sale and its return cancel for every party.
    """
    if sum(shares) != WHOLE or min(shares) < 0:
        raise ValueError(f"shares {tuple(shares)} are not {WHOLE} basis points in all")
    weight = np.array(shares, dtype=np.int64)[:, None]
    size = np.abs(values)
    # In two steps, so that no product leaves 64 bits.
    tens, rest = size // WHOLE, size % WHOLE
    parts = tens * weight + rest * weight // WHOLE
    order = np.argsort(-(rest * weight % WHOLE), axis=0, kind="stable")
    rank = np.argsort(order, axis=0, kind="stable")
    result: Ints = (parts + (rank < size - parts.sum(axis=0))) * np.sign(values)
    return result


def turns(shares: Sequence[int], days: int) -> Ints:
    """Return whose turn each day is (the party's place), for what cannot be divided: such as a day of service.

    Everybody gains its share each day, the one who has gathered most (the first of equal ones) has the day and pays it.
    """
    gathered = np.zeros(len(shares), dtype=np.int64)
    found = np.zeros(days, dtype=np.int64)
    for day in range(days):
        gathered += shares
        found[day] = int(np.argmax(gathered))
        gathered[found[day]] -= WHOLE
    return found


def percent_text(bp: int) -> str:
    """Return basis points as a percentage: 3333 as 33.33%, 4000 as 40%."""
    return f"{bp / 100:.2f}".rstrip("0").rstrip(".") + "%"
