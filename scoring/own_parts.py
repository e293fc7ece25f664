"""What falls to a provider of facts whose merchant or room it shares with others, as the roll-up divides them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from providers.shares import WHOLE, divided
from scoring.steps.rolling.shared import Piece, Shared, Ways

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.measures import Subject
    from scoring.steps.rolling.arrays import Ints
    from scoring.steps.rolling.coverage import Carriers


@dataclass(frozen=True, slots=True)
class OwnParts:
    """A provider's pieces of merchants and rooms, by each way on which a row of facts may reach it."""

    ways: tuple[tuple[list[Piece], Ways | None], ...]

    @classmethod
    def of(cls, carriers: Carriers, paths: Sequence[Subject], roles: Sequence[str]) -> OwnParts:
        """Find the pieces of one provider by the merchant, by the room, or by both."""
        shared = Shared.load(carriers.providers)
        pieces = [shared.pieces(path, roles) for path in paths]
        if len(paths) == 1 or not any(pieces):
            return cls(tuple((own, None) for own in pieces))
        covers = [carriers.of(path, roles) for path in paths]
        merchant, room = Ways(covers[0], pieces[0], first=True), Ways(covers[1], pieces[1], first=False)
        return cls(((pieces[0], room), (pieces[1], merchant)))

    @property
    def subjects(self) -> tuple[list[int], ...]:
        """Return the shared merchants or rooms of each way."""
        return tuple(sorted({piece.subject for piece in pieces}) for pieces, _ in self.ways)

    def divide(self, keys: Ints, days: Ints, values: Ints) -> tuple[Ints, Ints]:
        """Return what falls to the provider of every row's values, and by which share (basis points).

        ``keys`` has a column for each way: the row's merchant or room, then its room.
        """
        own, shares = values.copy(), np.full(len(keys), WHOLE, dtype=np.int64)
        rows_of: dict[tuple[int, int], Ints] = {}
        for place, (pieces, other) in enumerate(self.ways):
            for piece in pieces:
                rows = rows_of.get((place, piece.subject))
                if rows is None:
                    rows = rows_of[place, piece.subject] = np.flatnonzero(keys[:, place] == piece.subject)
                rows = rows[(days[rows] >= piece.split.lo) & (days[rows] < piece.split.hi)]
                if other is not None:
                    rows = rows[~other.beats(piece, keys[rows, 1 - place], days[rows])]
                mine = values[rows]
                own[rows] = divided(mine.ravel(), piece.split.shares)[piece.place].reshape(mine.shape)
                shares[rows] = piece.bp
        return own, shares
