"""How firmly grades and ranks stand: the same points under weights that are a little different, many times over."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import shake_256

import numpy as np
from numpy.typing import NDArray

from scoring.core.evaluate import capability_weights
from scoring.core.numbers import Bools, Doubles, Integers
from scoring.core.rubric import Leaf, Node, Rubric
from scoring.core.score import Scores, competition_ranks, in_units

DRAWS = 1000
NOISE = Fraction(1, 4)
LOW, HIGH = Fraction(5, 100), Fraction(95, 100)
# Cells of (draws, subjects) judged at once, few enough for a processor's cache, and ranks held at either end.
BLOCK = 160_000
KEPT = 10_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """Per subject, in the order of the scores: what became of its grade and rank over the draws.

    same_grade: the share of draws that give the grade it has; NaN where not rated.
    rank_low, rank_high: the ranks that 5 % and 95 % of the draws do not exceed; 0 where not rated.
    """

    draws: int
    noise: Fraction
    same_grade: Doubles
    rank_low: Integers
    rank_high: Integers


def stability(scores: Scores, *, seed: bytes, draws: int = DRAWS, noise: Fraction = NOISE) -> Stability:
    """Draw every weight anew from [1 − noise, 1 + noise] times itself and judge the published numbers again.

    Only weights vary: values, points, what is missing and the gates stay as they are. The noise is a hash of the seed,
    so that equal seeds give equal results on every machine and in any order of subjects.
    Source: Saisana, Saltelli and Tarantola (2005), Uncertainty and sensitivity analysis techniques as tools for the
    quality assessment of composite indicators, Journal of the Royal Statistical Society A 168(2).
    """
    rated = scores.rated
    draw = _Draw(scores, _factors(scores.rubric, seed, draws, float(noise)))
    same = np.zeros(rated.size, dtype=np.int64)
    low, high = (max(0, -(-draws * share.numerator // share.denominator) - 1) for share in (LOW, HIGH))
    count = int(rated.sum())
    lowest, highest = _Smallest(count, low + 1, draws), _Smallest(count, draws - high, draws)
    step = max(1, BLOCK // max(1, rated.size))
    for first in range(0, draws, step):
        units, grade = draw.judge(slice(first, min(first + step, draws)))
        same += np.sum(grade == scores.grade, axis=0)
        ranks = np.array([competition_ranks(row, rated)[rated] for row in units], dtype=np.int32)
        lowest.add(ranks)
        highest.add(-ranks)
    ends = np.zeros((2, rated.size), dtype=np.int64)
    ends[:, rated] = lowest.largest(), -highest.largest()
    return Stability(draws, noise, np.where(rated, same / draws, np.nan), ends[0], ends[1])


class _Smallest:
    """The smallest numbers of each subject, so many, out of all that come."""

    def __init__(self, subjects: int, count: int, most: int) -> None:
        """`most` numbers will come at most; fewer are held at once where subjects are many."""
        self._count = count
        self._next = count
        width = count + max(16, min(most, KEPT // max(1, subjects) - count))
        self._held = np.full((subjects, width), np.iinfo(np.int32).max, dtype=np.int32)

    def add(self, numbers: Integers) -> None:
        """Take some more numbers of each subject: (numbers, subjects)."""
        while len(numbers):
            if self._next == self._held.shape[1]:
                self._sift()
            taken = numbers[: self._held.shape[1] - self._next]
            self._held[:, self._next : self._next + len(taken)] = taken.T
            self._next += len(taken)
            numbers = numbers[len(taken) :]

    def largest(self) -> Integers:
        """The largest of the smallest numbers."""
        self._sift()
        found: Integers = self._held[:, self._count - 1]
        return found

    def _sift(self) -> None:
        # What is left behind is no smaller than what is kept, so it does no harm until it is written over.
        self._held.partition(self._count - 1, axis=1)
        self._next = self._count


def _factors(rubric: Rubric, seed: bytes, draws: int, noise: float) -> dict[str, Doubles]:
    """What each node's and indicator's weight is multiplied by, draw by draw."""
    codes = [item.code for item in rubric.walk()]
    content = shake_256(seed).digest(4 * draws * len(codes))
    even = np.frombuffer(content, dtype="<u4").reshape(len(codes), draws) / 2**32
    return dict(zip(codes, 1 - noise + 2 * noise * even, strict=True))


class _Draw:
    """Brings fixed points together under drawn weights."""

    def __init__(self, scores: Scores, factors: dict[str, Doubles]) -> None:
        self._scores = scores
        self._rubric = scores.rubric
        self._factors = factors
        self._own = capability_weights(scores.rubric, scores.inputs)

    def judge(self, block: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return published units and grades, (draws of the block, subjects); 0 and −1 where not rated."""
        rubric, rated = self._rubric, self._scores.rated
        capabilities = [self._points(item, block) for item in rubric.capabilities]
        units = np.where(rated, self._units(self._combined(rubric.root, capabilities, block)), 0)
        # Grades are listed best first; numpy wants the bounds ascending.
        bounds = [self._bound(grade.at_least) for grade in reversed(rubric.grades)]
        grade = len(bounds) - np.searchsorted(bounds, units, side="right")
        before = np.where(rated & (grade < len(bounds)), grade, -1)
        grade = before.copy()
        codes = [one.code for one in rubric.grades]
        published = [self._units(points) for points in capabilities] if rubric.floors else []
        for floor in rubric.floors:
            index = codes.index(floor.grade)
            below = np.zeros(units.shape, dtype=bool)
            for item, capability, weight in zip(rubric.capabilities, published, self._own, strict=True):
                there = self._known(item) & (weight > 0)
                below |= there & (capability < self._bound(floor.every_capability_at_least))
            grade[(before == index) & below] = min(index + 1, len(codes) - 1)
        for number, gate in enumerate(rubric.gates, start=1):
            closed = self._scores.flagged.get(f"gate:{number}")
            if closed is not None:
                grade = np.where(closed & (grade >= 0), np.maximum(grade, codes.index(gate.highest_grade)), grade)
        return units, grade

    def _units(self, points: Doubles) -> NDArray[np.int64]:
        scaled = points * 10.0**self._rubric.published_decimals
        return np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int64)

    def _bound(self, value: Fraction) -> int:
        return in_units(value, self._rubric.published_decimals)

    def _known(self, item: Node | Leaf) -> Bools:
        return ~np.isnan(self._scores.points[item.code])

    def _points(self, item: Node | Leaf, block: slice) -> Doubles:
        """The points of an item under the weights of a block, 0 where it has none: (draws or 1, subjects)."""
        if isinstance(item, Leaf):
            return np.nan_to_num(self._scores.points[item.code])[None, :]
        points = self._combined(item, [self._points(child, block) for child in item.children], block)
        return np.where(self._known(item), points, 0)

    def _combined(self, node: Node, points: Sequence[Doubles], block: slice) -> Doubles:
        own = self._own if node is self._rubric.root else [np.array([child.weight]) for child in node.children]
        present = [
            (weight > 0) & (self._known(child) | (node.missing == "zero"))
            for child, weight in zip(node.children, own, strict=True)
        ]
        if node.aggregate in ("minimum", "maximum"):
            worst = np.inf if node.aggregate == "minimum" else -np.inf
            choose = np.minimum if node.aggregate == "minimum" else np.maximum
            chosen = choose.reduce([np.where(mask, one, worst) for mask, one in zip(present, points, strict=True)])
            extreme: Doubles = np.nan_to_num(np.atleast_2d(chosen), posinf=0, neginf=0)
            return extreme
        weights = [
            self._factors[child.code][block, None] * weight for child, weight in zip(node.children, own, strict=True)
        ]
        if node.aggregate == "weighted_mean":
            return self._mean(points, weights, present)
        positive = np.logical_and.reduce([~mask | (one > 0) for mask, one in zip(present, points, strict=True)])
        tame = [np.where(mask & (one > 0), one, 1) for mask, one in zip(present, points, strict=True)]
        if node.aggregate == "geometric_mean":
            mean = np.exp(self._mean([np.log(one) for one in tame], weights, present))
        else:
            inverse = self._mean([1 / one for one in tame], weights, present)
            mean = 1 / np.where(inverse > 0, inverse, 1)
        return np.where(positive, mean, 0)

    @staticmethod
    def _mean(points: Sequence[Doubles], weights: Sequence[Doubles], present: Sequence[Bools]) -> Doubles:
        """The weighted mean of what is present; fixed points under common weights go through one matrix product."""
        subjects = present[0].size
        total, there = np.zeros((len(weights[0]), subjects)), np.zeros((len(weights[0]), subjects))
        fixed = [index for index, one in enumerate(points) if len(one) == 1 and weights[index].shape[1] == 1]
        if fixed:
            common = np.concatenate([weights[index] for index in fixed], axis=1)
            masks = np.stack([present[index].astype(float) for index in fixed])
            total += common @ (np.concatenate([points[index] for index in fixed]) * masks)
            there += common @ masks
        for index in sorted(set(range(len(points))) - set(fixed)):
            weight = weights[index] * present[index]
            total += weight * points[index]
            there += weight
        return total / np.where(there > 0, there, 1)
